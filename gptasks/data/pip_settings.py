"""Where the user's pip looks for packages, and how: asked of pip itself."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec

from gptasks.errors import DataError

_DEFAULT_INDEX = "https://pypi.org/simple"
_DEFAULT_TIMEOUT = 15.0  # pip's own, in seconds
_SECTIONS = ("global", "install", "download", ":env:")  # a later one overrides
_ALIASES = {"default-timeout": "timeout", "pypi-url": "index-url"}
_LINE = re.compile(r"""(?P<key>[^=]+)=(?P<value>'.*'|".*")""")


@dataclass(frozen=True)
class PipSettings:
    """pip's options that say where packages come from, from its files and PIP_* variables."""

    index_urls: tuple[str, ...]
    """index-url, then each extra-index-url; empty with no-index."""

    find_links: tuple[str, ...]
    """Folders, pages and archives to look at beside the indexes."""

    trusted_hosts: tuple[str, ...]
    """Hosts, perhaps with a port, whose certificate is not checked."""

    cert: str | None
    """File or folder of certificate authorities; None: the system's."""

    client_cert: str | None
    """File with the user's own certificate and key; None: none is shown."""

    proxy: str | None
    """URL of the proxy for everything; None: as the environment says."""

    timeout: float
    """Seconds to wait for a connection, or for the next bytes."""


def pip_settings() -> PipSettings:
    """What pip would use here, in every detail of its files' order; without pip, PIP_* variables.

    Raises DataError if pip's configuration can't be read.
    """
    options: dict[str, str] = {}
    items = _listed() if find_spec("pip") is not None else _environment()
    for section in _SECTIONS:
        for key, value in items.items():
            where, _, name = key.partition(".")
            if where == section and value:  # pip ignores empty values
                options[_ALIASES.get(name, name)] = value
    has_index = options.get("no-index", "").lower() not in ("1", "true", "yes", "y", "t", "on")
    index_urls = (
        options.get("index-url", _DEFAULT_INDEX),
        *options.get("extra-index-url", "").split(),
    )
    return PipSettings(
        index_urls=index_urls if has_index else (),
        find_links=tuple(options.get("find-links", "").split()),
        trusted_hosts=tuple(options.get("trusted-host", "").split()),
        cert=options.get("cert"),
        client_cert=options.get("client-cert"),
        proxy=options.get("proxy"),
        timeout=_seconds(options.get("timeout")),
    )


def without_credentials(text: str) -> str:
    """`text` with the user and password of every URL in it left out."""
    return re.sub(r"(?<=//)[^/\s'\"]*@", "", text)


def _listed() -> Mapping[str, str]:
    """Every "section.name" and its value, as `pip config list` prints them."""
    items: dict[str, str] = {}
    disputed = set()
    for line in _pip("list").splitlines():
        if match := _LINE.fullmatch(line):
            key, value = match["key"], str(ast.literal_eval(match["value"]))
            if items.setdefault(key, value) != value:
                disputed.add(key)
    for key in disputed:  # set in several files, which the list has in alphabetical order
        items[key] = _pip("get", key).removesuffix("\n")
    return items


def _pip(*arguments: str) -> str:
    command = [sys.executable, "-P", "-m", "pip", "config", *arguments]
    plain = {"PIP_QUIET": "0", "PIP_VERBOSE": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    result = subprocess.run(
        command,
        env={**os.environ, **plain, "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    if result.returncode:
        said = " ".join((result.stderr + result.stdout).split()) or "pip said nothing"
        raise DataError(
            f"pip's configuration can't be read ({without_credentials(said)}); "
            "`pip config debug` shows the files it comes from."
        )
    return result.stdout


def _environment() -> Mapping[str, str]:
    return {
        ":env:." + name[4:].lower().replace("_", "-"): value
        for name, value in os.environ.items()
        if name.startswith("PIP_")
    }


def _seconds(value: str | None) -> float:
    try:
        return float(value) if value else _DEFAULT_TIMEOUT
    except ValueError:
        return _DEFAULT_TIMEOUT

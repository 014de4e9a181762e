"""The page as one HTML file: the content packed, the scripts and the plots' library inside."""

from __future__ import annotations

import base64
import gzip
import html
import json
import os
from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from gptasks.dashboard.content import Content
from gptasks.errors import ConfigError, RunError
from gptasks.progress import Progress
from gptasks.runs import PART

SCRIPTS = (
    "base", "tables", "plots", "lists", "leaderboard", "curves", "scores", "examples",
    "pairs", "data", "configuration", "app",
)  # fmt: skip
"""The scripts of `page/`, in the order in which they stand on each other."""

PLOTS = "plotly"
"""The block that holds the plots' library."""


def page(content: Content, *, title: str) -> Iterator[str]:
    """The HTML file, piece by piece."""
    yield opening(title)
    yield _block("head", content.head)
    with Progress("making the page", len(content.blocks), "parts") as progress:
        for name, make in content.blocks.items():
            yield _block(name, make())
            progress.add(1)
    yield _packed(PLOTS, plots_library())
    yield closing()


def save(path: Path, content: Content, *, title: str) -> None:
    """Write the file, whole or not at all.

    Raises ConfigError if there is a file that is no such page, RunError if it can't be written.
    """
    if path.is_dir():
        raise ConfigError(
            f"--html {path} is a folder; give a file in it, as {path / 'report.html'}."
        )
    if path.exists() and not _is_ours(path):
        raise ConfigError(
            f"--html {path} exists and is no page of gptasks; give another name, or remove it."
        )
    part = path.with_name(path.name + PART)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with part.open("w", encoding="utf-8", errors="backslashreplace") as file:
                file.writelines(page(content, title=title))
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise RunError(f"--html {path} can't be written: {error.strerror or error}.") from error


def opening(title: str, *, more: str = "") -> str:
    """The page up to its blocks. more: goes into the head of the HTML."""
    text = (_assets() / "page.html").read_text("utf-8")
    above = text.partition("<!-- blocks -->")[0]
    style = (_assets() / "page.css").read_text("utf-8")
    return (
        above.replace("/* style */", style)
        .replace("<!-- title -->", html.escape(title))
        .replace("<!-- more -->", more)
    )


def closing() -> str:
    """The page after its blocks."""
    text = (_assets() / "page.html").read_text("utf-8")
    scripts = [(_assets() / f"{name}.js").read_text("utf-8") for name in SCRIPTS]
    below = text.partition("<!-- blocks -->")[2]
    return below.replace("/* script */", '"use strict";\n(() => {\n' + "\n".join(scripts) + "})();")


def plots_library() -> bytes:
    """The script of plotly, as its wheel brings it."""
    from plotly.offline import get_plotlyjs

    return get_plotlyjs().encode()


def as_bytes(value: Any) -> bytes:
    """A block's value as it is stored and sent."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.encode("utf-8", "backslashreplace")


def _block(name: str, value: Mapping[str, Any]) -> str:
    return _packed(name, as_bytes(value))


def _packed(name: str, content: bytes) -> str:
    """A block as text that holds no sign of HTML, whatever the runs' texts are."""
    packed = base64.b64encode(gzip.compress(content, 9, mtime=0)).decode()
    return f'<script type="text/plain" id="block-{html.escape(name)}">{packed}</script>\n'


def _is_ours(path: Path) -> bool:
    with path.open("rb") as file:
        return MARK.encode() in file.read(400)


MARK = '<meta name="generator" content="gptasks">'
"""What tells a page of ours, which may be written anew, from a user's file."""


def _assets() -> Any:
    return files("gptasks.dashboard") / "page"

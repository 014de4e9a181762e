"""The page on a port of this machine, following the runs of some folders as they go on."""

from __future__ import annotations

import http.server
import ipaddress
import json
import logging
import os
import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from gptasks.compare import Comparison, RunRecord, compare_runs
from gptasks.compare.reading import read_runs
from gptasks.dashboard.content import Content, content
from gptasks.dashboard.writing import PLOTS, as_bytes, closing, opening, plots_library
from gptasks.errors import ConfigError
from gptasks.runs import CONFIG, HISTORY, RESULTS

logger = logging.getLogger(__name__)

LIVE = '<meta name="gptasks-live" content="">'
"""Tells the page's scripts that blocks are asked for and that the runs go on."""

HTML, JSON, SCRIPT = "text/html", "application/json", "text/javascript"


class Followed:
    """Runs of some folders, read anew when one of their files has changed."""

    def __init__(
        self,
        paths: Sequence[str],
        compared: Callable[..., Comparison],
        *,
        rows: int,
        texts: bool,
    ) -> None:
        """compared: `compare_runs` with what was asked for, but for the runs."""
        self.paths, self.compared = paths, compared
        self.made = partial(content, rows=rows, texts=texts)
        self._lock = threading.Lock()
        self._state = ""
        self._content = Content({}, {})
        self._comparison: tuple[Any, Comparison | None] = ("", None)
        self._kept: dict[str, bytes] = {}
        self._told = ""

    def state(self) -> str:
        """Changes when a run begins, goes on or ends."""
        found = []
        for path in self.paths:
            for place, below, names in os.walk(os.path.expanduser(path)):
                if CONFIG in names or RESULTS in names:
                    below.clear()
                    found += [(place, name, _stamp(place, name)) for name in (RESULTS, HISTORY)]
        return f"{hash(tuple(sorted(found))):x}"

    def block(self, name: str) -> bytes | None:
        """A block of the page, as JSON; None if there is none of this name."""
        with self._lock:
            self._read()
            if name == "head":
                return as_bytes({**self._content.head, "state": self._state})
            make = self._content.blocks.get(name)
            if make is None:
                return None
            if name not in self._kept:
                self._kept[name] = as_bytes(make())
            return self._kept[name]

    def warn(self, fault: str) -> None:
        """Log it, once: every page that is open asks again and again."""
        if fault != self._told:
            self._told = fault
            logger.warning("%s", fault)

    def _read(self) -> None:
        state = self.state()
        if state == self._state:
            return
        runs, broken = read_runs(self.paths)
        self._content = self.made(runs, broken, self._compared(runs, broken))
        self._kept.clear()
        self._state = state

    def _compared(self, runs: list[RunRecord], broken: list[Any]) -> Comparison | None:
        """The comparison, made anew when there are other finished runs than before."""
        known = tuple((run.path, _stamp(run.path, RESULTS)) for run in runs)
        if known != self._comparison[0]:
            self._comparison = known, self.compared(runs, broken) if runs else None
        return self._comparison[1]


def server(
    followed: Followed, *, title: str, host: str, port: int
) -> http.server.ThreadingHTTPServer:
    """A server of the page, bound and not yet at work; port 0 takes any.

    Raises ConfigError if it can't be bound.
    """
    handler = partial(_Handler, followed=followed, title=title, host=host)
    try:
        return http.server.ThreadingHTTPServer((host, port), handler)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(
            f"dashboard can't listen on {host}, port {port}: {reason}. Give another --port, or "
            "--port 0 for any that is free."
        ) from error


def is_loopback(host: str) -> bool:
    """Whether a host's name stands for this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class _Handler(http.server.BaseHTTPRequestHandler):
    """Answers with the page, its blocks, and the state of the runs. It reads, and never writes."""

    def __init__(self, *given: Any, followed: Followed, title: str, host: str) -> None:
        self.followed, self.title, self.host = followed, title, host
        super().__init__(*given)

    def do_GET(self) -> None:
        """One answer."""
        if not self._is_meant():
            self._answer(403, "text/plain", b"ask for it by the address that was printed\n")
            return
        path = self.path.partition("?")[0]
        try:
            if path == "/":
                page = opening(self.title, more=LIVE) + closing()
                self._answer(200, HTML, page.encode())
            elif path == "/state":
                self._answer(200, JSON, json.dumps({"state": self.followed.state()}).encode())
            elif path == f"/block/{PLOTS}":
                self._answer(200, SCRIPT, plots_library())
            else:
                found = self.followed.block(path.removeprefix("/block/"))
                if found is None:
                    self._answer(404, "text/plain", b"there is no such page\n")
                else:
                    self._answer(200, JSON, found)
        except ConnectionError:  # the reader has left
            return
        except Exception as error:
            self.followed.warn(f"{path} can't be shown: {error}")
            self._answer(500, "text/plain", f"{error}\n".encode())

    def _is_meant(self) -> bool:
        """Whether the request names a host that we listen for: a page of the web that has its own
        name lead here must not read the runs."""
        name = self.headers.get("Host", "").rsplit(":", 1)[0].strip("[]")
        return not is_loopback(self.host) or is_loopback(name) or name == self.host

    def _answer(self, code: int, kind: str, content: bytes) -> None:
        self.send_response(code)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *given: Any) -> None:
        """Nothing: a line a request says nothing to the reader."""


def _stamp(place: str, name: str) -> tuple[int, int] | None:
    try:
        found = os.stat(Path(place) / name)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


__all__ = ["Followed", "compare_runs", "is_loopback", "server"]

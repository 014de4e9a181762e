"""No network while a task is checked: an attempt fails, and its place is kept."""

from __future__ import annotations

import contextlib
import socket
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

from gptasks.testing.subject import CheckFailed, Subject

_OURS = Path(__file__).parent.parent


class NoNetwork(OSError):
    """An attempt to reach another machine."""


@contextlib.contextmanager
def without_network() -> Iterator[list[str]]:
    """Refuse connections and look-ups of names; gives the places in the code that tried."""
    tried: list[str] = []

    def refuse(*given: Any, **named: Any) -> Any:
        stack = traceback.extract_stack()[:-1]
        theirs = [frame for frame in stack if not Path(frame.filename).is_relative_to(_OURS)]
        near = next((f for f in reversed(theirs) if "lib/python" not in f.filename), stack[-1])
        tried.append(f"{near.filename}:{near.lineno}")
        raise NoNetwork("no network while a task is checked")

    with (
        patch.object(socket.socket, "connect", refuse),
        patch.object(socket.socket, "connect_ex", refuse),
        patch.object(socket, "getaddrinfo", refuse),
    ):
        yield tried


def needs_no_network(subject: Subject) -> None:
    """Rows are read, encoded and predicted without a network.

    Tests that need one fail when it does, and training machines often have none.

    Mend: fetch through a data source (task.data.source), which caches, and not in the task's
    methods; in tests give rows of your own.
    """
    with without_network() as tried:
        try:
            task = subject.task()
            rows = subject.read(task)[:4]
            subject.predict(task, subject.model(task), rows)
        except NoNetwork:
            pass
    if tried:
        raise CheckFailed(f"another machine was asked at {tried[0]}")

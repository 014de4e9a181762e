"""Stopping from outside: Ctrl-C, or the SIGTERM of a scheduler, lets the step end and be kept."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopped(KeyboardInterrupt):
    """A run was told to stop, and has.

    number: the signal that told it. Its text says where the run stands, or nothing.
    """

    def __init__(self, number: int, where: str = "") -> None:
        super().__init__(where)
        self.number = number


class Stopping:
    """Listens for signals while a run goes on.

    A signal raises Stopped at once, but inside `patient` the first one only sets `wish`, and who
    is patient there looks at it when a step is done. A second one does not wait.

    Code that a Stopped passes through may turn it into an error of its own, as a cleanup does that
    finds its work half done; it becomes Stopped again here.
    """

    def __init__(self) -> None:
        self.wish: int | None = None
        """The signal that has come and been left for later."""
        self._raised: int | None = None
        self._is_patient = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Stopping:
        """Listen; only a program's main thread may, elsewhere signals mean what they meant."""
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._hear) for number in SIGNALS}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let signals mean what they meant before."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}
        if self._raised is not None and isinstance(error, Exception):
            raise Stopped(self._raised) from error

    @contextmanager
    def patient(self) -> Iterator[None]:
        """Work that the first signal does not break off; one that came too late to be looked at
        raises Stopped at the end."""
        self._is_patient = True
        try:
            yield
        finally:
            self._is_patient = False
        if self.wish is not None:
            raise Stopped(self.wish)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        if self._is_patient and self.wish is None:
            self.wish = number
        else:
            self._raised = number
            raise Stopped(number)

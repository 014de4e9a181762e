"""Tracking into a file of the run folder, one JSON object per event."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any, ClassVar

from gptasks.tracking.tracker import RunInfo, Tracker, plain

_log = logging.getLogger(__name__)


@dataclass
class JsonlTracker(Tracker):
    """Appends one JSON object per event to `<run>/tracking.jsonl`, at once.

    Each has "event" (the method's name), "time" (seconds since 1970) and the method's arguments;
    a number that is not finite is null. Every "start" begins the run's story anew.
    """

    name: ClassVar[str] = "jsonl"

    def __post_init__(self) -> None:
        self._file: IO[bytes] | None = None

    def start(self, info: RunInfo) -> None:
        """Open the file and append the run with its configuration."""
        path = info.folder / "tracking.jsonl"
        self._file = path.open("ab+")
        if self._file.tell() and not _ends_line(self._file):
            self._file.write(b"\n")  # a killed run's half line must not swallow this one
        told = {key: value for key, value in vars(info).items() if key != "folder"}
        self._write("start", **told)
        _log.info("tracking in %s", path)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Append one point of each curve."""
        self._write("log", step=step, values=values)

    def table(self, key: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Append a whole table as one line."""
        self._write("table", key=key, columns=columns, rows=rows)

    def confusion(self, key: str, labels: Sequence[str], matrix: Sequence[Sequence[int]]) -> None:
        """Append the counts."""
        self._write("confusion", key=key, labels=labels, matrix=matrix)

    def summary(self, values: Mapping[str, float]) -> None:
        """Append the results."""
        self._write("summary", values=values)

    def finish(self, exit_code: int) -> None:
        """Append the exit code and close the file."""
        self._write("finish", exit_code=exit_code)
        assert self._file is not None
        self._file.close()

    def _write(self, event: str, **arguments: Any) -> None:
        assert self._file is not None, "start() comes first"
        record = {"event": event, "time": round(time.time(), 3), **plain(arguments)}
        line = json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n"
        self._file.write(line.encode("utf-8", "backslashreplace"))
        self._file.flush()


def _ends_line(file: IO[bytes]) -> bool:
    file.seek(-1, os.SEEK_END)
    return file.read(1) == b"\n"

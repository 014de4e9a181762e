"""The curves of a run."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gptasks.runs.writing import write, writing
from gptasks.shape import EVERY, misfit
from gptasks.tracking.tracker import plain

HISTORY = "history.jsonl"


class HistoryFile:
    """history.jsonl: one point of the curves a line, in the order they were made."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, step: int, values: Mapping[str, float]) -> None:
        """Add a point; numbers that are none become null."""
        line = json.dumps({"step": step, **plain(values)}) + "\n"
        with writing(self.path), self.path.open("a", encoding="utf-8") as file:
            file.write(line)

    def rewind(self, points: Sequence[Mapping[str, Any]]) -> None:
        """Hold these points and no others."""
        with writing(self.path):
            write(self.path, "".join(json.dumps(point) + "\n" for point in points))

    def points(self) -> list[dict[str, Any]]:
        """Every point up to the first that can't be read: the last line, where a crash cut it. A
        value that is not a finite number is None."""
        if not self.path.exists():
            return []
        points = []
        for line in self.path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                point = json.loads(line)
            except (ValueError, RecursionError):
                break
            if misfit(point, {"step": int, EVERY: float}):
                break
            points.append(plain(point))
        return points

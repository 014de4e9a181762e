"""What a training is told and tells while it goes on: how far it is, and its curves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


class History(Protocol):
    """Where the points of the curves go; `mark` and `rewind` serve going on after a stop."""

    def append(self, step: int, values: Mapping[str, float]) -> None:
        """Add one point."""
        ...

    def mark(self) -> int:
        """How many points there are."""
        ...

    def rewind(self, mark: int) -> None:
        """Forget the points after `mark`: they will be made again."""
        ...


@dataclass
class State:
    """How far a training is; all of it JSON."""

    step: int = 0
    """Steps made."""

    tokens: int = 0
    """Tokens learnt from, by all processes."""

    best: float | None = None
    """The best validation score; None while there is none."""

    best_step: int = 0
    """The step after which it was reached."""

    stale: int = 0
    """Validations in a row without a better score."""

    mark: int = 0
    """Points of the curves."""

    seconds: float = 0.0
    """Time taken."""

    processes: int = 1
    """Processes that shared a step's batches."""

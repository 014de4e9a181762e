"""What a training is told and tells while it goes on: how far it is, and its curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol


class History(Protocol):
    """Where the points of the curves go; `points` and `rewind` serve going on after a stop."""

    def append(self, step: int, values: Mapping[str, float]) -> None:
        """Add one point."""
        ...

    def points(self) -> list[dict[str, Any]]:
        """Every point so far, as JSON."""
        ...

    def rewind(self, points: Sequence[Mapping[str, Any]]) -> None:
        """Go back to these points: later ones will be made again."""
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

    points: list[dict[str, Any]] = field(default_factory=list)
    """The curves so far: their own file has no SHA-256, and a power cut may take its end."""

    seconds: float = 0.0
    """Time taken."""

    processes: int = 1
    """Processes that shared a step's batches."""

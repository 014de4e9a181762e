"""What the tools have in common that know points and tables, but no summary and no matrix."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gptasks.tracking.tracker import Tracker


@dataclass
class PointTracker(Tracker):
    """Results become points beside the last step, and a confusion matrix a table.

    A result whose name is a curve's stands under `final/`, so that the curve keeps its own end: the
    last validation was of another state of the model than the one that was kept.
    """

    def __post_init__(self) -> None:
        self._step = 0
        self._curves: set[str] = set()

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Add a point to each curve."""
        self._step = step
        self._curves |= values.keys()
        self._add({key: float(value) for key, value in values.items()})

    def confusion(self, key: str, labels: Sequence[str], matrix: Sequence[Sequence[int]]) -> None:
        """Show a table: a row for each reference, a column for each prediction."""
        rows = [[label, *counts] for label, counts in zip(labels, matrix, strict=True)]
        self.table(key, ["reference", *labels], rows)

    def summary(self, values: Mapping[str, float]) -> None:
        """Add one point for each result."""
        self._add(
            {
                f"final/{key}" if key in self._curves else key: float(value)
                for key, value in values.items()
            }
        )

    @abstractmethod
    def _add(self, values: Mapping[str, float]) -> None:
        """Add values at `self._step`."""


def distinct(names: Sequence[str]) -> list[str]:
    """`names` with repeated ones numbered, for tables whose rows are maps: a label may be "id"."""
    return [
        f"{name} ({names[:i].count(name) + 1})" if name in names[:i] else name
        for i, name in enumerate(names)
    ]

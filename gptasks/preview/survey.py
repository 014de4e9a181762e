"""All rows of a task in numbers."""

from __future__ import annotations

import itertools
import math
from array import array
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from gptasks.data.encoding import (
    Ledger,
)

if TYPE_CHECKING:
    pass

SHARES = {"least": 0.0, "median": 0.5, "90%": 0.9, "99%": 0.99, "most": 1.0}
"""What is told of lengths: the share, in [0, 1], that is not longer."""


@dataclass
class Part:
    """One split in numbers."""

    rows: int
    bad: int
    """Unusable records of its own files, that `task.data.max_bad` allows."""

    dropped: int
    """Rows of its own files that the task leaves out on purpose."""

    ledger: Ledger
    windows: int = 0
    lengths: array[int] = field(default_factory=lambda: array("Q"))
    """Tokens of each window, were nothing cut."""

    classes: Counter[str] = field(default_factory=Counter)
    """How often each class is an answer."""

    repeated: int = 0
    """Rows whose text stands further up in the split."""

    also_in: dict[str, int] = field(default_factory=dict)
    """Split to the number of rows here whose text stands there too."""

    @property
    def percentiles(self) -> dict[str, int]:
        """Least, median, …, most of `lengths`, each the length of a window that there is."""
        ordered = sorted(self.lengths)
        return {
            name: ordered[math.ceil(share * (len(ordered) - 1))] for name, share in SHARES.items()
        }

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "rows": self.rows,
            "bad": self.bad,
            "dropped": self.dropped,
            "repeated": self.repeated,
            "also_in": self.also_in,
            "windows": self.windows,
            "lengths": self.percentiles,
            "truncation": self.ledger.as_json(),
            "classes": dict(self.classes),
        }


@dataclass(frozen=True)
class Survey:
    """All rows of a task in numbers."""

    task: str
    backbone: str
    context: int
    """Most tokens that the backbone can read at once."""

    max_length: int
    labels: list[str]
    parts: dict[str, Part]
    contradicting: int
    """Texts that stand there with answers that differ."""

    refusal: str | None
    """Why training would end before it begins; None where it would not."""

    @cached_property
    def histogram(self) -> list[tuple[int, int, int]]:
        """Tokens from, up to (itself included), and the number of windows of such a length, were
        nothing cut, of all splits; from the first step with any to the last.

        Steps end at powers of two, and half-way between two.
        """
        counts: Counter[int] = Counter()
        for part in self.parts.values():
            counts.update(part.lengths)
        found: list[tuple[int, int, int]] = []
        start = 1
        for end in _steps():
            number = sum(counts[length] for length in range(start, end + 1) if length in counts)
            if found or number:
                found.append((start, end, number))
            start = end + 1
            if end >= max(counts):
                return found
        raise AssertionError("steps do not end")

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "task": self.task,
            "backbone": self.backbone,
            "context": self.context,
            "max_length": self.max_length,
            "labels": self.labels,
            "splits": {name: part.as_json() for name, part in self.parts.items()},
            "histogram": [{"from": a, "to": b, "windows": n} for a, b, n in self.histogram],
            "contradicting": self.contradicting,
            "refusal": self.refusal,
        }


def count_alike(parts: Mapping[str, Part], texts: Mapping[str, array[int]]) -> None:
    """Set how many texts of each split stand there twice, or in another split too."""
    import numpy as np

    found = {name: np.frombuffer(digests, np.uint64) for name, digests in texts.items()}
    for name, part in parts.items():
        part.repeated = len(found[name]) - len(np.unique(found[name]))
        part.also_in = {
            other: int(np.isin(found[name], found[other]).sum()) for other in parts if other != name
        }


def contradicting(texts: Sequence[array[int]], answers: Sequence[array[int]]) -> int:
    """How many texts have answers that differ; texts and answers by what they are known by."""
    import numpy as np

    pairs = np.stack([np.concatenate(list(of)) for of in (texts, answers)])  # (2, rows)
    known = np.unique(pairs, axis=1)[0]
    return int((np.unique(known, return_counts=True)[1] > 1).sum())


def shortened(digest: bytes) -> int:
    """8 bytes of a digest, which tell millions of texts apart."""
    return int.from_bytes(digest[:8], "big")


def _steps() -> Iterator[int]:
    """1, 2, 3, 4, 6, 8, 12, 16, 24, …"""
    yield from (1, 2)
    for power in itertools.count(1):
        yield 3 << (power - 1)
        yield 4 << (power - 1)

"""The test rows that runs answered: read from their folders, and cut into slices."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gptasks.compare.model import RunRecord
from gptasks.compare.reading import Stored, check_count
from gptasks.dashboard.details import Slice, are_labels
from gptasks.predictions import prediction_of, records_in
from gptasks.runs import RunFolder
from gptasks.words import words

VALUES = 12
"""Values of a column that are slices of their own: the most frequent ones; the rest is one slice,
`other values`."""

Columns = Mapping[str, Sequence[Any]]
"""What rows have by name: one value a row."""


@dataclass(frozen=True)
class Answers:
    """What a run keeps of its test rows: the rows, and what it said of each."""

    stored: Stored
    inputs: list[Any]
    details: list[dict[str, Any]]
    columns: dict[str, list[Any]]
    """The columns of `task.slice_by`."""

    def at(self, places: Sequence[int]) -> Answers:
        """The rows at these places, in this order."""
        return Answers(
            self.stored.at(places),
            [self.inputs[i] for i in places],
            [self.details[i] for i in places],
            {name: [values[i] for i in places] for name, values in self.columns.items()},
        )


def read_answers(run: RunRecord) -> Answers:
    """Raises RunError if the predictions are missing, broken, or not as many as the test rows."""
    found = Answers(Stored([], [], []), [], [], {})
    records = list(records_in(RunFolder(Path(run.path)).predictions / "test.jsonl"))
    check_count(run, len(records))
    for record in records:
        found.stored.ids.append(record["id"])
        found.stored.predictions.append(prediction_of(record))
        found.stored.references.append(record["reference"])
        found.inputs.append(record.get("input", ""))
        found.details.append(record.get("details") or {})
    names = dict.fromkeys(name for record in records for name in record.get("slices") or {})
    for name in names:
        found.columns[name] = [(record.get("slices") or {}).get(name) for record in records]
    return found


def text_of(shown: Any) -> str:
    """An input as one text: that of a pair has both."""
    if isinstance(shown, Mapping):
        return "\n".join(map(text_of, shown.values()))
    return shown if isinstance(shown, str) else str(shown)


def lengths_of(inputs: Sequence[Any]) -> list[int]:
    """The number of words of each input."""
    return [len(words(text_of(one))) for one in inputs]


def slices_of(answers: Answers, labels: Sequence[str], lengths: Sequence[int]) -> list[Slice]:
    """The rows by label, by length, by source, and by every column of `task.slice_by`.

    lengths: the words of each input.
    """
    references = answers.stored.references
    by: dict[str, Sequence[Any]] = {}
    if are_labels(references, labels):
        by["label"] = references
    by["words of input"] = lengths
    by["source"] = [source_of(id) for id in answers.stored.ids]
    by |= answers.columns
    return [one for name, values in by.items() for one in _slices(name, values)]


def source_of(id: str) -> str:
    """The file, or split of a data set, that a row's id names: what stands before its line."""
    place, colon, line = id.rpartition(":")
    return place if colon and line.isdigit() else id


def _slices(by: str, values: Sequence[Any]) -> Iterator[Slice]:
    numbers = _numbers(values)
    named = [_shown(one) for one in values] if numbers is None else _quarters(numbers)
    counts = Counter(named)
    if len(counts) < 2 or len(counts) > len(named) / 2:  # one slice, or nearly one a row
        return
    frequent = [name for name, _ in counts.most_common(VALUES)]
    for name in _in_order(frequent):
        yield Slice(by, name, np.array([i for i, one in enumerate(named) if one == name]))
    rest = [i for i, one in enumerate(named) if one not in set(frequent)]
    if rest:
        yield Slice(by, "other values", np.array(rest))


MISSING = "no value"


def _shown(value: Any) -> str:
    return MISSING if value is None or value == "" else str(value)


def _numbers(values: Sequence[Any]) -> list[float] | None:
    """The values as numbers, those that are missing not a number; None where one is no number, as
    csv files write them, or where there are few enough to be slices of their own."""
    found = []
    for one in values:
        if isinstance(one, bool):
            return None
        try:
            found.append(math.nan if _shown(one) == MISSING else float(one))
        except (TypeError, ValueError):
            return None
        if math.isinf(found[-1]):
            return None
    return found if len({one for one in found if not math.isnan(one)}) > VALUES else None


def _quarters(values: Sequence[float]) -> list[str]:
    """The quarter of all values that each lies in, as its least and its largest value."""
    given = np.array(values)
    is_there = ~np.isnan(given)
    cuts = np.unique(np.quantile(given[is_there], [0.25, 0.5, 0.75]))
    places = np.searchsorted(cuts, given, side="left")
    names = {}
    for place in np.unique(places[is_there]):
        inside = given[is_there & (places == place)]
        names[place] = _span(inside.min(), inside.max())
    there = zip(places, is_there, strict=True)
    return [names[place] if is_given else MISSING for place, is_given in there]


def _span(low: float, high: float) -> str:
    return _digits(low) if low == high else f"{_digits(low)} to {_digits(high)}"


def _digits(number: float) -> str:
    return str(int(number)) if number == int(number) and abs(number) < 1e15 else f"{number:g}"


def _in_order(names: Sequence[str]) -> list[str]:
    """Numbers and spans of them by their least value, what is missing last; else by name."""
    starts = {}
    for name in names:
        try:
            starts[name] = math.inf if name == MISSING else float(name.partition(" to ")[0])
        except ValueError:
            return sorted(names)
    return sorted(names, key=starts.__getitem__)

"""The test rows that runs answered: read from their folders, and cut into slices."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gptasks.compare.model import RunRecord
from gptasks.compare.reading import Stored, records_in
from gptasks.dashboard.details import Slice, are_labels
from gptasks.runs import RunFolder
from gptasks.task import Prediction
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
    """Raises RunError if the predictions are missing, or broken."""
    found = Answers(Stored([], [], []), [], [], {})
    records = list(records_in(RunFolder(Path(run.path)).predictions / "test.jsonl"))
    for record in records:
        found.stored.ids.append(record["id"])
        found.stored.predictions.append(Prediction(record["prediction"], record["scores"]))
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


def slices_of(answers: Answers, labels: Sequence[str]) -> list[Slice]:
    """The rows by label, by length, by source, and by every column of `task.slice_by`."""
    references = answers.stored.references
    by: dict[str, Sequence[Any]] = {}
    if are_labels(references, labels):
        by["label"] = references
    by["words of input"] = [len(words(text_of(one))) for one in answers.inputs]
    by["source"] = [source_of(id) for id in answers.stored.ids]
    by |= answers.columns
    return [one for name, values in by.items() for one in _slices(name, values)]


def source_of(id: str) -> str:
    """The file, or split of a data set, that a row's id names: what stands before its line."""
    place, colon, line = id.rpartition(":")
    return place if colon and line.isdigit() else id


def _slices(by: str, values: Sequence[Any]) -> Iterator[Slice]:
    named = _quarters(values) if _are_many_numbers(values) else [_shown(one) for one in values]
    counts = Counter(named)
    if len(counts) < 2 or len(counts) > len(named) / 2:  # one slice, or nearly one a row
        return
    frequent = [name for name, _ in counts.most_common(VALUES)]
    order = [name for name in dict.fromkeys(named) if name in frequent]
    order = _by_start(order) if _are_many_numbers(values) else sorted(order)
    for name in order:
        yield Slice(by, name, np.array([i for i, one in enumerate(named) if one == name]))
    rest = [i for i, one in enumerate(named) if one not in set(frequent)]
    if rest:
        yield Slice(by, "other values", np.array(rest))


def _shown(value: Any) -> str:
    return "no value" if value is None or value == "" else str(value)


def _are_many_numbers(values: Sequence[Any]) -> bool:
    numbers = [one for one in values if isinstance(one, int | float) and not isinstance(one, bool)]
    return len(numbers) == len(values) and len(set(numbers)) > VALUES


def _quarters(values: Sequence[float]) -> list[str]:
    """The quarter of all values that each lies in, as its least and its largest value."""
    cuts = np.unique(np.quantile(values, [0.25, 0.5, 0.75]))
    places = np.searchsorted(cuts, values, side="left")
    ends = {
        place: [value for value, at in zip(values, places, strict=True) if at == place]
        for place in set(places.tolist())
    }
    names = {place: _span(min(inside), max(inside)) for place, inside in ends.items()}
    return [names[place] for place in places.tolist()]


def _span(low: float, high: float) -> str:
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"


def _by_start(names: Sequence[str]) -> list[str]:
    return sorted(names, key=lambda name: float(name.partition(" ")[0]))

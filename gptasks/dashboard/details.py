"""What one run's predictions say beyond its scores: by label, by slice, by confidence, by row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gptasks.compare.reading import Stored
from gptasks.errors import GptasksError
from gptasks.metrics import measure, metric_class
from gptasks.metrics.bootstrap import Measure, interval, resample_weights
from gptasks.tags import entities

if TYPE_CHECKING:
    from gptasks.metrics.base import Metric

RESAMPLES = 200
"""Bootstrap resamples of a slice: its interval is read, not tested."""

FEW = 10
"""Rows below which a slice has no interval: a resample of few rows shows little."""

LABELS = 20
"""Labels whose threshold curves are kept: the most frequent ones."""

CELLS = 100
"""Labels up to which a confusion matrix is kept."""

PART = 256
"""Rows that are scored one by one at a time."""

THRESHOLDS = np.linspace(0, 1, 101)


@dataclass(frozen=True)
class Slice:
    """Some of the test rows: those with one value of something."""

    by: str
    """What they have in common, such as `label`."""

    value: str
    """Its value, such as `good`."""

    places: np.ndarray
    """Numbers of the rows, (m,)."""


def details(
    stored: Stored,
    labels: Sequence[str],
    metrics: Sequence[str],
    slices: Sequence[Slice],
    extra: Mapping[str, type[Metric]],
) -> dict[str, Any]:
    """All of it, in JSON's own types but for numpy's numbers.

    labels: the classes of the run. metrics: names, the headline first. extra: metrics of plugins.
    """
    measures: dict[str, Measure] = {}
    for name in metrics:
        try:
            measures[name] = measure(
                name, stored.predictions, stored.references, labels, extra=extra
            )
        except GptasksError:  # of a plugin that is not there; the run's own score is shown
            continue
    found: dict[str, Any] = {
        "rows": row_scores(stored, labels, list(measures), extra),
        "slices": slice_scores(measures, slices, len(stored.ids)),
        "labels": label_scores(stored, labels),
        "confusion": confusion(stored, labels),
    }
    if are_labels(stored.references, labels) and all(p.scores for p in stored.predictions):
        found["reliability"] = reliability(stored, labels)
        found["thresholds"] = threshold_curves(stored, labels)
    return found


def are_labels(references: Sequence[Any], labels: Sequence[str]) -> bool:
    """Whether every reference is one of the classes."""
    known = set(labels)
    return bool(known) and all(isinstance(one, str) and one in known for one in references)


def are_tags(references: Sequence[Any]) -> bool:
    """Whether every reference is a list of tags."""
    return all(isinstance(one, list) for one in references)


# -- by row and slice ---------------------------------------------------------------------


def row_scores(
    stored: Stored, labels: Sequence[str], metrics: Sequence[str], extra: Mapping[str, type[Metric]]
) -> dict[str, Any]:
    """The first of the metrics that is defined on single rows, and its value on each: (n,).

    A log loss is; an AUROC is not. {"metric": None, "values": []} where none is. A row that is
    answered exactly and yet gets 0, as the F1 of a sentence without entities, has no value: the 0
    is a convention.
    """
    for name in metrics:
        values = np.concatenate(
            [
                measure(name, part.predictions, part.references, labels, extra=extra)(
                    np.eye(len(part.ids))
                )
                for part in _parts(stored)
            ]
        )
        if not np.isnan(values).all():
            if metric_class(name, extra=extra).is_better_higher:
                pairs = zip(stored.predictions, stored.references, strict=True)
                exact = np.array([said.value == meant for said, meant in pairs])
                values = np.where(exact & (values == 0), np.nan, values)
            return {"metric": name, "values": values}
    return {"metric": None, "values": []}


def _parts(stored: Stored) -> Iterator[Stored]:
    """The rows, few enough at a time that a weight for each pair of them takes no room."""
    for start in range(0, len(stored.ids), PART):
        yield stored.at(range(start, min(start + PART, len(stored.ids))))


def slice_scores(
    measures: Mapping[str, Measure], slices: Sequence[Slice], n: int
) -> list[dict[str, Any]]:
    """Every metric on the rows of each slice, the first one with its 95% interval."""
    if not slices or not measures:
        return []
    weights = np.zeros((n, len(slices)))
    for number, one in enumerate(slices):
        weights[one.places, number] = 1
    points = {name: found(weights) for name, found in measures.items()}
    headline = next(iter(measures.values()))
    told = []
    for number, one in enumerate(slices):
        low, high = _interval(headline, one.places, n)
        scores = {name: values[number] for name, values in points.items()}
        told.append(
            {"by": one.by, "value": one.value, "n": len(one.places), "scores": scores,
             "low": low, "high": high}
        )  # fmt: skip
    return told


def _interval(headline: Measure, places: np.ndarray, n: int) -> tuple[float, float]:
    if len(places) < FEW:
        return float("nan"), float("nan")
    drawn = []
    for inside in resample_weights(len(places), RESAMPLES, seed=0):
        weights = np.zeros((n, inside.shape[1]))
        weights[places] = inside
        drawn.append(headline(weights))
    return interval(np.concatenate(drawn))


# -- by label -----------------------------------------------------------------------------


def confusion(stored: Stored, labels: Sequence[str]) -> list[list[int]] | None:
    """Counts by reference (rows) and prediction (columns), in the order of the labels; None for
    what is no label, and for more labels than anyone can look at."""
    if not are_labels(stored.references, labels) or len(labels) > CELLS:
        return None
    return _counts(stored, labels).tolist()


def _counts(stored: Stored, labels: Sequence[str]) -> np.ndarray:
    place = {label: number for number, label in enumerate(labels)}
    counts = np.zeros((len(labels), len(labels)), dtype=int)
    for prediction, reference in zip(stored.predictions, stored.references, strict=True):
        if prediction.value in place:
            counts[place[reference], place[prediction.value]] += 1
    return counts


def label_scores(stored: Stored, labels: Sequence[str]) -> list[dict[str, Any]]:
    """Precision, recall, F1 and number of each label; of tags those of entities, read strictly."""
    expected: Counter[str] = Counter()
    predicted: Counter[str] = Counter()
    found: Counter[str] = Counter()
    if are_labels(stored.references, labels):
        counts = _counts(stored, labels)
        for number, label in enumerate(labels):
            found[label] = counts[number, number]
            predicted[label] = counts[:, number].sum()
        expected.update(stored.references)
    elif are_tags(stored.references):
        try:
            for prediction, reference in zip(stored.predictions, stored.references, strict=True):
                meant, said = (set(entities(t, strict=True)) for t in (reference, prediction.value))
                expected.update(span.label for span in meant)
                predicted.update(span.label for span in said)
                found.update(span.label for span in meant & said)
        except GptasksError:  # tags that are no entities, as of parts of speech
            return []
    names = [*dict.fromkeys([*labels, *expected, *predicted])] if expected else []
    shown = [name for name in names if expected[name] or predicted[name]]
    return [_scored(name, found, predicted, expected) for name in shown]


def _scored(
    name: str, found: Counter[str], predicted: Counter[str], expected: Counter[str]
) -> dict[str, Any]:
    precision, recall = _share(found[name], predicted[name]), _share(found[name], expected[name])
    return {
        "label": name,
        "precision": precision,
        "recall": recall,
        "f1": _share(2 * precision * recall, precision + recall),
        "n": expected[name],
        "predicted": predicted[name],
    }


def _share(part: float, whole: float) -> float:
    return float(part / whole) if whole else 0.0


# -- by confidence ------------------------------------------------------------------------


def reliability(stored: Stored, labels: Sequence[str]) -> list[dict[str, float]]:
    """For each bin of confidence that holds rows: their number, mean confidence, and accuracy.

    The bins are those of the metric `ece`.
    """
    from gptasks.metrics.probability import confidences

    bins, confidence, is_right = confidences(
        [prediction.value for prediction in stored.predictions],
        stored.references,
        scores=[prediction.scores for prediction in stored.predictions],
        labels=labels,
    )
    return [
        {
            "n": int((bins == one).sum()),
            "confidence": confidence[bins == one].mean(),
            "accuracy": is_right[bins == one].mean(),
        }
        for one in np.unique(bins)
    ]


def threshold_curves(stored: Stored, labels: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Of the most frequent labels: how many rows reach each threshold of the label's probability,
    how many of them have the label, and how many rows have it at all.

    The thresholds are 0, 0.01, …, 1; a row reaches one that its probability equals.
    """
    expected = np.array(stored.references)
    counts = Counter(stored.references)
    curves = {}
    for label in [name for name, _ in counts.most_common(LABELS)]:
        scores = np.array([prediction.scores.get(label, 0.0) for prediction in stored.predictions])
        curves[label] = {
            "reached": _reaching(scores),
            "found": _reaching(scores[expected == label]),
            "n": counts[label],
        }
    return curves


def _reaching(scores: np.ndarray) -> np.ndarray:
    """How many of the scores reach each threshold, (101,)."""
    return len(scores) - np.searchsorted(np.sort(scores), THRESHOLDS - 1e-12, side="left")

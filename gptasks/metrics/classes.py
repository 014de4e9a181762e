"""Labels and class probabilities, read into arrays and checked; errors name the row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gptasks.errors import DataError, listing, suggest

TOLERANCE = 1e-3
"""How far a row's probabilities may sum from 1: written with 4 digits they still pass."""


def class_indices(
    predictions: Sequence[Any], references: Sequence[Any], labels: Sequence[str] | None
) -> tuple[np.ndarray, np.ndarray, int]:
    """Predictions (n,) and references (n,) as numbers of classes, and how many classes there are.

    A reference must be one of `labels`, where they are given. A prediction need not: an answer that
    is no label is wrong, and a class of its own, as scikit-learn has it.
    """
    numbers = label_numbers(labels or ())
    if labels:
        expected = reference_indices(references, numbers)
    else:
        expected = np.array([_number(value, numbers) for value in references], dtype=np.int64)
    predicted = np.array([_number(value, numbers) for value in predictions], dtype=np.int64)
    return predicted, expected, len(numbers)


def label_numbers(labels: Sequence[str]) -> dict[Any, int]:
    """Label to its place in `labels`. Raises DataError if one stands there twice."""
    numbers = {label: place for place, label in enumerate(labels)}
    if len(numbers) < len(labels):
        twice = sorted({str(label) for label in labels if list(labels).count(label) > 1})
        raise DataError(f"the labels must differ; more than once there: {listing(twice)}")
    return numbers


def reference_indices(references: Sequence[Any], numbers: Mapping[Any, int]) -> np.ndarray:
    """The references as places in the labels: (n,). Raises DataError at one that is no label."""
    try:
        places = [numbers.get(value, -1) for value in references]
    except TypeError:
        places = [numbers.get(value, -1) if _is_hashable(value) else -1 for value in references]
    if -1 in places:
        row = places.index(-1)
        hint = suggest(references[row], numbers).removesuffix("?")
        raise DataError(
            f"row {row} (from 0): the reference {references[row]!r} is none of the {len(numbers)} "
            f"labels ({listing(numbers)}){hint}{'?' if hint else '; correct the row or the labels'}"
        )
    return np.array(places, dtype=np.int64)


def probabilities(
    metric: str,
    scores: Sequence[Any] | None,
    labels: Sequence[str] | None,
) -> tuple[np.ndarray, dict[Any, int]]:
    """Class probabilities (n, K) in the order of the labels, and label to column.

    scores: one entry per example, a mapping from label to probability or the probabilities in the
    order of `labels`. Without labels, the first mapping's are used.
    Raises DataError, naming `metric`, if there are none; naming the row, if a class is missing or
    unknown, if a score is not in [0, 1], or if they don't sum to 1.
    """
    bare = next((row for row, entry in enumerate(scores or ()) if not _size(entry)), None)
    if scores is None or bare is not None:
        where = "there are none" if bare is None else f"row {bare} (from 0) has none"
        raise DataError(
            f"metric '{metric}' needs the probability of every class, and {where}; "
            "give the predictions their scores, or leave this metric out"
        )
    if not labels:
        if not isinstance(scores[0], Mapping):
            raise DataError(f"metric '{metric}' needs labels=[...], in the order of the scores")
        labels = list(scores[0])
    numbers = label_numbers(labels)
    matrix = np.array(
        [_in_order(row, entry, labels) for row, entry in enumerate(scores)], dtype=np.float64
    )  # (n, K)
    _check_probabilities(matrix, labels)
    return matrix, numbers


def _in_order(row: int, entry: Any, labels: Sequence[str]) -> list[float]:
    try:
        if not isinstance(entry, Mapping):
            values = [float(value) for value in entry]
        else:
            values = [float(entry[label]) for label in labels]
    except KeyError as error:
        raise DataError(
            f"row {row} (from 0): no score for the label {error.args[0]!r}; "
            f"it has scores for: {listing(entry)}"
        ) from error
    except (TypeError, ValueError) as error:
        raise DataError(f"row {row} (from 0): scores must be numbers; got {entry!r}") from error
    if len(entry) != len(labels):
        more = [name for name in entry if name not in labels] if isinstance(entry, Mapping) else []
        raise DataError(
            f"row {row} (from 0): {len(entry)} scores for {len(labels)} labels"
            + (f"; no labels are: {listing(more)}" if more else "; give one per label, in order")
        )
    return values


def _check_probabilities(matrix: np.ndarray, labels: Sequence[str]) -> None:
    # A little over 1 is rounding, as in the sum; `not` catches what is not a number, too.
    outside = ~((matrix >= 0) & (matrix <= 1 + TOLERANCE))
    if outside.any():
        row, column = (int(place) for place in np.argwhere(outside)[0])
        why = "is this a logit?"
        if not np.isfinite(matrix[row, column]):
            why = "has its model diverged? a lower trainer.learning_rate would help"
        raise DataError(
            f"row {row} (from 0): the score of {labels[column]!r} is {matrix[row, column]:.6g}; "
            f"a probability lies between 0 and 1 ({why})"
        )
    sums = matrix.sum(axis=1)
    uneven = np.flatnonzero(np.abs(sums - 1) > TOLERANCE)
    if len(uneven):
        row = int(uneven[0])
        raise DataError(
            f"row {row} (from 0): the scores sum to {sums[row]:.6g}; the probabilities of all "
            "classes sum to 1"
        )


def _number(value: Any, numbers: dict[Any, int]) -> int:
    """The class of this value, a new one if need be; a list or the like stands for its text."""
    return numbers.setdefault(value if _is_hashable(value) else repr(value), len(numbers))


def _is_hashable(value: Any) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True


def _size(entry: Any) -> int:
    return 0 if entry is None else len(entry)

"""Metrics of class probabilities: AUROC, log loss, expected calibration error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import datasets
import numpy as np

from gptasks.metrics.base import Metric
from gptasks.metrics.bootstrap import Measure, group_sums
from gptasks.metrics.classes import class_indices, probabilities, reference_indices

BINS = 15
"""Bins of the calibration error: Guo et al. 2017, sec. 5."""


class ProbabilityMetric(Metric):
    """A metric that reads the probability of every class.

    scores: per example, a mapping from label to probability, or the probabilities in the order of
    `labels`; `labels`: all the classes, needed unless the scores are mappings. Arrow knows no
    mappings with free keys: `columns` keeps each as two lists, of names and of values, the names
    left empty where the scores came as a plain list.
    """

    answer = "label"
    inputs: ClassVar[tuple[str, ...]] = ("scores", "labels")
    columns: ClassVar[Mapping[str, Any]] = {
        **Metric.columns,
        "scores": {
            "names": datasets.Sequence(datasets.Value("string")),
            "values": datasets.Sequence(datasets.Value("float64")),
        },
    }

    def pack(self, columns: Mapping[str, Any]) -> dict[str, Any]:
        """Scores as two lists each, names and values."""
        return {**columns, "scores": [_packed(entry) for entry in columns["scores"]]}

    def unpack(self, columns: Mapping[str, Any]) -> dict[str, Any]:
        """Scores as they were given: a mapping, or a plain list."""
        return {**columns, "scores": [_unpacked(entry) for entry in columns["scores"]]}


class AUROC(ProbabilityMetric):
    """The area under the ROC curve, in [0, 1]; chance is 0.5.

    The chance that an example of the class scores higher than one that is not of it, ties counting
    one half. Two classes: that of the second, which is also that of the first. More: each class
    against the rest, and the plain mean over the classes that are in the references; a resample
    goes by the classes that are in it. With references all of one class it is undefined, not a
    number, and such resamples are left out of the interval.
    """

    name = "auroc"
    source = (
        "Hanley and McNeil 1982: The meaning and use of the area under a receiver operating "
        "characteristic (ROC) curve. Radiology 143:29-36."
    )
    urls = ("https://doi.org/10.1148/radiology.143.1.7063747",)

    def prepare(
        self,
        predictions: Sequence[Any],
        references: Sequence[Any],
        *,
        scores: Sequence[Any] | None = None,
        labels: Sequence[str] | None = None,
        **given: Any,
    ) -> Measure:
        """references: n label names; scores: probabilities per example; labels: the classes."""
        matrix, numbers = probabilities(self.name, scores, labels)
        expected = reference_indices(references, numbers)
        classes = [1] if len(numbers) == 2 else np.unique(expected)
        areas = [_area(matrix[:, k], expected == k) for k in classes]
        return lambda weights: _mean_of_defined(np.stack([area(weights) for area in areas]))

    def settings(self, *, labels: Sequence[str] | None = None, **given: Any) -> tuple[str, ...]:
        """How several classes become one number, and how many there are."""
        return ("one-vs-rest", "average:macro", *([f"labels:{len(labels)}"] if labels else []))


class LogLoss(ProbabilityMetric):
    """The mean of -ln(probability of the reference), in nats; 0 is best, ln K is chance.

    A probability below the spacing of float64 at 1, 2.2e-16, counts as that: the most that one
    example can cost is 36.04.
    """

    name = "log_loss"
    source = "Good 1952: Rational Decisions. Journal of the Royal Statistical Society B 14:107-114."
    urls = ("https://doi.org/10.1111/j.2517-6161.1952.tb00104.x",)
    is_better_higher = False

    def prepare(
        self,
        predictions: Sequence[Any],
        references: Sequence[Any],
        *,
        scores: Sequence[Any] | None = None,
        labels: Sequence[str] | None = None,
        **given: Any,
    ) -> Measure:
        """references: n label names; scores: probabilities per example; labels: the classes."""
        matrix, numbers = probabilities(self.name, scores, labels)
        expected = reference_indices(references, numbers)
        right = matrix[np.arange(len(expected)), expected]  # (n,)
        losses = -np.log(np.clip(right, np.finfo(np.float64).eps, 1.0))
        total = group_sums(np.zeros(len(expected), dtype=np.int64), 1, losses)
        return lambda weights: total(weights)[0] / weights.sum(axis=0)

    def settings(self, **given: Any) -> tuple[str, ...]:
        """The unit, and the least probability that is told from 0."""
        return ("nats", "clip:2.2e-16")


class ECE(ProbabilityMetric):
    """The expected calibration error: how far confidence is from accuracy, in [0, 1]; 0 is best.

    The top class' probabilities fall into 15 bins of equal width, each open below and closed above;
    the error is the mean over bins of |accuracy - mean confidence|, weighted by their examples
    (Guo et al. 2017, eq. 3). Where classes tie for the top, the predicted one is meant if it is
    among them, otherwise the first. Chance adds to this error, and resampling adds chance: for a
    well calibrated model on few examples the interval lies high and may not hold the value.
    """

    name = "ece"
    source = (
        "Guo, Pleiss, Sun and Weinberger 2017: On Calibration of Modern Neural Networks. "
        "ICML, PMLR 70:1321-1330."
    )
    urls = ("https://proceedings.mlr.press/v70/guo17a.html",)
    is_better_higher = False

    def prepare(
        self,
        predictions: Sequence[Any],
        references: Sequence[Any],
        *,
        scores: Sequence[Any] | None = None,
        labels: Sequence[str] | None = None,
        **given: Any,
    ) -> Measure:
        """predictions, references: n label names; scores: probabilities per example."""
        bins, confidence, is_right = confidences(
            predictions, references, scores=scores, labels=labels, name=self.name
        )
        gaps = group_sums(bins, BINS, is_right - confidence)
        return lambda weights: np.abs(gaps(weights)).sum(axis=0) / weights.sum(axis=0)

    def settings(self, **given: Any) -> tuple[str, ...]:
        """The bins."""
        return (f"bins:{BINS}", "equal-width")


def confidences(
    predictions: Sequence[Any],
    references: Sequence[Any],
    *,
    scores: Sequence[Any] | None,
    labels: Sequence[str] | None,
    name: str = ECE.name,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each of n examples the bin of its confidence, the confidence, whether the top class is
    right: (n,) each. What a reliability diagram shows; arguments as in `ECE.prepare`."""
    matrix, numbers = probabilities(name, scores, labels)
    predicted, expected, _ = class_indices(predictions, references, list(numbers))
    confidence = matrix.max(axis=1)
    top = _top_class(matrix, confidence, predicted)
    edges = np.linspace(0, 1, BINS + 1)
    bins = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, BINS - 1)
    return bins, confidence, top == expected


def _area(scores: np.ndarray, is_member: np.ndarray) -> Measure:
    """AUROC of one class: how often a member outscores one that is none.

    scores, is_member: (n,). The members' own scores cut the line into slots: slot 2j + 1 is
    members' level j itself, slot 2j lies between the levels j - 1 and j. So a few sums per slot
    replace a sorting of every resample.
    """
    levels = np.unique(scores[is_member])
    slots = np.searchsorted(levels, scores, "left") + np.searchsorted(levels, scores, "right")
    count = 2 * len(levels) + 1
    members = group_sums(np.where(is_member, slots // 2, -1), len(levels))
    others = group_sums(np.where(is_member, -1, slots), count)

    def area(weights: np.ndarray) -> np.ndarray:
        inside, outside = members(weights), others(weights)  # (levels, R), (slots, R)
        below = np.cumsum(outside, axis=0)[0:-1:2]
        wins = (inside * (below + outside[1::2] / 2)).sum(axis=0)
        pairs = inside.sum(axis=0) * outside.sum(axis=0)
        return np.divide(wins, pairs, out=np.full_like(wins, np.nan), where=pairs > 0)

    return area


def _mean_of_defined(values: np.ndarray) -> np.ndarray:
    """The mean over classes, (K, R) to (R,), of those that are numbers; NaN where none is."""
    defined = ~np.isnan(values)
    count = defined.sum(axis=0)
    total = np.where(defined, values, 0.0).sum(axis=0)
    return np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)


def _top_class(matrix: np.ndarray, confidence: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """The class that the confidence belongs to, (n,): the predicted one if it is on top."""
    known = np.minimum(predicted, matrix.shape[1] - 1)  # A prediction may be none of the labels.
    scored = matrix[np.arange(len(known)), known]
    is_on_top = (predicted == known) & (scored == confidence)
    return np.where(is_on_top, predicted, matrix.argmax(axis=1))


def _packed(entry: Any) -> dict[str, list[Any]]:
    if isinstance(entry, Mapping):
        return {"names": list(entry), "values": list(entry.values())}
    return {"names": [], "values": list(entry)}


def _unpacked(entry: Mapping[str, list[Any]]) -> Any:
    if entry["names"]:
        return dict(zip(entry["names"], entry["values"], strict=True))
    return entry["values"]

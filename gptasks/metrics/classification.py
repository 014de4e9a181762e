"""Metrics of predicted labels: accuracy, macro and weighted F1, Matthews correlation.

A prediction that is none of the labels is a wrong answer and a class of its own, as scikit-learn
counts it; a reference that is none of them is an error.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from gptasks.metrics.base import Metric
from gptasks.metrics.bootstrap import Measure, group_sums
from gptasks.metrics.classes import class_indices


class LabelMetric(Metric):
    """A metric that compares predicted labels with reference labels.

    predictions, references: label names. `compute` also takes `labels`, all the classes: then a
    reference that is none of them is an error. `scores` is taken and not read, so that
    `evaluate.combine` can serve metrics of labels and of probabilities with one call.
    """

    answer = "label"
    inputs: ClassVar[tuple[str, ...]] = ("scores", "labels")


class Accuracy(LabelMetric):
    """The share of predictions that equal their reference, in [0, 1]."""

    name = "accuracy"
    source = (
        "Pedregosa et al. 2011: Scikit-learn: Machine Learning in Python. JMLR 12:2825-2830 "
        "(accuracy_score)."
    )
    urls = ("https://jmlr.org/papers/v12/pedregosa11a.html",)

    def prepare(
        self,
        predictions: Sequence[Any],
        references: Sequence[Any],
        *,
        labels: Sequence[str] | None = None,
        **given: Any,
    ) -> Measure:
        """predictions, references: n label names; labels: all the classes, or None."""
        predicted, expected, _ = class_indices(predictions, references, labels)
        right = group_sums(np.where(predicted == expected, 0, -1), 1)
        return lambda weights: right(weights)[0] / weights.sum(axis=0)


class _CountMetric(LabelMetric):
    """A metric that follows from each class' counts: right, predicted, expected."""

    def prepare(
        self,
        predictions: Sequence[Any],
        references: Sequence[Any],
        *,
        labels: Sequence[str] | None = None,
        **given: Any,
    ) -> Measure:
        """predictions, references: n label names; labels: all the classes, or None."""
        predicted, expected, count = class_indices(predictions, references, labels)
        right_sums = group_sums(np.where(predicted == expected, expected, -1), count)
        predicted_sums = group_sums(predicted, count)
        expected_sums = group_sums(expected, count)
        return lambda weights: self.from_counts(
            right_sums(weights), predicted_sums(weights), expected_sums(weights)
        )

    @abstractmethod
    def from_counts(
        self, right: np.ndarray, predicted: np.ndarray, expected: np.ndarray
    ) -> np.ndarray:
        """The metric's R values from counts of K classes, (K, R) each."""

    def settings(self, *, labels: Sequence[str] | None = None, **given: Any) -> tuple[str, ...]:
        """How many classes there are: the average is over them."""
        return (f"labels:{len(labels)}",) if labels else ()


class F1Macro(_CountMetric):
    """The mean over classes of F1 = 2 right / (predicted + expected), in [0, 1].

    It goes over the classes that occur in references or predictions, like scikit-learn's default:
    a class that occurs in neither is left out, one never predicted rightly counts 0. The same
    holds within each resample.
    """

    name = "f1_macro"
    source = (
        "Manning, Raghavan and Schuetze 2008: Introduction to Information Retrieval, sec. 13.6. "
        "Cambridge University Press."
    )
    urls = ("https://nlp.stanford.edu/IR-book/",)

    def from_counts(
        self, right: np.ndarray, predicted: np.ndarray, expected: np.ndarray
    ) -> np.ndarray:
        """The plain mean over the classes that occur."""
        return _f1(right, predicted, expected).sum(axis=0) / (predicted + expected > 0).sum(axis=0)

    def settings(self, *, labels: Sequence[str] | None = None, **given: Any) -> tuple[str, ...]:
        """How the classes' F1 are averaged, and over which."""
        return ("average:macro", "over:occurring", *super().settings(labels=labels))


class F1Weighted(_CountMetric):
    """The mean over classes of F1, each weighing as often as it is in the references; in [0, 1]."""

    name = "f1_weighted"
    source = (
        "Pedregosa et al. 2011: Scikit-learn: Machine Learning in Python. JMLR 12:2825-2830 "
        "(f1_score, average='weighted')."
    )
    urls = ("https://jmlr.org/papers/v12/pedregosa11a.html",)

    def from_counts(
        self, right: np.ndarray, predicted: np.ndarray, expected: np.ndarray
    ) -> np.ndarray:
        """The mean over classes, weighted by their references."""
        f1 = _f1(right, predicted, expected)
        return (f1 * expected).sum(axis=0) / expected.sum(axis=0)

    def settings(self, *, labels: Sequence[str] | None = None, **given: Any) -> tuple[str, ...]:
        """How the classes' F1 are averaged."""
        return ("average:weighted", *super().settings(labels=labels))


class Matthews(_CountMetric):
    """The correlation of predicted with reference classes, in [-1, 1]; chance is 0.

    Two classes: Matthews' phi; more: its generalisation by Gorodkin, R_K. It is 0.0, by convention,
    where it would be 0 / 0: predictions or references that are all of one class.
    """

    name = "matthews"
    source = (
        "Matthews 1975: Comparison of the predicted and observed secondary structure of T4 phage "
        "lysozyme. Biochim. Biophys. Acta 405:442-451. Gorodkin 2004: Comparing two K-category "
        "assignments by a K-category correlation coefficient. Comput. Biol. Chem. 28:367-374."
    )
    urls = (
        "https://doi.org/10.1016/0005-2795(75)90109-9",
        "https://doi.org/10.1016/j.compbiolchem.2004.09.006",
    )

    def from_counts(
        self, right: np.ndarray, predicted: np.ndarray, expected: np.ndarray
    ) -> np.ndarray:
        """Gorodkin's R_K, eq. 8, from counts."""
        total = expected.sum(axis=0)  # (R,)
        together = right.sum(axis=0) * total - (predicted * expected).sum(axis=0)
        # One root of the product, not a product of roots: the root of a square is exact, so that
        # gold against gold is 1.0 and not a little less.
        spread = np.sqrt(
            (total**2 - (predicted**2).sum(axis=0)) * (total**2 - (expected**2).sum(axis=0))
        )
        return np.divide(together, spread, out=np.zeros_like(spread), where=spread > 0)


def _f1(right: np.ndarray, predicted: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """F1 of each class, (K, R); 0 for a class that does not occur."""
    both = predicted + expected
    return np.divide(2 * right, both, out=np.zeros_like(both), where=both > 0)

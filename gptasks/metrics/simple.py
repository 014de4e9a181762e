"""Metrics in a few lines: the mean of a number per example, and a number of all of them.

What a plugin begins with. Both give intervals and paired tests like every other metric.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

from gptasks.errors import DataError
from gptasks.metrics.base import Metric
from gptasks.metrics.bootstrap import Measure


class MeanMetric(Metric):
    """The mean over the examples of `score`."""

    @abstractmethod
    def score(self, prediction: Any, reference: Any) -> float:
        """The number of one example."""

    def prepare(
        self, predictions: Sequence[Any], references: Sequence[Any], **given: Any
    ) -> Measure:
        """As in every metric."""
        pairs = zip(predictions, references, strict=True)
        values = np.array([_number(self, self.score(*pair)) for pair in pairs])
        return lambda weights: values @ weights / weights.sum(axis=0)


class CorpusMetric(Metric):
    """A number that only all examples together have, such as BLEU.

    It is computed once for every resample, so that `score` must be quick: 1,000 times for an
    interval. A metric that can be written as a function of weights is quicker as a `Metric`.
    """

    @abstractmethod
    def score(self, predictions: Sequence[Any], references: Sequence[Any]) -> float:
        """The number of these examples; at least one."""

    def prepare(
        self, predictions: Sequence[Any], references: Sequence[Any], **given: Any
    ) -> Measure:
        """As in every metric; weights are whole numbers."""

        def measure(weights: np.ndarray) -> np.ndarray:
            return np.array([once(column) for column in weights.T])

        def once(counts: np.ndarray) -> float:
            drawn = np.repeat(np.arange(len(counts)), counts.astype(int)).tolist()
            if not drawn:
                return float("nan")
            number = self.score([predictions[i] for i in drawn], [references[i] for i in drawn])
            return _number(self, number)

        return measure


def _number(metric: Metric, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"metric '{metric.name}' gives {value!r}, which is no number; its `score` returns one"
        ) from error

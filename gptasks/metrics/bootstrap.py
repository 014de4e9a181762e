"""Percentile-bootstrap intervals: resamples as weights, and sums under those weights.

A resample of n examples drawn with replacement says how often each example counts. So every metric
is written as a function of weights, and one matrix of weights serves all metrics at once.
The interval is the plain percentile interval (Efron and Tibshirani 1993, sec. 13.3).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping

import numpy as np

from gptasks.errors import ConfigError

LEVEL = 0.95
"""Share of the resampled values that lie within the interval."""

_ELEMENTS = 2**21  # Weights held at a time: 16 MiB, whatever the number of examples.

Measure = Callable[[np.ndarray], np.ndarray]
"""One metric on one set of n examples: weights (n, R) to its R values."""


def estimate(
    measures: Mapping[str, Measure], n: int, *, seed: int, resamples: int
) -> dict[str, tuple[float, float, float]]:
    """Value and interval, (value, low, high), of each measure of the same n examples.

    Every measure sees the same resamples. Resamples where a measure is undefined are left out of
    its interval; with none left, and with `resamples=0`, both ends are not a number.
    """
    if resamples < 0:
        raise ConfigError(f"the number of resamples must be 0 or more; got {resamples}")
    if not measures:
        return {}
    values = {name: float(measure(np.ones((n, 1)))[0]) for name, measure in measures.items()}
    drawn: dict[str, list[np.ndarray]] = {name: [np.empty(0)] for name in measures}
    for weights in resample_weights(n, resamples, seed):
        for name, measure in measures.items():
            drawn[name].append(measure(weights))
    return {name: (values[name], *interval(np.concatenate(drawn[name]))) for name in drawn}


def resample_weights(n: int, resamples: int, seed: int) -> Iterator[np.ndarray]:
    """How often each of n examples is drawn in each resample: (n, R) at a time.

    Column j is the count of n draws with replacement; it depends on n, seed and j alone, so that
    two systems scored on the same examples are scored on the same resamples.
    """
    generator = np.random.default_rng(seed)
    width = max(1, _ELEMENTS // n)
    for start in range(0, resamples, width):
        count = min(width, resamples - start)
        draws = generator.integers(0, n, size=(count, n))
        cells = draws * count + np.arange(count)[:, None]  # (R, n): flat places in (n, R)
        weights = np.bincount(cells.ravel(), minlength=n * count).reshape(n, count)
        yield weights.astype(np.float64)


def interval(values: np.ndarray) -> tuple[float, float]:
    """The central 95% of the resampled values, those that are not a number set aside."""
    defined = values[~np.isnan(values)]
    if not len(defined):
        return math.nan, math.nan
    low, high = np.quantile(defined, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def group_sums(groups: np.ndarray, count: int, values: np.ndarray | None = None) -> Measure:
    """Weighted sums of `values` within each group: weights (n, R) to (count, R).

    groups: (n,), each example's group, from 0 to count - 1; one below 0 belongs to none.
    values: (n,), 1 for every example when not given.
    """
    from scipy.sparse import csr_matrix

    members = np.flatnonzero(groups >= 0)
    values = np.ones(len(groups)) if values is None else np.asarray(values, dtype=np.float64)
    # Sparse, so that many classes cost no more than few, and added up in one fixed order,
    # so that no number depends on how many threads a BLAS library uses.
    matrix = csr_matrix((values[members], (groups[members], members)), shape=(count, len(groups)))
    return lambda weights: matrix @ weights

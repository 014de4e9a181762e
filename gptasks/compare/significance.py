"""Paired tests of two systems on the same rows, for every metric that is a function of weights.

docs/reference/compare.md has the formulas. Nothing here knows of runs or tables.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Hashable, Iterator, Mapping, Sequence
from statistics import NormalDist
from typing import TypeVar

import numpy as np

from gptasks.metrics.bootstrap import Measure, resample_weights

ALPHA = 0.05
"""From which p value on a difference is not significant."""

POWER = 0.8
"""Share of all cases in which `rows_needed` rows would find the difference."""

BOOTSTRAP, RANDOMISATIONS = 1000, 10_000
"""Draws of the two tests: as many as sacrebleu makes of each."""

_ELEMENTS = 2**17  # Swaps held at a time: 1 MiB. With more, the weights leave the cache: slower.

Key = TypeVar("Key", bound=Hashable)


def bootstrap(
    measures: Mapping[Key, Measure], n: int, *, seed: int = 0, resamples: int = BOOTSTRAP
) -> dict[Key, np.ndarray]:
    """The values (resamples,) of each measure of the same n rows, all on the same resamples."""
    drawn: dict[Key, list[np.ndarray]] = {key: [] for key in measures}
    for weights in resample_weights(n, resamples, seed):
        for key, measure in measures.items():
            drawn[key].append(measure(weights))
    return {key: np.concatenate(values) for key, values in drawn.items()}


def bootstrap_p(observed: float, drawn: np.ndarray) -> float:
    """Two-sided p of a difference from its resampled values (R,), moved so that their mean is 0.

    The bootstrap test of Efron and Tibshirani (1993, sec. 16.4), as sacrebleu does it. Resamples
    where the difference is not a number are set aside.
    """
    defined = drawn[~np.isnan(drawn)]
    if not len(defined):
        return 1.0
    return _share(_reaches(defined - defined.mean(), observed), len(defined))


def randomisation_p(
    measures: Mapping[Key, Sequence[Measure]],
    n: int,
    *,
    seed: int = 0,
    resamples: int = RANDOMISATIONS,
) -> dict[Key, float]:
    """Two-sided p of the difference between two systems, for each key, by approximate
    randomisation (Noreen 1989; Yeh 2000).

    measures: one or more of the 2n rows of both systems, the first system's n rows before the
    second's; the difference is the mean over them. In each draw a coin for each row says whether
    the systems change places there; weights of 0 and 1 make the two mixtures of the 2n rows. So
    the metric need not be a mean over rows. All keys see the same draws.
    """
    sides = _mixtures(np.zeros((n, 1)))
    observed = {key: float(_difference(found, *sides)[0]) for key, found in measures.items()}
    reached = dict.fromkeys(measures, 0)
    for swapped in _swaps(n, resamples, seed):
        sides = _mixtures(swapped)
        for key, found in measures.items():
            reached[key] += _reaches(_difference(found, *sides), observed[key])
    return {key: _share(count, resamples) for key, count in reached.items()}


def mcnemar_p(is_right_a: np.ndarray, is_right_b: np.ndarray) -> float:
    """Two-sided, exact p of McNemar's test (1947): of the rows where one system alone is right,
    (n,) each, as many would be either's.
    """
    from scipy.stats import binomtest

    only_a = int((is_right_a & ~is_right_b).sum())
    only_b = int((is_right_b & ~is_right_a).sum())
    if only_a + only_b == 0:
        return 1.0
    return float(binomtest(only_a, only_a + only_b).pvalue)


def seeds_p(a: Sequence[float], b: Sequence[float]) -> float | None:
    """Two-sided p of Welch's t-test (1947) over seeds; None where it can't be made.

    That is with a single seed on a side, or where the seeds make no difference at all.
    """
    if min(len(a), len(b)) < 2 or (np.ptp(a) == 0 and np.ptp(b) == 0):
        return None
    from scipy.stats import ttest_ind

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of values that are all but equal
        p = float(ttest_ind(a, b, equal_var=False).pvalue)
    return None if math.isnan(p) else p


def holm(p_values: Sequence[float]) -> list[float]:
    """The p values after Holm's step-down correction (1979), in their order.

    One below alpha may be called significant: the chance that any of them is so wrongly stays
    below alpha.
    """
    corrected = [0.0] * len(p_values)
    least = 0.0
    for rank, place in enumerate(np.argsort(p_values, kind="stable")):
        least = max(least, min(1.0, p_values[place] * (len(p_values) - rank)))
        corrected[place] = least
    return corrected


def effect_size(observed: float, drawn: np.ndarray, n: int) -> float | None:
    """The difference per standard deviation of one row's share in it, Cohen's d of pairs.

    drawn: the resampled differences (R,). Their standard deviation is that of a row's share divided
    by the root of n; for a mean over rows that share is the row's own difference. None where the
    difference does not vary.
    """
    defined = drawn[~np.isnan(drawn)]
    spread = float(defined.std(ddof=1)) if len(defined) > 1 else 0.0
    return observed / (spread * math.sqrt(n)) if spread else None


def rows_needed(effect: float | None, alpha: float = ALPHA) -> int | None:
    """Rows with which a two-sided test at `alpha`, 5%, finds this effect in 80% of all cases.

    ((z of 1 - alpha / 2 + z of 0.8) / effect) squared, rounded up: the normal approximation. None
    without an effect.
    """
    if not effect:
        return None
    normal = NormalDist()
    z = normal.inv_cdf(1 - alpha / 2) + normal.inv_cdf(POWER)
    return math.ceil((z / effect) ** 2)


def _mixtures(swapped: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The weights, (2n, R) each, of the two systems that swaps (n, R) make of two."""
    kept = 1 - swapped
    return np.concatenate([kept, swapped]), np.concatenate([swapped, kept])


def _difference(measures: Sequence[Measure], first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """What the rows reach with the one weights less what they reach with the others: (R,)."""
    found = [measure(first) - measure(second) for measure in measures]
    return np.sum(found, axis=0) / len(found)


def _reaches(values: np.ndarray, observed: float) -> int:
    """How many lie as far from 0 as the observed one; what is not a number counts against it."""
    return int((~(np.abs(values) < abs(observed) * (1 - 1e-9))).sum())


def _share(reached: int, draws: int) -> float:
    """p by Monte Carlo, the observed data being one more draw (Davison and Hinkley 1997, 4.11)."""
    return (reached + 1) / (draws + 1)


def _swaps(n: int, count: int, seed: int) -> Iterator[np.ndarray]:
    """1 where a row is swapped, (n, R) at a time; all told `count` columns."""
    generator = np.random.default_rng(seed)
    width = max(1, _ELEMENTS // n)
    for start in range(0, count, width):
        size = (n, min(width, count - start))
        yield generator.integers(0, 2, size=size, dtype=np.uint8).astype(np.float64)

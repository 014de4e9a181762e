"""The tests of significance: held to scipy, statsmodels, published examples and real swapping."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import scipy.stats

from gptasks.compare.significance import (
    bootstrap,
    bootstrap_p,
    effect_size,
    holm,
    mcnemar_p,
    randomisation_p,
    rows_needed,
    seeds_p,
)
from gptasks.metrics import measure, point
from gptasks.metrics.bootstrap import interval
from gptasks.task import Prediction

RIGHT_A = np.array([1, 1, 1, 1, 1, 1, 1, 1, 0, 1, 1, 0])
RIGHT_B = np.array([1, 0, 1, 0, 0, 1, 0, 0, 1, 0, 1, 0])

TAGS = (
    # predicted by a, predicted by b, expected
    (["B-X", "O"], ["O", "O"], ["B-X", "O"]),
    (["B-X", "I-X"], ["B-X", "O"], ["B-X", "I-X"]),
    (["O", "B-Y"], ["O", "B-X"], ["O", "B-Y"]),
    (["O", "O"], ["B-X", "O"], ["O", "O"]),
    (["B-Y", "O"], ["B-Y", "O"], ["O", "B-Y"]),
    (["B-X", "B-X"], ["O", "B-X"], ["B-X", "B-X"]),
    (["B-Y", "O"], ["O", "O"], ["B-Y", "O"]),
)


def mean_of(values):
    """The mean as a function of weights."""
    values = np.asarray(values, dtype=float)
    return lambda weights: values @ weights / weights.sum(axis=0)


def tag_measure(*columns):
    """Entity F1 of these columns of TAGS, one below the other."""
    said = [Prediction(row[column]) for column in columns for row in TAGS]
    meant = [row[2] for _ in columns for row in TAGS]
    return measure("entity_f1", said, meant, [])


# -- approximate randomisation ------------------------------------------------------------


def test_randomisation_of_a_mean_is_scipys_permutation_test():
    both = mean_of([*RIGHT_A, *RIGHT_B])
    n = len(RIGHT_A)
    exact = scipy.stats.permutation_test(
        (RIGHT_A, RIGHT_B),
        lambda a, b, axis: np.mean(a, axis=axis) - np.mean(b, axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=np.inf,
    ).pvalue
    found = randomisation_p({"a": [both]}, n, resamples=20_000)["a"]
    assert exact == pytest.approx(2 * (1 + 7) / 2**7)  # McNemar: 7 rows differ, 1 for b
    assert found == pytest.approx(exact, abs=0.005)  # 3 standard errors of 20,000 draws: 0.0054


def test_randomisation_of_a_corpus_metric_is_that_of_rows_really_swapped():
    n = len(TAGS)
    meant = [row[2] for row in TAGS]

    def f1(choice):
        return point("entity_f1", [Prediction(TAGS[i][choice[i]]) for i in range(n)], meant, [])

    observed = f1([0] * n) - f1([1] * n)
    every = [
        f1(swap) - f1([1 - side for side in swap]) for swap in itertools.product((0, 1), repeat=n)
    ]
    exact = np.mean([abs(one) >= abs(observed) - 1e-12 for one in every])
    assert len(set(np.round(every, 9))) > 10  # F1 is no mean over rows
    found = randomisation_p({"a": [tag_measure(0, 1)]}, n, resamples=20_000)["a"]
    assert found == pytest.approx(exact, abs=0.01)


def test_randomisation_of_several_seeds_swaps_the_same_rows_in_all_of_them():
    """Two equal seeds are no more evidence than one."""
    both = mean_of([*RIGHT_A, *RIGHT_B])
    found = randomisation_p({1: [both], 2: [both, both]}, len(RIGHT_A), resamples=999)
    assert found[1] == found[2]


def test_randomisation_of_equal_systems_gives_one():
    assert randomisation_p({"a": [mean_of([*RIGHT_A, *RIGHT_A])]}, len(RIGHT_A)) == {"a": 1.0}


def test_randomisation_never_gives_zero():
    (found,) = randomisation_p({"a": [mean_of([1] * 40 + [0] * 40)]}, 40, resamples=999).values()
    assert found == 1 / 1000


def test_randomisation_draws_again_what_it_drew_however_much_is_held_at_a_time(monkeypatch):
    measures = {"a": [mean_of([*RIGHT_A, *RIGHT_B])]}
    assert randomisation_p(measures, 12) == randomisation_p(measures, 12)
    whole = randomisation_p(measures, 12, resamples=3000)["a"]
    monkeypatch.setattr("gptasks.compare.significance._ELEMENTS", 12 * 100)
    assert randomisation_p(measures, 12, resamples=3000)["a"] == pytest.approx(whole, abs=0.02)


def test_where_systems_are_equal_one_test_in_twenty_says_otherwise():
    generator = np.random.default_rng(0)
    found = []
    for _ in range(200):
        both = mean_of(generator.normal(size=60))  # 30 rows of both, drawn alike
        found.append(randomisation_p({"a": [both]}, 30, resamples=199)["a"])
    # 95% of the counts of 200 draws at 0.05 lie in 4..16.
    assert 4 <= sum(p <= 0.05 for p in found) <= 16


# -- paired bootstrap ---------------------------------------------------------------------


def test_the_interval_of_a_difference_is_scipys_paired_bootstrap():
    generator = np.random.default_rng(1)
    a = generator.normal(0.5, 1, 200)
    b = a - generator.normal(0.1, 0.5, 200)
    drawn = bootstrap({"a": mean_of(a), "b": mean_of(b)}, 200, resamples=4000)
    low, high = interval(drawn["a"] - drawn["b"])
    theirs = scipy.stats.bootstrap(
        (a, b),
        lambda a, b, axis: np.mean(a, axis=axis) - np.mean(b, axis=axis),
        paired=True,
        method="percentile",
        n_resamples=4000,
        rng=2,
    ).confidence_interval
    assert (low, high) == pytest.approx(theirs, abs=0.006)


def test_the_bootstraps_p_counts_moved_resamples_that_reach_the_difference():
    drawn = np.array([0.0, 1.0, 2.0, 3.0, np.nan])  # moved by their mean: -1.5, -.5, .5, 1.5
    assert bootstrap_p(1.5, drawn) == pytest.approx(3 / 5)
    assert bootstrap_p(-1.6, drawn) == pytest.approx(1 / 5)
    assert bootstrap_p(0.0, drawn) == 1.0
    assert bootstrap_p(1.0, np.array([np.nan])) == 1.0


def test_the_bootstraps_p_is_near_the_paired_t_test():
    generator = np.random.default_rng(3)
    a, b = generator.normal(0.2, 1, 300), generator.normal(0, 1, 300)
    drawn = bootstrap({"a": mean_of(a), "b": mean_of(b)}, 300, resamples=5000)
    found = bootstrap_p(a.mean() - b.mean(), drawn["a"] - drawn["b"])
    assert found == pytest.approx(scipy.stats.ttest_rel(a, b).pvalue, abs=0.01)


# -- McNemar, Welch, Holm -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("only_a", "only_b", "p"),
    [
        # statsmodels 0.15.0: mcnemar([[101, only_a], [only_b, 33]], exact=True).pvalue
        (121, 59, 4.4344492637551645e-06),
        (5, 15, 0.04138946533203125),
        (1, 9, 0.021484375),
        (3, 3, 1.0),
        (0, 0, 1.0),
    ],
)
def test_mcnemar_is_statsmodels(only_a, only_b, p):
    a = np.array([True] * 101 + [True] * only_a + [False] * only_b + [False] * 33)
    b = np.array([True] * 101 + [False] * only_a + [True] * only_b + [False] * 33)
    assert mcnemar_p(a, b) == pytest.approx(p)
    assert mcnemar_p(b, a) == pytest.approx(p)


def test_randomisation_of_accuracy_comes_near_mcnemar():
    p = mcnemar_p(RIGHT_A == 1, RIGHT_B == 1)
    both = mean_of([*RIGHT_A, *RIGHT_B])
    found = randomisation_p({"a": [both]}, len(RIGHT_A), resamples=20_000)["a"]
    assert found == pytest.approx(p, abs=0.006)


@pytest.mark.parametrize(
    ("p", "corrected"),
    [
        # statsmodels 0.15.0: multipletests(p, method="holm")[1]
        ([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02]),
        ([0.001, 0.3, 0.02, 0.02, 0.9], [0.005, 0.6, 0.08, 0.08, 0.9]),
        ([0.7, 0.8], [1.0, 1.0]),
        ([0.2], [0.2]),
        ([], []),
    ],
)
def test_holm_is_statsmodels(p, corrected):
    assert holm(p) == pytest.approx(corrected)


def test_welch_by_hand():
    # Means 2 and 5, variances 1 and 2: t = -3 / sqrt(1/3 + 2/2); degrees of freedom
    # (4/3)^2 / ((1/3)^2 / 2 + 1^2 / 1) = 32/19.
    p = 2 * scipy.stats.t.sf(3 / math.sqrt(4 / 3), 32 / 19)
    assert seeds_p([1, 2, 3], [4, 6]) == pytest.approx(p)


def test_welch_needs_seeds_that_differ():
    assert seeds_p([1.0], [2.0, 3.0]) is None
    assert seeds_p([1.0, 1.0], [2.0, 2.0]) is None
    assert seeds_p([1.0, 1.1], [2.0, 2.0]) == pytest.approx(
        2 * scipy.stats.t.sf(0.95 / 0.05, 1)  # the standard error is half the gap of 0.1
    )


# -- size ---------------------------------------------------------------------------------


def test_the_effect_on_a_mean_is_cohens_d_of_the_rows_differences():
    generator = np.random.default_rng(4)
    a, b = generator.normal(0.3, 1, 500), generator.normal(0, 1, 500)
    drawn = bootstrap({"a": mean_of(a), "b": mean_of(b)}, 500, resamples=5000)
    found = effect_size(a.mean() - b.mean(), drawn["a"] - drawn["b"], 500)
    assert found == pytest.approx((a - b).mean() / (a - b).std(), rel=0.03)


def test_what_does_not_vary_has_no_effect():
    assert effect_size(0.0, np.zeros(10), 5) is None
    assert effect_size(1.0, np.full(10, np.nan), 5) is None


@pytest.mark.parametrize(
    ("effect", "rows"),
    # (1.959964 + 0.841621)^2 = 7.848879; statsmodels' TTestPower, by the t distribution, has 33.4,
    # 198.2 and 3141.5.
    [(0.5, 32), (-0.2, 197), (0.05, 3140), (None, None), (0.0, None)],
)
def test_rows_needed(effect, rows):
    assert rows_needed(effect) == rows


def test_a_stricter_test_needs_more_rows():
    z = scipy.stats.norm.ppf(0.995) + scipy.stats.norm.ppf(0.8)
    assert rows_needed(0.1, alpha=0.01) == np.ceil((z / 0.1) ** 2) == 1168


def test_with_the_rows_needed_four_of_five_tests_find_the_difference():
    generator = np.random.default_rng(5)
    rows = rows_needed(0.5)
    found = scipy.stats.ttest_1samp(generator.normal(0.5, 1, (2000, rows)), 0, axis=1).pvalue
    assert np.mean(found < 0.05) == pytest.approx(0.8, abs=0.04)

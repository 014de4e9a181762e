"""Intervals: those of a plain loop, the same draws for all metrics, and the coverage claimed."""

import math

import numpy as np
import pytest
import sklearn.metrics as reference
from metric_families import OF_CLASSES

from gptasks.errors import ConfigError
from gptasks.metrics import bootstrap, point, score_all
from gptasks.metrics.bootstrap import estimate, group_sums, interval, resample_weights
from gptasks.task import Prediction


def mean_of(values):
    total = group_sums(np.zeros(len(values), dtype=int), 1, values)
    return lambda weights: total(weights)[0] / weights.sum(axis=0)


def naive(name, said, truth, matrix, labels):
    """One metric of one resample, by scikit-learn or by its definition."""
    if name == "accuracy":
        return reference.accuracy_score(truth, said)
    if name in ("f1_macro", "f1_weighted"):
        return reference.f1_score(truth, said, average=name.removeprefix("f1_"), zero_division=0)
    if name == "matthews":
        return reference.matthews_corrcoef(truth, said)
    if name == "log_loss":
        return -np.mean(
            [math.log(row[labels.index(t)]) for row, t in zip(matrix, truth, strict=True)]
        )
    if name == "auroc":
        present = [k for k, label in enumerate(labels) if 0 < (truth == label).sum() < len(truth)]
        if not present:
            return math.nan
        return np.mean([reference.roc_auc_score(truth == labels[k], matrix[:, k]) for k in present])
    confidence, error = matrix.max(axis=1), 0.0
    for m in range(1, 16):
        inside = (confidence > (m - 1) / 15) & (confidence <= m / 15)
        error += abs(((said == truth) * 1.0 - confidence)[inside].sum()) / len(truth)
    return error


@pytest.mark.parametrize(("n", "count"), [(12, 2), (9, 3), (60, 4)])
@pytest.mark.filterwarnings("ignore")  # scikit-learn on resamples that miss a class.
def test_intervals_are_those_of_a_plain_loop_over_the_same_draws(n, count):
    generator = np.random.default_rng(n)
    labels = list("abcd"[:count])
    matrix = generator.dirichlet(np.ones(count), size=n)
    truth = np.array(labels * n)[:n]
    said = np.array(labels)[matrix.argmax(axis=1)]
    predictions = [
        Prediction(str(value), dict(zip(labels, row, strict=True)))
        for value, row in zip(said, matrix.tolist(), strict=True)
    ]
    scores = score_all(OF_CLASSES, predictions, truth.tolist(), labels, seed=7, resamples=60)

    draws = np.random.default_rng(7)
    resampled = [draws.integers(0, n, n) for _ in range(60)]
    for name in OF_CLASSES:
        values = np.array([naive(name, said[d], truth[d], matrix[d], labels) for d in resampled])
        low, high = np.nanpercentile(values, [2.5, 97.5])
        assert scores[name].low == pytest.approx(low, abs=1e-12), name
        assert scores[name].high == pytest.approx(high, abs=1e-12), name
        assert scores[name].n == n


def test_each_resample_draws_as_many_examples_as_there_are():
    (weights,) = resample_weights(30, 40, seed=0)
    assert weights.shape == (30, 40)
    assert (weights.sum(axis=0) == 30).all()
    assert 0.55 < (weights > 0).mean() < 0.72  # About 1 - 1/e of the examples are in a resample.


def test_the_draws_do_not_depend_on_how_many_are_held_at_a_time(monkeypatch):
    whole = np.concatenate(list(resample_weights(25, 50, seed=3)), axis=1)
    monkeypatch.setattr(bootstrap, "_ELEMENTS", 25 * 7)
    parts = list(resample_weights(25, 50, seed=3))
    assert [part.shape[1] for part in parts] == [7] * 7 + [1]
    assert (np.concatenate(parts, axis=1) == whole).all()


def test_another_seed_gives_another_interval_and_the_same_seed_the_same():
    values = {"mean": mean_of(np.random.default_rng(0).normal(size=50))}
    assert estimate(values, 50, seed=1, resamples=200) == estimate(
        values, 50, seed=1, resamples=200
    )
    assert estimate(values, 50, seed=1, resamples=200) != estimate(
        values, 50, seed=2, resamples=200
    )


def test_every_metric_sees_the_same_resamples():
    right = np.random.default_rng(1).random(40) < 0.7
    measures = {"accuracy": mean_of(right), "error": mean_of(~right)}
    found = estimate(measures, 40, seed=0, resamples=100)
    assert found["accuracy"][1] == pytest.approx(1 - found["error"][2], abs=1e-12)
    assert found["accuracy"][2] == pytest.approx(1 - found["error"][1], abs=1e-12)


def test_a_metric_is_alone_what_it_is_in_company():
    predictions = [Prediction(value) for value in "aabbab"]
    truth = list("abbbaa")
    alone = score_all(["f1_macro"], predictions, truth, ["a", "b"])
    company = score_all(["accuracy", "f1_macro", "matthews"], predictions, truth, ["a", "b"])
    assert alone["f1_macro"] == company["f1_macro"]
    assert point("f1_macro", predictions, truth, ["a", "b"]) == alone["f1_macro"].value
    assert list(company) == ["accuracy", "f1_macro", "matthews"]


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    generator = np.random.default_rng(0)
    covered = 0
    for trial in range(300):
        right = generator.random(200) < 0.8
        _, low, high = estimate({"m": mean_of(right)}, 200, seed=trial, resamples=300)["m"]
        covered += low <= 0.8 <= high
    # 95% less the little that the percentile interval falls short at n = 200; 4 standard errors.
    assert 0.89 <= covered / 300 <= 0.985


def test_the_interval_is_that_of_the_normal_law_for_many_examples():
    right = np.arange(2000) < 1700
    value, low, high = estimate({"m": mean_of(right)}, 2000, seed=0, resamples=1000)["m"]
    half = 1.96 * math.sqrt(0.85 * 0.15 / 2000)
    assert value == 0.85
    assert (low, high) == pytest.approx((0.85 - half, 0.85 + half), abs=0.002)


def test_resamples_where_the_metric_is_undefined_are_left_out():
    assert interval(np.array([0.5, math.nan, 0.5])) == (0.5, 0.5)
    assert all(math.isnan(end) for end in interval(np.array([math.nan])))
    # Of 3 examples, a third of the resamples or so are of one class; none of them may count.
    predictions = [Prediction("b", {"a": 1 - p, "b": p}) for p in (0.9, 0.2, 0.1)]
    score = score_all(["auroc"], predictions, ["b", "a", "a"], ["a", "b"])["auroc"]
    assert (score.value, score.low, score.high) == (1.0, 1.0, 1.0)


def test_no_resamples_give_no_interval():
    predictions = [Prediction("a"), Prediction("b")]
    score = score_all(["accuracy"], predictions, ["a", "a"], ["a", "b"], resamples=0)["accuracy"]
    assert score.as_json()["value"] == 0.5
    assert score.as_json()["low"] is None
    assert score_all([], predictions, ["a", "a"], ["a", "b"]) == {}


def test_a_negative_number_of_resamples_is_refused():
    with pytest.raises(ConfigError, match="the number of resamples must be 0 or more; got -1"):
        estimate({"m": mean_of(np.ones(3))}, 3, seed=0, resamples=-1)


def test_group_sums_leave_out_what_is_in_no_group():
    sums = group_sums(np.array([0, 2, -1, 0]), 3, np.array([1.0, 2.0, 4.0, 8.0]))
    weights = np.array([[1, 0], [1, 2], [1, 5], [1, 3]], dtype=float)  # (n, R)
    assert sums(weights).tolist() == [[9.0, 24.0], [0.0, 0.0], [2.0, 4.0]]

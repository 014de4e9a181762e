"""The closed-form head gives the probabilities of scikit-learn's logistic regression."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss as sklearn_log_loss

from gptasks.errors import TrainingError
from gptasks.tasks.logistic import STRENGTHS, LogisticProbe, log_loss


def made_up(classes: int, rows: int = 300, width: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """Features of very different scales, float32 as a backbone gives them, and classes."""
    generator = np.random.default_rng(classes)
    y = generator.integers(classes, size=rows)
    centres = generator.normal(size=(classes, width))
    x = centres[y] + generator.normal(size=(rows, width))
    return (x * 10.0 ** np.arange(-3, width - 3) + 2.0).astype(np.float32), y


def probe(classes: int) -> LogisticProbe:
    return LogisticProbe(lambda hidden, batch: hidden[:, -1], classes)


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")  # of the reference
@pytest.mark.parametrize("classes", [2, 3, 5])
def test_the_weights_give_the_probabilities_of_scikit_learn(classes: int):
    x, y = made_up(classes)
    held_x, held_y = x[200:], y[200:]
    x, y = x[:200], y[:200]
    fit = probe(classes).fit(x, y, held_x, held_y)
    weight = fit.parameters["weight"]
    assert (weight.shape, weight.dtype) == ((classes, 6), np.float32)

    scale = x.std(axis=0, dtype=np.float64)
    losses, solver = {}, "newton-cholesky" if classes == 2 else "lbfgs"
    for strength in STRENGTHS:
        model = LogisticRegression(
            C=strength, fit_intercept=False, max_iter=300, tol=1e-3, solver=solver
        )
        model.fit(x / scale, y)
        losses[strength] = sklearn_log_loss(held_y, model.predict_proba(held_x / scale))
        if strength == fit.options["C"]:
            expected = model.predict_proba(held_x / scale)
    assert fit.options["C"] == min(losses, key=lambda strength: losses[strength])
    assert fit.loss == pytest.approx(losses[fit.options["C"]], abs=1e-6)
    assert softmax(held_x @ weight.T) == pytest.approx(expected, abs=1e-5)


def test_weights_do_not_depend_on_the_scale_of_the_features():
    x, y = made_up(3)
    fit = probe(3).fit(x, y, x, y)
    larger = probe(3).fit(x * 64, y, x * 64, y)  # a power of two is exact
    assert larger.parameters["weight"] * 64 == pytest.approx(fit.parameters["weight"], rel=1e-4)
    assert larger.options == fit.options


def test_a_constant_feature_takes_part_as_it_is():
    """It is the only way to an intercept for a head without bias."""
    generator = np.random.default_rng(0)
    x = np.stack([np.full(200, 5.0), generator.normal(size=200)], axis=1).astype(np.float32)
    y = (generator.random(200) < 0.9).astype(np.int64)
    fit = probe(2).fit(x, y, x, y)
    weight = fit.parameters["weight"]
    assert np.isfinite(weight).all()
    share = softmax(x @ weight.T)[:, 1].mean()
    assert share == pytest.approx(y.mean(), abs=0.02)


def test_all_features_constant_is_no_fault():
    x, y = np.zeros((10, 3), np.float32), np.array([0, 1] * 5)
    fit = probe(2).fit(x, y, x, y)
    assert fit.loss == pytest.approx(np.log(2))


@pytest.mark.parametrize("absent", [0, 1, 2])
def test_a_class_without_a_row_is_never_predicted(absent: int):
    x, y = made_up(3)
    kept = y != absent
    fit = probe(3).fit(x[kept], y[kept], x, y)
    weight = fit.parameters["weight"]
    assert weight.shape == (3, 6)
    assert not weight[absent].any()
    assert absent not in (x @ weight.T).argmax(axis=1)
    assert np.isfinite(fit.loss)


def test_a_class_of_many_without_a_row_is_never_predicted():
    x, y = made_up(5)
    kept = y != 3
    weight = probe(5).fit(x[kept], y[kept], x, y).parameters["weight"]
    assert 3 not in (x @ weight.T).argmax(axis=1)
    assert set((x @ weight.T).argmax(axis=1)) == {0, 1, 2, 4}


def test_a_sample_of_one_class_tells_nothing_apart():
    x, y = made_up(3)
    fit = probe(3).fit(x, np.ones_like(y), x, y)
    assert not fit.parameters["weight"].any()
    assert fit.loss == pytest.approx(np.log(3))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_features_that_are_no_numbers_are_refused(value: float):
    x, y = made_up(2)
    broken = x.copy()
    broken[3, 2] = value
    for features in ((broken, y, x, y), (x, y, broken, y)):
        with pytest.raises(TrainingError, match=r"states are not finite.* precision=fp32"):
            probe(2).fit(*features)


@pytest.mark.filterwarnings("error")
def test_fitting_leaves_the_features_alone():
    x, y = made_up(2)
    before = x.copy()
    probe(2).fit(x, y, x, y)
    assert (x == before).all()


def test_features_are_pooled_states_in_fp32():
    hidden = torch.arange(12.0).reshape(2, 3, 2).bfloat16()
    found = probe(2).features(hidden, {})
    assert found.dtype == torch.float32
    assert found.tolist() == [[4, 5], [10, 11]]


def test_log_loss_is_the_mean_cross_entropy():
    """Logits 0, ln 3 give probabilities 1/4 and 3/4."""
    logits = np.log(np.array([[1.0, 3.0], [1.0, 3.0]]))
    assert log_loss(logits, np.array([0, 1])) == pytest.approx((np.log(4) + np.log(4 / 3)) / 2)
    assert log_loss(logits + 1e4, np.array([1, 1])) == pytest.approx(np.log(4 / 3))

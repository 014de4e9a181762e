"""Logistic regression as the closed form of a linear softmax head."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from gptasks.data.encoding import IGNORED
from gptasks.errors import TrainingError
from gptasks.task import Probe, ProbeFit

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression
    from torch import Tensor

STRENGTHS = tuple(10 ** (n / 2) for n in range(-6, 1))
"""Inverse regularisation C to choose from, 0.001 to 1. On features of unit variance the best was
0.001 to 0.1 on movie snippets at every layer of SmolLM2 (1,000 to 7,700 rows)."""


MANY = 5000
"""Targets above which more than two classes are fitted in float32, which takes far less time; on
few, L-BFGS needs the digits of float64 to end where it should."""

NEVER = -20.0
"""Bias of a class that no row has: a chance of one in half a billion beside a logit of 0."""


class LogisticProbe(Probe):
    """Fits a linear head of `classes` rows on what `pool` picks from the states.

    pool: hidden states (B, T, D) and batch to those of the targets, (N, D). targets: the key of the
    batch that holds their classes, in the same order; -100 is none. bias: whether the head has one.
    """

    def __init__(
        self,
        pool: Callable[[Tensor, Mapping[str, Any]], Tensor],
        classes: int,
        *,
        targets: str = "label",
        bias: bool = False,
    ) -> None:
        self.pool, self.classes = pool, classes
        self.key, self.bias = targets, bias

    def features(self, hidden: Tensor, batch: Mapping[str, Any]) -> Tensor:
        """The pooled states: (N, D), float32."""
        return self.pool(hidden, batch).float()

    def targets(self, batch: Mapping[str, Any]) -> np.ndarray:
        """The class numbers: (N,)."""
        targets = batch[self.key].cpu().numpy()
        return targets[targets != IGNORED]

    def fit(
        self,
        features: np.ndarray,
        targets: np.ndarray,
        validation_features: np.ndarray,
        validation_targets: np.ndarray,
    ) -> ProbeFit:
        """Scale each feature to unit variance, raise C while the log loss on validation falls.

        The loss over C has one valley, and the fits beyond it are the slowest by far.
        The features are not centred: a bias-free head could not undo it. The scale is folded back
        into the weights, so that the head reads the states as they are. A class without a row
        gets no weights, and a logit that is never the largest.
        Raises TrainingError where a feature is no number.
        """
        if not (np.isfinite(features).all() and np.isfinite(validation_features).all()):
            raise TrainingError(
                "the backbone's states are not finite, so no head can be fitted on them; compute "
                "in precision=fp32, or take another backbone."
            )
        scale = features.std(axis=0, dtype=np.float64)
        scale[scale < 1e-6] = 1.0
        x, y = features / scale, targets
        if self.classes > 2 and len(x) > MANY:
            x = x.astype(np.float32)
        model = self._model()
        best: tuple[float, float, np.ndarray, np.ndarray] | None = None
        for strength in STRENGTHS:
            model.set_params(C=strength)
            weight, bias = self._fitted(model, x, y)  # (K, D), (K,)
            weight = weight / scale
            loss = log_loss(validation_features @ weight.T + bias, validation_targets)
            if best is not None and loss >= best[0]:
                break
            best = (loss, strength, weight, bias)
        assert best is not None
        parameters = {"weight": best[2].astype(np.float32)}
        if self.bias:
            parameters["bias"] = best[3].astype(np.float32)
        return ProbeFit(best[0], parameters, {"C": best[1]})

    def _model(self) -> LogisticRegression:
        """A regression that starts each fit where the last one, of another C, ended."""
        from sklearn.linear_model import LogisticRegression

        # Newton's method takes a few steps where L-BFGS takes a hundred, but D x K squared numbers.
        solver = "newton-cholesky" if self.classes == 2 else "lbfgs"
        return LogisticRegression(
            fit_intercept=self.bias,
            max_iter=300,
            tol=1e-3,
            solver=solver,
            warm_start=solver == "newton-cholesky",  # L-BFGS would stop where it starts
        )

    def _fitted(
        self, model: LogisticRegression, x: np.ndarray, y: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Weights (K, D) and biases (K,)."""
        from scipy.linalg import LinAlgWarning
        from sklearn.exceptions import ConvergenceWarning

        weight, bias = np.zeros((self.classes, x.shape[1])), np.zeros(self.classes)
        present = np.unique(y)
        if self.bias:  # never said: no row shows it
            bias[np.setdiff1d(np.arange(self.classes), present)] = NEVER
        if len(present) < 2:  # a small sample may hold one class: nothing to tell apart
            return weight, bias
        with warnings.catch_warnings():  # the last digits of the fit do not matter here
            warnings.simplefilter("ignore", ConvergenceWarning)
            warnings.simplefilter("ignore", LinAlgWarning)  # it goes on with L-BFGS then
            model.fit(x, y)
        classes, intercept = model.classes_, model.intercept_ if self.bias else 0.0
        if len(classes) == 2:  # one row of weights: share it between the two logits
            halves = np.array([[-0.5], [0.5]])
            weight[classes], bias[classes] = halves * model.coef_, (halves * intercept)[:, 0]
        else:
            weight[classes], bias[classes] = model.coef_, intercept
        return weight, bias


def log_loss(logits: np.ndarray, targets: np.ndarray) -> float:
    """Mean cross entropy in nats of logits (N, K) against class numbers (N,)."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_probabilities = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return float(-log_probabilities[np.arange(len(targets)), targets].mean())

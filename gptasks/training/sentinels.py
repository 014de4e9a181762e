"""What a training must not go on with, and what to do about it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from gptasks.errors import TrainingError
from gptasks.options import TrainerOptions
from gptasks.task import Prediction

if TYPE_CHECKING:
    from torch import nn


def check_trainable(model: nn.Module) -> None:
    """Raise TrainingError where no parameter may move."""
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise TrainingError(
            "nothing is trainable: every parameter of the model is frozen; "
            "take strategy=head for a frozen backbone."
        )


def check_loss(loss: float, targets: float, step: int, options: TrainerOptions) -> None:
    """Raise TrainingError where a step has nothing to learn from, or its loss is no number."""
    if targets == 0:
        raise TrainingError(
            f"step {step} has no target to learn from: every label in it is missing or masked. "
            "Look at the rows' labels, and whether truncation cuts the targets away."
        )
    if not math.isfinite(loss):
        raise TrainingError(f"the loss is {loss} at step {step}; {_remedy(options)}")


def check_gradient(norm: float, step: int, options: TrainerOptions) -> None:
    """Raise TrainingError where a step would make weights that are no numbers."""
    if not math.isfinite(norm):
        raise TrainingError(f"the gradient's norm is {norm} at step {step}; {_remedy(options)}")


def check_answers(predictions: Sequence[Prediction], options: TrainerOptions) -> None:
    """Raise TrainingError where no score of any answer is a number: the weights are none then."""
    scores = [score for prediction in predictions for score in prediction.scores.values()]
    if scores and all(map(math.isnan, scores)):
        raise TrainingError(
            f"the model has diverged: no score of its answers is a number; {_remedy(options)}"
        )


def check_best(best: float | None, select: str) -> None:
    """Raise TrainingError where no validation could tell a better state from a worse one."""
    if best is None:
        raise TrainingError(
            f"no validation gave a number for {select}; choose another metric by task.select=…, "
            "or give validation more rows."
        )


def _remedy(options: TrainerOptions) -> str:
    return (
        f"lower trainer.learning_rate (it is {options.learning_rate}), or compute in "
        "precision=fp32. The last checkpoint is kept."
    )

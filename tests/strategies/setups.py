"""What a strategy is given, made small: a tiny backbone, a few encoded rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tiny_models
import torch

from gptasks.data.encoding import encode_rows
from gptasks.room import Room
from gptasks.strategies.strategy import Setup
from gptasks.task import ProbeFit, Row
from gptasks.tasks.sequence_classification import SequenceClassification

GOOD, BAD = ("great", "lovely", "superb"), ("awful", "boring", "dreadful")


def rows(count: int, start: int = 0) -> list[Row]:
    """Short sentences, good and bad in turn."""
    made = []
    for n in range(start, start + count):
        words, label = (GOOD, "good") if n % 2 else (BAD, "bad")
        text = f"{'so ' * (n % 4)}number {n} was {words[n % 3]}"
        made.append(Row({"text": text, "label": label}, id=f"rows:{n}"))
    return made


class Training:
    """A training that takes a look at the model and learns nothing."""

    def __init__(self, look: Callable[..., None] | None = None) -> None:
        self.look = look

    def fit(self, model: Any, train: Any, validation: Any) -> dict[str, Any]:
        """Show the model and its windows."""
        self.model, self.train, self.validation = model, train, validation
        if self.look:
            self.look(model, train, validation)
        return {"steps": 0}


def setup(
    shape: str = "llama",
    *,
    training: Any = None,
    dtype: torch.dtype = torch.float32,
    seed: int = 0,
    remember: Any = None,
) -> Setup:
    """60 rows to train on and 20 to validate with, for sequence classification."""
    backbone = tiny_models.backbone(shape, dtype)
    task = SequenceClassification(labels=["bad", "good"])

    def forget(name: str, make: Callable[[], tuple[int, ProbeFit]]) -> tuple[int, ProbeFit]:
        return make()

    return Setup(
        task=task,
        backbone=backbone,
        train=encode_rows(task, rows(60), backbone.tokenizer).windows,
        validation=encode_rows(task, rows(20, start=60), backbone.tokenizer).windows,
        room=Room(256),
        seed=seed,
        training=training or Training(),
        remember=remember or forget,
    )

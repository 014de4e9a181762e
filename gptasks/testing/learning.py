"""Checks that a task can be learnt, scored, saved and gone on with."""

from __future__ import annotations

import itertools
import json
import random
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

from gptasks.errors import first_line
from gptasks.metrics import is_better_higher, point
from gptasks.runs import HISTORY
from gptasks.task import Prediction, Row, Task
from gptasks.testing.subject import CheckFailed, Skipped, Subject

STEPS = 300
"""Most steps of the training on 16 rows."""

SHARE = 0.2
"""What is left of the loss when they are learnt."""


def sixteen_rows_can_be_learnt(subject: Subject) -> None:
    """Trained on 16 rows alone, the tiny backbone learns them by heart.

    What can't be learnt by heart can't be learnt: a label that belongs to another row, targets a
    place off, a loss of something else.

    Mend: print the windows of two rows (gptasks data task=… --row 1) and look whether each target
    stands where the head reads it.
    """
    import torch

    task = subject.task()
    rows = _distinct(task, subject.read(task), 16)
    if len(rows) < 2:
        raise Skipped("it has fewer than two different rows")
    model = subject.model(task).requires_grad_(True)
    batch = subject.batch(subject.windows(task, rows))
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    losses: list[float] = []
    for _ in range(STEPS):
        total, count = task.loss(model(batch), batch)
        mean = total / max(count, 1)
        losses.append(mean.item())
        if losses[-1] < SHARE * losses[0]:
            return
        optimizer.zero_grad()
        mean.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    raise CheckFailed(
        f"after {STEPS} steps the loss of a target is {losses[-1]:.3f}, at first it was "
        f"{losses[0]:.3f}; it should fall below {SHARE:.0%} of that"
    )


def gold_scores_best(subject: Subject) -> None:
    """By each of its metrics the right answers score best, and answers of other rows worse.

    A metric that does not tell them apart measures something else.

    Mend: compare prediction and reference of the same row, and set is_better_higher as it is.
    """
    task = subject.task()
    references = [task.reference(row) for row in subject.read(task)]
    if len({repr(reference) for reference in references}) < 2:
        raise Skipped("all its rows have one answer")
    extra = subject.registry.metrics
    generator = random.Random(0)
    for name in task.metrics:
        sign = 1 if is_better_higher(name, extra=extra) else -1
        gold = sign * _score(name, task, references, references, extra)
        others = []
        for _ in range(10):
            shuffled = _shuffled(references, generator)
            if shuffled != references:
                others.append(sign * _score(name, task, shuffled, references, extra))
        if others and gold <= max(others):
            raise CheckFailed(
                f"{name}: the right answers score {sign * gold:.4f}, those of other rows "
                f"{sign * max(others):.4f}"
            )


def a_run_goes_on_as_if_never_stopped(subject: Subject) -> None:
    """A run that is stopped in its middle and goes on ends like one that was not.

    Training is long, machines stop, and a score must not depend on it.

    Mend: keep nothing in the task that changes while it trains; draw random numbers, if you must,
    from torch's generator inside `loss`, which the trainer sets before each step.
    """
    from gptasks.training.session import train

    usual = ("strategy=full", "trainer.epochs=3", "trainer.batch_tokens=512")
    whole = train(subject.config(*usual, run="whole"))
    config = subject.config(*usual, run="stopped")
    try:
        last = subject.folder / "stopped" / "checkpoints" / "last"
        with patch.object(config.task, "loss", _stopped(config.task.loss, last)):
            train(config)
    except KeyboardInterrupt:
        pass
    else:
        raise Skipped("the run was over before it could be stopped")
    stopped = train(subject.config(*usual, run="stopped"))
    if _curves(whole) != _curves(stopped):
        raise CheckFailed("the curves of a whole run and of one that was stopped differ")
    for name in ("model/config.json", "model/model.safetensors", "predictions/test.jsonl"):
        one, other = whole / name, stopped / name
        if one.exists() and one.read_bytes() != other.read_bytes():
            raise CheckFailed(f"{name} differs between a whole run and one that was stopped")


def every_strategy_ends(subject: Subject) -> None:
    """`strategy=lora` trains, scores and saves it, and so does `head` where it has a probe.

    Strategies serve every task, and users choose; one that fails in its middle costs them an hour.

    Mend: give `probe` where the head can be fitted on frozen states and leave it None where not,
    let `pool` read `hidden` and `batch` alone, and keep what learns in the head's parameters.
    """
    from gptasks.training.session import train

    has_probe = subject.task().probe() is not None
    for strategy in ("head", "lora") if has_probe else ("lora",):
        usual = (f"strategy={strategy}", "trainer.epochs=1", "trainer.batch_tokens=512")
        try:
            train(subject.config(*usual, run=strategy))
        except Exception as error:
            raise CheckFailed(
                f"strategy={strategy} ends with {type(error).__name__}: {first_line(error)}"
            ) from error


def _curves(run: Path) -> list[dict[str, Any]]:
    """A run's history, without what tells the time."""
    lines = (run / HISTORY).read_text(encoding="utf-8").splitlines()
    points = [json.loads(line) for line in lines]
    return [{k: v for k, v in point.items() if not k.startswith("time/")} for point in points]


def _stopped(loss: Callable[..., Any], checkpoint: Path) -> Callable[..., Any]:
    """A task's loss, in the second call of which after `checkpoint` is there Ctrl-C comes."""
    calls = itertools.count(1)

    def stopped(logits: Any, batch: Any) -> Any:
        if checkpoint.exists() and next(calls) == 2:
            signal.raise_signal(signal.SIGINT)
        return loss(logits, batch)

    return stopped


def _score(
    name: str, task: Task, said: Sequence[Any], references: Sequence[Any], extra: Any
) -> float:
    predictions = [Prediction(value, _sure(value, task)) for value in said]
    return point(name, predictions, references, task.labels, extra=extra)


def _shuffled(references: Sequence[Any], generator: random.Random) -> list[Any]:
    """The answers of other rows; of lists, which must keep their length, the items."""
    if not isinstance(references[0], list):
        return generator.sample(references, len(references))
    items = [item for reference in references for item in reference]
    drawn = iter(generator.sample(items, len(items)))
    return [[next(drawn) for _ in reference] for reference in references]


def _sure(value: Any, task: Task) -> dict[str, float]:
    """Probabilities of a classifier that has no doubt."""
    if task.answer != "label" or not task.labels:
        return {}
    return {label: float(label == value) for label in task.labels}


def _distinct(task: Task, rows: Sequence[Row], most: int) -> list[Row]:
    """Rows of different keys that have an answer."""
    found = {task.key(row): row for row in reversed(rows) if task.reference(row) is not None}
    return list(found.values())[:most]

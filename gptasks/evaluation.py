"""A model's predictions on rows, and their scores beside the baselines'."""

from __future__ import annotations

import json
import logging
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from gptasks.data.batching import collate, sorted_batches
from gptasks.data.encoding import Window
from gptasks.errors import DataError
from gptasks.metrics import LOSS, Score, point, score_all
from gptasks.progress import Progress
from gptasks.room import Room, holding
from gptasks.task import Prediction, Row, Task

if TYPE_CHECKING:
    from accelerate import Accelerator
    from torch import nn

    from gptasks.metrics.base import Metric

logger = logging.getLogger(__name__)

T = TypeVar("T")


def predict_windows(
    task: Task,
    model: nn.Module,
    windows: Sequence[Window],
    rows: Sequence[Row],
    *,
    pad_id: int,
    room: Room,
    device: Any,
    what: str = "",
    accelerator: Accelerator | None = None,
) -> list[Prediction]:
    """One prediction for each of `rows` that has windows, in their order; the task merges them.

    Each process of `accelerator` takes its share of the batches; all get every prediction.
    """
    found = _every_batch(
        lambda batch, data: zip(batch, task.predict(model, data), strict=True),
        windows,
        pad_id=pad_id,
        room=room,
        device=device,
        what=what or "predicting",
        accelerator=accelerator,
    )
    parts: dict[int, list[Prediction]] = defaultdict(list)
    for i, prediction in sorted(found, key=lambda pair: pair[0]):
        parts[windows[i]["row"]].append(prediction)
    return [task.merge(rows[row], parts[row]) for row in sorted(parts)]


def mean_loss(
    task: Task,
    model: nn.Module,
    windows: Sequence[Window],
    *,
    pad_id: int,
    room: Room,
    accelerator: Accelerator,
) -> float:
    """The task's loss, summed over all targets of `windows` and divided by their number.

    Each process takes its share of the batches; all get the same number.
    """

    def part(batch: Sequence[int], data: dict[str, Any]) -> list[tuple[int, float, int]]:
        loss, targets = task.loss(model(data), data)
        return [(batch[0], float(loss), targets)]

    found = _every_batch(
        part,
        windows,
        pad_id=pad_id,
        room=room,
        device=accelerator.device,
        what="loss of validation",
        accelerator=accelerator,
    )
    _, losses, counts = zip(*found, strict=True)
    return math.fsum(losses) / max(1, sum(counts))


def _every_batch(
    do: Callable[[list[int], dict[str, Any]], Iterable[T]],
    windows: Sequence[Window],
    *,
    pad_id: int,
    room: Room,
    device: Any,
    what: str,
    accelerator: Accelerator | None,
) -> list[T]:
    """What `do` gives of each batch, as numbers of windows and as tensors, without gradient."""
    import torch

    lengths = [len(window["input_ids"]) for window in windows]

    def run(size: int) -> list[T]:
        batches = sorted_batches(lengths, size)
        if accelerator is not None:
            batches = batches[accelerator.process_index :: accelerator.num_processes]
        found: list[T] = []
        total = sum(lengths[i] for batch in batches for i in batch)
        with Progress(what, total) as progress, torch.inference_mode():
            for batch in reversed(batches):  # the longest first: a lack of memory shows at once
                with holding(len(batch), max(lengths[i] for i in batch)):
                    found += do(batch, collate([windows[i] for i in batch], pad_id, device))
                progress.add(sum(lengths[i] for i in batch))
        return found

    found = room.fit(run)
    if accelerator is not None and accelerator.num_processes > 1:
        from accelerate.utils import gather_object

        found = gather_object(found)
    return found


def sampled(n: int, most: int | None) -> list[int]:
    """At most `most` of the numbers below n, spread evenly; all of them without a limit."""
    return list(range(n)) if most is None or most >= n else [i * n // most for i in range(most)]


def quick_scores(
    task: Task,
    predictions: Sequence[Prediction],
    references: Sequence[Any],
    extra: Mapping[str, type[Metric]],
) -> dict[str, float]:
    """The metric that selects and the headline metric, without intervals.

    extra: metrics of plugins, by name.
    """
    names = [name for name in dict.fromkeys([task.select, task.metrics[0]]) if name != LOSS]
    return {name: point(name, predictions, references, task.labels, extra=extra) for name in names}


def full_scores(
    task: Task,
    predictions: Sequence[Prediction],
    references: Sequence[Any],
    extra: Mapping[str, type[Metric]],
    *,
    seed: int,
    resamples: int,
) -> dict[str, Score]:
    """Every metric of the task, with its 95% interval. extra: metrics of plugins, by name."""
    return score_all(
        task.metrics, predictions, references, task.labels,
        seed=seed, resamples=resamples, extra=extra,
    )  # fmt: skip


def warn_if_constant(
    task: Task, predictions: Sequence[Prediction], references: Sequence[Any]
) -> bool:
    """Say so when every answer is the same though the references are not."""
    said = _said(task, [prediction.value for prediction in predictions])
    if len(said) > 1 or len(_said(task, references)) < 2:
        return False
    logger.warning(
        "the model answers %s to all %d rows: it has learnt nothing. Train longer or with a higher "
        "trainer.learning_rate, and look at the balance of the labels.",
        said.pop(),
        len(predictions),
    )
    return True


def _said(task: Task, values: Sequence[Any]) -> set[str]:
    """The different classes among `values`, or the different values of a task without classes."""
    return {
        json.dumps(said, default=str) for value in values for said in task.classes(value) or [value]
    }


def references_of(task: Task, rows: Sequence[Row]) -> list[Any]:
    """What should have been predicted. Raises DataError for a row without it."""
    references = [task.reference(row) for row in rows]
    for row, reference in zip(rows, references, strict=True):
        if reference is None:
            raise DataError(f"{row.id} has no label, so it can't be scored; predict needs none.")
    return references


def confusion(
    task: Task, predictions: Sequence[Prediction], references: Sequence[Any]
) -> list[list[int]]:
    """Counts by reference (rows) and prediction (columns), in the order of the task's labels."""
    place: Mapping[Any, int] = {label: i for i, label in enumerate(task.labels)}
    matrix = [[0] * len(place) for _ in place]
    for prediction, reference in zip(predictions, references, strict=True):
        pairs = zip(task.classes(reference), task.classes(prediction.value), strict=True)
        for expected, predicted in pairs:
            matrix[place[expected]][place[predicted]] += 1
    return matrix

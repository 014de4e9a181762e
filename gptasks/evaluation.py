"""A model's predictions on rows, and their scores beside the baselines'."""

from __future__ import annotations

import json
import logging
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gptasks.data.batching import collate, sorted_batches
from gptasks.data.encoding import Window
from gptasks.errors import DataError
from gptasks.metrics import Score, point, score_all
from gptasks.progress import Progress
from gptasks.task import Prediction, Row, Task
from gptasks.tracking.tracker import plain

if TYPE_CHECKING:
    from accelerate import Accelerator
    from torch import nn

logger = logging.getLogger(__name__)


def predict_windows(
    task: Task,
    model: nn.Module,
    windows: Sequence[Window],
    *,
    pad_id: int,
    batch_tokens: int,
    device: Any,
    what: str = "",
    accelerator: Accelerator | None = None,
) -> list[Prediction]:
    """One prediction per row, in the order of the rows; windows of a row are merged by the task.

    Each process of `accelerator` takes its share of the batches; all get every prediction.
    """
    import torch

    lengths = [len(window["input_ids"]) for window in windows]
    batches = sorted_batches(lengths, batch_tokens)
    if accelerator is not None:
        batches = batches[accelerator.process_index :: accelerator.num_processes]
    found: list[tuple[int, Prediction]] = []
    total = sum(lengths[i] for batch in batches for i in batch)
    with Progress(what or "predicting", total) as progress, torch.inference_mode():
        for batch in batches:
            data = collate([windows[i] for i in batch], pad_id, device)
            found += zip(batch, task.predict(model, data), strict=True)
            progress.add(sum(lengths[i] for i in batch))
    if accelerator is not None and accelerator.num_processes > 1:
        from accelerate.utils import gather_object

        found = gather_object(found)
    parts: dict[int, list[Prediction]] = defaultdict(list)
    for i, prediction in sorted(found, key=lambda pair: pair[0]):
        parts[windows[i]["row"]].append(prediction)
    return [task.merge(parts[row]) for row in sorted(parts)]


def quick_scores(
    task: Task, predictions: Sequence[Prediction], references: Sequence[Any]
) -> dict[str, float]:
    """The metric that selects and the headline metric, without intervals."""
    names = dict.fromkeys([task.select, task.metrics[0]])
    return {name: point(name, predictions, references, task.labels) for name in names}


def full_scores(
    task: Task,
    predictions: Sequence[Prediction],
    references: Sequence[Any],
    *,
    seed: int,
    resamples: int,
) -> dict[str, Score]:
    """Every metric of the task, with its 95% interval."""
    return score_all(
        task.metrics, predictions, references, task.labels, seed=seed, resamples=resamples
    )


def warn_if_constant(predictions: Sequence[Prediction], references: Sequence[Any]) -> bool:
    """Say so when every prediction is the same though the references are not."""
    said = {json.dumps(p.value, default=str) for p in predictions}
    if len(said) > 1 or len({json.dumps(r, default=str) for r in references}) < 2:
        return False
    logger.warning(
        "the model answers %s to all %d rows: it has learnt nothing. Train longer or with a higher "
        "trainer.learning_rate, and look at the balance of the labels.",
        said.pop(),
        len(predictions),
    )
    return True


def write_predictions(
    path: Path, task: Task, rows: Sequence[Row], predictions: Sequence[Prediction]
) -> None:
    """One JSON object a row: id, input, prediction, reference, scores; a score that is no number
    is null."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".part")
    # Half a surrogate pair, which UTF-8 has no bytes for, becomes JSON's own escape of it.
    with temporary.open("w", encoding="utf-8", errors="backslashreplace") as file:
        for record in records(task, rows, predictions):
            file.write(json.dumps(plain(record), ensure_ascii=False) + "\n")
    temporary.replace(path)


def records(
    task: Task, rows: Sequence[Row], predictions: Sequence[Prediction]
) -> Iterator[dict[str, Any]]:
    """The rows of `predictions/<split>.jsonl`."""
    for row, prediction in zip(rows, predictions, strict=True):
        yield {
            "id": row.id,
            "input": task.shown(row),
            "prediction": prediction.value,
            "reference": task.reference(row),
            "scores": dict(prediction.scores),
        }


def references_of(task: Task, rows: Sequence[Row]) -> list[Any]:
    """What should have been predicted. Raises DataError for a row without it."""
    references = [task.reference(row) for row in rows]
    for row, reference in zip(rows, references, strict=True):
        if reference is None:
            raise DataError(f"{row.id} has no label, so it can't be scored; predict needs none.")
    return references


def confusion(
    labels: Sequence[str], predictions: Sequence[Prediction], references: Sequence[Any]
) -> list[list[int]]:
    """Counts by reference (rows) and prediction (columns), in the order of `labels`."""
    place: Mapping[Any, int] = {label: i for i, label in enumerate(labels)}
    matrix = [[0] * len(labels) for _ in labels]
    for prediction, reference in zip(predictions, references, strict=True):
        matrix[place[reference]][place[prediction.value]] += 1
    return matrix

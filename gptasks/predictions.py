"""Files of predictions: `predictions/<split>.jsonl` of a run, written and read back.

docs/reference/run-folder.md says what each field means.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from gptasks.errors import RunError
from gptasks.shape import EVERY, misfit
from gptasks.task import Prediction, Row, Task
from gptasks.tracking.tracker import plain

SCORED = ("validation", "test")
"""The splits whose predictions are kept."""

_LINE = {"id": str, "prediction": None, "reference": None, "scores": {EVERY: float}}
_MORE = {"details": {EVERY: None}, "slices": {EVERY: None}}
"""The shapes of a line, and of what it may hold beside."""

_NUMBERS = (float, int, type(None))
_CELLS = (*_NUMBERS, str, bool)


def write_predictions(
    path: Path, task: Task, rows: Sequence[Row], predictions: Sequence[Prediction]
) -> None:
    """One JSON object a row: id, input, prediction, reference, scores, and slices and details where
    there are any; a score that is no number is null."""
    path.parent.mkdir(exist_ok=True)
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
        slices = {name: row.get(name) for name in task.slice_by}
        yield {
            "id": row.id,
            "input": task.shown(row),
            "prediction": prediction.value,
            "reference": task.reference(row),
            "scores": dict(prediction.scores),
            **({"slices": slices} if slices else {}),
            **({"details": dict(prediction.details)} if prediction.details else {}),
        }


def prediction_of(record: Mapping[str, Any]) -> Prediction:
    """What a line of predictions says; a score of null is not a number."""
    scores = record["scores"]
    if None in scores.values():
        scores = {name: math.nan if one is None else one for name, one in scores.items()}
    return Prediction(record["prediction"], scores, record.get("details") or {})


def records_in(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of a file of predictions, each with id, prediction, reference and scores, and all
    of the shape in which they were written.

    Raises RunError if the file is missing, or broken.
    """
    number = 0
    try:
        with path.open(encoding="utf-8") as file:
            for line in file:
                number += 1
                record = json.loads(line)
                if not _is_whole(record):
                    raise RunError(f"{path}, line {number}, is damaged: {_fault(record)}.")
                yield record
    except FileNotFoundError as error:
        raise RunError(f"{path} is missing.") from error
    except OSError as error:
        raise RunError(f"{path} can't be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise RunError(f"{path}, line {number}, can't be read: {error}.") from error


def _is_whole(record: Any) -> bool:
    """Whether a line has its shape; many are read, so this looks at no more than it must."""
    try:
        return (
            type(record["id"]) is str
            and all(type(score) in _NUMBERS for score in record["scores"].values())
            and _is_alike(record["prediction"], record["reference"])
            and type(record.get("details", {})) is dict
            and all(type(cell) in _CELLS for cell in record.get("slices", {}).values())
        )
    except (KeyError, TypeError, AttributeError):
        return False


def _is_alike(prediction: Any, reference: Any) -> bool:
    """Whether they are of one kind; for what a plugin's task may have others are let pass."""
    if type(reference) is list:
        kinds = {str, *map(type, reference)}
        return type(prediction) is list and set(map(type, prediction)) <= kinds
    return type(reference) is not str or type(prediction) is str


def _fault(record: Any) -> str:
    """What is wrong with a line that is not whole."""
    if not isinstance(record, dict):
        return "it holds no object"
    more = {key: shape for key, shape in _MORE.items() if key in record}
    if fault := misfit(record, {**_LINE, **more}):
        return fault
    for name, cell in record.get("slices", {}).items():
        if type(cell) not in _CELLS:
            return f"slices.{name} is {str(cell)[:40]!r}, where a text, a number or null should be"
    return (
        f"prediction {str(record['prediction'])[:40]!r} is not of the kind of reference "
        f"{str(record['reference'])[:40]!r}"
    )

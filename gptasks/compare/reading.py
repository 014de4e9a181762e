"""Runs found and read from their folders; what is no finished run becomes one line each."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gptasks.compare.model import Broken, RunRecord
from gptasks.errors import GptasksError, RunError, suggest
from gptasks.metrics import Score
from gptasks.progress import counted
from gptasks.runs import CONFIG, RESULTS, RunFolder, flat, read_run
from gptasks.shape import EVERY, misfit
from gptasks.task import Prediction


def read_runs(paths: Sequence[str | os.PathLike[str]]) -> tuple[list[RunRecord], list[Broken]]:
    """The finished runs in these folders, and why the others could not be read.

    paths: run folders, and folders with runs at any depth; each run counts once.
    Raises RunError for a path that does not exist.
    """
    runs, broken, seen = [], [], set()
    for path in paths:
        named = Path(path).expanduser()
        if not named.exists():
            near = _neighbours(named)
            raise RunError(f"run folder {path} does not exist{suggest(named.name, near) or '.'}")
        found = list(folders_in(named))
        if not found:
            broken.append(Broken(str(path), "holds no run."))
        for folder in found:
            place = folder.resolve()
            if place in seen:
                continue
            seen.add(place)
            try:
                runs.append(_record(folder))
            except GptasksError as error:
                broken.append(Broken(str(folder), " ".join(str(error).split())))
    return runs, broken


def _neighbours(path: Path) -> list[str]:
    return [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []


def folders_in(path: Path) -> Iterator[Path]:
    """The run folders at `path` or below, in the order of their names; none lies in another."""
    if path.is_file():
        yield path  # which is none, and reading it says so
        return
    for place, below, files in os.walk(path):
        if CONFIG in files or RESULTS in files:
            below.clear()
            yield Path(place)
        below[:] = sorted(name for name in below if not name.startswith("."))


def _record(folder: Path) -> RunRecord:
    config, results = read_run(folder)
    return RunRecord(
        path=str(folder),
        task=results["task"],
        kind=results["kind"],
        backbone=results["backbone"],
        strategy=results["strategy"],
        seed=results["seed"],
        select=results["select"],
        labels=tuple(results["labels"]),
        scores={name: _scores(found) for name, found in results["metrics"].items()},
        baselines={name: _scores(found) for name, found in results["baselines"].items()},
        data={
            name: {"n": split["n"], "sha256": split["sha256"]}
            for name, split in results["data"].items()
        },
        truncation=results["truncation"],
        settings=flat(config),
        command=results["command"],
        timing=results["timing"],
        versions=results["versions"],
    )


def _scores(found: Mapping[str, Any]) -> dict[str, Score]:
    return {name: Score.from_json(score) for name, score in found.items()}


@dataclass(frozen=True)
class Stored:
    """The predictions that a run keeps of its test rows."""

    ids: list[str]
    predictions: list[Prediction]
    references: list[Any]

    def at(self, places: Sequence[int]) -> Stored:
        """The rows at these places, in this order."""
        return Stored(
            [self.ids[i] for i in places],
            [self.predictions[i] for i in places],
            [self.references[i] for i in places],
        )


def read_predictions(run: RunRecord) -> Stored:
    """`predictions/test.jsonl` of a run. Raises RunError if it is missing, or broken."""
    stored = Stored([], [], [])
    for record in records_in(RunFolder(Path(run.path)).predictions / "test.jsonl"):
        stored.ids.append(record["id"])
        stored.predictions.append(prediction_of(record))
        stored.references.append(record["reference"])
    return stored


def check_count(run: RunRecord, kept: int) -> None:
    """Raise RunError where a run keeps more or fewer predictions than it has test rows."""
    rows = run.data["test"]["n"]
    if kept != rows:
        raise RunError(
            f"{run.path} keeps {counted(kept, 'prediction')}, where it was tested on "
            f"{counted(rows, 'row')}."
        )


def read_inputs(run: RunRecord) -> dict[str, str]:
    """The inputs of a run's test rows as JSON, by id. Raises as `read_predictions` does."""
    return {
        record["id"]: json.dumps(record.get("input"), sort_keys=True)
        for record in records_in(RunFolder(Path(run.path)).predictions / "test.jsonl")
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


_LINE = {"id": str, "prediction": None, "reference": None, "scores": {EVERY: float}}
_MORE = {"details": {EVERY: None}, "slices": {EVERY: None}}
"""The shapes of a line of predictions, and of what it may hold beside."""

_NUMBERS = (float, int, type(None))
_CELLS = (*_NUMBERS, str, bool)


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

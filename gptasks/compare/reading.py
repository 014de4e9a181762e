"""Runs found and read from their folders; what is no finished run becomes one line each."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gptasks.compare.model import Broken, RunRecord
from gptasks.errors import GptasksError, RunError, suggest
from gptasks.metrics import Score
from gptasks.predictions import prediction_of, records_in
from gptasks.progress import counted
from gptasks.runs import CONFIG, RESULTS, RunFolder, flat, read_run
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

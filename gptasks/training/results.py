"""What a run leaves behind: the content of results.json, and the same told to a tracker."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from gptasks.config import RunConfig
from gptasks.data.encoding import Encoding
from gptasks.data.splits import Split
from gptasks.evaluation import confusion, references_of
from gptasks.metrics import Score
from gptasks.runs import FORMAT, RunFolder, writing
from gptasks.task import Prediction, Row, Task
from gptasks.tracking import RunInfo, Tracker

Scores = Mapping[str, Mapping[str, Score]]
"""Scores by split or baseline, then by metric."""


def collect(
    config: RunConfig,
    scores: Scores,
    baselines: Scores,
    fit: Mapping[str, Any],
    timing: Mapping[str, Any],
    encodings: Mapping[str, Encoding],
    splits: Mapping[str, Split],
) -> dict[str, Any]:
    """The content of results.json; docs/reference/run-folder.md says what each key means."""
    from gptasks.runtime import peak_memory, versions

    task = config.task
    return {
        "format": FORMAT,
        "task": config.task_name,
        "kind": type(task).name,
        "backbone": config.backbone_name,
        "strategy": config.strategy_name,
        "seed": config.run.seed,
        "select": task.select,
        "metrics": {name: _json(found) for name, found in scores.items()},
        "baselines": {name: _json(found) for name, found in baselines.items()},
        "fit": dict(fit),
        "timing": {**timing, "peak_memory_bytes": peak_memory()},
        "truncation": {name: encoding.ledger.as_json() for name, encoding in encodings.items()},
        "labels": list(task.labels),
        "data": {
            name: {
                "n": len(split.rows),
                "sha256": split.sha256,
                "bad": len(split.bad),
                "dropped": split.dropped,
            }
            for name, split in splits.items()
        },
        "versions": versions(),
        "command": command(config.overrides),
    }


def info(config: RunConfig, folder: RunFolder) -> RunInfo:
    """What a tracker is told of a run before its first number."""
    with writing(folder.path):
        identity = folder.id
    return RunInfo(
        id=f"{config.task_name}-{config.digest()}-{identity}",
        name=folder.path.name,
        task=config.task_name,
        strategy=config.strategy_name,
        backbone=config.backbone_name,
        seed=config.run.seed,
        folder=folder.path,
        config=config.resolved,
    )


def tell(
    tracker: Tracker,
    task: Task,
    scores: Scores,
    baselines: Scores,
    predictions: Sequence[Prediction],
    rows: Sequence[Row],
) -> None:
    """Give the tracker the scores, the confusion matrix and the table of test predictions.

    Texts are part of the table only where the tracker may have them (`tracking.log_texts`).
    """
    named = {**scores, **{f"baseline/{name}": found for name, found in baselines.items()}}
    summary = {}
    for prefix, found in named.items():
        for name, score in found.items():
            summary[f"{prefix}/{name}"] = score.value
            summary[f"{prefix}/{name}/low"] = score.low
            summary[f"{prefix}/{name}/high"] = score.high
    tracker.summary(summary)
    references, labels = references_of(task, rows), task.labels
    if labels:
        tracker.confusion("test/confusion", labels, confusion(labels, predictions, references))
    text = ["input"] if tracker.log_texts else []
    table = [
        [
            row.id,
            *(str(task.shown(row)) for _ in text),
            prediction.value,
            reference,
            *(prediction.scores.get(label) for label in labels),
        ]
        for row, prediction, reference in zip(rows, predictions, references, strict=True)
    ]
    tracker.table("test/predictions", ["id", *text, "prediction", "reference", *labels], table)


def command(overrides: Sequence[str]) -> str:
    """The command line that repeats a run."""
    return shlex.join(["python", "-m", "gptasks", *overrides])


def _json(scores: Mapping[str, Score]) -> dict[str, Any]:
    return {name: score.as_json() for name, score in scores.items()}

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
    predictions: Mapping[str, Sequence[Prediction]],
    digests: Mapping[str, Mapping[str, str]],
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
        "tally": {name: task.tally(found) for name, found in predictions.items()},
        "labels": list(task.labels),
        **digests,
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
        "plugins": dict(config.plugins),
        "command": command(config.overrides, config.file),
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

    Their names are the same for every task. The headline metric stands under `headline` too, so
    that one chart or column shows runs of tasks with different ones.
    Texts are part of the table only where the tracker may have them (`tracking.log_texts`).
    """
    named = {**scores, **{f"baseline/{name}": found for name, found in baselines.items()}}
    summary = {}
    for prefix, found in named.items():
        first = task.metrics[0]
        headline = [("headline", found[first])] if first in found else []
        for name, score in [*headline, *found.items()]:
            summary[f"{prefix}/{name}"] = score.value
            summary[f"{prefix}/{name}/low"] = score.low
            summary[f"{prefix}/{name}/high"] = score.high
    tracker.summary(summary)
    references, labels = references_of(task, rows), task.labels
    if labels:
        tracker.confusion("test/confusion", labels, confusion(task, predictions, references))
    text = ["input"] if tracker.log_texts else []
    # An answer that is a text is the row's as much as the input is.
    answers = ["prediction", "reference"] if text or task.answer != "text" else []
    names = list(dict.fromkeys(name for p in predictions for name in p.scores))
    table = [
        [
            row.id,
            *(str(task.shown(row)) for _ in text),
            *(_cell(value) for value in (prediction.value, reference) if answers),
            *(prediction.scores.get(name) for name in names),
        ]
        for row, prediction, reference in zip(rows, predictions, references, strict=True)
    ]
    tracker.table("test/predictions", ["id", *text, *answers, *names], table)


def _cell(value: Any) -> Any:
    """A value as a cell holds it: a list of tags is one text."""
    return " ".join(value) if isinstance(value, list) else value


def command(overrides: Sequence[str], file: str | None = None) -> str:
    """The command line that repeats a run; file: what `--config` named."""
    config = [] if file is None else ["--config", file]
    return shlex.join(["python", "-m", "gptasks", *config, *overrides])


def _json(scores: Mapping[str, Score]) -> dict[str, Any]:
    return {name: score.as_json() for name, score in scores.items()}

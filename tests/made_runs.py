"""Finished run folders, written as a run writes them but without training."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from gptasks.data.encoding import Ledger
from gptasks.metrics import score_all
from gptasks.runs import FORMAT
from gptasks.task import Prediction

LABELS = ("bad", "good")

Given = Sequence[tuple[Any, Any]]
"""What was predicted, and what should have been, row by row."""


def answers(right: str, reference: str = "bgbgbgbgbg") -> list[tuple[str, str]]:
    """Rows of a sentiment: `right` says of each by + or - whether the prediction is right."""
    names = {"b": "bad", "g": "good"}
    other = {"bad": "good", "good": "bad"}
    meant = [names[reference[n % len(reference)]] for n in range(len(right))]
    return [
        (one if sign == "+" else other[one], one) for sign, one in zip(right, meant, strict=True)
    ]


def made_run(
    folder: Path,
    given: Given,
    *,
    metrics: Sequence[str] = ("accuracy",),
    labels: Sequence[str] = LABELS,
    task: str = "toy",
    backbone: str = "tiny",
    strategy: str = "lora",
    seed: int = 0,
    rate: float = 0.001,
    sure: float = 0.9,
    rows: str = "the rows",
    inputs: Sequence[Any] | None = None,
    slices: Sequence[Mapping[str, Any]] | None = None,
    ids: Sequence[str] | None = None,
    baselines: Mapping[str, Given] | None = None,
    cut: int = 0,
    signature: str = "",
    more: Mapping[str, Any] | None = None,
) -> Path:
    """A finished run that predicted `given` on its test rows.

    sure: the probability of each predicted label. rows: stands for the content of the test rows.
    cut: tokens lost, one a row. signature: another one than the metrics'.
    """
    found = [_prediction(said, labels, sure) for said, _ in given]
    config: dict[str, Any] = {
        "task": {"name": task, "kind": task, "data": {"train": str(folder)}, "template": None},
        "backbone": {"name": backbone, "shape": "llama"},
        "strategy": {"name": strategy, "kind": strategy, "rank": 16},
        "trainer": {"name": "default", "learning_rate": rate},
        "tracking": {"name": "none"},
        "seed": seed,
        "run": str(folder),
        "limit": None,
        "device": "cpu",
    }
    sizes = {"train": 9, "validation": 3, "test": len(given)}
    shas = {"train": "a" * 64, "validation": "c" * 64, "test": _sha256(rows)}
    ledgers = {
        name: Ledger(n, lost, 10 * n, lost, n, source_tokens=10 * n)
        for name, n in sizes.items()
        for lost in [cut if name == "test" else 0]
    }
    results = {
        "format": FORMAT,
        "task": task,
        "kind": task,
        "backbone": backbone,
        "strategy": strategy,
        "seed": seed,
        "select": "log_loss",
        "metrics": {
            "validation": {},
            "test": _scores(metrics, found, [meant for _, meant in given], labels, signature),
        },
        "baselines": {
            name: _scores(
                metrics,
                [_prediction(said, labels, sure) for said, _ in simple],
                [meant for _, meant in simple],
                labels,
                "",
            )
            for name, simple in (baselines or {}).items()
        },
        "fit": {},
        "timing": {
            "seconds": {},
            "total_seconds": 1.5,
            "device": "cpu",
            "processor": "a processor",
            "threads": 2,
            "precision": "fp32",
            "processes": 1,
            "peak_memory_bytes": 1_000_000,
        },
        "truncation": {name: ledger.as_json() for name, ledger in ledgers.items()},
        "tally": {"validation": {}, "test": {}},
        "labels": list(labels),
        "model": {},
        "adapter": {},
        "files": {},
        "data": {
            name: {"n": sizes[name], "sha256": shas[name], "bad": 0, "dropped": 0} for name in sizes
        },
        "versions": {},
        "plugins": {},
        "command": f"python -m gptasks task={task}",
        **(more or {}),
    }
    (folder / "predictions").mkdir(parents=True)
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False), "utf-8")
    (folder / "results.json").write_text(json.dumps(results), "utf-8")
    with (folder / "predictions" / "test.jsonl").open("w", encoding="utf-8") as file:
        for n, (prediction, (_, meant)) in enumerate(zip(found, given, strict=True)):
            record = {
                "id": ids[n] if ids else f"test.csv:{n + 2}",
                "input": inputs[n] if inputs else f"text {n}",
                "prediction": prediction.value,
                "reference": meant,
                "scores": dict(prediction.scores),
                **({"slices": slices[n]} if slices else {}),
            }
            file.write(json.dumps(record) + "\n")
    return folder


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _prediction(said: Any, labels: Sequence[str], sure: float) -> Prediction:
    if not labels or said not in labels:
        return Prediction(said)
    rest = (1 - sure) / max(1, len(labels) - 1)
    return Prediction(said, {label: sure if label == said else rest for label in labels})


def _scores(
    metrics: Sequence[str],
    found: Sequence[Prediction],
    references: Sequence[Any],
    labels: Sequence[str],
    signature: str,
) -> dict[str, Any]:
    scores = score_all(metrics, found, references, labels, resamples=200)
    told = {name: score.as_json() for name, score in scores.items()}
    return {
        name: {**score, "signature": signature or score["signature"]}
        for name, score in told.items()
    }

"""What is right scores the maximum, through a whole run, for every kind in every language."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from small_runs import configured, results_of

from gptasks.evaluation import references_of
from gptasks.task import Prediction, Row, Task
from gptasks.training import session
from gptasks.verification import Verifier

WORDS = {
    "en": ["Ada", "saw", "New", "York", "on", "Monday", "."],
    "zh": ["王小明", "在", "北", "京", "工作", "。"],
    "mixed": ["Émile", "and", "李娜", "met", "in", "São", "Paulo", "😀"],
}
TEXTS = {
    "en": ("The cat sat on the mat, it's said.", "Cat sits on mat"),
    "zh": ("今天北京天气晴朗，气温回升。", "北京今日天气晴"),
    "mixed": ("Die Straße nach 北京 ist lang.", "Straße 北京 7"),
}


def classes(language: str, n: int) -> dict[str, Any]:
    first, second = TEXTS[language]
    return {"text": f"{first} {n}", "label": (first[:4], second[:4], "7")[n % 3]}


def pairs(language: str, n: int) -> dict[str, Any]:
    return {**classes(language, n), "other": TEXTS[language][1]}


def tags(language: str, n: int) -> dict[str, Any]:
    words = WORDS[language]
    names = ["B-PER", "O", "B-LOC", "I-LOC", *["O"] * (len(words) - 4)]
    return {"tokens": [*words, str(n)], "tags": [*names, "O"]}


def spans(language: str, n: int) -> dict[str, Any]:
    """The name at the start of each text."""
    text = f"{TEXTS[language][0]} {n}"
    end = 1 if language == "zh" else 3
    return {"text": text, "spans": [{"start": 0, "end": end, "label": "NAME"}] if n % 2 else []}


def written(language: str, n: int) -> dict[str, Any]:
    source, target = TEXTS[language]
    return {"source": f"{source} {n}", "target": f"{target} {n}"}


KINDS = {
    "classes": (classes, "task=sequence_classification", "strategy=head"),
    "pairs": (pairs, "task=sequence_classification", "strategy=head", "task.text_pair=other"),
    "tags": (tags, "task=token_classification", "strategy=head"),
    "spans": (spans, "task=token_classification", "strategy=head"),
    "texts": (written, "task=conditional_generation", "trainer.epochs=0", "task.max_length=200"),
}


def right(task: Task, model: Any, windows: Any, rows: Sequence[Row], **_: Any) -> list[Prediction]:
    """What a model without a fault would say of each row."""
    return [
        Prediction(meant, {label: float(label == meant) for label in task.labels})
        if task.answer == "label"
        else Prediction(meant)
        for meant in references_of(task, rows)
    ]


@pytest.mark.parametrize("language", TEXTS)
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_right_scores_the_maximum(
    kind: str, language: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row, *overrides = KINDS[kind]
    path = tmp_path / "rows.jsonl"
    lines = (json.dumps(row(language, n), ensure_ascii=False) for n in range(120))
    path.write_text("\n".join(lines), "utf-8")
    monkeypatch.setattr(session, "predict_windows", right)
    folder = session.train(configured(path, *overrides, f"run={tmp_path / 'run'}"))
    for split in ("validation", "test"):
        for name, score in results_of(folder)["metrics"][split].items():
            best = 1.0 if score["is_better_higher"] else 0.0
            assert score["value"] == pytest.approx(best, abs=1e-9), f"{split} {name}"
    assert {check.state for check in Verifier().checks(folder)} == {"ok"}

"""Files of predictions: what is written, what is read back, and what is no line of one."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from gptasks.errors import RunError
from gptasks.predictions import prediction_of, records, records_in, write_predictions
from gptasks.task import Prediction, Row
from gptasks.tasks.sequence_classification import SequenceClassification

SAID = [Prediction("good", {"bad": 0.25, "good": 0.75}), Prediction("bad", {"bad": 1.0})]
ROWS = [
    Row({"text": 'gut, 负面\n"x"', "label": "bad", "shop": 3}, id="a.csv:2"),
    Row({"text": "b", "label": "bad", "shop": None}, id="a.csv:3"),
]
LINE = {"id": "1", "input": "a", "prediction": "x", "reference": "y", "scores": {"x": 1}}


def task(**options: Any) -> SequenceClassification:
    return SequenceClassification(labels=["bad", "good"], **options)


def test_predictions_are_written_one_object_a_row(tmp_path: Path) -> None:
    path = tmp_path / "predictions" / "test.jsonl"
    write_predictions(path, task(), ROWS, SAID)
    lines = path.read_text("utf-8").splitlines()
    assert "负面" in lines[0]
    assert json.loads(lines[0]) == {
        "id": "a.csv:2",
        "input": 'gut, 负面\n"x"',
        "prediction": "good",
        "reference": "bad",
        "scores": {"bad": 0.25, "good": 0.75},
    }
    assert json.loads(lines[1])["id"] == "a.csv:3"
    assert [p.name for p in path.parent.iterdir()] == ["test.jsonl"]


def test_pairs_are_shown_as_pairs() -> None:
    row = Row({"text": "a", "second": "b", "label": "bad"}, id="1")
    pair = task(text_pair="second")
    assert next(records(pair, [row], SAID[:1]))["input"] == {"text": "a", "text_pair": "b"}


def test_odd_numbers_and_half_signs_are_still_json(tmp_path: Path) -> None:
    row = Row({"text": "half \ud83d a sign", "label": "bad"}, id="1")
    odd = Prediction("bad", {"bad": float("nan"), "good": float("inf")})
    path = tmp_path / "test.jsonl"
    write_predictions(path, task(), [row], [odd])

    def refuse(name: str) -> None:
        raise AssertionError(name)

    found = json.loads(path.read_text("utf-8"), parse_constant=refuse)
    assert found["scores"] == {"bad": None, "good": None}
    assert found["input"] == "half \ud83d a sign"


def test_rows_and_predictions_that_do_not_match_are_our_own_fault(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="shorter"):
        write_predictions(tmp_path / "x.jsonl", task(), ROWS, SAID[:1])


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    said = [*SAID[:1], Prediction("bad", {"bad": math.nan}, {"places": [1, 2]})]
    path = tmp_path / "test.jsonl"
    write_predictions(path, task(slice_by=["shop"]), ROWS, said)
    first, second = records_in(path)
    assert (first["slices"], second["slices"]) == ({"shop": 3}, {"shop": None})
    assert prediction_of(first) == SAID[0]
    again = prediction_of(second)
    assert math.isnan(again.scores["bad"])
    assert again.details == {"places": [1, 2]}


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ([1], "it holds no object"),
        ({**LINE, "id": None}, "id is null, where a text should be"),
        ({k: v for k, v in LINE.items() if k != "reference"}, "reference is missing"),
        ({**LINE, "scores": {"x": "1"}}, "scores.x is '1', where a number or null should be"),
        ({**LINE, "scores": {"x": True}}, "scores.x is true, where a number or null should be"),
        ({**LINE, "details": 5}, "details is 5, where an object should be"),
        ({**LINE, "slices": ["a"]}, "slices is a list, where an object should be"),
        ({**LINE, "slices": {"a": {}}}, "slices.a is '{}', where a text, a number or null"),
        ({**LINE, "prediction": ["x"]}, "prediction \"['x']\" is not of the kind of reference 'y'"),
        ({**LINE, "reference": ["y"]}, "prediction 'x' is not of the kind of reference \"['y']\""),
        ({**LINE, "prediction": [["O"]], "reference": ["O"]}, "prediction \"[['O']]\" is not of"),
    ],
)  # fmt: skip
def test_a_line_that_is_none_is_told_by_its_number(line: Any, fault: str, tmp_path: Path) -> None:
    path = tmp_path / "test.jsonl"
    path.write_text(f"{json.dumps(LINE)}\n{json.dumps(line)}\n", "utf-8")
    with pytest.raises(RunError) as told:
        list(records_in(path))
    assert str(told.value).startswith(f"{path}, line 2, is damaged: {fault}")


def test_what_a_plugin_s_task_answers_may_be_of_any_kind(tmp_path: Path) -> None:
    path = tmp_path / "test.jsonl"
    lines = [{**LINE, "prediction": 0.5, "reference": 3}, {**LINE, "reference": None}]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    assert list(records_in(path)) == lines


def test_a_file_that_is_none_is_told(tmp_path: Path) -> None:
    for path, fault in (
        (tmp_path / "none.jsonl", f"{tmp_path}/none.jsonl is missing."),
        (tmp_path, f"{tmp_path} can't be read: Is a directory."),
    ):
        with pytest.raises(RunError) as told:
            list(records_in(path))
        assert str(told.value) == fault

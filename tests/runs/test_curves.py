"""history.jsonl: points that come back, and what is none."""

from __future__ import annotations

import pytest

from gptasks.runs import (
    HistoryFile,
)


def test_points_come_back_and_are_numbers_or_null(tmp_path):
    history = HistoryFile(tmp_path / "history.jsonl")
    assert history.points() == []
    history.append(0, {"a": 0.1})
    history.append(3, {"a": float("nan"), "b": float("-inf")})
    assert history.points() == [{"step": 0, "a": 0.1}, {"step": 3, "a": None, "b": None}]


def test_numbers_of_a_curve_that_are_no_json_are_none(tmp_path):
    history = HistoryFile(tmp_path / "history.jsonl")
    history.path.write_text('{"step": 1, "a": Infinity, "b": NaN, "c": 1e999, "d": 2}\n')
    assert history.points() == [{"step": 1, "a": None, "b": None, "c": None, "d": 2}]


def test_curves_are_rewound_past_a_line_cut_off(tmp_path):
    history = HistoryFile(tmp_path / "history.jsonl")
    for step in range(4):
        history.append(step, {"a": float(step)})
    with history.path.open("a") as file:
        file.write('{"step": 4, "a')
    history.rewind(history.points()[:3])
    history.append(3, {"a": 9.0})
    assert [point["a"] for point in history.points()] == [0.0, 1.0, 2.0, 9.0]
    history.rewind([])
    assert history.path.read_text() == ""


@pytest.mark.parametrize(
    "damaged", ["", "5", "{}", '{"step": "1"}', '{"step": 1, "a": "b"}', "\udc80"]
)
def test_curves_end_where_a_point_can_not_be_read(damaged, tmp_path):
    history = HistoryFile(tmp_path / "history.jsonl")
    for step in range(3):
        history.append(step, {"a": float(step)})
    lines = history.path.read_text().splitlines()
    text = "\n".join([lines[0], damaged, lines[2]])
    history.path.write_bytes(text.encode(errors="surrogateescape"))
    assert history.points() == [{"step": 0, "a": 0.0}]

"""gptasks.shape: the first place where what was read is not of the shape it should have."""

from __future__ import annotations

from typing import Any

import pytest

from gptasks.shape import EVERY, misfit

SHAPE = {
    "name": str,
    "n": int,
    "value": float,
    "kind": ("a", "b"),
    "labels": [str],
    "scores": {EVERY: {"low": float}, "first": str},
}
RIGHT: dict[str, Any] = {
    "name": "",
    "n": 0,
    "value": None,
    "kind": "b",
    "labels": ["x"],
    "scores": {"first": "y", "auroc": {"low": 1, "more": []}},
    "more": None,
}


@pytest.mark.parametrize("value", [RIGHT, {**RIGHT, "value": 0.5, "labels": []}])
def test_what_fits_is_no_fault(value: Any) -> None:
    assert misfit(value, SHAPE) == ""


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"name": 3}, "name is 3, where a text should be"),
        ({"n": 1.5}, "n is 1.5, where a whole number should be"),
        ({"n": True}, "n is true, where a whole number should be"),
        ({"n": None}, "n is null, where a whole number should be"),
        ({"value": "1"}, "value is '1', where a number or null should be"),
        ({"value": False}, "value is false, where a number or null should be"),
        ({"kind": "c"}, "kind is 'c', where a or b should be"),
        ({"kind": ["a"]}, "kind is a list, where a or b should be"),
        ({"labels": {}}, "labels is an object, where a list should be"),
        ({"labels": ["x", None]}, "labels[1] is null, where a text should be"),
        ({"scores": []}, "scores is a list, where an object should be"),
        ({"scores": {}}, "scores.first is missing"),
        ({"scores": {"first": "", "f1": {}}}, "scores.f1.low is missing"),
        ({"scores": {"first": "", "f1": 3}}, "scores.f1 is 3, where an object should be"),
        ({"name": "x", "n": "y" * 99}, f"n is '{'y' * 39}, where a whole number should be"),
    ],
)
def test_the_first_misfit_is_named_with_what_should_be(change: Any, fault: str) -> None:
    assert misfit({**RIGHT, **change}, SHAPE) == fault


def test_a_value_by_itself_has_a_place_too() -> None:
    assert misfit([], {"n": int}, "it") == "it is a list, where an object should be"

"""The score that chose a run's model, and the best of several runs: validation alone tells."""

from __future__ import annotations

import math
from typing import Any

import pytest

from gptasks.metrics import Score
from gptasks.selection import Candidate, best_on_validation, selected


def results(
    select: str = "log_loss",
    *,
    better: bool = False,
    rows: str = "r",
    task: str = "toy",
    backbone: str = "tiny",
    best: float | None = None,
    **scores: float,
) -> dict[str, Any]:
    """The part of results.json that counts; on test every score would choose the other way."""
    validation = {
        name: Score(value, 0.0, 1.0, 9, f"{name}|v:1", better).as_json()
        for name, value in scores.items()
    }
    test = {
        name: Score(1 - value, 0.0, 1.0, 9, f"{name}|v:1", better).as_json()
        for name, value in scores.items()
    }
    return {
        "task": task, "backbone": backbone, "select": select,
        "metrics": {"validation": validation, "test": test},
        "data": {"validation": {"n": 9, "sha256": rows}},
        "fit": {} if best is None else {"best": {select: best}},
    }  # fmt: skip


def best(*runs: tuple[str, int, dict[str, Any]]) -> list[str]:
    return best_on_validation([Candidate(*run) for run in runs])


def test_what_selects_is_scored_on_validation_and_says_its_direction() -> None:
    loss = selected(results(log_loss=0.3, accuracy=0.9))
    assert loss == Score(0.3, 0.0, 1.0, 9, "log_loss|v:1", False)
    accuracy = selected(results("accuracy", better=True, accuracy=0.9))
    assert accuracy is not None
    assert (accuracy.value, accuracy.is_better_higher) == (0.9, True)


def test_a_loss_that_is_no_metric_is_that_of_the_best_state() -> None:
    found = selected(results("loss", best=1.5, accuracy=0.9))
    assert found is not None
    assert (found.value, found.is_better_higher, found.signature) == (1.5, False, "loss")
    assert math.isnan(found.low)


@pytest.mark.parametrize(
    "fit", [{}, {"best": None}, {"best": {"loss": "low"}}, {"best": {"acme": 1.0}}]
)
def test_where_none_was_kept_there_is_none(fit: Any) -> None:
    found = {**results("acme" if "acme" in str(fit) else "loss"), "fit": fit}
    assert selected(found) is None


def test_the_best_is_chosen_on_validation_and_never_on_test() -> None:
    a, b = results(log_loss=0.5), results(log_loss=0.4)
    assert best(("x=1", 0, a), ("x=2", 0, b)) == ["best on validation: x=2 (log_loss 0.4000)"]
    a, b = (results("accuracy", better=True, accuracy=value) for value in (0.5, 0.4))
    assert best(("x=1", 0, a), ("x=2", 0, b)) == ["best on validation: x=1 (accuracy 0.5000)"]


def test_seeds_of_a_configuration_count_by_their_mean() -> None:
    runs = [("x=1", 0, 0.1), ("x=1", 1, 0.9), ("x=2", 0, 0.4), ("x=2", 1, 0.5)]
    found = best(*((name, seed, results(log_loss=value)) for name, seed, value in runs))
    assert found == ["best on validation: x=2 (log_loss 0.4500, mean of 2 seeds)"]


def test_of_one_configuration_the_best_seed_is_told() -> None:
    found = best(("", 3, results(log_loss=0.5)), ("", 4, results(log_loss=0.4)))
    assert found == ["best on validation: seed=4 (log_loss 0.4000)"]
    assert best(("", 3, results(log_loss=0.5))) == []


def test_each_task_has_a_best_of_its_own() -> None:
    runs = [
        ("x=1", 0, results(log_loss=0.5)), ("x=2", 0, results(log_loss=0.4)),
        ("x=1", 0, results("accuracy", better=True, task="other", accuracy=0.7)),
        ("x=2", 0, results("accuracy", better=True, task="other", accuracy=0.6)),
        ("x=1", 0, results(task="alone", log_loss=0.6)),
    ]  # fmt: skip
    assert best(*runs) == [
        "best on validation of task toy: x=2 (log_loss 0.4000)",
        "best on validation of task other: x=1 (accuracy 0.7000)",
    ]


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (results(rows="s", log_loss=0.1), "not all runs were validated on the same rows by the "
         "same metric"),
        (results("accuracy", accuracy=0.1), "not all runs were validated on the same rows by the "
         "same metric"),
        (results(log_loss=math.nan), "1 of 2 runs have no score of what selects"),
        (results(accuracy=0.1), "1 of 2 runs have no score of what selects"),
    ],
)  # fmt: skip
def test_what_can_not_be_compared_has_no_best(other: dict[str, Any], reason: str) -> None:
    found = best(("x=1", 0, results(log_loss=0.5)), ("x=2", 0, other))
    assert found == [f"best on validation: none, since {reason}"]


def test_losses_per_token_are_not_compared_across_tokenizers() -> None:
    a, b = (results("loss", best=value, backbone=str(value)) for value in (1.5, 1.0))
    (line,) = best(("x=1", 0, a), ("x=2", 0, b))
    assert "none, since not all runs were validated on the same rows" in line
    b["backbone"] = a["backbone"]
    assert best(("x=1", 0, a), ("x=2", 0, b)) == ["best on validation: x=2 (loss 1.0000)"]

"""Tables for the terminal."""

from __future__ import annotations

import math
from typing import Any

from gptasks.metrics import Score
from gptasks.report import run_table, score_table, table


def score(
    value: float, low: float = math.nan, high: float = math.nan, *, better: bool = True
) -> Score:
    return Score(value, low, high, 7, "s", better)


def results(
    value: float = 0.5, *, low: float = math.nan, seed: int = 0, **tally: int
) -> dict[str, Any]:
    return {
        "task": "toys", "backbone": "tiny", "strategy": "head", "seed": seed,
        "metrics": {"test": {"accuracy": score(value, low, 0.75).as_json(),
                             "log_loss": score(math.nan, better=False).as_json()}},
        "baselines": {"majority": {"accuracy": score(0.25).as_json()}},
        "tally": {"test": tally},
        "data": {"test": {"n": 1234}},
    }  # fmt: skip


def test_columns_line_up_by_the_width_of_signs_on_a_terminal() -> None:
    rows = [["好", "b"], ["abc", "d"], ["e\u0301", "f"]]  # 2, 3 and 1 columns wide
    assert table(rows).splitlines() == ["好   b", "abc  d", "e\u0301    f"]


def test_a_line_has_no_blanks_at_its_end() -> None:
    assert table([["a", ""], ["b", "long"]]) == "a\nb  long"


def test_scores_stand_with_their_intervals() -> None:
    shown = score_table(
        {
            "lora": {
                "accuracy": score(0.86251, 0.85, 0.8749),
                "log_loss": score(0.4, better=False),
            },
            "majority": {"accuracy": score(0.5)},
        }
    )
    assert shown.splitlines() == [
        "                            lora                   majority",
        "accuracy                    0.8625 [0.850, 0.875]  0.5000",
        "log_loss (lower is better)  0.4000                 undefined",
    ]


def test_a_run_stands_beside_its_baselines() -> None:
    assert run_table(results(0.5, low=0.25)).splitlines() == [
        "task toys · backbone tiny · strategy head · seed 0",
        "",
        "                            head                   majority",
        "accuracy                    0.5000 [0.250, 0.750]  0.2500",
        "log_loss (lower is better)  undefined              undefined",
        "",
        "1,234 test rows; in brackets 95% bootstrap intervals over them.",
    ]


def test_without_intervals_none_are_explained() -> None:
    assert run_table(results()).endswith("\n\n1,234 test rows.")


def test_what_was_counted_in_the_predictions_is_told_where_it_is_not_zero() -> None:
    assert run_table(results(empty=0, not_ended=0)).endswith("1,234 test rows.")
    assert run_table(results(empty=0, not_ended=1200)).endswith(
        "1,234 test rows. Counted in the predictions: not_ended 1,200."
    )

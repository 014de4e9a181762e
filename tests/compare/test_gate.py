"""The gate of CI: what passes, what fails, what can't be compared, and what is said of each."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from command_line import gptasks
from made_runs import LABELS, answers, made_run

from gptasks.compare import compare
from gptasks.compare.gate import gate

N = 200


def right(count: int, of: int = N) -> list[tuple[str, str]]:
    return answers("+" * count + "-" * (of - count))


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return made_run(tmp_path / "old", right(180))


def gated(new: Path, old: Path, *more: str) -> tuple[int, str, str]:
    """Exit code, output without intervals, fault without its beginning."""
    done = gptasks("gate", str(new), "--baseline", str(old), *more)
    return (
        done.code,
        re.sub(r"\[-?\d\.\d+, -?\d\.\d+\]", "[…]", done.out),
        done.err.removeprefix("gptasks: ").removesuffix("\n"),
    )


# -- passed, failed -----------------------------------------------------------------------


def test_a_run_as_good_passes(tmp_path: Path, old: Path) -> None:
    code, out, err = gated(made_run(tmp_path / "new", right(180)), old)
    assert (code, err) == (0, "")
    head, line, verdict = out.splitlines()
    assert re.split(" {2,}", head) == [
        "task", "metric", "old", "new", "new - old", "p", "rows", "rows needed", "verdict",
    ]  # fmt: skip
    assert line == (
        "toy   accuracy  0.9000  0.9000  0.0000 […]  1.0000  200   –            no drop"
    )
    assert verdict == "passed: no significant drop (alpha 0.05)"


def test_a_significant_drop_fails(tmp_path: Path, old: Path) -> None:
    code, out, err = gated(made_run(tmp_path / "new", right(150)), old)
    assert code == 1
    # 30 rows that the old run alone has right: 2 * 0.5**30.
    assert err == ("dropped significantly: toy accuracy went from 0.9000 to 0.7500 (p 1.9e-09)")
    assert re.search(r"0\.9000  0\.7500  -0\.1500 \[…\]  <0\.0001  200   \d+ +DROPPED\n", out)
    assert "passed" not in out


def test_a_drop_that_chance_explains_passes_and_says_what_rows_it_would_take(
    tmp_path: Path, old: Path
) -> None:
    code, out, err = gated(made_run(tmp_path / "new", right(178)), old)
    assert (code, err) == (0, "")
    # Two rows that the old run alone has right: 2 * 0.5**2.
    row = re.search(r"-0\.0100 \[…\]  0\.5000  200   (\d+) +not significant\n", out)
    assert row
    assert 700 < int(row[1]) < 900  # 7.85 * 0.0099 / 0.0001, by a bootstrap
    assert (
        f"\ntoy accuracy: a drop of 0.0100 would be found in 80% of all cases with {row[1]} rows; "
        "there are 200.\npassed: no significant drop (alpha 0.05)\n"
    ) in out


def test_a_drop_that_is_allowed_passes_however_significant(tmp_path: Path, old: Path) -> None:
    new = made_run(tmp_path / "new", right(150))
    code, out, _ = gated(new, old, "--max-drop", "15")
    assert code == 0  # 0.9 - 0.75 is 0.15 and a little
    assert "within --max-drop\npassed: no significant drop of more than 0.15 (alpha 0.05)\n" in out
    assert gated(new, old, "--max-drop", "14.9")[0] == 1


def test_alpha_says_what_is_significant_and_the_rows_it_needs(tmp_path: Path, old: Path) -> None:
    new = made_run(tmp_path / "new", right(174))
    assert gated(new, old)[0] == 1  # 2 * 0.5**6 = 0.031
    assert gated(new, old, "--alpha", "0.01")[0] == 0
    needed = [gate([new], [old], alpha=alpha).gated[0].rows_needed for alpha in (0.05, 0.01)]
    assert None not in needed
    assert needed[1] > needed[0]
    (test,) = compare([new, old], by=["run"]).tests
    assert needed[0] == test.rows_needed


def test_where_lower_is_better_a_rise_is_the_drop(tmp_path: Path) -> None:
    old = made_run(tmp_path / "old", right(180), metrics=["log_loss"])
    new = made_run(tmp_path / "new", right(150), metrics=["log_loss"])
    code, out, err = gated(new, old)
    assert code == 1
    assert "toy   log_loss (lower is better)  0.3251  0.6547  0.3296 […]" in out
    assert err.startswith("dropped significantly: toy log_loss went from 0.3251 to 0.6547 (p ")
    assert gated(old, new)[0] == 0


def test_the_numbers_are_those_of_compare(tmp_path: Path, old: Path) -> None:
    new = made_run(tmp_path / "new", right(174), strategy="head")
    (one,) = gate([new], [old]).gated
    (test,) = compare([old, new]).tests
    assert (one.difference, one.low, one.high) == (-test.difference, -test.high, -test.low)
    assert (one.p, one.rows) == (test.p_holm, test.rows)
    (one,) = gate([old], [new]).gated
    assert (one.difference, one.low, one.high) == (test.difference, test.low, test.high)
    assert not one.is_worse


def test_it_is_told_as_json_too(tmp_path: Path, old: Path) -> None:
    new = made_run(tmp_path / "new", right(150))
    done = gptasks("gate", str(new), "--baseline", str(old), "--json")
    assert done.code == 1
    told = json.loads(done.out)
    (one,) = told["gated"]
    assert (one["old"], one["new"], one["verdict"], one["is_worse"]) == (0.9, 0.75, "DROPPED", True)
    assert (told["incomparable"], told["notes"]) == ([], [])


# -- several ------------------------------------------------------------------------------


def test_seeds_are_gated_by_their_means_whatever_their_number(tmp_path: Path) -> None:
    for seed in range(3):
        made_run(tmp_path / "old" / str(seed), right(180 + seed), seed=seed)
        made_run(tmp_path / "new" / str(seed), right(160 + 2 * seed), seed=seed)
    code, out, err = gated(tmp_path / "new", tmp_path / "old")
    assert (code, "0.9050 of 3 seeds  0.8100 of 3 seeds  -0.0950" in out) == (1, True)
    assert err.startswith("dropped significantly: toy accuracy went from 0.9050 to 0.8100 (p ")
    code, out, _ = gated(tmp_path / "new" / "0", tmp_path / "old")
    assert (code, "0.9050 of 3 seeds  0.8000  -0.1050" in out) == (1, True)


def test_seeds_that_differ_as_much_among_themselves_pass(tmp_path: Path) -> None:
    for seed, (old, new) in enumerate(((190, 180), (150, 155), (180, 150))):
        made_run(tmp_path / "old" / str(seed), right(old), seed=seed)
        made_run(tmp_path / "new" / str(seed), right(new), seed=seed)
    code, out, _ = gated(tmp_path / "new", tmp_path / "old")
    assert (code, "more seeds   not significant" in out) == (0, True)
    assert "toy accuracy: a drop of 0.0583 is within the spread of the seeds; more of them" in out


@pytest.fixture
def tasks(tmp_path: Path) -> tuple[Path, Path]:
    """Old and new runs of two tasks: one a little worse, p 0.031, one alike."""
    for task, count in (("one", 174), ("two", 180)):
        made_run(tmp_path / "old" / task, right(180), task=task, metrics=["accuracy", "f1_macro"])
        made_run(tmp_path / "new" / task, right(count), task=task, metrics=["accuracy", "f1_macro"])
    return tmp_path / "new", tmp_path / "old"


def test_all_tasks_are_gated_and_corrected_together(tasks: tuple[Path, Path]) -> None:
    code, out, _ = gated(*tasks)
    assert code == 0
    assert re.search(r"^one   accuracy  .* 0\.0625  200 .* not significant$", out, re.MULTILINE)
    assert re.search(r"^task  metric .* p Holm  rows", out)
    assert out.endswith("passed: no significant drop (alpha 0.05, Holm over 2 tests)\n")
    new, old = tasks
    code, _, err = gated(new / "one", old / "one")  # alone it is not corrected
    assert (code, err[-9:]) == (1, "(p 0.031)")


def test_metrics_that_are_named_are_gated_instead(tasks: tuple[Path, Path]) -> None:
    new, old = tasks
    found = gate([new], [old], metrics=["f1_macro", "accuracy"])
    assert [(one.task, one.metric) for one in found.gated] == [
        ("one", "f1_macro"), ("one", "accuracy"), ("two", "f1_macro"), ("two", "accuracy"),
    ]  # fmt: skip
    done = gptasks("gate", str(new), "--baseline", str(old), "--metric", "f1_macro,accuracy")
    assert done.out.endswith("Holm over 4 tests)\n")


def test_a_task_that_is_new_is_told_of_and_one_that_is_gone_can_not_be_compared(
    tasks: tuple[Path, Path],
) -> None:
    new, old = tasks
    code, out, err = gated(new, old / "one")
    assert (code, err[:22]) == (1, "dropped significantly:")
    assert "\ntwo is not gated: the baseline has no run of it.\n" in out
    code, _, err = gated(new / "two", old)
    assert (code, err) == (2, "not comparable: one: there is no new run of it.")
    code, _, err = gated(new / "one", old)  # a drop stays one
    assert code == 1
    assert err.splitlines()[1] == "gptasks: not comparable: two: there is no new run of it."
    code, out, err = gated(new / "one", old / "two")
    assert (code, out) == (2, "one is not gated: the baseline has no run of it.\n")
    assert err == "not comparable: two: there is no new run of it."


# -- what can't be compared ---------------------------------------------------------------

REASONS = {
    "the new runs have test data 2d711642 (200 rows), not 738bc7ab (200 rows)": {"rows": "x"},
    "the new runs have labels bad, good, ugly, not bad, good": {"labels": [*LABELS, "ugly"]},
    "the new runs have metric accuracy|v:9, not accuracy|v:1": {"signature": "accuracy|v:9"},
    "the new runs have 5 test rows cut (5 tokens lost), not 0 test rows cut (0 tokens lost)": {
        "cut": 5
    },
    "there is no new test score of it": {"metrics": ["f1_macro"]},
}


@pytest.mark.parametrize("reason", REASONS)
def test_what_was_scored_in_another_way_is_not_comparable(
    tmp_path: Path, old: Path, reason: str
) -> None:
    new = made_run(tmp_path / "new", right(180), **REASONS[reason])
    assert gated(new, old) == (2, "", f"not comparable: toy accuracy: {reason}.")


def test_what_can_not_be_tested_is_not_comparable(tmp_path: Path, old: Path) -> None:
    new = made_run(tmp_path / "new", right(180))
    path = new / "predictions" / "test.jsonl"
    path.write_text(path.read_text("utf-8").replace('"prediction": "bad"', '"prediction": "good"'))
    code, _, err = gated(new, old)
    assert code == 2
    assert re.fullmatch(
        rf"not comparable: toy accuracy: {new}: its predictions give accuracy 0\.\d+, its "
        r"results\.json says 0\.9000\.", err,
    )  # fmt: skip
    path.unlink()
    assert gated(new, old)[2] == f"not comparable: toy accuracy: {path} is missing."


def test_a_score_that_is_undefined_is_not_comparable(tmp_path: Path) -> None:
    old = made_run(tmp_path / "old", [("good", "good")] * 9, metrics=["auroc"])
    new = made_run(tmp_path / "new", [("good", "good")] * 9, metrics=["auroc"])
    assert gated(new, old)[2] == (
        "not comparable: toy auroc: it is undefined for the old runs; it is undefined for the new "
        "runs."
    )


def test_a_task_without_any_of_the_metrics_is_not_comparable(tmp_path: Path) -> None:
    for side in ("old", "new"):
        made_run(tmp_path / side / "a", right(180))
        made_run(tmp_path / side / "b", right(180), task="other", metrics=["f1_macro"])
    code, _, err = gated(tmp_path / "new", tmp_path / "old", "--metric", "f1_macro")
    assert (code, err) == (2, "not comparable: toy: it has no test score f1_macro.")


# -- wrong input --------------------------------------------------------------------------


def test_runs_of_several_configurations_are_refused(tmp_path: Path, old: Path) -> None:
    made_run(tmp_path / "new" / "a", right(180))
    made_run(tmp_path / "new" / "b", right(180), strategy="head", seed=1)
    assert gated(tmp_path / "new", old) == (
        2, "", "the new runs of task toy are of 2 configurations, which differ in strategy (lora, "
        "head); name those of one.",
    )  # fmt: skip


def test_a_broken_run_among_the_seeds_is_refused(tmp_path: Path, old: Path) -> None:
    made_run(tmp_path / "new" / "a", right(180))
    (made_run(tmp_path / "new" / "b", right(180), seed=1) / "results.json").unlink()
    assert gated(tmp_path / "new", old) == (
        2, "", f"among the new runs the run in {tmp_path}/new/b is not finished: it has no "
        "results.json. Repeat its command to go on.",
    )  # fmt: skip
    (tmp_path / "empty").mkdir()
    assert (
        gated(old, tmp_path / "empty")[2] == f"among the old runs {tmp_path}/empty: holds no run."
    )


def test_a_run_is_not_gated_by_itself(tmp_path: Path, old: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(old)
    assert gated(link, old) == (2, "", f"{old} is among both the new runs and the baseline's.")


@pytest.mark.parametrize(
    ("argv", "fault"),
    [
        (["--baseline", "old"], "gate: NEW is missing; it stands before --baseline. See gptasks "
         "gate --help."),
        (["new"], "gate: --baseline OLD is missing. See gptasks gate --help."),
        (["new", "--baseline", "old", "--max-drop", "-1"], "--max-drop is -1; it is a number of "
         "hundredths, 0 or more: 0.5 allows a drop of 0.005."),
        (["new", "--baseline", "old", "--max-drop", "nan"], "--max-drop is nan; it is a number of "
         "hundredths, 0 or more: 0.5 allows a drop of 0.005."),
        (["new", "--baseline", "old", "--max-drop", "x"], "gate: argument --max-drop: invalid "
         "float value: 'x'. See gptasks gate --help."),
        (["new", "--baseline", "old", "--alpha", "5"], "--alpha is 5; it lies between 0 and 1, "
         "such as 0.05."),
        (["new", "--baseline", "old"], "run folder old does not exist."),
        (["new", "--baselin", "old"], "gate has no argument '--baselin'; did you mean "
         "'--baseline'? See gptasks gate --help."),
    ],
)  # fmt: skip
def test_wrong_arguments_are_one_line(argv: list[str], fault: str) -> None:
    assert gptasks("gate", *argv) == (2, "", f"gptasks: {fault}\n")


def test_an_unknown_metric_is_told_with_the_nearest(tmp_path: Path, old: Path) -> None:
    new = made_run(tmp_path / "new", right(180))
    code, _, err = gated(new, old, "--metric", "acuracy")
    assert (code, err) == (
        2, "--metric: no run has a test score 'acuracy'; did you mean 'accuracy'?",
    )  # fmt: skip

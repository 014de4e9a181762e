"""The table: seeds of one configuration are one line and nothing else is; what can't be compared
says so."""

from __future__ import annotations

import json
import math
import shutil
import statistics

import pytest
from made_runs import answers, made_run
from small_runs import results_of

from gptasks.compare import compare
from gptasks.errors import ConfigError, RunError

GOOD, FAIR = answers("++++++++-+" * 4), answers("++++-+-+-+" * 4)


def shown(comparison):
    """The table as plain values: names, then value by column."""
    found = {}
    for cell in comparison.cells:
        system = comparison.systems[cell.system]
        column = comparison.columns[cell.column]
        name = (*system.name.values(), *([system.baseline] if system.baseline else []))
        found[name, column.task, column.metric] = round(cell.value, 6)
    return found


# -- lines --------------------------------------------------------------------------------


def test_a_folder_counts_as_all_its_runs_and_each_run_once(tmp_path):
    made_run(tmp_path / "runs" / "a", GOOD)
    made_run(tmp_path / "runs" / "sweep" / "b", FAIR, strategy="head")
    made_run(tmp_path / "runs" / ".hidden", FAIR, strategy="full")
    again = compare([tmp_path / "runs", tmp_path / "runs" / "a"])
    assert shown(again) == {
        (("tiny", "lora"), "toy", "accuracy"): 0.9,
        (("tiny", "head"), "toy", "accuracy"): 0.7,
    }
    assert [run.path for run in again.runs] == [
        str(tmp_path / "runs" / "a"), str(tmp_path / "runs" / "sweep" / "b"),
    ]  # fmt: skip
    assert again.notes == again.broken == []


def test_the_best_comes_first_and_baselines_last(tmp_path):
    made_run(tmp_path / "a", FAIR, strategy="head", baselines={"top": answers("+" * 40)})
    made_run(tmp_path / "b", GOOD)
    comparison = compare([tmp_path])
    assert [system.name["strategy"] for system in comparison.systems] == ["lora", "head", ""]
    assert comparison.systems[2].baseline == "top"


def test_where_lower_is_better_the_lowest_comes_first(tmp_path):
    made_run(tmp_path / "a", FAIR, strategy="head", metrics=["log_loss"])
    made_run(tmp_path / "b", GOOD, metrics=["log_loss"])
    comparison = compare([tmp_path], tests="none")
    assert [system.name["strategy"] for system in comparison.systems] == ["lora", "head"]
    assert not comparison.columns[0].is_better_higher
    assert comparison.cells[0].value < comparison.cells[1].value


def test_seeds_of_one_configuration_are_one_line_with_mean_and_spread(tmp_path):
    values = []
    for seed, right in enumerate(("+++++-----", "++++++----", "++++++++--")):
        made_run(tmp_path / str(seed), answers(right), seed=seed)
        values.append(right.count("+") / 10)
    comparison = compare([tmp_path])
    (cell,) = comparison.cells
    assert cell.value == pytest.approx(statistics.mean(values))
    assert cell.seed_sd == pytest.approx(statistics.stdev(values))
    scores = [run.scores["test"]["accuracy"] for run in comparison.runs]
    assert cell.low == pytest.approx(statistics.mean(score.low for score in scores))
    assert cell.high == pytest.approx(statistics.mean(score.high for score in scores))
    assert cell.runs == [0, 1, 2]


def test_one_seed_has_no_spread(tmp_path):
    made_run(tmp_path / "a", GOOD)
    assert compare([tmp_path]).cells[0].seed_sd is None


def test_a_run_repeated_is_no_second_seed(tmp_path):
    made_run(tmp_path / "a", GOOD)
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    comparison = compare([tmp_path])
    assert comparison.cells[0].runs == [0]
    assert comparison.notes == [
        f"{tmp_path}/b repeats {tmp_path}/a, configuration and seed: only the latter counts."
    ]


def test_a_run_repeated_with_another_score_is_told_of(tmp_path):
    made_run(tmp_path / "a", GOOD)
    made_run(tmp_path / "b", FAIR)
    one, other = (results_of(tmp_path / name)["metrics"]["test"] for name in "ab")
    assert compare([tmp_path]).notes == [
        f"{tmp_path}/b repeats {tmp_path}/a, configuration and seed, with another accuracy "
        f"({other['accuracy']['value']:.4f}, not {one['accuracy']['value']:.4f}): only the latter "
        "counts."
    ]


def test_other_metrics_beside_those_shown_tell_nothing_apart(tmp_path):
    made_run(tmp_path / "a", GOOD, baselines={"majority": FAIR})
    both = ("accuracy", "f1_macro")
    made_run(tmp_path / "b", GOOD, seed=1, metrics=both, baselines={"majority": FAIR})
    comparison = compare([tmp_path])
    assert [(s.baseline, dict(s.name)) for s in comparison.systems] == [
        (None, {"backbone": "tiny", "strategy": "lora"}),
        ("majority", {"backbone": "", "strategy": ""}),
    ]
    assert comparison.cells[0].runs == [0, 1]


def test_other_settings_are_never_averaged_and_the_key_that_differs_names_them(tmp_path):
    made_run(tmp_path / "a", GOOD, rate=0.001)
    made_run(tmp_path / "b", FAIR, rate=0.01, seed=1)
    made_run(tmp_path / "c", FAIR, strategy="head", rate=0.001)
    comparison = compare([tmp_path])
    assert comparison.by == ("backbone", "strategy", "trainer.learning_rate")
    assert [tuple(system.name.values()) for system in comparison.systems] == [
        ("tiny", "lora", "0.001"), ("tiny", "lora", "0.01"), ("tiny", "head", "0.001"),
    ]  # fmt: skip


def test_place_tracker_device_and_paths_of_data_make_no_other_configuration(tmp_path):
    made_run(tmp_path / "a", GOOD)
    made_run(tmp_path / "b", GOOD, seed=1)
    path = tmp_path / "b" / "config.yaml"
    text = path.read_text("utf-8").replace("device: cpu", "device: cuda")
    path.write_text(text.replace("name: none", "name: jsonl"), "utf-8")
    (cell,) = compare([tmp_path]).cells
    assert len(cell.runs) == 2


def test_other_training_rows_make_another_line_named_by_their_hash(tmp_path):
    made_run(tmp_path / "a", GOOD)
    made_run(tmp_path / "b", FAIR, seed=1)
    path = tmp_path / "b" / "results.json"
    path.write_text(path.read_text("utf-8").replace("a" * 64, "b" * 64), "utf-8")
    comparison = compare([tmp_path])
    assert comparison.by == ("backbone", "strategy", "train rows")
    assert [system.name["train rows"] for system in comparison.systems] == [
        "aaaaaaaa (9 rows)", "bbbbbbbb (9 rows)",
    ]  # fmt: skip


def test_by_chooses_the_names_and_what_it_leaves_out_comes_back_where_it_tells_apart(tmp_path):
    made_run(tmp_path / "a", GOOD, strategy="lora")
    made_run(tmp_path / "b", FAIR, strategy="head")
    assert compare([tmp_path], by=["strategy", "trainer.learning_rate"]).by == (
        "strategy", "trainer.learning_rate",
    )  # fmt: skip
    assert compare([tmp_path], by=["task"]).by == ("task", "strategy")


def test_by_seed_keeps_seeds_apart(tmp_path):
    made_run(tmp_path / "a", GOOD)
    made_run(tmp_path / "b", FAIR, seed=1)
    comparison = compare([tmp_path], by=["strategy", "seed"])
    assert [tuple(system.name.values()) for system in comparison.systems] == [
        ("lora", "0"), ("lora", "1"),
    ]  # fmt: skip
    names = [system.name["run"] for system in compare([tmp_path], by=["run"]).systems]
    assert names == [str(tmp_path / "a"), str(tmp_path / "b")]


def test_which_run_tells_a_baseline_does_not_depend_on_the_order_of_folders(tmp_path):
    made_run(tmp_path / "a", GOOD, seed=1, baselines={"majority": FAIR})
    made_run(tmp_path / "b", GOOD, seed=0, baselines={"majority": FAIR})
    baseline = compare([tmp_path]).cells[-1]
    assert [run.path for run in compare([tmp_path]).runs][baseline.runs[0]] == f"{tmp_path}/b"


def test_equal_baselines_are_one_line_and_those_of_other_training_rows_another(tmp_path):
    made_run(tmp_path / "a", GOOD, baselines={"majority": FAIR})
    made_run(tmp_path / "b", GOOD, seed=1, baselines={"majority": FAIR})
    assert [system.baseline for system in compare([tmp_path]).systems] == [None, "majority"]
    made_run(tmp_path / "c", GOOD, strategy="head", baselines={"majority": answers("+-" * 20)})
    path = tmp_path / "c" / "results.json"
    path.write_text(path.read_text("utf-8").replace("a" * 64, "b" * 64), "utf-8")
    lines = [(s.baseline, s.name["train rows"]) for s in compare([tmp_path]).systems]
    assert lines == [
        (None, "aaaaaaaa (9 rows)"), (None, "bbbbbbbb (9 rows)"),
        ("majority", "aaaaaaaa (9 rows)"), ("majority", "bbbbbbbb (9 rows)"),
    ]  # fmt: skip


# -- columns ------------------------------------------------------------------------------


def test_tasks_are_columns_each_with_its_headline_metric(tmp_path):
    made_run(tmp_path / "a", GOOD, metrics=["accuracy", "f1_macro"])
    made_run(tmp_path / "b", FAIR, metrics=["f1_macro", "accuracy"], task="other")
    comparison = compare([tmp_path])
    assert [(column.task, column.metric) for column in comparison.columns] == [
        ("toy", "accuracy"), ("other", "f1_macro"),
    ]  # fmt: skip
    assert len(comparison.systems) == 1  # tiny lora, on both
    assert comparison.tests == []  # never between tasks


def test_metrics_asked_for_are_columns_where_a_task_has_them(tmp_path):
    made_run(tmp_path / "a", GOOD, metrics=["accuracy", "f1_macro"])
    made_run(tmp_path / "b", FAIR, task="other")
    comparison = compare([tmp_path], metrics=["f1_macro", "accuracy"])
    assert [(column.task, column.metric) for column in comparison.columns] == [
        ("toy", "f1_macro"), ("toy", "accuracy"), ("other", "accuracy"),
    ]  # fmt: skip


def test_an_undefined_score_is_shown_and_takes_part_in_nothing(tmp_path):
    made_run(tmp_path / "a", [("good", "good")] * 9, metrics=["auroc"])
    made_run(tmp_path / "b", [("bad", "good")] * 9, metrics=["auroc"], strategy="head")
    comparison = compare([tmp_path])
    assert all(math.isnan(cell.value) for cell in comparison.cells)
    assert comparison.tests == []


# -- what can't be compared ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        ({"rows": "other rows"}, "test data 5771276d (40 rows), not 738bc7ab (40 rows)"),
        ({"labels": ["bad", "good", "so so"]}, "labels bad, good, so so, not bad, good"),
        ({"signature": "accuracy|v:2"}, "metric accuracy|v:2, not accuracy|v:1"),
        ({"cut": 1}, "1 test row cut (1 token lost), not 0 test rows cut (0 tokens lost)"),
    ],
)
def test_a_score_made_in_another_way_is_flagged_and_not_tested(tmp_path, other, reason):
    made_run(tmp_path / "a", FAIR)
    made_run(tmp_path / "b", FAIR, seed=1)
    made_run(tmp_path / "c", answers("+" * 40), strategy="head", **other)
    comparison = compare([tmp_path])
    cell = next(cell for cell in comparison.cells if 2 in cell.runs)
    assert cell.flags == [reason]
    assert comparison.tests == []
    assert not any(cell.is_best for cell in comparison.cells)
    forced = compare([tmp_path], force=True)
    assert next(cell for cell in forced.cells if 2 in cell.runs).flags == [reason]
    assert [(test.rows, test.is_significant) for test in forced.tests] == [(40, True)]


def test_seeds_that_were_scored_on_other_rows_are_not_averaged(tmp_path):
    made_run(tmp_path / "a", GOOD)
    made_run(tmp_path / "b", GOOD, seed=1)
    made_run(tmp_path / "c", FAIR, seed=2, rows="other rows")
    comparison = compare([tmp_path])
    assert comparison.by[-1] == "test rows"
    assert [(len(cell.runs), bool(cell.flags)) for cell in comparison.cells] == [
        (2, False), (1, True),
    ]  # fmt: skip


def test_what_most_runs_have_is_the_standard(tmp_path):
    made_run(tmp_path / "a", GOOD, rows="few")
    made_run(tmp_path / "b", FAIR, strategy="head")
    made_run(tmp_path / "c", FAIR, strategy="full")
    comparison = compare([tmp_path])
    flagged = [(comparison.systems[c.system].name["strategy"], bool(c.flags))
               for c in comparison.cells]  # fmt: skip
    assert flagged == [("head", False), ("full", False), ("lora", True)]  # though lora's is more
    assert len(comparison.tests) == 1


def test_several_reasons_are_all_told_and_baselines_are_flagged_too(tmp_path):
    made_run(tmp_path / "a", GOOD)
    made_run(tmp_path / "b", GOOD, seed=1)
    made_run(
        tmp_path / "c", GOOD, strategy="head", rows="x", cut=2, baselines={"majority": FAIR}
    )  # fmt: skip
    comparison = compare([tmp_path])
    model, baseline = [cell for cell in comparison.cells if cell.flags]
    assert len(model.flags) == 2
    assert len(baseline.flags) == 1  # a baseline reads whole texts


def test_between_backbones_a_little_more_cut_is_no_other_score(tmp_path):
    many = answers("+++-" * 100)
    made_run(tmp_path / "a", many, cut=3)
    made_run(tmp_path / "b", many, backbone="large", cut=6)  # 1.5% of rows, not 0.75%
    made_run(tmp_path / "c", many, backbone="huge", cut=8)  # 2%
    assert [bool(cell.flags) for cell in compare([tmp_path]).cells] == [False, False, True]


# -- folders that are no finished runs ----------------------------------------------------


def test_what_is_no_finished_run_is_one_line_each_and_not_the_end(tmp_path):
    made_run(tmp_path / "a", GOOD)
    unfinished, torn, odd, old = (made_run(tmp_path / name, FAIR) for name in "bcde")
    (unfinished / "results.json").unlink()
    (torn / "results.json").write_text('{"format": 1, "task"', "utf-8")
    (odd / "results.json").write_text(
        json.dumps({**json.loads((odd / "results.json").read_text("utf-8")), "metrics": None})
    )
    (old / "config.yaml").unlink()
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("", "utf-8")
    comparison = compare([tmp_path, tmp_path / "empty", tmp_path / "file"])
    assert len(comparison.cells) == 1
    reasons = [(one.path, one.reason) for one in comparison.broken]
    assert reasons == [
        (str(unfinished), f"the run in {unfinished} is not finished: it has no results.json. "
         "Repeat its command to go on."),
        (str(torn), f"{torn}/results.json can't be read: Expecting ':' delimiter: "
         "line 1 column 21 (char 20)."),
        (str(odd), f"{odd}/results.json is damaged: metrics is null, where an object should be. "
         "Copy the run folder anew, or train again."),
        (str(old), f"{old} is no run folder: it has no config.yaml (it has: predictions, "
         "results.json)."),
        (str(tmp_path / "empty"), "holds no run."),
        (str(tmp_path / "file"), f"{tmp_path}/file is a file, not a run folder."),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("seed", "x", "seed is 'x', where a whole number should be"),
        ("truncation", [], "truncation is a list, where an object should be"),
        ("truncation", {}, "truncation.train is missing"),
        ("command", None, "command is null, where a text should be"),
    ],
)
def test_results_of_an_odd_shape_are_told_of(tmp_path, key, value, reason):
    made_run(tmp_path / "a", GOOD)
    made_run(tmp_path / "b", GOOD, more={key: value})
    (broken,) = compare([tmp_path]).broken
    assert reason in broken.reason


def test_without_any_finished_run_there_is_nothing_to_compare(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(RunError, match=r"^there is no finished run to compare: .*holds no run\.$"):
        compare([tmp_path / "empty"])


def test_a_folder_that_does_not_exist_is_a_mistake(tmp_path):
    made_run(tmp_path / "lora", GOOD)
    with pytest.raises(RunError, match=r"lara does not exist; did you mean 'lora'\?$"):
        compare([tmp_path / "lara"])


@pytest.mark.parametrize(
    ("asked", "fault"),
    [
        ({"by": ["stratgy"]}, r"^--by: no run has the key 'stratgy'; did you mean 'strategy'\?$"),
        ({"by": ["x"]}, r"^--by: no run has the key 'x'; there are task, backbone, "),
        ({"by": ["task", "task"]}, r"^--by names a key twice: task, task\.$"),
        ({"metrics": ["acuracy"]}, r"no run has a test score 'acuracy'; did you mean 'accuracy'\?"),
        ({"metrics": ["x"]}, r"^--metric: no run has a test score 'x'; there are accuracy\.$"),
    ],
)
def test_keys_and_metrics_that_no_run_has_are_mistakes(tmp_path, asked, fault):
    made_run(tmp_path / "a", GOOD)
    with pytest.raises(ConfigError, match=fault):
        compare([tmp_path], **asked)

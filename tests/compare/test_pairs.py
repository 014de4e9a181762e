"""The tests of a comparison: on which rows, between whom, what is marked, what can't be tested."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import scipy.stats
from made_runs import answers, made_run

from gptasks.compare import compare
from gptasks.metrics import NAMES

GOOD = answers("+" * 36 + "-" * 4)
FAIR = answers("+" * 20 + "-" * 20)
NEAR = answers("+" * 35 + "-" * 5)

SENTENCES = [
    ("the cat sat on the mat", "the cat sat on a mat"),
    ("a dog ran home", "the dog ran to its home"),
    ("it rains", "it rained all day long"),
    ("nothing new here", "nothing new"),
]
TAGS = [
    (["B-X", "O", "B-Y"], ["B-X", "O", "B-Y"]),
    (["B-X", "I-X", "O"], ["B-X", "O", "O"]),
    (["O", "O", "O"], ["O", "B-Y", "I-Y"]),
    (["B-Y", "O", "O"], ["B-Y", "O", "O"]),
]


def named(comparison):
    """The names of the pairs tested."""
    names = [" ".join(filter(None, system.name.values())) for system in comparison.systems]
    return [(names[test.a], names[test.b]) for test in comparison.tests]


# -- numbers ------------------------------------------------------------------------------


def test_a_test_says_how_much_how_surely_and_how_many_rows_it_takes(tmp_path):
    made_run(tmp_path / "a", FAIR, strategy="head")
    made_run(tmp_path / "b", GOOD)
    comparison = compare([tmp_path])
    (test,) = comparison.tests
    assert named(comparison) == [("tiny lora", "tiny head")]
    assert test.rows == 40
    assert test.difference == pytest.approx(16 / 40)
    # 16 rows that only a has right, none that only b has.
    assert test.p_mcnemar == pytest.approx(2 * 0.5**16)
    assert test.p_randomisation == pytest.approx(1 / 10_001)
    assert test.p_bootstrap < 0.01
    assert test.p == test.p_holm == test.p_mcnemar
    assert test.p_seeds is None
    # Of a binomial share: mean 0.4, standard deviation sqrt(0.4 * 0.6) = 0.49.
    assert (test.low, test.high) == pytest.approx((0.25, 0.55), abs=0.03)
    assert test.effect == pytest.approx(0.4 / np.sqrt(0.24), rel=0.06)
    assert test.rows_needed == pytest.approx(7.85 * 0.24 / 0.16, abs=2)
    assert test.is_significant
    assert comparison.cells[0].is_best


@pytest.mark.parametrize("name", NAMES)
def test_every_metric_can_be_tested(tmp_path, name):
    labels = ["bad", "good"]
    if name.startswith("rouge"):
        one, other, labels = SENTENCES, [(b, b) for _, b in SENTENCES], []
    elif name.startswith(("entity", "token")):
        one, other, labels = TAGS, [(b, b) for _, b in TAGS], []
    else:
        one, other = FAIR, GOOD
    made_run(tmp_path / "a", one * 5, metrics=[name], labels=labels)
    made_run(tmp_path / "b", other * 5, metrics=[name], labels=labels, strategy="head")
    comparison = compare([tmp_path])
    (test,) = comparison.tests
    values = [cell.value for cell in comparison.cells]
    assert test.difference == pytest.approx(values[0] - values[1])
    assert (test.difference > 0) == comparison.columns[0].is_better_higher
    assert test.low <= test.difference <= test.high or name == "ece"  # which resampling raises
    assert 0 < test.p_randomisation < 0.05
    assert (test.p_mcnemar is None) == (name != "accuracy")


def test_p_values_are_corrected_together_over_all_tasks_and_metrics(tmp_path):
    metrics = ["accuracy", "f1_macro"]
    for task in ("one", "two"):
        made_run(tmp_path / task / "a", FAIR, metrics=metrics, task=task)
        made_run(tmp_path / task / "b", NEAR, metrics=metrics, task=task, strategy="head")
        made_run(tmp_path / task / "c", GOOD, metrics=metrics, task=task, strategy="full")
    comparison = compare([tmp_path], metrics=metrics)
    assert len(comparison.tests) == 2 * 2 * 3
    first = min(comparison.tests, key=lambda test: test.p)
    assert first.p_holm == pytest.approx(min(1, 12 * first.p))
    assert [test.p_holm for test in comparison.tests if test.p == 1.0] == [1.0] * 4


def test_seeds_are_tested_by_their_means_and_against_their_spread(tmp_path):
    a = [answers("+" * k + "-" * (40 - k)) for k in (38, 30, 36)]
    b = [answers("-" * 2 + "+" * k + "-" * (38 - k)) for k in (31, 22, 27)]
    for seed in range(3):
        made_run(tmp_path / f"a{seed}", a[seed], seed=seed)
        made_run(tmp_path / f"b{seed}", b[seed], seed=seed, strategy="head")
    (test,) = compare([tmp_path]).tests
    values = [np.array([38, 30, 36]) / 40, np.array([31, 22, 27]) / 40]
    assert test.difference == pytest.approx(values[0].mean() - values[1].mean())
    welch = scipy.stats.ttest_ind(*values, equal_var=False).pvalue
    assert test.p_seeds == pytest.approx(welch)
    assert test.p_mcnemar is None
    assert test.p_randomisation < 0.001 < welch
    assert test.p == test.p_seeds
    assert test.needs_seeds
    assert not test.is_significant  # on these rows they differ, but seeds differ as much


def test_where_rows_are_too_few_as_well_it_is_rows_that_are_asked_for(tmp_path):
    for seed, (k, other) in enumerate(((34, 25), (24, 27), (35, 24))):
        made_run(tmp_path / f"a{seed}", answers("+" * k + "-" * (40 - k)), seed=seed)
        given = answers("-" * (40 - other) + "+" * other)
        made_run(tmp_path / f"b{seed}", given, seed=seed, strategy="head")
    (test,) = compare([tmp_path]).tests
    assert test.p == test.p_seeds > test.p_randomisation > 0.05
    assert (test.is_significant, test.needs_seeds) == (False, False)
    assert test.rows_needed > test.rows


def test_other_numbers_of_seeds_are_tested_by_their_means_too(tmp_path):
    for seed, k in enumerate((39, 37)):
        made_run(tmp_path / f"a{seed}", answers("+" * k + "-" * (40 - k)), seed=seed)
    for seed, k in enumerate((20, 24, 22)):
        given = answers("+" * k + "-" * (40 - k))
        made_run(tmp_path / f"b{seed}", given, seed=seed, strategy="head")
    (test,) = compare([tmp_path]).tests
    assert test.difference == pytest.approx(38 / 40 - 22 / 40)
    assert (test.p, test.is_significant, test.needs_seeds) == (test.p_seeds, True, False)
    assert test.low < test.difference < test.high
    assert test.is_significant


def test_a_comparison_made_twice_is_the_same(tmp_path):
    made_run(tmp_path / "a", GOOD, metrics=["f1_macro"])
    made_run(tmp_path / "b", FAIR, metrics=["f1_macro"], strategy="head")
    assert compare([tmp_path]).as_json() == compare([tmp_path]).as_json()


# -- who is tested, and marked ------------------------------------------------------------


def test_all_pairs_of_a_few_systems_are_tested_and_of_many_the_best_with_each(tmp_path):
    for k in range(7):
        given = answers("+" * (30 + k) + "-" * (10 - k))
        made_run(tmp_path / str(k), given, strategy=f"s{k}")
    few = compare([tmp_path / str(k) for k in range(3)])
    assert named(few) == [
        ("tiny s2", "tiny s1"), ("tiny s2", "tiny s0"), ("tiny s1", "tiny s0"),
    ]  # fmt: skip
    assert few.notes == []
    many = compare([tmp_path])
    assert named(many) == [("tiny s6", f"tiny s{k}") for k in (5, 4, 3, 2, 1, 0)]
    assert many.notes == [
        "Tested: the best of each column with every other; --tests all tests all pairs."
    ]
    assert len(compare([tmp_path], tests="all").tests) == 21
    assert compare([tmp_path], tests="none").tests == []


def test_of_very_many_runs_none_is_tested_unasked(tmp_path, monkeypatch):
    made_run(tmp_path / "a", GOOD)
    made_run(tmp_path / "b", FAIR, strategy="head")
    monkeypatch.setattr("gptasks.compare.pairs.TESTED_UP_TO", 1)
    comparison = compare([tmp_path])
    assert comparison.tests == []
    assert comparison.notes == ["No tests among 2 runs; --tests best or --tests all makes them."]
    assert not any(cell.is_best for cell in comparison.cells)
    assert len(compare([tmp_path], tests="best").tests) == 1


def marked(comparison):
    return [comparison.systems[cell.system].name["strategy"] for cell in comparison.cells
            if cell.is_best]  # fmt: skip


def test_the_best_is_marked_only_if_it_beats_every_other(tmp_path):
    made_run(tmp_path / "a", GOOD)
    made_run(tmp_path / "b", FAIR, strategy="head")
    assert marked(compare([tmp_path])) == ["lora"]
    made_run(tmp_path / "c", NEAR, strategy="full")
    assert marked(compare([tmp_path])) == []


def test_where_lower_is_better_the_lowest_is_marked(tmp_path):
    made_run(tmp_path / "a", GOOD, metrics=["log_loss"])
    made_run(tmp_path / "b", FAIR, metrics=["log_loss"], strategy="head")
    comparison = compare([tmp_path])
    assert marked(comparison) == ["lora"]
    assert comparison.tests[0].difference < 0


def test_a_baseline_that_is_as_good_leaves_nothing_to_mark(tmp_path):
    made_run(tmp_path / "a", GOOD, baselines={"tfidf": FAIR})
    assert marked(compare([tmp_path])) == ["lora"]  # the intervals lie apart
    made_run(tmp_path / "b", FAIR, strategy="head", baselines={"tfidf": FAIR, "knn": NEAR})
    comparison = compare([tmp_path])
    assert comparison.tests[0].is_significant
    assert marked(comparison) == []


def test_a_run_alone_is_not_the_best(tmp_path):
    made_run(tmp_path / "a", GOOD)
    comparison = compare([tmp_path])
    assert (marked(comparison), comparison.tests) == ([], [])


# -- the same rows ------------------------------------------------------------------------


def test_predictions_are_paired_by_id_whatever_their_order(tmp_path):
    made_run(tmp_path / "a", GOOD)
    made_run(tmp_path / "b", FAIR, strategy="head")
    expected = compare([tmp_path]).as_json()
    path = tmp_path / "b" / "predictions" / "test.jsonl"
    lines = path.read_text("utf-8").splitlines(keepends=True)
    path.write_text("".join(lines[::-1]), "utf-8")
    assert compare([tmp_path]).as_json() == expected


def test_the_same_rows_out_of_a_file_of_another_name_are_paired_by_place(tmp_path):
    made_run(tmp_path / "a", GOOD)
    made_run(tmp_path / "b", FAIR, strategy="head", ids=[f"new.csv:{n}" for n in range(40)])
    (test,) = compare([tmp_path]).tests
    assert test.difference == pytest.approx(0.4)


def test_forced_tests_of_other_data_use_the_rows_in_common(tmp_path):
    made_run(tmp_path / "a", GOOD)
    made_run(tmp_path / "b", FAIR, strategy="head")
    made_run(tmp_path / "c", GOOD[:30], strategy="full", rows="fewer rows")
    comparison = compare([tmp_path], force=True)
    by_names = dict(zip(named(comparison), comparison.tests, strict=True))
    test = by_names["tiny full", "tiny head"]
    assert test.rows == 30
    assert test.difference == pytest.approx(10 / 30)  # of the first 30 head has 20 right


def test_forced_tests_find_the_rows_in_common_in_other_files(tmp_path):
    texts = [f"text {n % 30}" for n in range(40)]  # some of them twice
    made_run(tmp_path / "a", GOOD, inputs=texts)
    moved = [*range(5, 40), 0]
    made_run(
        tmp_path / "b", [FAIR[n] for n in moved], strategy="head", rows="x",
        inputs=[texts[n] for n in moved], ids=[f"b.csv:{n}" for n in range(36)],
    )  # fmt: skip
    (test,) = compare([tmp_path], force=True).tests
    assert test.rows == 36


def test_forced_tests_without_a_row_in_common_are_told_of(tmp_path):
    made_run(tmp_path / "a", GOOD)
    other = [f"another text {n}" for n in range(40)]  # on the same lines of a file of that name
    made_run(tmp_path / "b", FAIR, strategy="head", rows="x", inputs=other)
    comparison = compare([tmp_path], force=True)
    assert comparison.tests == []
    assert comparison.notes == [
        f"toy accuracy: {tmp_path}/a and {tmp_path}/b are not tested: their test data have no row "
        "in common."
    ]


def test_forced_tests_of_other_labels_tell_what_can_not_be_scored(tmp_path):
    made_run(tmp_path / "a", GOOD, metrics=["log_loss"])
    labels = ["bad", "good", "so so"]
    made_run(tmp_path / "b", FAIR, metrics=["log_loss"], strategy="head", labels=labels)
    comparison = compare([tmp_path], force=True)
    assert comparison.tests == []
    (note,) = comparison.notes
    assert "are not tested: row 0 (from 0): no score for the label 'so so'" in note


def spoilt(old: str, new: str) -> Callable[[Path], object]:
    """Writes another text into the predictions."""
    return lambda path: path.write_text(path.read_text().replace(old, new))


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda path: path.unlink(), "{run}/predictions/test.jsonl is missing."),
        (lambda path: path.write_text("{}\n"),
         "{run}/predictions/test.jsonl, line 1, is damaged: id is missing."),
        (lambda path: path.write_text(path.read_text() + "x"),
         "{run}/predictions/test.jsonl, line 41, can't be read: "),
        (lambda path: path.write_text(path.read_text().replace('"good", "ref', '"bad", "ref', 1)),
         "{run}: its predictions give accuracy 0.4750, its results.json says 0.5000."),
        (lambda path: path.write_text(path.read_text().partition("\n")[2]),
         "{run} keeps 39 predictions, where it was tested on 40 rows."),
        (spoilt('"scores": {', '"scores": {"x": [],'),
         "{run}/predictions/test.jsonl, line 1, is damaged: scores.x is a list, where a number or"),
        (spoilt('"prediction": "bad"', '"prediction": ["bad"]'),
         "{run}/predictions/test.jsonl, line 1, is damaged: prediction \"['bad']\" is not of the "
         "kind of reference 'bad'."),
        (spoilt('"id": "test.csv:2"', '"id": ["test.csv:2"]'),
         "{run}/predictions/test.jsonl, line 1, is damaged: id is a list, where a text should be."),
        (lambda path: path.write_text("[1]\n" + path.read_text()),
         "{run}/predictions/test.jsonl, line 1, is damaged: it holds no object."),
        (lambda path: path.write_text(path.read_text().replace(":3\"", ":2\"", 1)),
         "{run}: ids of its predictions stand there twice."),
    ],
    ids=["missing", "no fields", "cut", "changed", "too few", "scores", "prediction", "id", "list",
         "twice"],
)  # fmt: skip
@pytest.mark.parametrize("where", ["the best", "another"])
def test_predictions_that_can_not_be_trusted_are_not_tested(tmp_path, spoil, reason, where):
    given = {"the best": (NEAR, GOOD, FAIR), "another": (GOOD, FAIR, NEAR)}[where]
    for name, strategy, one in zip("abc", ("lora", "head", "full"), given, strict=True):
        made_run(tmp_path / name, one, strategy=strategy)
    spoil(tmp_path / "b" / "predictions" / "test.jsonl")
    comparison = compare([tmp_path])
    assert named(comparison) == [("tiny lora", "tiny full")]
    cell = next(cell for cell in comparison.cells if cell.runs == [1])
    if "give accuracy" not in reason or where == "another":
        assert cell.untested.startswith(reason.format(run=tmp_path / "b"))
    assert [cell.untested for cell in comparison.cells if cell.runs != [1]] == ["", ""]
    assert not any(cell.is_best for cell in comparison.cells)


def test_a_metric_of_a_plugin_that_is_gone_is_shown_untested(tmp_path):
    for name, given in (("a", GOOD), ("b", FAIR)):
        made_run(tmp_path / name, given, strategy=name)
        path = tmp_path / name / "results.json"
        results = json.loads(path.read_text("utf-8"))
        results["metrics"]["test"] = {"odd": results["metrics"]["test"]["accuracy"]}
        path.write_text(json.dumps(results), "utf-8")
    comparison = compare([tmp_path])
    assert comparison.tests == []
    assert all("no metric 'odd'" in cell.untested for cell in comparison.cells)
    assert not any(cell.is_best for cell in comparison.cells)

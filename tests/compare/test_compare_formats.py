"""A comparison as text: what each format holds, that no name breaks it, and the verb."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import pytest
from command_line import gptasks, program
from made_runs import answers, made_run

from gptasks.compare import compare
from gptasks.compare.formats import FORMATS, formatted

GOOD = answers("+" * 36 + "-" * 4)
FAIR = answers("+" * 20 + "-" * 20)


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Two seeds of a good system, a fair one, one on other rows, one that is not finished."""
    folder = tmp_path / "runs"
    made_run(folder / "a", GOOD, baselines={"tf_idf": FAIR})
    made_run(folder / "b", answers("+" * 34 + "-" * 6), seed=1, baselines={"tf_idf": FAIR})
    made_run(folder / "c", FAIR, strategy="head", baselines={"tf_idf": FAIR})
    made_run(folder / "d", GOOD, strategy="full", rows="other rows")
    (made_run(folder / "e", GOOD) / "results.json").unlink()
    return folder


def masked(text: str) -> str:
    """The text with intervals, which are the bootstrap's own tests' matter, written as […]."""
    return re.sub(r"\[-?\d\.\d+, -?\d\.\d+\]", "[…]", text)


def test_the_table_shows_all_there_is_to_know(runs: Path) -> None:
    cells, tests, notes = masked(formatted(compare([runs]), "table")).split("\n\n")
    assert [re.sub(" {2,}", "  ", line) for line in cells.splitlines()] == [
        "backbone  strategy  toy accuracy",
        "tiny  lora  0.8750* […] sd 0.0354 of 2 seeds",
        "tiny  head  0.5000 […]",
        "tiny  full  0.9000 […] (a)",
        "baseline tf_idf  0.5000 […]",
    ]
    head, line = (re.split(" {2,}", line) for line in tests.splitlines())
    assert head == [
        "test of", "a", "b", "rows", "a - b", "p bootstrap", "p randomisation", "p Holm",
        "effect", "rows needed",
    ]  # fmt: skip
    assert line[:5] == ["toy accuracy", "lora", "head", "40", "0.3750 […]"]
    assert line[6:8] == ["0.0001", "0.0001"]
    assert notes.splitlines() == [
        "(a) not comparable: test data 5771276d (40 rows), not 738bc7ab (40 rows)",
        "toy: 40 test rows. In brackets 95% intervals over them.",
        "sd: standard deviation over seeds, on the same test rows.",
        "*: significantly better than all others of its column.",
        "p Holm: corrected over 1 test; effect: in standard deviations of a row's difference; rows "
        "needed: to find this difference in 80% of all cases.",
        f"left out: the run in {runs}/e is not finished: it has no results.json. Repeat its "
        "command to go on.",
    ]


def test_columns_of_tests_that_some_metrics_have_are_there_where_they_are_needed(
    tmp_path: Path,
) -> None:
    for seed in (0, 1):
        made_run(tmp_path / f"a{seed}", answers("+" * (36 + seed) + "-" * (4 - seed)), seed=seed)
        made_run(tmp_path / f"b{seed}", answers("+" * (20 + seed) + "-" * (20 - seed)), seed=seed,
                 strategy="head")  # fmt: skip
    text = formatted(compare([tmp_path]), "table")
    assert "p seeds  p Holm" in text
    assert "p McNemar" not in text
    text = formatted(compare([tmp_path / "a0", tmp_path / "b0"]), "table")
    assert re.search(r"p McNemar +p Holm", text)
    assert "<0.0001" in text
    assert "p seeds" not in text


def test_where_nothing_is_best_that_is_said(tmp_path: Path) -> None:
    made_run(tmp_path / "a", GOOD)
    made_run(tmp_path / "b", GOOD, strategy="head")
    text = formatted(compare([tmp_path]), "table")
    assert "No system is significantly better than all others of its column.\n" in text
    assert re.search(r"0\.0000 \[0\.0000, 0\.0000\] +1\.0000 +.*– +–$", text, re.MULTILINE)


def test_a_task_among_the_names_leaves_the_metric_to_the_column(tmp_path: Path) -> None:
    made_run(tmp_path / "a", GOOD, metrics=["accuracy", "log_loss"])
    made_run(tmp_path / "b", FAIR, task="other", baselines={"majority": FAIR})
    comparison = compare([tmp_path], by=["task", "strategy"], metrics=["log_loss", "accuracy"])
    lines = masked(formatted(comparison, "table")).split("\n\n")[0].splitlines()
    assert [re.split(" {2,}", line) for line in lines] == [
        ["task", "strategy", "log_loss (lower is better)", "accuracy"],
        ["toy", "lora", f"{comparison.cells[0].value:.4f} […]", "0.9000 […]"],
        ["other", "lora", "–", "0.5000 […]"],
        ["other", "baseline majority", "–", "0.5000 […]"],
    ]


def test_undefined_scores_and_scores_without_an_interval_are_shown_as_they_are(
    tmp_path: Path,
) -> None:
    made_run(tmp_path / "a", [("good", "good")] * 9, metrics=["auroc", "accuracy"])
    path = tmp_path / "a" / "results.json"
    results = json.loads(path.read_text("utf-8"))
    results["metrics"]["test"]["accuracy"] |= {"low": None, "high": None}
    path.write_text(json.dumps(results), "utf-8")
    text = formatted(compare([tmp_path], metrics=["auroc", "accuracy"]), "table")
    assert re.search("^tiny +lora +undefined +1.0000$", text, re.MULTILINE)
    assert "In brackets" not in text
    found = json.loads(formatted(compare([tmp_path]), "json"), parse_constant=lambda _: 1 / 0)
    assert found["cells"][0]["value"] is None


def test_a_wide_table_is_cut_to_the_terminal_names_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for task in ("one", "two", "three"):
        made_run(tmp_path / task, GOOD, task=task)
    comparison = compare([tmp_path])
    monkeypatch.setenv("COLUMNS", "76")
    pages = formatted(comparison, "table").split("\n\n")[:-1]
    assert [re.split(" {2,}", page.splitlines()[0]) for page in pages] == [
        ["backbone", "strategy", "one accuracy", "three accuracy"],
        ["backbone", "strategy", "two accuracy"],
    ]
    assert all(len(line) <= 76 for page in pages for line in page.splitlines())
    monkeypatch.setenv("COLUMNS", "10")
    assert len(formatted(comparison, "table").split("\n\n")) == 4
    monkeypatch.delenv("COLUMNS")
    assert len(formatted(comparison, "table").split("\n\n")) == 2


def test_markdown_is_two_tables_and_a_list_and_marks_the_best_in_bold(runs: Path) -> None:
    text = masked(formatted(compare([runs]), "md"))
    assert "| tiny | lora | **0.8750** […] sd 0.0354 of 2 seeds |\n" in text
    assert "| baseline tf\\_idf |  | 0.5000 […] |\n" in text
    tables = [block for block in text.split("\n\n") if block.startswith("|")]
    assert len(tables) == 2
    for block in tables:
        assert len({line.count("|") for line in block.splitlines()}) == 1
    assert "\n- Bold: significantly better" in text


def test_latex_is_two_tables_of_booktabs_with_notes_below(runs: Path) -> None:
    text = masked(formatted(compare([runs]), "latex"))
    assert "\ntiny & lora & \\textbf{0.8750} […] sd 0.0354 of 2 seeds \\\\\n" in text
    assert "\nbaseline tf\\_idf &  & 0.5000 […] \\\\\n" in text
    assert (
        "{\\footnotesize toy: 40 test rows. In brackets 95\\% intervals over them.} \\\\\n" in text
    )
    assert text.count("\\begin{tabular}") == text.count("\\end{tabular}") == 2


def test_signs_that_mean_something_in_a_format_are_written_out(tmp_path: Path) -> None:
    made_run(tmp_path / "a", GOOD, strategy="a|b_c*", backbone="50%&$#{}~^\\<")
    text = formatted(compare([tmp_path]), "md")
    assert "| 50%&$#{}~^\\\\\\< | a\\|b\\_c\\* |" in text
    text = formatted(compare([tmp_path]), "latex")
    assert (
        "50\\%\\&\\$\\#\\{\\}\\textasciitilde{}\\textasciicircum{}\\textbackslash{}"
        "\\textless{} & a|b\\_c* &"
    ) in text


def test_csv_has_a_line_for_each_cell(runs: Path) -> None:
    comparison = compare([runs])
    lines = list(csv.DictReader(io.StringIO(formatted(comparison, "csv"))))
    assert len(lines) == len(comparison.cells) == 4
    lora, head, full, baseline = lines
    assert float(lora["value"]) == pytest.approx(0.875)
    assert (lora["seeds"], lora["is_best"], lora["rows"]) == ("0 1", "1", "40")
    assert lora["runs"] == f"{runs}/a; {runs}/b"
    assert (head["seed_sd"], head["flags"], head["is_best"]) == ("", "", "0")
    assert full["flags"].startswith("test data 5771276d")
    assert (baseline["baseline"], baseline["strategy"]) == ("tf_idf", "")
    (runs / "c" / "predictions" / "test.jsonl").unlink()
    comparison = compare([runs])
    lines = list(csv.DictReader(io.StringIO(formatted(comparison, "csv"))))
    assert lines[1]["untested"] == f"{runs}/c/predictions/test.jsonl is missing."


def test_json_is_all_of_the_comparison(runs: Path) -> None:
    comparison = compare([runs])
    found = json.loads(formatted(comparison, "json"))
    assert list(found) == [
        "by", "runs", "broken", "columns", "systems", "cells", "tests", "notes",
    ]  # fmt: skip
    for name in ("runs", "broken", "columns", "systems", "cells", "tests", "notes"):
        assert len(found[name]) == len(getattr(comparison, name))
    assert found["tests"][0]["p_holm"] == comparison.tests[0].p_holm
    assert found["runs"][0]["scores"]["test"]["accuracy"]["value"] == 0.9
    assert found["runs"][0]["settings"]["trainer.learning_rate"] == 0.001
    assert found["broken"][0]["path"] == str(runs / "e")


# -- the verb -----------------------------------------------------------------------------


def test_the_verb_prints_every_format(runs: Path) -> None:
    for format in FORMATS:
        done = gptasks("compare", str(runs), "--format", format, "--tests", "none")
        assert (done.code, done.faults) == (0, [])
        assert done.out == formatted(compare([runs], tests="none"), format) + "\n"
        assert ("is not finished" in done.err) == (format == "csv")


def test_the_verb_passes_everything_on(runs: Path) -> None:
    for name in "ab":
        (runs / "e" / "results.json").write_bytes((runs / name / "results.json").read_bytes())
    argv = ["--by", "task,strategy,seed", "--metric", "accuracy", "--tests", "best", "--force"]
    done = gptasks("compare", str(runs / "a"), str(runs / "b"), str(runs / "d"), *argv)
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines()[0].split() == ["task", "strategy", "seed", "accuracy"]
    assert len(done.out.split("\n\n")[1].splitlines()) == 1 + 2


@pytest.mark.parametrize(
    ("argv", "fault"),
    [
        ([], "compare: RUN is missing; runs stand before --metric. See gptasks compare --help."),
        (["--metric", "accuracy", "RUNS"], "compare: RUN is missing; runs stand before --metric. "
         "See gptasks compare --help."),
        (["RUNS", "--format", "jsn"], "compare has no 'jsn'; did you mean 'json'?"),
        (["RUNS", "--tests", "some"], "compare has no 'some': it is auto or all or best or none."),
        (["RUNS", "--metrc", "x"], "compare has no argument '--metrc'; did you mean '--metric'? "
         "See gptasks compare --help."),
        (["RUNS", "--by", "strategi"], "--by: no run has the key 'strategi'; did you mean "
         "'strategy'?"),
        (["nowhere"], "run folder nowhere does not exist."),
    ],
)  # fmt: skip
def test_mistakes_are_told_in_one_line(runs: Path, argv: list[str], fault: str) -> None:
    done = gptasks("compare", *[str(runs) if word == "RUNS" else word for word in argv])
    assert (done.code, done.out, done.err) == (2, "", f"gptasks: {fault}\n")


def test_a_table_without_tests_loads_nothing_heavy(runs: Path) -> None:
    done = program("compare", str(runs), "--tests", "none", PYTHONPROFILEIMPORTTIME="1")
    assert done.code == 0
    loaded = {line.rpartition("|")[2].strip() for line in done.err.splitlines()}
    assert "gptasks.compare" in loaded
    assert loaded.isdisjoint({"torch", "transformers", "evaluate", "scipy", "pandas", "hydra"})


def test_really_trained_runs_are_compared(finished: Path, tmp_path: Path) -> None:
    from small_runs import run, write_reviews

    data = write_reviews(tmp_path / "reviews.csv", rows=120)
    other = run(data, "strategy=head", f"run={tmp_path / 'head'}")
    comparison = compare([finished, other], metrics=["accuracy", "auroc", "log_loss"])
    assert [system.name["strategy"] for system in comparison.systems if not system.baseline]
    assert not any(cell.flags or cell.untested for cell in comparison.cells)
    assert len(comparison.tests) == 3
    assert {system.baseline for system in comparison.systems} == {None, "majority", "tfidf"}

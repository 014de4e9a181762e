"""`gptasks plugins check` and the decorator for pytest: names, exit codes, what is printed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import gptasks, write_csv
from plugin_folders import package
from testing.sound import OPINIONS, plugin

from gptasks import ConfigError
from gptasks.testing import CHECKS, checks

QUICK = "options_are_documented"


@pytest.fixture
def rows() -> str:
    """A file of rows."""
    told = [(row["text"], row["label"]) for row in OPINIONS]
    return str(write_csv(Path("rows.csv"), told))


def test_what_is_checked_is_told_one_a_line(rows: str) -> None:
    plugin()
    done = gptasks("plugins", "check", "mine", "--data", rows, "--only", QUICK, "gold_scores_best")
    assert (done.code, done.err) == (0, "")
    assert done.out == f"task mine\nok      {QUICK}\nok      gold_scores_best\n2 ok\n"
    done = gptasks("plugins", "check", "mine", "--data", rows, "--only", "the_end_is_a_target")
    assert done.out == ("task mine\nskipped the_end_is_a_target: it writes no text\n1 skipped\n")


def test_what_fails_ends_with_1(rows: str) -> None:
    plugin("width: int = 3")
    done = gptasks("plugins", "check", "mine", "--data", rows, "--only", QUICK)
    assert done.code == 1
    assert done.faults == ["gptasks: mine: 1 of 1 check failed"]
    head, first, must, why, mend, count = done.out.splitlines()
    assert count == "1 FAILED"
    assert head == "task mine"
    assert first == f"FAILED  {QUICK}: no docstring under task.width"
    assert must == "        Its class and every option of it say what they mean."
    assert "gptasks --help task=" in why
    assert mend.startswith("        Mend: ")
    done = gptasks("plugins", "check", "mine", "--data", rows, "--only", QUICK, "--json")
    assert json.loads(done.out) == [
        {"task": "mine", "check": QUICK, "failure": "no docstring under task.width", "skipped": ""}
    ]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("mien", "no task, plugin, file or folder 'mien'; did you mean 'mine'? "),
        ("torn", "plugin 'torn' (plugins/torn) could not be imported: "),
        ("left", "plugin 'left' is left out by GPTASKS_BLOCK"),
        ("bare", "plugin 'bare' has no task to check"),
        ("./plugins", "the folder ./plugins holds neither an __init__.py nor a conf/"),
        ("lost.yaml", "task=lost.yaml: there is no such file or folder"),
    ],
)
def test_a_name_that_means_no_task(name: str, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plugin()
    package(Path("plugins"), "torn", "1 / 0")
    package(Path("plugins"), "left", "")
    package(Path("plugins"), "bare", "from gptasks import hookimpl\n@hookimpl\n"
            "def register_tasks():\n    return []")  # fmt: skip
    monkeypatch.setenv("GPTASKS_BLOCK", "left")
    done = gptasks("plugins", "check", name)
    assert done.code == 2
    (fault,) = done.faults
    assert told in fault


def test_a_check_that_there_is_not() -> None:
    plugin()
    done = gptasks("plugins", "check", "mine", "--only", "gold_score_best")
    assert done.code == 2
    assert done.faults == ["gptasks: no check 'gold_score_best'; did you mean 'gold_scores_best'?"]


def test_rows_that_are_unusable_are_told_of() -> None:
    plugin()
    Path("rows.csv").write_text("text,label\na,b,c\n", encoding="utf-8")
    done = gptasks("plugins", "check", "mine", "--data", "rows.csv")
    assert done.code == 2
    assert done.faults[0].startswith("gptasks: rows.csv:2: ")


def test_a_file_and_a_folder_are_names_too(rows: str) -> None:
    plugin()
    told = f"kind: sequence_classification\ndata: {{train: {rows}}}\ntext: text\nlabel: label\n"
    Path("one.yaml").write_text(f"# One\n{told}", encoding="utf-8")
    done = gptasks("plugins", "check", "one.yaml", "--only", "gold_scores_best")
    assert done.out == "task one\nok      gold_scores_best\n1 ok\n"
    Path("plugins").rename("elsewhere")  # where nothing looks for plugins
    done = gptasks("plugins", "check", "elsewhere/mine", "--data", rows, "--only", QUICK)
    assert (done.code, done.out) == (0, f"task mine\nok      {QUICK}\n1 ok\n")


def test_pytest_runs_one_test_for_each_check() -> None:
    mark = checks("mine").mark
    assert mark.name == "parametrize"
    assert list(mark.kwargs["ids"]) == list(CHECKS)
    plugin("width: int = 3")
    (check,) = checks("mine", OPINIONS, only=[QUICK]).mark.args[1]
    with pytest.raises(pytest.fail.Exception, match=r"no docstring under task\.width"):
        check()
    (check,) = checks("mine", OPINIONS, only=["the_end_is_a_target"]).mark.args[1]
    with pytest.raises(pytest.skip.Exception, match="it writes no text"):
        check()
    with pytest.raises(ConfigError, match="no check 'none'"):
        checks("mine", only=["none"])

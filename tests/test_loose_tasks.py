"""YAML files that lie in a folder of plugins: each is a task like any other."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import films, gptasks, write_csv

ASKS = "# Questions of our customers\nname: asks\nkind: sequence_classification\n" \
    "data: {train: d.csv}\ntext: text\nlabel: label\n"  # fmt: skip


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder named by GPTASKS_PLUGINS with one task in it."""
    folder = tmp_path / "shelf"
    folder.mkdir()
    write_csv(folder / "d.csv", films())
    (folder / "my_task.yaml").write_text(ASKS, encoding="utf-8")
    monkeypatch.setenv("GPTASKS_PLUGINS", str(folder))
    return folder


def test_a_file_in_a_named_folder_is_a_task_like_any_other(shelf: Path) -> None:
    found = {task["task"]: task for task in json.loads(gptasks("tasks", "--json").out)}
    assert found["asks"]["description"] == "Questions of our customers"
    assert found["asks"]["from"] == str(shelf)
    assert found["asks"]["kind"] == "sequence_classification"
    assert "asks" in gptasks("plugins", "list").out
    assert gptasks("--help", "task=asks").out.startswith("task=asks: Questions of our customers")
    (fault,) = gptasks("task=aks").faults
    assert fault.startswith("gptasks: no task 'aks'; did you mean 'asks'?")
    usual = ("backbone=tiny", "strategy=head", "tracking=none", "bootstrap=0")
    done = gptasks("task=asks", *usual, "run=one")
    assert done.code == 0, done.err
    done = gptasks(f"task={shelf / 'my_task.yaml'}", *usual, "run=two", "seed=1")
    assert done.code == 0, done.err
    told = json.loads(gptasks("compare", "one", "two", "--by", "seed", "--format", "json").out)
    assert {run["task"] for run in told["runs"]} == {"asks"}


def test_files_lie_also_in_the_plugins_folder_and_in_a_plugin_without_code() -> None:
    for path, name in (("plugins/loose.yaml", "loose"), ("plugins/a/conf/task/kept.yml", "kept")):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(ASKS.replace("asks", name), encoding="utf-8")
        write_csv(Path(path).parent / "d.csv", films())
    found = {task["task"]: task for task in json.loads(gptasks("tasks", "--json").out)}
    assert found["loose"]["from"] == "plugins"
    assert found["kept"]["from"] == "plugins/a"
    done = gptasks("data", "task=loose", "backbone=tiny", "--json")
    assert done.code == 0, done.err


def test_a_file_that_is_no_task_is_named_and_the_others_work(shelf: Path) -> None:
    (shelf / "odd.yaml").write_text("services: {}\n", encoding="utf-8")
    (shelf / ".hidden.yaml").write_text("services: {}\n", encoding="utf-8")
    found = {task["task"]: task for task in json.loads(gptasks("tasks", "--json").out)}
    assert found["odd"]["error"].startswith(
        f"{shelf / 'odd.yaml'} has no kind:, and no kind of task is called 'odd'; write kind:"
    )
    assert ".hidden" not in found
    assert "error" not in found["asks"]
    (fault,) = gptasks("task=odd").faults
    assert "has no kind:" in fault


def test_blocking_the_folder_leaves_its_files_out(
    shelf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GPTASKS_BLOCK", "shelf")
    assert "asks: " not in gptasks("tasks").out
    assert "shelf: left out by GPTASKS_BLOCK" in gptasks("plugins", "list").out


def test_two_files_of_one_name_are_both_named(shelf: Path) -> None:
    (shelf / "twin.yaml").write_text(ASKS, encoding="utf-8")
    (fault,) = gptasks("task=asks").faults
    assert "task name 'asks' is claimed by " in fault
    assert "my_task.yaml" in fault
    assert "twin.yaml" in fault

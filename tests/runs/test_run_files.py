"""config.yaml and results.json: written whole, read back, and told of where they are not."""

from __future__ import annotations

import json
import resource

import pytest
import yaml
from run_contents import RESULTS
from small_runs import configured

from gptasks import runs
from gptasks.config import compose, from_resolved
from gptasks.errors import RunError
from gptasks.registry import Registry
from gptasks.runs import (
    RunFolder,
    compare,
    read_config,
    read_results,
    to_yaml,
    writing,
)


def test_a_configuration_comes_back_from_its_file(tmp_path):
    config = configured("a,b 'c'.csv", "strategy.layers=[1,2]", "run=负面", "task.text=yes")
    folder = RunFolder(tmp_path / "run")
    folder.claim(config.resolved)
    back = from_resolved(read_config(folder.path), Registry())
    assert back.resolved == config.resolved
    assert back.digest() == config.digest()
    assert back.task == config.task
    assert back.strategy == config.strategy
    assert not compare(config.resolved, back.resolved)


def test_the_default_configuration_comes_back_too():
    config = compose(["task=sentiment"])
    values = yaml.safe_load(to_yaml(config.resolved))
    assert from_resolved(values, Registry()).resolved == config.resolved


def test_differences_tell_none_from_absent():
    assert compare({"a": None}, {}) == ["a is null there and absent here"]
    assert compare({"a": None}, {"a": None}) == []
    assert compare({"a": {}}, {"a": {"b": 1}}) == [
        "a is {} there and absent here",
        "a.b is absent there and 1 here",
    ]


def test_results_are_json_that_any_reader_takes(tmp_path):
    import numpy as np

    folder = RunFolder(tmp_path)
    odd = {"value": float("nan"), "low": float("inf"), "n": np.int64(3), "list": (1, 2)}
    folder.prepare_results({**RESULTS, "metrics": odd, "labels": ["负面"]})
    folder.finish()
    text = (tmp_path / "results.json").read_text("utf-8")
    assert "负面" in text

    def refuse(name):
        raise AssertionError(name)

    found = json.loads(text, parse_constant=refuse)["metrics"]
    assert found == {"value": None, "low": None, "n": 3, "list": [1, 2]}
    assert folder.is_finished


def test_results_are_whole_or_not_there(place):
    folder = RunFolder(place)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, hard))
    try:
        with pytest.raises(
            RunError,
            match=r"results\.json can't be written: File too large\. Make room, then repeat the "
            r"command to go on\.",
        ) as fault:
            folder.prepare_results({**RESULTS, "labels": ["label"] * 1000})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert fault.value.exit_code == 1
    assert list(place.iterdir()) == []


@pytest.mark.parametrize("text", ["", "{", '{"format": 1, "metr', "[1", "\x00", "[" * 9999])
def test_truncated_results_are_one_line(text, begun):
    (begun / "results.json").write_text(text)
    with pytest.raises(RunError, match=r"results\.json can't be read: ") as fault:
        read_results(begun)
    assert "\n" not in str(fault.value)


@pytest.mark.parametrize(
    ("results", "why"),
    [
        (
            {**RESULTS, "format": 1},
            r"results\.json is of format 1; this gptasks reads format 2\. "
            r"Train again, or read it by the gptasks that wrote it\.",
        ),
        ({**RESULTS, "format": "2"}, r'is of format "2"; this gptasks reads format 2'),
        ({}, r"is of format null; this gptasks reads format 2"),
        ([], r"is of format null; this gptasks reads format 2"),
        ({"format": 2, "task": "x"}, r"lacks kind, backbone, strategy, .*: it is not as gptasks"),
        (
            {**RESULTS, "labels": [1]},
            r"results\.json is damaged: labels\[0\] is 1, where a text should "
            r"be\. Copy the run folder anew, or train again\.$",
        ),
        ({**RESULTS, "metrics": {"test": {}}}, r"is damaged: metrics\.validation is missing"),
        (
            {**RESULTS, "baselines": {"x": {"f1": None}}},
            r"damaged: baselines\.x\.f1 is null, where an",
        ),
        (
            {**RESULTS, "timing": {**RESULTS["timing"], "precision": "fp8"}},
            "'fp8', where fp32 or bf16 should be",
        ),
        (
            {**RESULTS, "model": {"config.json": None}},
            r"damaged: model\.config\.json is null, where",
        ),
    ],
)
def test_results_of_another_kind_are_one_line(results, why, begun):
    (begun / "results.json").write_text(json.dumps(results))
    with pytest.raises(RunError, match=why):
        read_results(begun)


def test_results_of_an_unfinished_run_say_how_to_go_on(begun):
    with pytest.raises(
        RunError,
        match=r"the run in .*/run is not finished: it has no results\.json\. Repeat its command",
    ):
        read_results(begun)


def test_a_folder_that_is_no_run_is_named_with_what_it_holds(place):
    (place / "sentiment-1234abcd").mkdir()
    with pytest.raises(
        RunError, match=r"sentiment-1234abce does not exist; did you mean 'sentiment-1234abcd'\?"
    ):
        read_results(place / "sentiment-1234abce")
    with pytest.raises(
        RunError, match=r"is no run folder: it has no config\.yaml \(it has: nothing"
    ):
        read_results(place / "sentiment-1234abcd")
    (place / "notes.txt").write_text("")
    with pytest.raises(RunError, match=r"notes\.txt is a file, not a run folder"):
        read_results(place / "notes.txt")
    with pytest.raises(RunError, match=r"\(it has: notes\.txt, sentiment-1234abcd\)"):
        read_results(place)


def test_only_faults_of_the_system_are_explained(tmp_path):
    with pytest.raises(ZeroDivisionError), writing(tmp_path):
        _ = 1 / 0
    with pytest.raises(RunError, match="said before"), writing(tmp_path):
        raise RunError("said before")
    with (
        pytest.raises(RunError, match=r"can't be written: disk full \(os error 28\)\. Make room"),
        writing(tmp_path),
    ):
        raise ValueError("disk full (os error 28)\nand more")


def test_the_layout_is_of_version_2():
    assert runs.FORMAT == 2


@pytest.mark.parametrize(
    "text",
    [
        "a: 1\nb: {c: [1, x]}\n",
        "# a comment\na: 1\n\n# another\nb:\n- 1\n- 2\n",
        "---\na: |\n  two\n  lines\nb: 2\n",
        'a: &x [1, 2]\nb: *x\n"c d": "é: \\n"\n',
        "{a: 1, b: 2}\n",
        "? a\n: 1\nb: 2\n",
    ],
)
def test_a_configuration_is_read_as_yaml_has_it_whatever_its_layout(tmp_path, text):
    (tmp_path / "config.yaml").write_text(text, encoding="utf-8")
    assert read_config(tmp_path) == yaml.safe_load(text)


def test_configurations_that_share_parts_share_no_values(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.yaml").write_text(f"task: {{x: [1]}}\nrun: {name}\n")
    read_config(tmp_path / "a")["task"]["x"].append(2)
    assert read_config(tmp_path / "b") == {"task": {"x": [1]}, "run": "b"}

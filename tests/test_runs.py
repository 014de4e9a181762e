import json
import re
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from small_runs import configured

from gptasks import runs
from gptasks.config import compose, from_resolved
from gptasks.errors import RunError
from gptasks.registry import Registry
from gptasks.runs import (
    SHAPE,
    HistoryFile,
    RunFolder,
    compare,
    read_config,
    read_results,
    to_yaml,
    writing,
)
from gptasks.shape import EVERY

CONFIG = {"task": {"name": "sentiment", "max_length": 512}, "seed": 0, "run": None}


def filled(shape: Any) -> Any:
    """A value of that shape, with as little in it as may be."""
    if isinstance(shape, dict):
        return {key: filled(one) for key, one in shape.items() if key != EVERY}
    if isinstance(shape, list | tuple):
        return [] if isinstance(shape, list) else shape[0]
    return {str: "x", int: 1, float: 0.5, bool: True}[shape]


RESULTS = {**filled(SHAPE), "format": 1}


def changed(**values) -> dict:
    return {**CONFIG, **values}


def content(folder: Path) -> dict[str, bytes]:
    files = (p for p in folder.rglob("*") if p.is_file())
    return {str(p.relative_to(folder)): p.read_bytes() for p in files}


@pytest.fixture
def place(tmp_path) -> Path:
    """An empty folder."""
    (tmp_path / "place").mkdir()
    return tmp_path / "place"


@pytest.fixture
def begun(tmp_path) -> Path:
    """A run that has learnt something and was stopped."""
    folder = RunFolder(tmp_path / "run")
    assert folder.claim(CONFIG)
    folder.history().append(0, {"validation/log_loss": 0.7})
    folder.release()
    return folder.path


# -- claiming -----------------------------------------------------------------------------


def test_a_new_folder_gets_the_configuration_and_nothing_else(tmp_path):
    folder = RunFolder(tmp_path / "deep" / "run")
    assert folder.claim(CONFIG) is True
    assert not folder.is_finished
    assert set(content(folder.path)) == {".lock", "config.yaml"}
    assert read_config(folder.path) == CONFIG
    folder.release()


def test_an_empty_folder_may_be_used(place):
    assert RunFolder(place).claim(CONFIG)


def test_the_same_configuration_goes_on(begun):
    assert RunFolder(begun).claim(CONFIG) is True


def test_another_place_or_tracker_is_the_same_run(begun):
    assert RunFolder(begun).claim(changed(run="elsewhere", tracking={"name": "none"}))
    assert read_config(begun)["run"] == "elsewhere"


def test_a_finished_run_is_only_looked_at(begun):
    folder = RunFolder(begun)
    folder.prepare_results(RESULTS)
    assert not folder.is_finished
    folder.finish()
    working = RunFolder(begun)
    working._acquire()
    before = content(begun)
    assert folder.claim(CONFIG) is False  # though another process holds the folder
    assert content(begun) == before
    with pytest.raises(RunError, match="another configuration: seed is 0 there and 1 here"):
        folder.claim(changed(seed=1))


def test_another_configuration_is_refused_naming_the_differences(begun):
    before = content(begun)
    with pytest.raises(
        RunError,
        match=re.escape(
            f"{begun} holds a run of another configuration: more is absent there and [1] here, "
            "seed is 0 there and 1 here, task.max_length is 512 there and absent here, task.name "
            'is "sentiment" there and "情感" here. Choose another run=DIR, or remove that folder.'
        ),
    ) as fault:
        RunFolder(begun).claim(changed(seed=1, task={"name": "情感"}, more=[1]))
    assert fault.value.exit_code == 2
    assert content(begun) == before
    assert RunFolder(begun).claim(CONFIG)  # and it was not left locked


def test_many_differences_are_cut_short(begun):
    with pytest.raises(RunError, match=r"k12 is absent there and 12 here and 15 more\. Choose"):
        RunFolder(begun).claim(changed(**{f"k{n}": n for n in range(20)}, task=CONFIG["task"], a=1))


def test_a_run_that_learnt_nothing_gives_way_to_another_configuration(tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.claim(CONFIG)
    assert folder.id
    for name in ("tracking.jsonl", "wandb", "tensorboard", "mlflow"):
        (folder.path / name).write_text("")
    folder.release()
    assert RunFolder(folder.path).claim(changed(seed=1))
    assert read_config(folder.path)["seed"] == 1


@pytest.mark.parametrize(
    "file", ["checkpoints/last/state.json", "history.jsonl", "model/x", "my.txt"]
)
def test_a_run_that_left_anything_else_does_not_give_way(file, tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.claim(CONFIG)
    folder.release()
    (folder.path / file).parent.mkdir(parents=True, exist_ok=True)
    (folder.path / file).write_text("")
    with pytest.raises(RunError, match="holds a run of another configuration"):
        RunFolder(folder.path).claim(changed(seed=1))


def test_a_config_yaml_of_something_else_is_not_overwritten(place):
    (place / "config.yaml").write_text("theme: dark\n")
    with pytest.raises(RunError, match='theme is "dark" there and absent here'):
        RunFolder(place).claim(CONFIG)
    assert content(place) == {"config.yaml": b"theme: dark\n"}


def test_foreign_files_are_named_and_nothing_is_written(place):
    for name in ("b.csv", "a.csv", "c", "d", "e"):
        (place / name).write_text(name)
    before = content(place)
    with pytest.raises(
        RunError,
        match=re.escape(
            f"{place} is not empty and no run folder (it has: a.csv, b.csv, c, d and 1 more); "
            "nothing was written. Choose another run=DIR."
        ),
    ):
        RunFolder(place).claim(CONFIG)
    assert content(place) == before


def test_what_a_run_killed_at_its_first_moment_left_is_not_foreign(place):
    (place / ".lock").write_text("")
    (place / "config.yaml.part").write_text("half")
    assert RunFolder(place).claim(CONFIG)


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "run").write_text("")
    with pytest.raises(RunError, match=r"run=.*/run is a file; give a folder\."):
        RunFolder(tmp_path / "run").claim(CONFIG)


def test_a_place_that_can_not_be_made_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(
        RunError, match=r"run folder .*file/run can't be made \(Not a directory\); choose another"
    ):
        RunFolder(tmp_path / "file" / "run").claim(CONFIG)


def test_a_broken_config_is_one_line(begun):
    (begun / "config.yaml").write_text("a: [1\nb: 2")
    with pytest.raises(RunError, match=r"config\.yaml can't be read: ") as fault:
        RunFolder(begun).claim(CONFIG)
    assert "\n" not in str(fault.value)
    (begun / "config.yaml").write_text("")
    for text in ("a: !!int ''", "a: 2024-99-99", "[" * 9999):  # PyYAML's own errors, and Python's
        (begun / "config.yaml").write_text(text)
        with pytest.raises(RunError, match=r"config\.yaml can't be read: ") as fault:
            read_config(begun)
        assert "\n" not in str(fault.value)
    (begun / "config.yaml").write_text("[a]")
    with pytest.raises(RunError, match=r"config\.yaml holds no configuration"):
        RunFolder(begun).claim(CONFIG)


def test_one_process_at_a_time(begun):
    first = RunFolder(begun)
    assert first.claim(CONFIG)
    with pytest.raises(
        RunError, match=r"another process is at work on .*/run; wait for it, or choose another"
    ):
        RunFolder(begun).claim(CONFIG)
    first.release()
    assert RunFolder(begun).claim(CONFIG)


HOLD = """
import sys
from pathlib import Path
from gptasks.runs import RunFolder
folder = RunFolder(Path(sys.argv[1]))
folder.claim({"seed": 0})
print("held", flush=True)
sys.stdin.read()
"""


def test_the_folder_of_a_killed_process_is_free(tmp_path):
    child = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "run")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    assert child.stdout is not None
    assert child.stdout.readline() == b"held\n"
    with pytest.raises(RunError, match="another process is at work"):
        RunFolder(tmp_path / "run").claim({"seed": 0})
    child.kill()
    child.communicate()
    assert RunFolder(tmp_path / "run").claim({"seed": 0})


def test_of_two_that_start_at_once_the_second_sees_what_the_first_wrote(tmp_path, monkeypatch):
    late, acquire = RunFolder(tmp_path / "run"), RunFolder._acquire

    def slow(self):
        monkeypatch.setattr(RunFolder, "_acquire", acquire)
        quick = RunFolder(self.path)
        quick.claim(changed(seed=7))
        quick.history().append(0, {"a": 1.0})
        quick.release()
        acquire(self)

    monkeypatch.setattr(RunFolder, "_acquire", slow)
    with pytest.raises(RunError, match="seed is 7 there and 0 here"):
        late.claim(CONFIG)
    assert RunFolder(late.path).claim(changed(seed=7))


def test_each_folder_has_an_id_of_its_own_that_stays(tmp_path):
    one, other = RunFolder(tmp_path / "one"), RunFolder(tmp_path / "other")
    one.claim(CONFIG)
    other.claim(CONFIG)
    assert re.fullmatch("[0-9a-f]{8}", one.id)
    assert one.id == RunFolder(one.path).id != other.id


@pytest.mark.parametrize("held", [b"", b"0123456", b"\xff1234567"])
def test_an_id_that_is_damaged_is_told_of_and_made_anew(held, tmp_path, caplog):
    (tmp_path / ".id").write_bytes(held)
    found = RunFolder(tmp_path).id
    assert re.fullmatch("[0-9a-f]{8}", found)
    assert RunFolder(tmp_path).id == found
    (record,) = caplog.records
    assert record.getMessage().endswith(".id is damaged: trackers will show this run as a new one")


# -- configuration ------------------------------------------------------------------------


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


# -- curves -------------------------------------------------------------------------------


def test_points_come_back_and_are_numbers_or_null(tmp_path):
    history = HistoryFile(tmp_path / "history.jsonl")
    assert history.points() == []
    history.append(0, {"a": 0.1})
    history.append(3, {"a": float("nan"), "b": float("-inf")})
    assert history.points() == [{"step": 0, "a": 0.1}, {"step": 3, "a": None, "b": None}]


def test_numbers_of_a_curve_that_are_no_json_are_none(tmp_path):
    history = HistoryFile(tmp_path / "history.jsonl")
    history.path.write_text('{"step": 1, "a": Infinity, "b": NaN, "c": 1e999, "d": 2}\n')
    assert history.points() == [{"step": 1, "a": None, "b": None, "c": None, "d": 2}]


def test_curves_are_rewound_past_a_line_cut_off(tmp_path):
    history = HistoryFile(tmp_path / "history.jsonl")
    for step in range(4):
        history.append(step, {"a": float(step)})
    with history.path.open("a") as file:
        file.write('{"step": 4, "a')
    history.rewind(history.points()[:3])
    history.append(3, {"a": 9.0})
    assert [point["a"] for point in history.points()] == [0.0, 1.0, 2.0, 9.0]
    history.rewind([])
    assert history.path.read_text() == ""


@pytest.mark.parametrize(
    "damaged", ["", "5", "{}", '{"step": "1"}', '{"step": 1, "a": "b"}', "\udc80"]
)
def test_curves_end_where_a_point_can_not_be_read(damaged, tmp_path):
    history = HistoryFile(tmp_path / "history.jsonl")
    for step in range(3):
        history.append(step, {"a": float(step)})
    lines = history.path.read_text().splitlines()
    text = "\n".join([lines[0], damaged, lines[2]])
    history.path.write_bytes(text.encode(errors="surrogateescape"))
    assert history.points() == [{"step": 0, "a": 0.0}]


# -- results ------------------------------------------------------------------------------


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
        ({**RESULTS, "format": 2}, r"results\.json is of format 2; this gptasks reads format 1"),
        ({}, r"is of format None; this gptasks reads format 1"),
        ([], r"is of format None; this gptasks reads format 1"),
        ({"format": 1, "task": "x"}, r"lacks kind, backbone, strategy, .*: it is not as gptasks"),
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


# -- writing ------------------------------------------------------------------------------


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


def test_the_layout_is_of_version_1():
    assert runs.FORMAT == 1


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

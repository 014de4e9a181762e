"""Whose a run folder is: free, begun, finished, foreign, or in use."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from run_contents import CONFIG, RESULTS, changed

from gptasks.errors import RunError
from gptasks.runs import (
    RunFolder,
    read_config,
)


def content(folder: Path) -> dict[str, bytes]:
    files = (p for p in folder.rglob("*") if p.is_file())
    return {str(p.relative_to(folder)): p.read_bytes() for p in files}


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

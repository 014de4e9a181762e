import re
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from small_runs import configured, remains, run, small

from gptasks import cli
from gptasks.config import compose
from gptasks.errors import DataError, RunError
from gptasks.runs import HistoryFile, RunFolder
from gptasks.training import session, trainer
from gptasks.training.checkpoint import Checkpoints
from gptasks.training.session import train


def test_the_folder_is_named_after_task_and_configuration(data):
    config = compose(small(data, "strategy=head"))
    assert train(config) == Path("runs") / f"sequence_classification-{config.digest()}"
    assert len(config.digest()) == 8


def test_a_finished_run_shows_its_result_and_trains_nothing(finished, tmp_path, capsys):
    folder = Path(shutil.copytree(finished, tmp_path / "run"))
    (folder / "model").rename(folder / "moved away")
    assert cli.main(small(finished.parent / "reviews.csv", f"run={folder}")) == 0
    shown = capsys.readouterr()
    assert f"{folder} is finished; remove it, or give another run=DIR, to run again" in shown.err
    assert "majority" in shown.out
    assert "1.0000 [1.000, 1.000]" in shown.out
    assert not (folder / "model").exists()
    assert not (folder / "checkpoints").exists()


def test_another_configuration_in_a_run_folder_is_refused_with_the_difference(
    finished, tmp_path, capsys
):
    folder = Path(shutil.copytree(finished, tmp_path / "run"))
    before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    changes = ("trainer.epochs=3", "strategy.rank=4", "tracking=jsonl")
    assert cli.main(small(finished.parent / "reviews.csv", f"run={folder}", *changes)) == 2
    assert capsys.readouterr().err == (
        f"gptasks: {folder} holds a run of another configuration: strategy.rank is 16 there and 4 "
        "here, trainer.epochs is 1.0 there and 3.0 here. Choose another run=DIR, or remove that "
        "folder.\n"
    )
    assert {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()} == before


def test_a_folder_of_something_else_is_refused_and_left_as_it_was(data, tmp_path, capsys):
    folder = tmp_path / "thesis"
    folder.mkdir()
    (folder / "chapter.tex").write_text("x")
    assert cli.main(small(data, f"run={folder}")) == 2
    assert capsys.readouterr().err == (
        f"gptasks: {folder} is not empty and no run folder (it has: chapter.tex); nothing was "
        "written. Choose another run=DIR.\n"
    )
    assert [p.name for p in folder.iterdir()] == ["chapter.tex"]


def test_a_run_that_failed_before_it_learnt_anything_does_not_hold_its_folder(data, capsys):
    assert cli.main(small(data, "run=r", "task.data.train=nix.csv")) == 2
    assert "no file 'nix.csv'" in capsys.readouterr().err
    assert cli.main(small(data, "run=r", "strategy.layers=[99]", "tracking=jsonl")) == 2
    assert "layer 99 is not in backbone 'tiny'" in capsys.readouterr().err
    assert cli.main(small(data, "run=r", "strategy=head")) == 0


def test_two_processes_do_not_work_on_one_folder(data, capsys):
    other = RunFolder(Path("r"))
    other.claim(configured(data, "run=r").resolved)
    assert cli.main(small(data, "run=r")) == 2
    assert capsys.readouterr().err == (
        "gptasks: another process is at work on r; wait for it, or choose another run=DIR.\n"
    )
    other.release()
    assert cli.main(small(data, "run=r", "strategy=head")) == 0  # it had learnt nothing


def test_a_failed_run_lets_go_of_its_folder(data):
    for _ in range(2):
        with pytest.raises(DataError):
            run(data, "run=r", "task.data.train=nix.csv")


@pytest.mark.parametrize("kilobytes", [1, 8, 40])
def test_a_full_disk_is_one_line_and_the_run_goes_on_when_there_is_room(kilobytes, data, capsys):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024 * kilobytes, hard))
    try:
        code = cli.main(small(data, "run=r"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert code == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("gptasks: ")
    assert "can't be written" in last
    assert "File too large" in last
    assert "ake room, then repeat the command" in last
    assert cli.main(small(data, "run=r")) == 0


DISK = """
import shutil, subprocess, sys
from pathlib import Path
from gptasks import cli

def mount(*options):
    subprocess.run(["mount", "-t", "tmpfs", "-o", *options, "tmpfs", "disk"], check=True)

def run():
    print("exit code", cli.main([*sys.argv[1:], "run=disk/r"]), file=sys.stderr)

Path("disk").mkdir()
mount("size=256k")
run()
mount("remount,ro,size=256k")
run()
mount("remount,rw,size=64m")
run()
shutil.copytree("disk/r", "r")
"""
"""A disk without room for the third checkpoint, then a read-only one, then one with room."""


def test_a_full_disk_and_a_read_only_one_leave_the_last_good_state(data, tmp_path):
    alone = ["unshare", "--mount", "--map-root-user"]
    if subprocess.run([*alone, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this system lets nobody mount a disk of its own")
    overrides = small(data, "trainer.epochs=3", "trainer.batch_tokens=256", "strategy.dropout=0.1")
    (tmp_path / "disk.py").write_text(DISK)
    done = subprocess.run(
        [*alone, sys.executable, str(tmp_path / "disk.py"), *overrides],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert re.findall("^exit code (.)$", done.stderr, re.MULTILINE) == ["1", "1", "0"], done.stderr
    full, locked = re.findall("^gptasks: (.*)$", done.stderr, re.MULTILINE)
    assert re.fullmatch(
        r"disk/r/checkpoints/\S+ can't be written: .*No space left on device.*\. Make room, then "
        r"repeat the command to go on\.",
        full,
    )
    assert locked == (
        "disk/r can't be written: Read-only file system. Let gptasks write there, then repeat the "
        "command to go on."
    )
    (step,) = re.findall("going on from step (.*)", done.stderr)
    assert int(step) > 0
    found, expected = remains(Path("r")), remains(run(data, *overrides[7:], "run=whole"))
    for left in (found, expected):
        del left["results"]["command"]  # which names the folder
    assert found == expected


@pytest.mark.parametrize(
    ("owner", "name", "call"),
    [
        (HistoryFile, "append", 3),
        (Checkpoints, "save", 3),
        (trainer._Loop, "_step", 2),
        (session, "load_splits", 1),
        (session, "write_predictions", 1),
        (session, "full_scores", 3),
        (RunFolder, "prepare_results", 1),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_folder_removed_meanwhile_is_one_line_and_not_made_again(
    owner, name, call, data, capsys, monkeypatch
):
    real, count = getattr(owner, name), 0

    def counted(*arguments, **named):
        nonlocal count
        count += 1
        if count == call:
            shutil.rmtree("r")
        return real(*arguments, **named)

    monkeypatch.setattr(owner, name, counted)
    assert cli.main(small(data, "run=r")) == 1
    (line,) = [x for x in capsys.readouterr().err.splitlines() if x.startswith("gptasks: ")]
    assert line.startswith("gptasks: r")
    assert line.endswith("Its folder was removed meanwhile; repeat the command to begin anew.")
    assert not Path("r").exists()


def test_a_finished_run_is_not_shown_for_rows_that_changed_since(data):
    folder = run(data, "strategy=head", "run=r")
    before = (folder / "results.json").read_bytes()
    (folder / "checkpoints" / "head").mkdir(parents=True)  # a kill at the very end leaves them
    assert run(data, "strategy=head", "run=r") == folder
    assert not (folder / "checkpoints").exists()
    data.write_text(data.read_text("utf-8").replace("number 7 was", "number seven was"), "utf-8")
    with pytest.raises(RunError, match=r"r is finished, but on other data: .* changed since\."):
        run(data, "strategy=head", "run=r")
    assert (folder / "results.json").read_bytes() == before


def test_a_finished_run_is_shown_though_its_rows_are_gone(data, caplog):
    folder = run(data, "strategy=head", "run=r")
    data.unlink()
    assert run(data, "strategy=head", "run=r") == folder
    assert "can't be compared with the finished run's: no file 'reviews.csv'" in caplog.text

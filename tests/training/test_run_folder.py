import resource
import shutil
from pathlib import Path

import pytest
from small_runs import configured, run, small

from gptasks import cli
from gptasks.config import compose
from gptasks.errors import DataError, RunError
from gptasks.runs import RunFolder
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


def test_a_finished_run_is_not_shown_for_rows_that_changed_since(data):
    folder = run(data, "strategy=head", "run=r")
    before = (folder / "results.json").read_bytes()
    assert run(data, "strategy=head", "run=r") == folder
    data.write_text(data.read_text("utf-8").replace("number 7 was", "number seven was"), "utf-8")
    with pytest.raises(RunError, match=r"r is finished, but on other data: .* changed since\."):
        run(data, "strategy=head", "run=r")
    assert (folder / "results.json").read_bytes() == before


def test_a_finished_run_is_shown_though_its_rows_are_gone(data, caplog):
    folder = run(data, "strategy=head", "run=r")
    data.unlink()
    assert run(data, "strategy=head", "run=r") == folder
    assert "can't be compared with the finished run's: no file 'reviews.csv'" in caplog.text

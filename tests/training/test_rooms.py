import json
import math
import os
import resource
import sys
from pathlib import Path

import pytest
import torch
from small_runs import configured, points, remains, small, write_reviews

from gptasks import cli, model, runs
from gptasks.tasks.logistic import LogisticProbe
from gptasks.tasks.sequence_classification import SequenceClassification
from gptasks.training import rooms
from gptasks.training.rooms import AFTER, BEFORE, Rooms
from gptasks.training.session import train
from gptasks.training.trainer import _Loop

HARD = (
    "strategy.dropout=0.2",
    "strategy.depth=0.5",
    "trainer.accumulate=2",
    "trainer.batch_tokens=256",
    "trainer.learning_rate=0.01",
    "trainer.epochs=3",
)
"""15 steps, validated after 0, 2 or 3, 5, …"""

PLACES = {
    "training": (SequenceClassification, "loss", 17),
    "validation": (SequenceClassification, "predict", 3),
    "prediction": (SequenceClassification, "predict", 8),
    "frozen": (LogisticProbe, "features", 6),
}
"""Where memory runs out in the whole run: at which call of what."""


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write_reviews(tmp_path_factory.mktemp("data") / "reviews.csv", rows=90)


def run(data: Path, *more: str) -> Path:
    return train(configured(data, *HARD, *more))


def short(patch: pytest.MonkeyPatch, owner: object, name: str, call: int) -> list[int]:
    """Let memory run out once, at the `call`th use of a function, or after it at the first one for
    more than one text; gives all uses' tokens."""
    real, seen, were = getattr(owner, name), [], []

    def greedy(self, given, batch):
        seen.append(batch["input_ids"].numel())
        if len(seen) >= call and len(batch["input_ids"]) > 1 and not were:
            were.append(len(seen))
            torch.empty(2**50)
        return real(self, given, batch)

    patch.setattr(owner, name, greedy)
    return seen


def kept(folder: Path, name: str = rooms.KEPT) -> dict:
    return json.loads((folder / "checkpoints" / name / "state.json").read_text())["state"]


class Stop(BaseException):
    """Stands for a stop that nothing may catch."""


# -- a step ------------------------------------------------------------------------------


def test_a_step_in_parts_learns_what_a_whole_one_does(data, monkeypatch, caplog):
    plain = "strategy.dropout=0.0"
    whole = points(run(data, plain, "run=whole"))
    with monkeypatch.context() as patch:
        seen = short(patch, SequenceClassification, "loss", 5)
        parts = points(run(data, plain, "run=parts"))
    assert max(seen[5:]) <= seen[4] // 2  # and the 5th has several texts
    assert caplog.text.count("memory does not hold") == 1
    assert f"{seen[4]} tokens at once while training; going on with {seen[4] // 2}," in caplog.text
    assert [p["step"] for p in parts] == [p["step"] for p in whole]
    for one, other in zip(parts, whole, strict=True):
        for key in one:
            if not key.startswith("time/"):
                assert one[key] == pytest.approx(other[key], rel=1e-3, abs=1e-5), key


def test_one_text_without_room_ends_the_training_with_what_would_help(data, monkeypatch, capsys):
    monkeypatch.setattr(SequenceClassification, "loss", lambda *given: torch.empty(2**50))
    line = [word for word in HARD if "batch_tokens" not in word]
    assert cli.main(small(data, *line, "trainer.batch_tokens=4096", "run=r")) == 1
    told = capsys.readouterr().err.splitlines()
    assert told[-1].startswith("gptasks: memory does not hold 1 text of ")
    assert told[-1].endswith(
        " tokens; lower task.max_length, let fewer layers learn (strategy.depth), take a smaller "
        "backbone, or free some memory."
    )
    halved = [line for line in told if line.startswith("warning: memory does not hold")]
    assert 1 <= len(halved) <= math.log2(4096), told


def test_a_lack_that_no_smaller_batch_mends_is_one_line(data, monkeypatch, capsys):
    monkeypatch.setattr(_Loop, "_save", lambda self: torch.empty(2**50))
    assert cli.main(small(data, *HARD, "run=r")) == 1
    assert capsys.readouterr().err.splitlines()[-1] == (
        "gptasks: memory ran out where a smaller batch does not help; take a smaller backbone, "
        "strategy=lora in place of full, strategy.cache_gib=0, or a limit= of rows. Repeat the "
        "command to go on from the last checkpoint."
    )


# -- going on ----------------------------------------------------------------------------


@pytest.mark.parametrize("place", PLACES)
def test_a_run_goes_on_as_it_was_cut_even_where_memory_holds_more_by_then(
    place, data, tmp_path, monkeypatch
):
    """Killed right after memory ran out, before any checkpoint of that."""
    owner, name, call = PLACES[place]
    with monkeypatch.context() as patch:
        (tmp_path / "whole").mkdir()
        patch.chdir(tmp_path / "whole")
        short(patch, owner, name, call)
        whole = remains(run(data))
    with monkeypatch.context() as patch:
        short(patch, owner, name, call)
        real = Rooms.keep

        def keep_and_stop(self, *arguments):
            real(self, *arguments)
            raise Stop

        patch.setattr(Rooms, "keep", keep_and_stop)
        with pytest.raises(Stop):
            run(data)
    (folder,) = Path("runs").iterdir()
    ((what, [(step, tokens)]),) = kept(folder).items()
    assert what == ("training" if place == "training" else "predicting")
    assert {"frozen": step == BEFORE, "prediction": step == AFTER}.get(place, 0 < step < 15)
    assert remains(run(data)) == whole
    assert tokens < 256


def test_steps_before_the_lack_of_memory_are_made_again_as_they_were(data, tmp_path, monkeypatch):
    """Dropout draws its numbers batch by batch, so that a step cut in parts is another one."""

    found = {}
    for name in ("never short", "whole", "stopped"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        with monkeypatch.context() as patch:
            if name != "never short":
                short(patch, SequenceClassification, "loss", 14)
            if name == "stopped":
                stop_when_cut(patch)
                with pytest.raises(Stop):
                    run(data)
                (folder,) = Path("runs").iterdir()
                ((cut, _),) = kept(folder)["training"]
                assert 0 < kept(folder, "last")["step"] < cut
            else:
                found[name] = remains(run(data))
    assert remains(run(data)) == found["whole"]
    weights = "model/model.safetensors"
    assert found["never short"][weights] != found["whole"][weights]


def stop_when_cut(patch: pytest.MonkeyPatch) -> None:
    """Stop when the first step in parts is made."""
    real = runs.HistoryFile.append

    def append(self, *arguments):
        real(self, *arguments)
        if (self.path.parent / "checkpoints" / rooms.KEPT).exists():
            raise Stop

    patch.setattr(runs.HistoryFile, "append", append)


def test_the_numbers_hold_from_their_step_on(data, tmp_path):
    from gptasks.options import RunOptions
    from gptasks.training.checkpoint import Checkpoints
    from gptasks.training.processes import Processes

    processes = Processes(RunOptions(device="cpu", precision="fp32"))
    made = Rooms(1000, Checkpoints(tmp_path), processes)
    made.keep("training", 7, 500)
    made.keep("training", 7, 250)
    made.keep("predicting", BEFORE, 600)
    made.keep("predicting", 9, 300)
    for each in (made, Rooms(1000, Checkpoints(tmp_path), processes)):
        assert [each.training(step).tokens for step in (0, 6, 7, 8)] == [1000, 1000, 250, 250]
        found = [each.predicting(step).tokens for step in (BEFORE, 0, 9, AFTER)]
        assert found == [600, 600, 300, 300]


# -- memory that is really not there -----------------------------------------------------


def plainly(decoder, tokens, *, learning):
    for module in decoder.modules():
        if hasattr(module, "config"):
            module.config._attn_implementation = "eager"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux keeps to this limit")
def test_a_processor_out_of_memory_trains_in_parts(tmp_path):
    """Attention of all texts at once, by the plain formula, takes some GB; this process may take
    300 MB more."""
    data = tmp_path / "long.csv"
    rows = [f"{'so ' * 120}{'good' if n % 2 else 'bad'} {n},{'np'[n % 2]}" for n in range(120)]
    data.write_text("\n".join(["text,label", *rows]))
    config = configured(data, "trainer.batch_tokens=1000000", "strategy.layers=[4]", "run=r")
    number = os.fork()
    if number == 0:
        code = 9
        try:
            os.dup2(os.open("told", os.O_CREAT | os.O_WRONLY), 2)
            sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115
            taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (taken + 300 * 2**20, resource.RLIM_INFINITY))
            model.attend = plainly
            code = cli.main(config.overrides)
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(number, 0)[1]) == 0, Path("told").read_text()
    told = Path("told").read_text()
    assert "tokens at once while predicting; going on with" in told
    assert "tokens at once while training; going on with" in told
    assert (Path("r") / "results.json").exists()

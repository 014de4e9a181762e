import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from small_runs import adapter, configured, points, remains, small, write_reviews

from gptasks import runs
from gptasks.tasks.logistic import LogisticProbe
from gptasks.tracking.jsonl import JsonlTracker
from gptasks.training import session, trainer
from gptasks.training.checkpoint import Checkpoints
from gptasks.training.session import train
from gptasks.training.stopping import Stopped

HARD = (
    "strategy.dropout=0.2",
    "strategy.depth=0.5",
    "trainer.accumulate=2",
    "trainer.batch_tokens=256",
    "trainer.learning_rate=0.01",
    "trainer.epochs=3",
)
"""Dropout and accumulation: what is hardest to go on with bit for bit; 15 steps."""


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write_reviews(tmp_path_factory.mktemp("data") / "reviews.csv", rows=90)


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory) -> dict:
    """What is left of the run when nothing stops it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("whole"))
        return remains(run(data))


class Stop(BaseException):
    """Stands for a stop that nothing may catch."""


def run(data: Path, *more: str) -> Path:
    return train(configured(data, *HARD, "tracking=jsonl", *more))


def stopped(
    data: Path,
    owner: object,
    name: str,
    call: int,
    *more: str,
    start: Callable[[], object] | None = None,
) -> None:
    """Start the run and stop it at the `call`th use of a function."""
    start = start or (lambda: run(data, *more))
    real, count = getattr(owner, name), 0

    def counted(*arguments, **named):
        nonlocal count
        count += 1
        if count == call:
            raise Stop
        return real(*arguments, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, name, counted)
        with pytest.raises(Stop):
            start()


def folder() -> Path:
    (found,) = Path("runs").iterdir()
    return found


# -- bit for bit --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("owner", "name", "call"),
    [
        (LogisticProbe, "fit", 4),
        (runs.HistoryFile, "append", 7),
        (Checkpoints, "save", 1),
        (Checkpoints, "save", 2),
        (Checkpoints, "keep", 3),
        (trainer._Loop, "_backward", 9),
        (trainer._Loop, "_load_best", 1),
        (session, "quick_scores", 4),
        (session, "write_predictions", 1),
        (runs.RunFolder, "finish", 1),
    ],
    ids=lambda value: value.__name__.rpartition(".")[2] if hasattr(value, "__name__") else None,
)
def test_a_run_goes_on_as_if_it_had_never_stopped(owner, name, call, data, whole):
    stopped(data, owner, name, call)
    assert not (folder() / "results.json").exists()
    found = remains(run(data))
    assert found["history"] == whole["history"]
    assert found["results"] == whole["results"]
    assert found == whole
    assert not (folder() / "checkpoints").exists()


def test_bf16_and_another_architecture_go_on_bit_for_bit_too(data, tmp_path, monkeypatch):
    other = ("precision=bf16", "backbone=tiny_gpt2")
    with monkeypatch.context() as patch:
        (tmp_path / "whole").mkdir()
        patch.chdir(tmp_path / "whole")
        expected = remains(run(data, *other))
    stopped(data, session, "quick_scores", 4, *other)
    assert remains(run(data, *other)) == expected


@pytest.mark.parametrize("name", ["dora", "ia3"])
def test_other_adapters_go_on_bit_for_bit_too(name, data, tmp_path, monkeypatch):
    other = (*adapter(name), "trainer.epochs=2", "trainer.batch_tokens=256",
             "trainer.learning_rate=0.01", "tracking=jsonl")  # fmt: skip
    with monkeypatch.context() as patch:
        (tmp_path / "whole").mkdir()
        patch.chdir(tmp_path / "whole")
        expected = remains(train(configured(data, *other)))
    stopped(data, trainer._Loop, "_backward", 13, start=lambda: train(configured(data, *other)))
    assert any((folder() / "checkpoints").iterdir())
    assert remains(train(configured(data, *other))) == expected


@pytest.mark.parametrize("depth", ["0.5", "1.0"])
def test_all_weights_go_on_bit_for_bit_too(depth, data, tmp_path, monkeypatch):
    full = ("strategy=full", "trainer.learning_rate=0.001", "precision=bf16", "tracking=jsonl",
            "trainer.epochs=2", "trainer.batch_tokens=256", f"strategy.depth={depth}")  # fmt: skip
    with monkeypatch.context() as patch:
        (tmp_path / "whole").mkdir()
        patch.chdir(tmp_path / "whole")
        expected = remains(train(configured(data, *full)))
    # Past the first validation, and past the checkpoint that it leaves.
    stopped(data, trainer._Loop, "_backward", 13, start=lambda: train(configured(data, *full)))
    held = folder() / "checkpoints"
    assert any(held.iterdir())
    assert remains(train(configured(data, *full))) == expected


def test_a_run_stopped_many_times_still_gets_there(data, whole):
    for call in (3, 4, 2):
        stopped(data, trainer._Loop, "_step", call, "trainer.checkpoint_every=1e-6")
    found = remains(run(data, "trainer.checkpoint_every=1e-6"))
    for key in ("history", "model/model.safetensors", "predictions/test.jsonl"):
        assert found[key] == whole[key]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_lets_the_step_end_and_be_kept(number, data, whole, monkeypatch):
    """Without checkpoints on time: the one that is gone on from is the signal's own."""
    real, count = trainer._Loop._step, 0

    def signalled(*arguments):
        nonlocal count
        count += 1
        if count == 5:
            signal.raise_signal(number)
        return real(*arguments)

    monkeypatch.setattr(trainer._Loop, "_step", signalled)
    with pytest.raises(Stopped, match=r"^after step 5 of \d+$") as told:
        run(data)
    assert told.value.number == number
    assert remains(run(data)) == whole
    assert count == int(str(told.value).split()[-1])  # no step was made twice


def test_nothing_is_done_twice(data, caplog, monkeypatch):
    fits, steps = [], []
    fit, step = LogisticProbe.fit, trainer._Loop._step
    monkeypatch.setattr(LogisticProbe, "fit", lambda *a: (fits.append(1), fit(*a))[1])
    monkeypatch.setattr(trainer._Loop, "_step", lambda *a: (steps.append(1), step(*a))[1])
    stopped(data, session, "quick_scores", 4)  # validations at steps 0, 2 or 3, 5, …
    first = (len(fits), len(steps))
    caplog.set_level("INFO")
    run(data)
    total = points(folder())[-1]["step"]
    assert len(fits) == first[0]
    kept = int(caplog.text.partition("going on from step ")[2].split()[0])
    assert 0 < kept < first[1]
    assert len(steps) == first[1] + total - kept


def test_checkpoints_come_as_often_as_asked(data, monkeypatch):
    saved = []
    save = Checkpoints.save
    monkeypatch.setattr(
        Checkpoints,
        "save",
        lambda self, name, made: (
            saved.append((name, made.state.get("step"))),
            save(self, name, made),
        ),
    )
    run(data, "trainer.checkpoint_every=0", "trainer.validate_every=0")
    total = points(folder())[-1]["step"]
    assert [step for name, step in saved if name == "last"] == [total]
    saved.clear()
    run(data, "trainer.checkpoint_every=1e-6", "trainer.validate_every=0", "run=often")
    assert [step for name, step in saved if name == "last"] == list(range(1, total + 1))
    saved.clear()
    by_step = ("trainer.checkpoint_every=0", "trainer.checkpoint_steps=4")
    run(data, *by_step, "trainer.validate_every=0", "run=steps")
    kept = sorted({*range(4, total, 4), total})
    assert [step for name, step in saved if name == "last"] == kept


def test_a_stop_after_early_stopping_trains_no_further(data, monkeypatch, tmp_path):
    early = ("trainer.patience=1", "trainer.learning_rate=0.5", "trainer.validate_every=0.2")
    (tmp_path / "whole").mkdir()
    with monkeypatch.context() as patch:
        patch.chdir(tmp_path / "whole")
        expected = remains(run(data, *early))
    assert expected["results"]["fit"]["epochs"] < 3.0
    stopped(data, session, "write_predictions", 1, *early)
    steps = []
    monkeypatch.setattr(trainer._Loop, "_step", lambda *a: steps.append(1))
    assert remains(run(data, *early)) == expected
    assert not steps


def test_head_goes_on_after_its_fit(data, tmp_path, monkeypatch):
    def run_head(*more: str) -> Path:
        return train(configured(data, "strategy=head", *more))

    with monkeypatch.context() as patch:
        (tmp_path / "whole").mkdir()
        patch.chdir(tmp_path / "whole")
        expected = remains(run_head())
    with monkeypatch.context() as patch:

        def stop(*arguments):
            raise Stop

        patch.setattr(session, "write_predictions", stop)
        with pytest.raises(Stop):
            run_head()
    monkeypatch.setattr(LogisticProbe, "fit", lambda *a: pytest.fail("it was fitted before"))
    assert remains(run_head()) == expected


@pytest.mark.parametrize(
    ("owner", "name", "call"), [(runs.HistoryFile, "append", 8), (JsonlTracker, "finish", 1)]
)
def test_trackers_are_told_the_whole_story_again(owner, name, call, data):
    stopped(data, owner, name, call)
    run(data)
    lines = (folder() / "tracking.jsonl").read_text().splitlines()
    told = [json.loads(line) for line in lines]
    starts = [n for n, each in enumerate(told) if each["event"] == "start"]
    assert len(starts) == 2
    assert told[starts[0]]["id"] == told[starts[1]]["id"]
    last = [t for t in told[starts[1] :] if t["event"] == "log"]
    assert [{"step": t["step"], **t["values"]} for t in last] == points(folder())
    ends = [t["event"] for t in told[starts[1] :] if t["event"] not in ("start", "log")]
    assert ends == ["summary", "confusion", "table", "finish"]


# -- what may be broken meanwhile ---------------------------------------------------------


def spoil(name: str) -> None:
    path = folder() / "checkpoints" / name / "tensors.safetensors"
    path.write_bytes(path.read_bytes()[:-1])


def test_a_damaged_checkpoint_costs_steps_but_changes_nothing(data, whole, caplog):
    stopped(data, session, "write_predictions", 1)
    spoil("last")
    assert remains(run(data)) == whole
    assert "last is damaged (its tensors do not match their SHA-256); taking the one before" in (
        caplog.text
    )


def test_the_checkpoint_before_the_last_still_has_its_best_state(data, caplog):
    slow = ("trainer.learning_rate=0.001", "strategy.dropout=0.0")  # every validation is better
    stopped(data, session, "write_predictions", 1, *slow)
    states = [
        json.loads((folder() / "checkpoints" / name / "state.json").read_text())["state"]
        for name in ("last.before", "last")
    ]
    assert states[0]["best_step"] < states[1]["best_step"]
    spoil("last")
    caplog.set_level("INFO")
    run(data, *slow)
    assert f"going on from step {states[0]['step']}" in caplog.text


def test_a_damaged_best_state_is_made_again(data, whole, caplog):
    stopped(data, session, "write_predictions", 1)
    best = f"best-{whole['results']['fit']['best_step']}"
    spoil(best)
    assert remains(run(data)) == whole
    assert caplog.text.count(f"{best} is damaged") == 1  # though two checkpoints need it


def test_with_all_checkpoints_damaged_the_run_starts_anew(data, whole, caplog):
    stopped(data, session, "write_predictions", 1)
    for path in (folder() / "checkpoints").glob("*/state.json"):
        path.write_text("{")
    assert remains(run(data)) == whole
    assert "last.before is damaged" in caplog.text


@pytest.mark.parametrize(
    "damage",
    [lambda text: text + '{"step": 4, "train/lo', lambda text: text[:150].replace("0.", "1.")],
    ids=["half a line", "lines lost, digits changed"],
)
def test_a_damaged_history_is_mended_from_the_checkpoint(damage, data, whole):
    stopped(data, runs.HistoryFile, "append", 9)
    path = folder() / "history.jsonl"
    path.write_text(damage(path.read_text()))
    assert remains(run(data)) == whole


def test_rows_changed_meanwhile_are_learnt_from_the_start(data, tmp_path, caplog, monkeypatch):
    mine = tmp_path / "mine.csv"
    mine.write_bytes(data.read_bytes())
    stopped(mine, session, "write_predictions", 1)
    rows = data.read_text().splitlines()
    mine.write_text("\n".join(rows[:-12]) + "\n")
    found = remains(run(mine))
    assert "is of other rows: the data has changed since; it is not used" in caplog.text
    (tmp_path / "new").mkdir()
    monkeypatch.chdir(tmp_path / "new")
    assert remains(run(mine)) == found


def test_test_rows_changed_meanwhile_do_not_touch_training(data, tmp_path, caplog):
    test = tmp_path / "test.csv"
    test.write_text("text,label\nthe film was great,good\n")
    stopped(data, session, "write_predictions", 1, f"task.data.test={test}")
    test.write_text("text,label\nthe film was awful,bad\n")
    caplog.set_level("INFO")
    run(data, f"task.data.test={test}")
    assert "going on from step" in caplog.text
    assert "the data has changed" not in caplog.text


# -- killed processes ---------------------------------------------------------------------


def test_a_killed_run_goes_on_bit_for_bit(data, tmp_path):
    script = Path(__file__).with_name("killed_runs.py")
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path), *small(data, *HARD)],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
    )
    ended = [line.split()[1:] for line in done.stdout.splitlines() if line.startswith("ended")]
    assert ended[0] == ["whole", "0", "0"], done.stderr
    assert len(ended) == 5
    assert all(how == ["-9", "0"] for _, *how in ended[1:]), (ended, done.stderr)
    left = {name: remains(next((tmp_path / name / "runs").iterdir())) for name, *_ in ended}
    for name, found in left.items():
        assert found == left["whole"], name


def test_runs_killed_at_random_go_on_bit_for_bit(tmp_path):
    """kill -9 at random moments, half of them while a checkpoint is written."""
    script = Path(__file__).parents[2] / "benchmarks" / "kill_and_resume.py"
    done = subprocess.run(
        [sys.executable, str(script), "--kills", "20", "--folder", str(tmp_path / "kills")],
        capture_output=True,
        text=True,
        timeout=600,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told = done.stdout.splitlines()
    assert told[-1] == (
        "weights, predictions, metrics and history: bit for bit those of runs never killed"
    )
    assert re.search(r"^20 kills in \d+ runs of 3 kinds$", done.stdout, re.MULTILINE), told
    (halves,) = re.findall(r"^ +(\d+)  half a checkpoint$", done.stdout, re.MULTILINE)
    assert int(halves) >= 3
    (epochs,) = re.findall(r"early stopping: \d+ steps, ([\d.]+) epochs", done.stdout)
    assert float(epochs) < 20  # it was stopped early

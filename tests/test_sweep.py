"""Several runs in turn: what one that fails or is stopped leads to, and what ends them all."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import pytest
from made_runs import answers, made_run

from gptasks import DataError, GptasksError, TrainingError
from gptasks.config import RunConfig, configurations
from gptasks.errors import RunError
from gptasks.sweep import sweep, told_apart
from gptasks.training.stopping import Stopped

TASK = "task=sequence_classification"


def trainer(
    ends: dict[int, BaseException], ran: list[int] | None = None
) -> Callable[[RunConfig], Path]:
    """Makes a finished run, or ends as said for a seed."""

    def train(config: RunConfig) -> Path:
        if ran is not None:
            ran.append(config.run.seed)
        if config.run.seed in ends:
            raise ends[config.run.seed]
        seed, strategy = config.run.seed, config.strategy_name
        place = Path(f"{strategy}{seed}")
        return made_run(place, answers("++-+"), seed=seed, strategy=strategy)

    return train


def test_a_run_that_fails_does_not_keep_the_others_from_running(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    ran: list[int] = []
    error = DataError("no file 'a'", "no file 'b'")
    error.exit_code = 2
    ends: dict[int, BaseException] = {2: error, 4: TrainingError("nothing learnt")}
    with caplog.at_level(logging.INFO, "gptasks"), pytest.raises(RunError) as caught:
        sweep(configurations([TASK, "seeds=4", "seed=1"]), trainer(ends, ran))
    assert ran == [1, 2, 3, 4]
    assert str(caught.value) == "2 of 4 runs failed, as told above: seed=2, seed=4"
    assert caught.value.exit_code == 2  # that of the first
    faults = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert faults == [
        "run 2 of 4 (seed=2) failed: no file 'a'",
        "run 2 of 4 (seed=2) failed: no file 'b'",
        "run 4 of 4 (seed=4) failed: nothing learnt",
    ]
    out = capsys.readouterr().out
    assert "sd 0.0000 of 2 seeds" in out
    assert out.endswith(
        "seed=1  lora1\nseed=3  lora3\nthis table again: python -m gptasks compare lora1 lora3\n"
    )


def test_without_a_finished_run_there_is_no_table(capsys: pytest.CaptureFixture[str]) -> None:
    ends: dict[int, BaseException] = {seed: TrainingError("nothing learnt") for seed in (0, 1)}
    with pytest.raises(GptasksError, match=r"^2 of 2 runs failed") as caught:
        sweep(configurations([TASK, "seeds=2"]), trainer(ends))
    assert caught.value.exit_code == 1
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("stop", "told"),
    [
        (Stopped(15, "after step 3 of 9"), "after step 3 of 9, in run 2 of 3 (seed=1)"),
        (KeyboardInterrupt(), "in run 2 of 3 (seed=1)"),
    ],
)
def test_a_stop_ends_the_sweep_and_says_where(
    stop: BaseException, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    ran: list[int] = []
    with pytest.raises(type(stop)) as caught:
        sweep(configurations([TASK, "seeds=3"]), trainer({1: stop}, ran))
    assert ran == [0, 1]
    assert str(caught.value) == told
    assert getattr(caught.value, "number", None) == getattr(stop, "number", None)
    assert capsys.readouterr().out == ""


def test_a_bug_in_a_run_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError):
        sweep(configurations([TASK, "seeds=2"]), trainer({0: ZeroDivisionError()}))


def test_runs_are_told_apart_by_what_differs() -> None:
    argv = ["-m", TASK, "strategy=head,lora", "limit=5", "task.text=a=b"]
    assert told_apart(configurations(argv)) == ["strategy=head", "strategy=lora"]
    configs = configurations([*argv, "seeds=2"])
    assert told_apart(configs)[1] == "strategy=head seed=1"
    assert told_apart(configs, without=["seed"])[1] == "strategy=head"
    same = configurations(["-m", TASK, "seed=1,1"])
    assert told_apart(same) == [f"{TASK} seed=1"] * 2

"""Runs of two processes: in step, of one voice, stopped, killed and gone on with."""

import json
import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from process_runs import BETWEEN, CODES, LONG, lines
from small_runs import points, remains, results_of, run, small, write_reviews

LAUNCH = (sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone")

USUAL = ("trainer.batch_tokens=256", "tracking=jsonl")


@dataclass
class Two:
    """Where two processes carried out all those runs, and what they said."""

    place: Path
    said: str
    """Of the runs one after another."""

    command: list[str]
    """The one that was stopped, then killed, then came to its end."""

    stopped: str
    """What was said when it was stopped."""

    killed: str
    """What was said when it was killed after it had gone on, and when it went on again."""


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write_reviews(tmp_path_factory.mktemp("data") / "reviews.csv", rows=120)


@pytest.fixture(scope="module")
def two(data, tmp_path_factory) -> Two:
    """One run stopped under torchrun; all others in processes that are forked from one."""
    place = tmp_path_factory.mktemp("two")
    command = small(data, *USUAL, "run=stopped", *LONG)
    stopped = started(*command, cwd=place)
    wait_for(lambda: lines(place / "stopped/history.jsonl") >= 15, stopped)
    stopped.terminate()
    of_stop = stopped.communicate(timeout=300)[1]
    assert stopped.returncode != 0

    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("process_runs.py")), *small(data, *USUAL)],
        cwd=place, capture_output=True, text=True, timeout=300, check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    told = [line.split()[1:] for line in done.stdout.splitlines() if line.startswith("ended")]
    assert told == [["several", "0", "0"], ["killed", "-9", "-9"], ["last", "0", "0"]], done.stderr
    assert "finished before it was killed: False" in done.stdout
    for rank in (0, 1):
        codes = (place / f"codes-{rank}").read_text().split()
        assert codes == CODES, done.stderr
    said, _, killed = done.stderr.partition(BETWEEN)
    return Two(place, said, command, of_stop, killed)


def close(one: Path, other: Path) -> None:
    """Check that two runs have the same curves, but for rounding."""
    here, there = points(one), points(other)
    assert [point["step"] for point in here] == [point["step"] for point in there]
    for mine, its in zip(here, there, strict=True):
        for key in mine:
            if not key.startswith("time/"):
                assert mine[key] == pytest.approx(its[key], rel=1e-3, abs=1e-5), key


# -- in step ------------------------------------------------------------------------------


def test_two_processes_learn_the_same_as_one(two, data):
    place = two.place
    head = run(data, *USUAL, "strategy=head")
    for split in ("validation", "test"):
        assert results_of(place / "head")["metrics"][split] == results_of(head)["metrics"][split]
    alone = run(data, *USUAL, "trainer.learning_rate=0.01", "trainer.accumulate=2", "run=alone")
    close(place / "r", alone)
    assert results_of(place / "r")["timing"]["processes"] == 2
    for name, score in results_of(place / "r")["metrics"]["test"].items():
        other = results_of(alone)["metrics"]["test"][name]["value"]
        assert score["value"] == pytest.approx(other, abs=1e-4), name


def test_one_of_them_writes(two):
    place = two.place
    told = [json.loads(line) for line in (place / "r/tracking.jsonl").read_text().splitlines()]
    assert [t["event"] for t in told].count("start") == 1
    steps = [t["step"] for t in told if t["event"] == "log"]
    assert steps == [point["step"] for point in points(place / "r")]


@pytest.mark.parametrize(
    ("line", "times"),
    [
        ("going on from", 0),
        ("finished in", 4),
        ("r holds a run of another configuration: trainer.epochs is 1.0", 1),
        ("r is finished; remove it", 1),
        ("column 'nix' is not there", 1),
        ("layer 99 is not in backbone 'tiny'", 1),
        ("gptasks: the loss is nan at step 2", 1),
        (
            "gptasks: the processes find checkpoints of different steps (1, 0): the run folder "
            "must be on a disk that they share.",
            1,
        ),
        ("gptasks: memory does not hold 1 text of", 1),
        ("can't be written", 1),
        ("Traceback", 0),
    ],
)
def test_every_line_is_said_once(line, times, two):
    assert two.said.count(line) == times, two.said


def test_where_one_is_short_of_memory_all_cut_their_batches(two):
    assert two.said.count("tokens at once while training; going on with") >= 1
    close(two.place / "short", two.place / "r")


# -- stopped and killed -------------------------------------------------------------------


def test_killed_and_stopped_they_go_on_bit_for_bit(two):
    (line,) = [line for line in two.stopped.splitlines() if line.startswith("gptasks: ")]
    assert line.startswith("gptasks: stopped after step ")
    again = ["torchrun", "--nproc-per-node", "2", "-m", "gptasks", *two.command]
    assert shlex.split(line.partition("; to go on: ")[2]) == again
    kept = line.removeprefix("gptasks: stopped after step ").split()[0]
    on = re.findall(r"going on from step (\d+)", two.killed)
    assert len(on) == 2
    assert on[0] == kept
    assert int(on[1]) > int(kept)
    found, expected = remains(two.place / "stopped"), remains(two.place / "long")
    for left in (found, expected):
        del left["results"]["command"]  # which names the folder
    assert found == expected
    assert not (two.place / "stopped/checkpoints").exists()


# -- from the command line ----------------------------------------------------------------


def started(*arguments: str, cwd: Path | None = None) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*LAUNCH, "-m", "gptasks", *arguments],
        cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def wait_for(is_so: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Wait until something is so, or fail with what the process said."""
    limit = time.monotonic() + 300
    while not is_so():
        if process.poll() is not None or time.monotonic() > limit:
            process.kill()
            raise AssertionError(process.communicate()[1])
        time.sleep(0.005)


def test_a_fault_is_one_line_of_one_process(data):
    process = started(*small(data, "trainer.epoch=3"))
    out, said = process.communicate(timeout=300)
    assert process.returncode != 0
    assert said.count("gptasks: ") == 1
    assert said.count("did you mean 'epochs'?") == 1 or said.count("trainer.epochs") == 1, said
    assert out == ""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from small_runs import points, remains, results_of, run, small, write_reviews

LAUNCH = (sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone")

USUAL = ("trainer.batch_tokens=256", "tracking=jsonl")

LONG = (
    "trainer.learning_rate=0.01",
    "trainer.epochs=20",
    "trainer.patience=0",
    "trainer.validate_every=1",
    "trainer.accumulate=2",
    "strategy.dropout=0.2",
)
"""Long enough to be stopped on the way: some 60 steps of two processes."""

PROCESSES = """
import os, resource, sys
import torch
from gptasks import cli
from gptasks.tasks.sequence_classification import SequenceClassification
from gptasks.training.checkpoint import Checkpoints

LONG = {LONG!r}
cli.PATIENCE = 0.1  # nothing ends the others here when one has a fault
usual = sys.argv[1:]
learn = SequenceClassification.loss


def run(*overrides):
    code = cli.main([*usual, *overrides])
    with open(f"codes-{os.environ['RANK']}", "a") as file:  # stdout is shared: lines would mix
        print(code, file=file)


def short(from_call, to_call):
    "Let memory run out in the second process, at these calls."
    calls = 0

    def loss(self, logits, batch):
        nonlocal calls
        calls += 1
        if os.environ["RANK"] == "1" and from_call <= calls <= to_call:
            torch.empty(2**50)
        return learn(self, logits, batch)

    SequenceClassification.loss = loss


run("run=r", "trainer.learning_rate=0.01")
run("run=r", "trainer.epochs=3")
run("run=r", "trainer.learning_rate=0.01")
run("run=other", "task.text=nix")
run("run=head", "strategy=head")
run("run=long", *LONG)
run("run=deep", "strategy.layers=[99]")
STEEP = ("trainer.learning_rate=1e30", "trainer.validate_every=0", "trainer.checkpoint_every=1e-6")
run("run=steep", *STEEP)
versions = Checkpoints.versions
if os.environ["RANK"] == "1":  # as on another machine's disk
    Checkpoints.versions = lambda self, name: iter(())
run("run=steep", *STEEP)
Checkpoints.versions = versions
short(2, 2)
run("run=short", "trainer.learning_rate=0.01")
short(2, 999)
run("run=shorter", "trainer.learning_rate=0.01")
SequenceClassification.loss = learn
resource.setrlimit(resource.RLIMIT_FSIZE, (8192, resource.RLIM_INFINITY))
run("run=full")
"""
CODES = ["0", "2", "0", "2", "0", "0", "2", "1", "1", "0", "1", "1"]


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write_reviews(tmp_path_factory.mktemp("data") / "reviews.csv", rows=120)


@pytest.fixture(scope="module")
def two(data, tmp_path_factory) -> tuple[Path, str]:
    """Where two processes carried out all those runs, and what they said."""
    place = tmp_path_factory.mktemp("two")
    script = place / "two.py"
    script.write_text(PROCESSES.replace("{LONG!r}", repr(LONG)))
    done = subprocess.run(
        [*LAUNCH, str(script), *small(data, *USUAL)],
        cwd=place, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for rank in (0, 1):
        codes = (place / f"codes-{rank}").read_text().split()
        assert codes == CODES, done.stderr
    return place, done.stderr


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
    place, _ = two
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
    place, _ = two
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
    _, said = two
    assert said.count(line) == times, said


def test_where_one_is_short_of_memory_all_cut_their_batches(two):
    place, said = two
    assert said.count("tokens at once while training; going on with") >= 1
    close(place / "short", place / "r")


# -- from the command line ----------------------------------------------------------------


def started(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*LAUNCH, "-m", "gptasks", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def wait_for(is_so: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Wait until something is so, or fail with what the process said."""
    limit = time.monotonic() + 300
    while not is_so():
        if process.poll() is not None or time.monotonic() > limit:
            process.kill()
            raise AssertionError(process.communicate()[1])
        time.sleep(0.005)


def children(number: int) -> list[int]:
    found = Path(f"/proc/{number}/task/{number}/children").read_text().split()
    return [int(child) for child in found]


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds processes by Linux' /proc")
def test_killed_and_stopped_they_go_on_bit_for_bit(two, data):
    place, _ = two
    command = small(data, *USUAL, "run=r", *LONG)
    history = Path("r/history.jsonl")

    def lines() -> int:
        return history.read_text().count("\n") if history.exists() else 0

    killed = started(*command)
    wait_for(lambda: lines() >= 15, killed)
    for number in [*children(killed.pid), killed.pid]:
        os.kill(number, signal.SIGKILL)
    killed.communicate()
    before = lines()
    assert not Path("r/results.json").exists()

    stopped = started(*command)
    wait_for(lambda: lines() >= before + 10, stopped)
    stopped.terminate()
    _, said = stopped.communicate(timeout=300)
    assert stopped.returncode != 0
    (line,) = [line for line in said.splitlines() if line.startswith("gptasks: ")]
    assert line.startswith("gptasks: stopped after step ")
    again = ["torchrun", "--nproc-per-node", "2", "-m", "gptasks", *command]
    assert shlex.split(line.partition("; to go on: ")[2]) == again

    last = started(*command)
    _, said = last.communicate(timeout=300)
    assert last.returncode == 0, said
    kept = line.removeprefix("gptasks: stopped after step ").split()[0]
    assert said.count(f"going on from step {kept}") == 1
    found, expected = remains(Path("r")), remains(place / "long")
    for left in (found, expected):
        del left["results"]["command"]  # which names the folder
    assert found == expected
    assert not Path("r/checkpoints").exists()


def test_a_fault_is_one_line_of_one_process(data):
    process = started(*small(data, "trainer.epoch=3"))
    out, said = process.communicate(timeout=300)
    assert process.returncode != 0
    assert said.count("gptasks: ") == 1
    assert said.count("did you mean 'epochs'?") == 1 or said.count("trainer.epochs") == 1, said
    assert out == ""

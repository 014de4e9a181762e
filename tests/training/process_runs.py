"""Trains in pairs of processes, as torchrun starts them; run by test_run_processes.

Usage: process_runs.py OVERRIDE…, which all runs have in common, in the folder of the runs. The
libraries are imported before the processes are forked, so that each takes only its own time.
Prints one line a pair: what it was for, and how each of the two ended.
"""

import gc
import os
import resource
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from killed_runs import ended

from gptasks import cli
from gptasks.tasks.sequence_classification import SequenceClassification
from gptasks.training.checkpoint import Checkpoints

LONG = (
    "trainer.learning_rate=0.01",
    "trainer.epochs=20",
    "trainer.patience=0",
    "trainer.validate_every=1",
    "trainer.accumulate=2",
    "strategy.dropout=0.2",
)
"""Long enough to be stopped on the way: some 60 steps of two processes."""

CODES = ["0", "2", "0", "2", "0", "0", "2", "1", "1", "0", "1", "1"]
"""How the runs of `several` end."""

BETWEEN = "all but the run that is killed has been said"
"""A line on stderr."""

STEEP = ("trainer.learning_rate=1e30", "trainer.validate_every=0", "trainer.checkpoint_every=1e-6")


def several(usual: list[str]) -> None:
    """All that two processes do in turn, each writing down how its runs end."""

    def run(*overrides: str) -> None:
        code = cli.main([*usual, *overrides])
        with open(f"codes-{os.environ['RANK']}", "a", encoding="utf-8") as file:
            print(code, file=file)

    run("run=r", "trainer.learning_rate=0.01")
    run("run=r", "trainer.epochs=3")
    run("run=r", "trainer.learning_rate=0.01")
    run("run=other", "task.text=nix")
    run("run=head", "strategy=head")
    run("run=long", *LONG)
    run("run=deep", "strategy.layers=[99]")
    run("run=steep", *STEEP)
    versions = Checkpoints.versions
    if os.environ["RANK"] == "1":  # as on another machine's disk
        Checkpoints.versions = lambda self, name: iter(())
    run("run=steep", *STEEP)
    Checkpoints.versions = versions
    _run_short_of_memory(2, 2)
    run("run=short", "trainer.learning_rate=0.01")
    _run_short_of_memory(2, 999)
    run("run=shorter", "trainer.learning_rate=0.01")
    SequenceClassification.loss = LEARN
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, resource.RLIM_INFINITY))
    run("run=full")


LEARN = SequenceClassification.loss


def _run_short_of_memory(from_call: int, to_call: int) -> None:
    """Let memory run out in the second process, at these calls of the loss."""
    calls = 0

    def loss(self: SequenceClassification, logits: object, batch: object) -> object:
        nonlocal calls
        calls += 1
        if os.environ["RANK"] == "1" and from_call <= calls <= to_call:
            torch.empty(2**50)
        return LEARN(self, logits, batch)

    SequenceClassification.loss = loss


def pair(do: Callable[[], object]) -> list[int]:
    """Begin two processes that know each other; gives their numbers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    numbers = []
    for rank in (0, 1):
        number = os.fork()
        if number == 0:
            told = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": 2, "LOCAL_WORLD_SIZE": 2}
            address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
            os.environ.update({key: str(value) for key, value in {**told, **address}.items()})
            code = 1
            try:
                code = do() or 0
            finally:
                os._exit(code)
        numbers.append(number)
    return numbers


def lines(history: Path) -> int:
    """The points that a run's history holds."""
    return history.read_text(encoding="utf-8").count("\n") if history.exists() else 0


def main() -> None:
    """Carry out the runs; kill one that was stopped before, and let it end."""
    gc.freeze()  # what is imported is no child's garbage
    usual = sys.argv[1:]
    cli.PATIENCE = 0.1  # nobody ends a silent process here, and its faults are no last ones
    print("ended", "several", *map(ended, pair(lambda: several(usual))), flush=True)
    print(BETWEEN, file=sys.stderr, flush=True)

    def go_on() -> int:
        return cli.main([*usual, "run=stopped", *LONG])

    history = Path("stopped/history.jsonl")
    before, numbers = lines(history), pair(go_on)
    limit = time.monotonic() + 300
    while lines(history) < before + 10 and time.monotonic() < limit:
        time.sleep(0.005)
    for number in reversed(numbers):
        os.kill(number, signal.SIGKILL)
    print("ended", "killed", *map(ended, numbers), flush=True)
    print("finished before it was killed:", Path("stopped/results.json").exists(), flush=True)
    print("ended", "last", *map(ended, pair(go_on)), flush=True)


if __name__ == "__main__":
    main()

"""Trains in children killed at chosen moments, then once more to the end; run by test_resume.

Usage: killed_runs.py FOLDER OVERRIDE…; each moment has a folder of its own name in FOLDER. Prints
one line a child: the moment, how the killed one ended, how the second one ended.
The libraries are imported before the children are forked, so that each takes only its own time.
"""

import gc
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import accelerate.state  # noqa: F401
import evaluate  # noqa: F401
import hydra._internal.hydra  # noqa: F401
import peft  # noqa: F401
import sklearn.feature_extraction.text
import sklearn.linear_model  # noqa: F401
import transformers.models.llama.modeling_llama  # noqa: F401

from gptasks import cli
from gptasks.strategies import features
from gptasks.tasks.logistic import LogisticProbe
from gptasks.training import checkpoint, session, trainer


def kill() -> None:
    """End this process as a power cut would: nothing is cleaned up."""
    os.kill(os.getpid(), signal.SIGKILL)


def at(owner: object, name: str, call: int, before: Callable[[], None] | None = None) -> None:
    """Kill this process at the `call`th use of a function."""
    real, count = getattr(owner, name), 0

    def counted(*arguments, **named):
        nonlocal count
        count += 1
        if count == call:
            if before:
                before()
            kill()
        return real(*arguments, **named)

    setattr(owner, name, counted)


def half_a_file() -> None:
    """Leave half of the tensors of a checkpoint."""
    part = next(Path("runs").glob("*/checkpoints/.last.part"))
    (part / checkpoint.TENSORS).write_bytes(b"\0" * 100)


MOMENTS: dict[str, Callable[[], None]] = {
    "whole": lambda: None,
    "probe": lambda: at(LogisticProbe, "fit", 3),
    "step": lambda: at(trainer._Loop, "_step", 6),
    "validation": lambda: at(session, "quick_scores", 3),
    "checkpoint": lambda: at(checkpoint, "sha256", 5, half_a_file),
}


def child(folder: Path, overrides: list[str], prepare: Callable[[], None]) -> str:
    """Train in a child process in `folder`; its exit code, or the signal that ended it."""
    number = os.fork()
    if number == 0:
        os.chdir(folder)
        prepare()
        os._exit(cli.main(overrides))
    return ended(number)


def ended(number: int) -> str:
    """Wait for a child; its exit code, or minus the signal that ended it."""
    return str(os.waitstatus_to_exitcode(os.waitpid(number, 0)[1]))


def main() -> None:
    """Kill and go on, at every moment."""
    gc.freeze()  # what is imported is no child's garbage
    assert features  # imported for the children
    place, *overrides = sys.argv[1:]
    for name, prepare in MOMENTS.items():
        folder = Path(place) / name
        folder.mkdir()
        first = child(folder, overrides, prepare)
        second = "0" if first == "0" else child(folder, overrides, lambda: None)
        print("ended", name, first, second, flush=True)


if __name__ == "__main__":
    main()

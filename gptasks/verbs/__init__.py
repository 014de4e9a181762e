"""The verbs of the command line: each a module of its name here, whose `run` gets what follows it.

A module's docstring is its usage and what it does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module

VERBS = (
    "train",
    "evaluate",
    "predict",
    "compare",
    "dashboard",
    "gate",
    "verify",
    "reproduce",
    "sync",
    "export",
    "init",
    "data",
    "config",
    "explain",
    "tasks",
    "plugins",
    "cache",
    "help",
    "version",
)
"""Their names, in the order they are shown."""


def function(verb: str) -> Callable[[Sequence[str]], None]:
    """What carries out a verb of `VERBS`."""
    run: Callable[[Sequence[str]], None] = import_module(f"gptasks.verbs.{verb}").run
    return run

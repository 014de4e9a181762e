"""The rooms of a run: how much went through the model at once, from which step on.

The bits of a step, and of a validation, depend on it. So each smaller number is kept with its
step, and a run that goes on from an earlier one cuts everything as it was cut before.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TypeVar

from gptasks.room import Room
from gptasks.training.checkpoint import Checkpoint, Checkpoints
from gptasks.training.processes import Processes

T = TypeVar("T")

KEPT = "memory"
"""The checkpoint that holds the numbers."""

BEFORE, AFTER = -1, sys.maxsize
"""Steps that stand for what comes before the loop, and after it."""


class Rooms:
    """The rooms of one run; `batch_tokens` are those of `trainer.batch_tokens`."""

    def __init__(self, batch_tokens: int, checkpoints: Checkpoints, processes: Processes) -> None:
        self.batch_tokens, self.checkpoints, self.processes = batch_tokens, checkpoints, processes
        kept = processes.first(lambda: checkpoints.load(KEPT))
        self.halved: dict[str, list[tuple[int, int]]] = {}
        """Smaller numbers of tokens: what for, then from which step on, then how many."""
        for what, steps in (kept.state if kept else {}).items():
            self.halved[what] = [(step, tokens) for step, tokens in steps]

    def training(self, step: int) -> Room:
        """For the batches of the step after `step` steps."""
        return self._room("training", step, self.batch_tokens)

    def predicting(self, step: int) -> Room:
        """For passes without gradients when `step` steps are made, or BEFORE or AFTER all."""
        from gptasks.runtime import forward_tokens

        tokens = forward_tokens(self.processes.accelerator.device, self.batch_tokens)
        return self._room("predicting", step, tokens)

    def keep(self, what: str, step: int, tokens: int) -> None:
        """Remember a smaller number, here and in the run folder."""
        self.halved.setdefault(what, []).append((step, tokens))
        kept = Checkpoint({}, self.halved)
        self.processes.first(lambda: self.checkpoints.save(KEPT, kept))

    def _room(self, what: str, step: int, tokens: int) -> Room:
        for since, fewer in self.halved.get(what, []):
            if since <= step:
                tokens = fewer
        return _Kept(self, what, step, tokens)


class _Kept(Room):
    """A room that all processes share, and whose number is remembered."""

    def __init__(self, rooms: Rooms, what: str, step: int, tokens: int) -> None:
        super().__init__(tokens, what)
        self.rooms, self.step = rooms, step

    def fit(self, do: Callable[[int], T]) -> T:
        """Where memory runs out in one process, all of them begin anew."""
        every = self.rooms.processes.every
        return super().fit(lambda size: every(lambda: do(size)))

    def _go_on_with(self, tokens: int) -> None:
        super()._go_on_with(tokens)
        self.rooms.keep(self.what, self.step, tokens)

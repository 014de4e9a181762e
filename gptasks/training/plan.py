"""Which batches make which step, and how fast each step learns: a function of seed and options.

Nothing of it needs to be kept for going on after a stop but the number of steps made.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from gptasks.data.batching import epoch_batches
from gptasks.options import TrainerOptions

if TYPE_CHECKING:
    from torch import nn, optim

LOG_POINTS = 200
"""Points of the training curve over a whole run."""


@dataclass(frozen=True)
class Plan:
    """The steps of one training: `lengths` are the windows' tokens."""

    options: TrainerOptions
    lengths: Sequence[int]
    seed: int
    processes: int = 1
    process: int = 0

    @cached_property
    def steps(self) -> list[int]:
        """The number of steps of each epoch; of the last one, its share."""
        whole, share = divmod(self._epochs, 1)
        shares = [1.0] * int(whole) + ([share] if share > 1e-9 else [])
        return [
            math.ceil(len(self._steps(epoch)) * share - 1e-9) for epoch, share in enumerate(shares)
        ]

    @cached_property
    def total(self) -> int:
        """The number of all steps."""
        return sum(self.steps)

    @cached_property
    def tokens(self) -> int:
        """About how many tokens all processes see."""
        return int(sum(self.lengths) * self._epochs)

    def epochs(self, step: int) -> float:
        """How many epochs the first `step` steps are."""
        return step / self.total * self._epochs if self.total else 0.0

    def is_validated(self, step: int) -> bool:
        """Whether the model is validated after `step` steps; after the last one it always is.

        The others are the first steps past a whole number of `validate_every` epochs, so that
        none comes just before the last one.
        """
        share = self.options.validate_every
        if step == self.total or not share:
            return step == self.total
        passed, before = (math.floor(self.epochs(n) / share + 1e-9) for n in (step, step - 1))
        return passed > before

    def is_kept(self, step: int) -> bool:
        """Whether a checkpoint is asked for after `step` steps by their number alone."""
        every = self.options.checkpoint_steps
        return every > 0 and step % every == 0

    def is_logged(self, step: int) -> bool:
        """Whether the training curve has a point after `step` steps."""
        return step == self.total or step % max(1, self.total // LOG_POINTS) == 0

    def rate(self, step: int) -> float:
        """The learning rate of the step after `step` steps."""
        options = self.options
        assert options.learning_rate is not None  # the configuration has filled it in
        return options.learning_rate * schedule(step, self.total, options.warmup, options.schedule)

    def batches(self, step: int) -> Iterator[list[list[int]]]:
        """This process' batches of each step after the first `step`: indices into `lengths`.

        In the last step of an epoch some processes may have one less than others, or none.
        """
        for epoch, steps in enumerate(self.steps):
            if step >= steps:
                step -= steps
                continue
            for batches in self._steps(epoch)[step:steps]:
                yield batches[self.process :: self.processes]
            step = 0

    @property
    def _epochs(self) -> float:
        assert self.options.epochs is not None  # the configuration has filled it in
        return self.options.epochs

    def _steps(self, epoch: int) -> list[list[list[int]]]:
        """The batches of all processes, step by step."""
        batches = epoch_batches(
            self.lengths, self.options.batch_tokens, seed=self.seed, epoch=epoch
        )
        size = self.options.accumulate * self.processes
        return [batches[i : i + size] for i in range(0, len(batches), size)]


def schedule(step: int, total: int, warmup: float, shape: str) -> float:
    """The learning rate's factor, in (0, 1], at `step` of `total`, counted from 0.

    It rises evenly over the first `warmup` of the steps, then falls to 0 as "linear" or "cosine",
    or stays ("constant").
    """
    rising = round(warmup * total)
    if step < rising:
        return (step + 1) / rising
    if shape == "constant":
        return 1.0
    passed = (step - rising) / (total - rising)
    return 1.0 - passed if shape == "linear" else 0.5 * (1.0 + math.cos(math.pi * passed))


def adamw(parameters: Sequence[nn.Parameter], options: TrainerOptions) -> optim.Optimizer:
    """AdamW; vectors (norms, biases, IA3's factors) do not decay, also where they are held as a
    matrix of one row or column. Each step's rate is set before it."""
    import torch

    matrices = [p for p in parameters if _is_matrix(p)]
    vectors = [p for p in parameters if not _is_matrix(p)]
    groups = [
        {"params": matrices, "weight_decay": options.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([g for g in groups if g["params"]], lr=0.0)


def _is_matrix(parameter: nn.Parameter) -> bool:
    return sum(size > 1 for size in parameter.shape) > 1

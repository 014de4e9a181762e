"""The processes of one run: this one alone, or those that torchrun started.

Every process computes; the first one alone claims the run folder, writes and tracks. What it
finds out the others are told, its faults included, so that none waits for one that has ended. A
fault is raised in all of them, and the command line of the first one tells it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from gptasks.errors import GptasksError
from gptasks.options import RunOptions

if TYPE_CHECKING:
    from accelerate import Accelerator
    from torch import Tensor, nn

    from gptasks.runtime import Runtime

T = TypeVar("T")

LAUNCHED = ("WORLD_SIZE", "RANK", "LOCAL_RANK", "MASTER_ADDR")
"""What torchrun tells each process; one of them alone is another program's."""

PATIENCE_HOURS = 2.0
"""How long a process waits for the others: the first may be downloading or fitting a head."""


def launched() -> tuple[int, int]:
    """How many processes torchrun started, and which of them this is, counted from 0."""
    if not all(name in os.environ for name in LAUNCHED):
        return 1, 0
    return int(os.environ["WORLD_SIZE"]), int(os.environ["RANK"])


class Processes:
    """The processes of one run, and what each of them computes on."""

    def __init__(self, options: RunOptions) -> None:
        self.options = options
        self.count, self.index = launched()

    @property
    def is_first(self) -> bool:
        """Whether this process writes."""
        return self.index == 0

    @cached_property
    def machine(self) -> Runtime:
        """Device and number format. Raises ConfigError when the device is absent."""
        from gptasks.runtime import runtime

        return runtime(self.options.device, self.options.precision)

    @cached_property
    def accelerator(self) -> Accelerator:
        """What joins the processes, wraps models and computes in mixed precision."""
        from datetime import timedelta

        from accelerate import Accelerator, InitProcessGroupKwargs
        from accelerate.state import AcceleratorState

        machine = self.machine
        # accelerate remembers the first run's device and format; a sweep may change them.
        AcceleratorState._reset_state(reset_partial_state=True)
        return Accelerator(
            cpu=machine.device.type == "cpu",
            mixed_precision="bf16" if machine.precision == "bf16" else "no",
            kwargs_handlers=[InitProcessGroupKwargs(timeout=timedelta(hours=PATIENCE_HOURS))],
        )

    def first(self, do: Callable[[], T]) -> T:
        """What `do` gives in the first process, which alone calls it, in every process.

        A fault there is raised in all of them.
        """
        if self.count == 1:
            return do()
        from accelerate.utils import broadcast_object_list

        assert self.accelerator is not None  # joins the processes
        made = _attempt(do) if self.is_first else None
        told: list[Any] = [made.told() if isinstance(made, _Fault) else made]
        broadcast_object_list(told)
        return _given(made if isinstance(made, _Fault) else told[0])

    def every(self, do: Callable[[], T]) -> T:
        """What `do` gives in this process; all of them call it, and a fault in one, the first one
        of several, is raised in all.

        `do` must not wait for other processes.
        """
        if self.count == 1:
            return do()
        made = _attempt(do)
        own = made if isinstance(made, _Fault) else None
        (faults,) = self.sum(own is not None)
        if faults:
            told = self.gathered([own.told() if own else None])
            # A bug is raised where it is, so that its own traceback tells of it.
            _given(own if own and own.is_bug else next(fault for fault in told if fault))
        return _given(made)

    def gathered(self, items: list[Any]) -> list[Any]:
        """The items of all processes, in the processes' order."""
        if self.count == 1:
            return items
        from accelerate.utils import gather_object

        assert self.accelerator is not None
        return gather_object(items)

    def sum(self, *numbers: float) -> list[float]:
        """Each number added up over all processes."""
        if self.count == 1:
            return list(numbers)
        import torch

        # Float64 counts exactly; the devices that lack it have one process.
        held = torch.tensor(numbers, dtype=torch.float64, device=self.accelerator.device)
        return self.accelerator.reduce(held, "sum").tolist()

    def share(self, tensors: Sequence[Tensor]) -> None:
        """Give every process the first one's numbers, in place."""
        if self.count > 1:
            from accelerate.utils import broadcast

            assert self.accelerator is not None  # joins the processes
            broadcast(list(tensors))

    def add_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """Give every process the sum of all processes' gradients; one without any adds 0."""
        if self.count == 1:
            return
        import torch
        from torch.nn.utils import parameters_to_vector, vector_to_parameters

        for parameter in parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        added = self.accelerator.reduce(parameters_to_vector(gradients), "sum")
        vector_to_parameters(added, gradients)


@dataclass(frozen=True)
class _Fault:
    """What kept a process from giving a result."""

    error: Exception

    @property
    def is_bug(self) -> bool:
        """Whether it is no fault of input or surroundings."""
        return not isinstance(self.error, GptasksError)

    def told(self) -> _Fault:
        """The fault as other processes get it; a bug is told where it is, by its traceback."""
        if not self.is_bug:
            return self
        silent = GptasksError("")
        silent.exit_code = 1
        return _Fault(silent)


def _attempt(do: Callable[[], T]) -> T | _Fault:
    try:
        return do()
    except Exception as error:
        return _Fault(error)


def _given(made: T | _Fault) -> T:
    """What was made; raises what kept it from being made."""
    if isinstance(made, _Fault):
        raise made.error
    return made

"""The contract of a strategy, and what it is given. Nothing here imports torch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from gptasks.errors import ConfigError
from gptasks.room import Room
from gptasks.task import Probe, ProbeFit, Task

if TYPE_CHECKING:
    from torch import nn

    from gptasks.backbone import Backbone
    from gptasks.data.encoding import Window
    from gptasks.model import Model


class Training(Protocol):
    """The training loop, as a strategy sees it."""

    def fit(
        self, model: Model, train: Sequence[Window], validation: Sequence[Window]
    ) -> dict[str, Any]:
        """Train what requires a gradient, in place; the best state by validation is left in.

        Gives what is worth recording: steps, epochs, best step, best validation score.
        """
        ...


@dataclass(frozen=True)
class Setup:
    """Everything a strategy works with."""

    task: Task
    backbone: Backbone
    train: Sequence[Window]
    validation: Sequence[Window]
    room: Room
    """How much goes through frozen layers at once."""

    seed: int
    training: Training
    remember: Callable[[str, Callable[[], tuple[int, ProbeFit]]], tuple[int, ProbeFit]]
    """remember(name, make): make()'s result, kept in the run folder so that a resumed run need
    not repeat it."""


@dataclass(frozen=True)
class Fitted:
    """A trained model, merged and ready to be saved and scored."""

    backbone: Backbone
    head: nn.Module
    facts: dict[str, Any] = field(default_factory=dict)
    """What was chosen and what it took, for results.json."""

    save_adapter: Callable[[Path], None] | None = None
    """Writes the adapter into a folder, where the strategy trains one."""


@dataclass
class Strategy(ABC):
    """Which numbers of the model move. A subclass' fields are its YAML keys."""

    name: ClassVar[str] = ""
    """What `strategy=<name>` selects."""

    learns: ClassVar[bool] = False
    """Whether layers of the backbone learn."""

    @property
    def epochs(self) -> float:
        """`trainer.epochs` where it is not set."""
        return 1.0

    @property
    def learning_rate(self) -> float:
        """`trainer.learning_rate` where it is not set."""
        return 1e-3

    @abstractmethod
    def fit(self, setup: Setup) -> Fitted:
        """Fit the task's head, and as much of the backbone as this strategy moves."""

    def suit(self, task: Task) -> None:
        """Set the options that were left to the task; called once, when a run's configuration is
        made."""

    def check(self, task: Task) -> None:
        """Raise ConfigError where this strategy can't serve `task`; called before any work."""


def require_probe(strategy: str, task: Task) -> Probe:
    """The task's probe; ConfigError if its kind has none."""
    probe = task.probe()
    if probe is None:
        raise ConfigError(
            f"strategy={strategy} fits a head on frozen features, which a task of kind "
            f"'{task.name}' does not have; take strategy=lora."
        )
    return probe

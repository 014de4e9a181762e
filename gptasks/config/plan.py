"""What a command line asks for, once it is read and checked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from gptasks.choices import Choice


@dataclass(frozen=True)
class Setting:
    """One key and the value it is set to; several values are a sweep over them."""

    key: str
    texts: tuple[str, ...]
    """Each value as it was typed."""

    values: tuple[Any, ...]
    """A `Choice` where the key is a group."""

    @property
    def has_map(self) -> bool:
        """Whether the value is or holds a map, whose keys Hydra's grammar can't quote."""
        return any(has_map(value) for value in self.values)


@dataclass
class Plan:
    """What a command line asks for, checked."""

    settings: dict[str, Setting] = field(default_factory=dict)
    """By key, in the order given."""

    choices: dict[str, tuple[Choice, ...]] = field(default_factory=dict)
    """What each group is set to, given or by default."""

    seeds: int = 1
    """How many runs each configuration has, their seeds counted on from its own."""

    hydra: list[str] = field(default_factory=list)
    """Overrides of Hydra's own configuration, as typed."""

    @property
    def typed(self) -> list[str]:
        """The settings as they were typed, where none is a sweep."""
        return [f"{key}={setting.texts[0]}" for key, setting in self.settings.items()]


def has_map(value: Any) -> bool:
    """Whether a value is a map, or a list that holds one."""
    if isinstance(value, list):
        return any(has_map(item) for item in value)
    return isinstance(value, dict)

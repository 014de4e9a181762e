"""`Choice`: one thing that a configuration group can be set to."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gptasks.errors import GptasksError
from gptasks.fields import fields_of
from gptasks.options import BackboneOptions, TrainerOptions
from gptasks.plugins import Plugin

GROUPS = ("task", "backbone", "strategy", "trainer", "tracking")
"""The groups a run is composed of, in the order they are shown."""

ONE_CLASS: dict[str, type] = {"backbone": BackboneOptions, "trainer": TrainerOptions}
"""Groups whose choices differ in values only."""


@dataclass(frozen=True)
class Choice:
    """One name that a group can be set to."""

    group: str
    name: str
    kind: type | None
    """The class its options belong to; None where `error` says why there is none."""

    kind_name: str
    """What selects the class (`kind:`); "" in groups of one class."""

    values: dict[str, Any] = field(default_factory=dict)
    """What its file chooses; the class has the defaults."""

    description: str = ""
    """The first comment of its file, or the first line of the class' docstring."""

    path: Path | None = None
    source: Plugin | None = None
    """The plugin it comes from; None for a file or folder named on the command line."""

    error: GptasksError | None = None
    """Why it can't be used; raised when it is asked for."""

    lines: Mapping[str, int] = field(default_factory=dict)
    """The line of its file that a dotted key stands in."""

    @property
    def plugin(self) -> str | None:
        """Name of the plugin it comes from."""
        return self.source.name if self.source else None

    @property
    def distribution(self) -> str | None:
        """The distribution its plugin was installed by."""
        return self.source.distribution if self.source else None

    @property
    def version(self) -> str | None:
        """The version of that distribution."""
        return self.source.version if self.source else None

    @property
    def origin(self) -> str:
        """Whose it is, for messages: "gptasks 0.1", or a folder or file."""
        return self.source.origin if self.source else str(self.path or "")

    @property
    def where(self) -> str:
        """What its options belong to, for messages: "task 'sentiment' (gptasks 0.1)"."""
        if self.group in ONE_CLASS:
            return self.group
        return f"{self.group} '{self.name}'" + (f" ({self.origin})" if self.origin else "")


TaskInfo = Choice
"""What `Registry.tasks` lists."""


def keys_of(kinds: Mapping[str, type]) -> dict[str, list[str]]:
    """Every key that kinds have, with their names; those that inherit it from one are left out."""
    having: dict[str, dict[str, type]] = {}
    for name, cls in kinds.items():
        for option in fields_of(cls):
            having.setdefault(option.key, {})[name] = cls
    return {
        key: [name for name, cls in found.items() if not set(cls.__mro__[1:]) & {*found.values()}]
        for key, found in having.items()
    }


def summary(cls: type) -> str:
    """The first line of a class' docstring; "" for the one dataclasses write."""
    text = inspect.getdoc(cls) or ""
    return "" if text.startswith(cls.__name__ + "(") else text.partition("\n")[0]

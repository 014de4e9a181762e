"""Who set a value of a configuration: the command line, a file, the strategy, or nobody."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gptasks.choices import GROUPS, Choice
from gptasks.config.file import ConfigFile
from gptasks.config.plan import Plan
from gptasks.registry import core_conf
from gptasks.yamlfile import place

TYPED = "the command line"

_KEY = re.compile(rf"\b(?:{'|'.join(GROUPS)})(?:\.\w+)+")


@dataclass(frozen=True)
class Origins:
    """The origin of each value of one configuration."""

    plan: Plan
    file: ConfigFile
    primary: Mapping[str, Any]
    """What `conf/config.yaml` says."""

    composed: Mapping[str, Any]
    """The values as they were given, or are by default."""

    resolved: Mapping[str, Any]
    """The values as they are, classes having filled in what was null."""

    def of(self, key: str) -> str:
        """Who set the value at a dotted key, such as "the command line", or "t.yaml line 3"; ""
        for its default."""
        if self._typed(key):
            return TYPED
        group = key.partition(".")[0]
        is_filled_in = _at(self.composed, key) is None and _at(self.resolved, key) is not None
        if group in GROUPS and is_filled_in:
            return self._filled_in(group)
        return self.in_file(key)

    def in_file(self, key: str) -> str:
        """The file that says what a dotted key is, with the line; "" without one."""
        group, _, rest = key.partition(".")
        if group not in GROUPS:
            if key in self.file.run:
                return place(shown(self.file.path), self.file.lines, key)
            return shown(core_conf() / "config.yaml") if key in self.primary else ""
        choice = self.choice(group)
        is_of_file = choice is self.file.choices.get(group)
        if rest in ("", "name", "kind"):
            if is_of_file:
                return place(shown(self.file.path), self.file.lines, key)
            return shown(core_conf() / "config.yaml")
        if is_of_file and _holds(self.file.values[group], rest):
            return place(shown(self.file.path), self.file.lines, key)
        if _holds(choice.values, rest):
            origin = f" ({choice.origin})" if choice.source else ""
            return f"{place(shown(choice.path), choice.lines, rest)}{origin}"
        return ""

    def choice(self, group: str) -> Choice:
        """The choice of a group; in a sweep that of these values."""
        every = self.plan.choices[group]
        name = _at(self.composed, f"{group}.name")
        return next((choice for choice in every if choice.name == name), every[0])

    def told(self, fault: str) -> str:
        """A fault of these values after the lines of the files that set what it is about, or the
        override, where that is an interpolation: "x.yaml line 3: task.overlap=…"."""
        first = fault.partition(" ")[0]
        keys = [*_KEY.findall(fault), *([first] if first in self.composed else [])]
        who = [
            self._typed(key) if self._is_typed_out(key) else self.in_file(key)
            for key in keys
            if not self._typed(key) or self._is_typed_out(key)
        ]
        said = ", ".join(dict.fromkeys(text for text in who if text))
        return f"{said}: {fault}" if said else fault

    def _filled_in(self, group: str) -> str:
        group = "strategy" if group == "trainer" else group
        return f"{group} {self.choice(group).name}"

    def _typed(self, key: str) -> str:
        """The override that sets a key; "" without one."""
        group, _, rest = key.partition(".")
        if group in GROUPS and rest in ("name", "kind"):
            key = group
        for told, setting in self.plan.settings.items():
            whole = told not in GROUPS and key.startswith(f"{told}.")
            if key == told or (whole and _holds(setting.values[0], key[len(told) + 1 :])):
                return f"{told}={','.join(setting.texts)}"
        return ""

    def _is_typed_out(self, key: str) -> bool:
        """Whether an override gives a key by an interpolation, so that its value shows nowhere."""
        return re.search(r"(?<!\\)\$\{", self._typed(key)) is not None


def shown(path: Path | None) -> str:
    """A file as a message names it: from the current folder where that is short."""
    if path is None:
        return ""
    near = os.path.relpath(path)
    return str(path) if near.startswith("..") else near


def _holds(values: Any, key: str) -> bool:
    for part in key.split("."):
        if not isinstance(values, Mapping) or part not in values:
            return False
        values = values[part]
    return True


def _at(values: Any, key: str) -> Any:
    """The value at a dotted key; None without it."""
    for part in key.split("."):
        values = values.get(part) if isinstance(values, Mapping) else None
    return values

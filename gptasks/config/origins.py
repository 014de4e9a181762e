"""Who set a value of a configuration: the command line, a file, the strategy, or nobody."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gptasks.config.file import ConfigFile
from gptasks.config.overrides import Plan
from gptasks.config.run import RunConfig
from gptasks.registry import GROUPS, core_conf


@dataclass(frozen=True)
class Origins:
    """The origin of each value of `config`."""

    config: RunConfig
    plan: Plan
    file: ConfigFile
    primary: Mapping[str, Any]
    """What `conf/config.yaml` says."""

    def of(self, key: str) -> str:
        """Who set the value at a dotted key, such as "the command line"; "" for its default."""
        group, _, rest = key.partition(".")
        if self._is_typed(key):
            return "the command line"
        if group not in GROUPS:
            if key in self.file.run:
                return shown(self.file.path)
            return shown(core_conf() / "config.yaml") if key in self.primary else ""
        choice = self.plan.choices[group][0]
        if rest in ("", "name", "kind"):
            return self._of_choice(group)
        if self._is_of_file(group) and _holds(self.file.values[group], rest.split(".")):
            return shown(self.file.path)
        if _holds(choice.values, rest.split(".")):
            origin = f" ({choice.origin})" if choice.source else ""
            return f"{shown(choice.path)}{origin}"
        if group == "trainer" and rest in ("epochs", "learning_rate"):
            return f"strategy {self.config.strategy_name}"
        return ""

    def _of_choice(self, group: str) -> str:
        return shown(self.file.path if self._is_of_file(group) else core_conf() / "config.yaml")

    def _is_of_file(self, group: str) -> bool:
        return self.plan.choices[group][0] is self.file.choices.get(group)

    def _is_typed(self, key: str) -> bool:
        if key.partition(".")[0] in GROUPS and key.endswith((".name", ".kind")):
            key = key.rpartition(".")[0]
        for told, setting in self.plan.settings.items():
            path = key.removeprefix(f"{told}.").split(".")
            whole = key.startswith(f"{told}.") and told not in GROUPS
            if key == told or (whole and _holds(setting.values[0], path)):
                return True
        return False


def shown(path: Path | None) -> str:
    """A file as a message names it: from the current folder where that is short."""
    if path is None:
        return ""
    near = os.path.relpath(path)
    return str(path) if near.startswith("..") else near


def _holds(values: Any, path: list[str]) -> bool:
    for part in path:
        if not isinstance(values, Mapping) or part not in values:
            return False
        values = values[part]
    return True

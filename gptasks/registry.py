"""What can be chosen in each configuration group: the choices of the core and of every plugin.

A choice is a YAML file `conf/<group>/<name>.yaml` of the core or of a plugin; a task class without
a file of its name is a choice by itself. `kind` in a file names the class whose options the other
keys are (default: the file's own name). Two that claim one name are a fault only for who asks for
that name; so is a broken file.
"""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from gptasks.discovery import source_tree
from gptasks.errors import ConfigError, GptasksError, PluginError, listing, suggest
from gptasks.options import BackboneOptions, TrainerOptions
from gptasks.plugins import BLOCK, Plugin, Plugins, plugin_manager
from gptasks.schema import build, check, without_interpolations
from gptasks.task import Task
from gptasks.task_faults import task_faults
from gptasks.yamlfile import read_yaml

GROUPS = ("task", "backbone", "strategy", "trainer", "tracking")
"""The groups a run is composed of, in the order they are shown."""

_ONE_CLASS: dict[str, type] = {"backbone": BackboneOptions, "trainer": TrainerOptions}
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
        if self.group in _ONE_CLASS:
            return self.group
        return f"{self.group} '{self.name}'" + (f" ({self.origin})" if self.origin else "")


TaskInfo = Choice
"""What `Registry.tasks` lists."""


class Registry:
    """The choices of every group, read from the core and from `plugins` when first asked for."""

    def __init__(self, plugins: Plugins | None = None) -> None:
        self.plugins = plugin_manager() if plugins is None else plugins

    def tasks(self) -> list[TaskInfo]:
        """Every task by name, broken ones with their `error`."""
        return [self._choices("task")[name] for name in self.names("task")]

    def names(self, group: str) -> list[str]:
        """What `group` can be set to, sorted."""
        return sorted(self._choices(group))

    def choice(self, group: str, name: str) -> Choice:
        """The choice of that name; ConfigError or PluginError where it can't be used."""
        choices = self._choices(group)
        if name not in choices:
            raise self._unknown(group, name)
        found = choices[name]
        if found.error is not None:
            raise found.error
        return found

    def kind(self, group: str, name: str) -> type:
        """The class that `kind: <name>` means; ConfigError or PluginError without one."""
        if group in _ONE_CLASS:
            return _ONE_CLASS[group]
        if group == "task":
            return self._task_class(name)
        return _tracker(name) if group == "tracking" else _strategy(name)

    def read(self, group: str, path: Path, name: str, plugin: Plugin | None = None) -> Choice:
        """The choice that a YAML file makes; ConfigError with all its faults, one line each."""
        file = read_yaml(path)
        name = file.pop("name") or name
        if not re.fullmatch(r"\w[\w.-]*", name):
            raise ConfigError(
                f"{path}: the name '{name}' may hold letters, digits, '_', '-' and "
                "'.' only, since run folders are named after it"
            )
        told = None if group in _ONE_CLASS else file.pop("kind")
        kind_name = "" if group in _ONE_CLASS else told or name
        try:
            kind = self.kind(group, kind_name)
        except ConfigError as error:
            if told or group != "task":
                raise ConfigError(f"{path}: {error}") from error
            kinds = sorted({cls.name for _, cls in self.classes})
            raise ConfigError(
                f"{path} has no kind:, and no kind of task is called '{name}'; write kind: and one "
                f"of {listing(kinds)}"
            ) from error
        values = file.values(kind)
        description = file.comment or _summary(kind)
        choice = Choice(group, name, kind, kind_name, values, description, path, plugin)
        faults = check_choice(kind, without_interpolations(choice.values), choice.where)
        if faults:
            raise ConfigError(*(f"{path}: {fault}" for fault in faults))
        return dataclasses.replace(choice, values=_rooted(choice.values, kind, path))

    @cached_property
    def _by_group(self) -> dict[str, dict[str, Choice]]:
        return {}

    def _choices(self, group: str) -> dict[str, Choice]:
        if group not in self._by_group:
            self._by_group[group] = self._find(group)
        return self._by_group[group]

    def _find(self, group: str) -> dict[str, Choice]:
        choices: dict[str, Choice] = {}
        for plugin, path in self._files(group):
            try:
                choice = self.read(group, path, path.stem, plugin)
            except GptasksError as error:
                choice = Choice(group, path.stem, None, "", path=path, source=plugin, error=error)
            twin = choices.get(choice.name)
            if twin is not None:
                clash = PluginError(
                    f"{group} name '{choice.name}' is claimed by {twin.path} ({twin.origin}) and "
                    f"{choice.path} ({choice.origin}); uninstall one, or block its plugin with "
                    f"{BLOCK}={choice.plugin}."
                )
                choice = dataclasses.replace(twin, error=clash)
            choices[choice.name] = choice
        if group == "task":
            for plugin, cls in self.classes:
                if cls.name not in choices:
                    choices[cls.name] = self._bare(plugin, cls)
        return choices

    def _files(self, group: str) -> list[tuple[Plugin, Path]]:
        folders = [(plugin, plugin.conf) for plugin in self.plugins.loaded]
        core = next(plugin for plugin in self.plugins.loaded if plugin.name == "builtin")
        return [
            (plugin, path)
            for plugin, folder in [(core, core_conf()), *folders]
            if folder is not None
            for path in sorted((folder / group).glob("*.y*ml"))
        ]

    @cached_property
    def classes(self) -> list[tuple[Plugin, type[Task]]]:
        """Every task class with the plugin that registers it."""
        return [(plugin, cls) for plugin in self.plugins.loaded for cls in plugin.tasks]

    def _task_class(self, name: str) -> type[Task]:
        claims = {cls: plugin for plugin, cls in self.classes if cls.name == name}
        if not claims:
            raise self._unknown("kind of task", name)
        if len(claims) > 1:
            who = " and ".join(
                f"{cls.__module__}.{cls.__qualname__} ({plugin.origin})"
                for cls, plugin in claims.items()
            )
            raise PluginError(
                f"task name '{name}' is claimed by {who}; uninstall one, or block its plugin with "
                f"{BLOCK}={list(claims.values())[-1].name}."
            )
        return next(iter(claims))

    def _bare(self, plugin: Plugin, cls: type[Task]) -> Choice:
        """The choice that a task class makes without a YAML file."""
        error = None
        try:
            self._task_class(cls.name)
        except PluginError as clash:
            error = clash
        return Choice("task", cls.name, cls, cls.name, {}, _summary(cls), None, plugin, error)

    def _unknown(self, group: str, name: str) -> GptasksError:
        kinds = group not in GROUPS
        known = [cls.name for _, cls in self.classes] if kinds else self.names(group)
        for broken in self.plugins.broken if group == "task" else ():
            if broken.folder and (broken.folder / "conf" / "task" / f"{name}.yaml").is_file():
                return PluginError(f"task '{name}' can't be used: {broken.message}")
        near = suggest(name, known)
        if group == "task":
            more = f"`gptasks tasks` lists the {len(known)} installed."
            if self.plugins.broken:
                more += f" {len(self.plugins.broken)} broken: `gptasks plugins list` tells why."
            return ConfigError(f"no task '{name}'{near or ';'} {more}")
        has = "" if near else f"; there are {', '.join(sorted(set(known)))}"
        return ConfigError(f"no {group} '{name}'{near or has}")


def core_conf() -> Path:
    """The folder of the core's own YAML files."""
    root = source_tree()
    return (root if root is not None else Path(__file__).parent) / "conf"


def check_choice(kind: type, values: Mapping[str, Any], where: str) -> list[str]:
    """All faults of `values` as options of `kind`, one line each; missing ones are no fault.

    Beside the types that schema checks, a task's metrics have to exist and its labels to differ.
    """
    faults = check(kind, values, where)
    return faults or (task_faults(values, kind) if issubclass(kind, Task) else [])


def build_task(values: Mapping[str, Any], registry: Registry, name: str | None = None) -> Task:
    """A task made of plain values, as a YAML file or a run's `config.yaml` holds them.

    `values` may name the task (`name`) and its class (`kind`, by default the name). Raises
    ConfigError with all faults, one line each.
    """
    given = dict(values)
    own = given.pop("name", None)
    name = name or own or given.get("kind")
    if not name:
        raise ConfigError("a task needs a `name` or a `kind`")
    kind_name = given.pop("kind", None) or name
    kind = registry.kind("task", kind_name)
    origin = next((p.origin for p, cls in registry.classes if cls is kind), "")
    task: Task = build(kind, given, f"task '{name}' ({origin})", internal=True)
    faults = task_faults(vars(task), kind)
    if faults:
        raise ConfigError(*faults)
    return task


def _rooted(values: dict[str, Any], kind: type, path: Path) -> dict[str, Any]:
    """`values` with the file's folder as the start of the relative paths it names."""
    data = values.get("data")
    if not (issubclass(kind, Task) and isinstance(data, dict)):
        return values
    if data.get("source", "files") != "files":
        return values
    if not any(data.get(split) is not None for split in ("train", "validation", "test")):
        return values
    return {**values, "data": {**data, "directory": str(path.parent.resolve())}}


def _strategy(name: str) -> type:
    """The strategy class of that name: by convention in `gptasks.strategies.<name>`."""
    if name.isidentifier() and importlib.util.find_spec(f"gptasks.strategies.{name}"):
        module = importlib.import_module(f"gptasks.strategies.{name}")
        for cls in vars(module).values():
            if isinstance(cls, type) and vars(cls).get("name") == name:
                return cls
    known = [path.stem for path in (core_conf() / "strategy").glob("*.yaml")]
    raise ConfigError(f"no kind of strategy '{name}'{suggest(name, known)}")


def _tracker(name: str) -> type:
    """The tracker class of that name."""
    from gptasks.tracking import TRACKERS

    if name not in TRACKERS:
        raise ConfigError(f"no kind of tracking '{name}'{suggest(name, TRACKERS)}")
    return TRACKERS[name]


def _summary(cls: type) -> str:
    """The first line of a class' docstring; "" for the one dataclasses write."""
    text = inspect.getdoc(cls) or ""
    return "" if text.startswith(cls.__name__ + "(") else text.partition("\n")[0]

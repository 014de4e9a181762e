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
import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gptasks.choices import GROUPS, ONE_CLASS, Choice, TaskInfo, keys_of, summary
from gptasks.discovery import GROUP, source_tree, yaml_files
from gptasks.errors import ConfigError, Fault, GptasksError, PluginError, listing, suggest
from gptasks.metrics import LOSS, NAMES
from gptasks.plugins import BLOCK, CORE, Plugin, Plugins, plugin_manager
from gptasks.schema import build, check, without_interpolations
from gptasks.task import Task
from gptasks.task_faults import source_faults, task_faults
from gptasks.yamlfile import read_yaml

if TYPE_CHECKING:
    from gptasks.data.source import DataSource
    from gptasks.metrics.base import Metric
    from gptasks.tracking import Tracker

logger = logging.getLogger(__name__)


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
        found = self.find(group, name)
        if found.error is not None:
            raise found.error
        return found

    def find(self, group: str, name: str) -> Choice:
        """The same, with why it can't be used as its `error`; raised only without such a choice."""
        choices = self._choices(group)
        if name not in choices:
            raise self._unknown(group, name)
        return choices[name]

    def kind(self, group: str, name: str) -> type:
        """The class that `kind: <name>` means; ConfigError or PluginError without one."""
        if group in ONE_CLASS:
            return ONE_CLASS[group]
        return _strategy(name) if group == "strategy" else self._class(group, name)

    def read(self, group: str, path: Path, name: str, plugin: Plugin | None = None) -> Choice:
        """The choice that a YAML file makes, all faults of its options being its `error`.

        Raises ConfigError where the file, or its kind, can't be told.
        """
        file = read_yaml(path)
        name = file.pop("name") or name
        if not re.fullmatch(r"\w[\w.-]*", name):
            raise ConfigError(
                f"{file.place('name')}: the name '{name}' may hold letters, digits, '_', '-' and "
                "'.' only, since run folders are named after it"
            )
        told = None if group in ONE_CLASS else file.pop("kind")
        kind_name = "" if group in ONE_CLASS else told or name
        try:
            kind = self.kind(group, kind_name)
        except ConfigError as error:
            if told or group != "task":
                raise ConfigError(f"{file.place('kind')}: {error}") from error
            if "task" in file.tree:
                raise ConfigError(
                    f"{path} is a whole configuration, and no task; give it as --config {path}"
                ) from error
            kinds = sorted({cls.name for _, cls in self.classes})
            raise ConfigError(
                f"{path} has no kind:, and no kind of task is called '{name}'; write kind: and one "
                f"of {listing(kinds)}"
            ) from error
        values = file.values(kind)
        description = file.comment or summary(kind)
        choice = Choice(
            group, name, kind, kind_name, values, description, path, plugin, lines=file.lines
        )
        faults = self.faults(kind, without_interpolations(values), choice.where)
        said = file.told(faults)
        return dataclasses.replace(
            choice,
            values=_rooted(values, kind, path),
            error=ConfigError(*said) if said else None,
        )

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
        for plugin, cls in self._classes(group):
            if cls.name not in choices:
                choices[cls.name] = self._bare(group, plugin, cls)
        return choices

    def _files(self, group: str) -> list[tuple[Plugin, Path]]:
        core = next(plugin for plugin in self.plugins.loaded if plugin.name == CORE)
        own = [(core, path) for path in yaml_files(core_conf() / group)]
        return own + [(p, path) for p in self.plugins.loaded for path in p.files(group)]

    @cached_property
    def classes(self) -> list[tuple[Plugin, type[Task]]]:
        """Every task class with the plugin that registers it."""
        return [(plugin, cls) for plugin in self.plugins.loaded for cls in plugin.tasks]

    @cached_property
    def metrics(self) -> Mapping[str, type[Metric]]:
        """The metrics of plugins by name; those of gptasks are known without being imported."""
        found: dict[str, type[Metric]] = {}
        for plugin, classes in self.metric_classes:
            _add(found, plugin, "metric", classes, taken=(*NAMES, LOSS))
        return found

    @cached_property
    def metric_classes(self) -> list[tuple[Plugin, list[type[Metric]]]]:
        """What plugins answer when asked for metrics; those that fail are warned of."""
        answers = []
        for plugin in (plugin for plugin in self.plugins.loaded if plugin.name != CORE):
            try:
                answers.append((plugin, self.plugins.ask(plugin, "register_metrics")))
            except PluginError as error:
                logger.warning("%s", error)
        return answers

    @cached_property
    def sources(self) -> Mapping[str, type[DataSource]]:
        """The data sources by name."""
        found: dict[str, type[DataSource]] = {}
        for plugin in self.plugins.loaded:
            _add(found, plugin, "data source", plugin.sources)
        return found

    def kinds(self, group: str) -> dict[str, type]:
        """The classes that `kind:` can name; none in a group of one class."""
        if group == "strategy":
            return {path.stem: _strategy(path.stem) for path in yaml_files(core_conf() / group)}
        return {cls.name: cls for _, cls in self._classes(group)}

    def faults(
        self, kind: type, values: Mapping[str, Any], where: str, *, internal: bool = False
    ) -> list[Fault]:
        """All faults of `values` as options of `kind`, one line each; missing ones are no fault.

        Beside the types that schema checks, a task's metrics and its data source have to exist,
        and its labels to differ. internal: whether options that users can't set are allowed.
        """
        group = where.split(" ")[0]
        faults = check(
            kind, values, where, internal=internal, others=lambda: keys_of(self.kinds(group))
        )
        if not issubclass(kind, Task):
            return faults
        wrong = {re.split(r"[.\[]", fault.key)[0] for fault in faults}
        sound = {key: value for key, value in values.items() if key not in wrong}
        faults += source_faults(sound.get("data"), self.sources)
        return faults + self.task_faults(sound, kind)

    def task_faults(self, values: Mapping[str, Any], kind: type[Task]) -> list[Fault]:
        """The faults that the types of a task's options can't show, one line each."""
        faults = task_faults(values, kind)
        return task_faults(values, kind, self.metrics) if faults else []

    def owners(self, classes: Iterable[type]) -> dict[str, str | None]:
        """The distribution and version, or the folder and None, of the plugins, gptasks' own aside,
        that register `classes`."""
        asked = set(classes)
        own = {
            plugin: {*plugin.tasks, *plugin.sources, *plugin.trackers}
            for plugin in self.plugins.loaded
        }
        if "metric_classes" in vars(self):  # else none of theirs was asked for
            for plugin, metrics in self.metric_classes:
                own[plugin].update(metrics)
        return {
            plugin.distribution or plugin.origin: plugin.version
            for plugin, theirs in own.items()
            if theirs & asked and plugin.distribution != GROUP
        }

    def _classes(self, group: str) -> list[tuple[Plugin, Any]]:
        """The classes of a group that plugins register, each with its plugin."""
        if group == "tracking":
            return [(plugin, cls) for plugin in self.plugins.loaded for cls in plugin.trackers]
        return self.classes if group == "task" else []

    def _class(self, group: str, name: str) -> type:
        """The class that plugins register under a name."""
        claims = {cls: plugin for plugin, cls in self._classes(group) if cls.name == name}
        if not claims:
            raise self._unknown(f"kind of {group}", name)
        if len(claims) > 1:
            who = " and ".join(
                f"{cls.__module__}.{cls.__qualname__} ({plugin.origin})"
                for cls, plugin in claims.items()
            )
            raise PluginError(
                f"{group} name '{name}' is claimed by {who}; uninstall one, or block its plugin "
                f"with {BLOCK}={list(claims.values())[-1].name}."
            )
        return next(iter(claims))

    def _bare(self, group: str, plugin: Plugin, cls: type[Task] | type[Tracker]) -> Choice:
        """The choice that a class makes without a YAML file."""
        error, name = None, cls.name
        try:
            self._class(group, name)
        except PluginError as clash:
            error = clash
        return Choice(group, name, cls, name, {}, summary(cls), None, plugin, error)

    def _unknown(self, group: str, name: str) -> GptasksError:
        kinds = self._classes(group.removeprefix("kind of ")) if group not in GROUPS else None
        known = self.names(group) if kinds is None else [cls.name for _, cls in kinds]
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
    faults = source_faults(vars(task.data), registry.sources)
    faults += registry.task_faults(vars(task), kind)
    if faults:
        raise ConfigError(*faults)
    return task


def _rooted(values: dict[str, Any], kind: type, path: Path) -> dict[str, Any]:
    """`values` with the file's folder as the start of the relative paths it names."""
    data = values.get("data")
    if not (issubclass(kind, Task) and isinstance(data, dict)):
        return values
    if data.get("source", "files") in ("package", "hub"):
        return values
    if not any(data.get(split) is not None for split in ("train", "validation", "test")):
        return values
    return {**values, "data": {**data, "directory": str(path.parent.resolve())}}


def _add(
    found: dict[str, Any],
    plugin: Plugin,
    noun: str,
    classes: Iterable[Any],
    taken: Sequence[str] = (),
) -> None:
    """Add a plugin's classes by name; one whose name is taken is warned of and left out."""
    for cls in classes:
        if cls.name in (*taken, *found):
            logger.warning(
                "plugin '%s' (%s) calls a %s '%s', a name that is taken; rename it, or skip the "
                "plugin with %s=%s.",
                plugin.name, plugin.origin, noun, cls.name, BLOCK, plugin.name,
            )  # fmt: skip
        else:
            found[cls.name] = cls


def _strategy(name: str) -> type:
    """The strategy class of that name: by convention in `gptasks.strategies.<name>`."""
    if name.isidentifier() and importlib.util.find_spec(f"gptasks.strategies.{name}"):
        module = importlib.import_module(f"gptasks.strategies.{name}")
        for cls in vars(module).values():
            if isinstance(cls, type) and vars(cls).get("name") == name:
                return cls
    known = [path.stem for path in (core_conf() / "strategy").glob("*.yaml")]
    raise ConfigError(f"no kind of strategy '{name}'{suggest(name, known)}")

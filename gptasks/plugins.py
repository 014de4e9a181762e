"""Loads plugins: the built-ins, installed ones, drop-in folders, objects of a test.

Each is loaded by itself, so that a broken one is named and the rest work. Nothing is global: every
call of `plugin_manager` looks anew and gives a manager of its own.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import importlib.metadata
import importlib.util
import logging
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pluggy

from gptasks import builtin, hookspecs
from gptasks.discovery import GROUP, Found, find, source_file, version_of, yaml_files
from gptasks.errors import PluginError, suggest
from gptasks.plugin_checks import STATED, check_classes, check_contract, reason, stated_in
from gptasks.task import Task
from gptasks.watchdog import limit, watched

if TYPE_CHECKING:
    from gptasks.data.source import DataSource
    from gptasks.tracking import Tracker

logger = logging.getLogger(__name__)

CORE = "builtin"
"""The plugin of what comes with gptasks."""

BLOCK = "GPTASKS_BLOCK"
"""Environment variable: names of plugins to leave out, separated by commas."""


@dataclass(frozen=True)
class Plugin:
    """A plugin that was loaded."""

    name: str
    distribution: str | None
    """The distribution it was installed by; None for a drop-in folder or an object."""

    version: str | None
    folder: Path | None
    """The package's folder; None for a module of one file."""

    is_loose: bool = False
    """Whether it is the YAML files that lie in `folder` itself, each a task."""

    target: object = field(default=None, repr=False, compare=False)
    """What answers the hooks."""

    tasks: tuple[type[Task], ...] = ()
    """The task classes it registers; likewise below. Its metrics are asked for when needed."""

    sources: tuple[type[DataSource], ...] = ()
    trackers: tuple[type[Tracker], ...] = ()

    @property
    def origin(self) -> str:
        """Whose it is, for messages: "gptasks-news 0.2", or the folder."""
        return _origin(self.distribution, self.version, self.folder) or self.name

    @property
    def conf(self) -> Path | None:
        """The folder of its YAML files; None without one."""
        return self.folder / "conf" if self.folder and (self.folder / "conf").is_dir() else None

    def files(self, group: str) -> Iterator[Path]:
        """Its YAML files for a configuration group, by name."""
        if self.is_loose:
            assert self.folder is not None
            yield from yaml_files(self.folder) if group == "task" else ()
        elif self.conf is not None:
            yield from yaml_files(self.conf / group)


@dataclass(frozen=True)
class Broken:
    """A plugin that could not be loaded, and why."""

    name: str
    distribution: str | None
    version: str | None
    error: str
    """What is wrong, to be read after "plugin 'x'": "could not be imported: …"."""

    folder: Path | None = None

    @property
    def message(self) -> str:
        """All about it in one line, with what to do."""
        origin = _origin(self.distribution, self.version, self.folder)
        end = "" if self.error.endswith("?") else "."
        return (
            f"plugin '{self.name}'{f' ({origin})' if origin else ''} {self.error.rstrip('.')}{end} "
            f"Mend it, or skip it with {BLOCK}={self.name}."
        )


@dataclass(frozen=True)
class Plugins:
    """Everything `plugin_manager` found."""

    manager: pluggy.PluginManager
    loaded: tuple[Plugin, ...]
    """Built-ins first, then installed ones, drop-ins and objects, each by name."""

    broken: tuple[Broken, ...]
    blocked: tuple[str, ...]
    """Names left out by GPTASKS_BLOCK."""

    def ask(self, plugin: Plugin, hook: str) -> list[Any]:
        """What one plugin answers to a hook, checked. Raises PluginError, naming the plugin."""
        try:
            return _ask(self.manager, plugin.target, hook)
        except (Exception, SystemExit) as error:  # a plugin's code can do anything
            why = reason(error, plugin.distribution)
            broken = Broken(plugin.name, plugin.distribution, plugin.version, why, plugin.folder)
            raise PluginError(broken.message) from error


def plugin_manager(extra: Sequence[object] = ()) -> Plugins:
    """Load the built-ins, installed plugins, drop-ins, and those of `extra`:
    objects, and folders of packages.

    Drop-ins are the packages and YAML files in `./plugins` and in the folders of GPTASKS_PLUGINS,
    and the packages of `plugins/` beside a gptasks that runs from its source tree.
    Raises ConfigError where an environment variable has a wrong value.
    """
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    core = Found(CORE, f"{GROUP}:{CORE}", builtin, GROUP, version_of(GROUP))
    loaded = [_load(manager, core)]
    broken: list[Broken] = []
    blocked: list[str] = []
    keys: set[str] = set()  # of those
    names = {name.strip() for name in os.environ.get(BLOCK, "").split(",")}
    limit()  # a wrong number is told of before anything is imported
    for found in (*find(), *_objects(extra)):
        if {found.name, found.key} & names:
            blocked.append(found.name)
            keys.add(found.key)
            continue
        try:
            origin = _origin(found.distribution, found.version, found.folder)
            what = f"plugin '{found.name}'{f' ({origin})' if origin else ''}"
            # What it prints must not stand among the results.
            with (
                watched(what, f"{BLOCK}={found.name} leaves it out."),
                contextlib.redirect_stdout(sys.stderr),
            ):
                loaded.append(_load(manager, found))
        except (Exception, SystemExit) as error:  # a plugin's import can do anything
            why = reason(error, found.distribution)
            broken.append(Broken(found.name, found.distribution, found.version, why, found.folder))
    known = [plugin.name for plugin in loaded] + [plugin.name for plugin in broken]
    for name in sorted(names - {*blocked, ""} - keys):
        near = suggest(name, known) or ". `gptasks plugins list` shows them."
        logger.warning("%s names no plugin '%s'%s", BLOCK, name, near)
    return Plugins(manager, tuple(loaded), tuple(broken), tuple(blocked))


def _objects(extra: Iterable[object]) -> Iterable[Found]:
    for number, target in enumerate(extra):
        if isinstance(target, Path):
            yield Found(target.name, str(target.resolve()), target, folder=target)
            continue
        path = getattr(target, "__path__", None)
        name = getattr(target, "__name__", type(target).__name__)
        folder = Path(next(iter(path))) if path else None
        yield Found(name, f"object:{number}:{name}", target, folder=folder)


def _load(manager: pluggy.PluginManager, found: Found) -> Plugin:
    target = _target(found)
    if manager.is_registered(target):
        raise PluginError("is the same module as another plugin")
    plugin = Plugin(
        found.name, found.distribution, found.version, found.folder, found.is_loose, target
    )
    try:
        manager.register(target, name=found.key)
        manager.check_pending()  # pluggy reports a misspelt hook only when asked
        answers: dict[str, Any] = {
            "tasks": tuple(_ask(manager, target, "register_tasks")),
            "sources": tuple(_ask(manager, target, "register_sources")),
            "trackers": tuple(_ask(manager, target, "register_trackers")),
        }
        has_files = found.is_loose or (plugin.conf and any(plugin.conf.glob("*/*.y*ml")))
        if not has_files and not manager.get_hookcallers(target):
            raise PluginError(
                "adds nothing: it has neither a function marked @hookimpl nor a YAML file in "
                "conf/task/"
            )
    except BaseException:
        if manager.get_hookcallers(target) is not None:  # register() itself went through
            manager.unregister(target)
        raise
    return dataclasses.replace(plugin, **answers)


def _target(found: Found) -> object:
    """What answers the hooks, imported; PluginError where it was built for another contract."""
    target = found.target
    if isinstance(target, PluginError):
        raise target
    who = found.distribution or "version of it"
    source = source_file(found)
    if source is not None:  # before it is imported: what it imports may be gone
        check_contract(stated_in(source), who)
    if isinstance(target, importlib.metadata.EntryPoint):
        target = target.load()
    elif isinstance(target, Path):
        target = ModuleType(target.name) if found.is_loose else _import(target)
    check_contract(getattr(target, STATED, None), who)
    return target


def _import(folder: Path) -> ModuleType:
    """Import a drop-in folder under a private name, so that it can't shadow another module."""
    if not (folder / "__init__.py").is_file():
        return ModuleType(folder.name)  # YAML files alone are a plugin too
    mark = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:8]
    name = f"gptasks_dropin_{mark}_{folder.name}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(
        name, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        for loaded in [n for n in sys.modules if n == name or n.startswith(name + ".")]:
            del sys.modules[loaded]
        raise
    return module


def _ask(manager: pluggy.PluginManager, target: object, hook: str) -> list[Any]:
    """What a plugin answers to a hook, checked; nothing where it doesn't answer."""
    others = [other for other in manager.get_plugins() if other is not target]
    answers = manager.subset_hook_caller(hook, others)()
    return [cls for answer in answers for cls in check_classes(hook, answer)]


def _origin(distribution: str | None, version: str | None, folder: Path | None) -> str:
    if distribution:
        return f"{distribution} {version}" if version else distribution
    if folder is None:
        return ""
    near = os.path.relpath(folder)
    return str(folder) if near.startswith("..") else near


def missing(plugins: Any) -> str:
    """Which of a run's plugins, as results.json names them, are not here, and what to do; ""."""
    if not isinstance(plugins, Mapping):
        return ""
    for name, version in plugins.items():
        if version is None:
            if not Path(name).is_dir():
                return (
                    f"the plugin in the folder {name}, which is not here; go where it is, or name "
                    "the folder above it by GPTASKS_PLUGINS."
                )
        elif version_of(name) is None:
            return (
                f"the plugin {name} {version}, which is not installed; pip install "
                f"{name}=={version} brings it back."
            )
    return ""

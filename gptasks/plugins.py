"""Loads plugins: the built-ins, installed ones, drop-in folders, objects of a test.

Each is loaded by itself, so that a broken one is named and the rest work. Nothing is global: every
call of `plugin_manager` looks anew and gives a manager of its own.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
import importlib.util
import inspect
import os
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pluggy

from gptasks import builtin, hookspecs
from gptasks.discovery import GROUP, Found, find, version_of
from gptasks.errors import PluginError, suggest
from gptasks.task import Task

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

    tasks: tuple[type[Task], ...] = ()
    """The task classes it registers."""

    @property
    def origin(self) -> str:
        """Whose it is, for messages: "gptasks-news 0.2", or the folder."""
        return _origin(self.distribution, self.version, self.folder) or self.name

    @property
    def conf(self) -> Path | None:
        """The folder of its YAML files; None without one."""
        return self.folder / "conf" if self.folder and (self.folder / "conf").is_dir() else None


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
        return (
            f"plugin '{self.name}'{f' ({origin})' if origin else ''} {self.error.rstrip('.')}. "
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


def plugin_manager(extra: Sequence[object] = ()) -> Plugins:
    """Load the built-ins, installed plugins, drop-in folders, and the objects of `extra`.

    Drop-ins are the packages in `./plugins`, in the folders of GPTASKS_PLUGINS, and in `plugins/`
    beside a gptasks that runs from its source tree.
    """
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    core = Found("builtin", f"{GROUP}:builtin", builtin, GROUP, version_of(GROUP))
    loaded = [_load(manager, core)]
    broken: list[Broken] = []
    blocked: list[str] = []
    names = {name.strip() for name in os.environ.get(BLOCK, "").split(",")}
    for found in (*find(), *_objects(extra)):
        if {found.name, found.key} & names:
            blocked.append(found.name)
            continue
        try:
            loaded.append(_load(manager, found))
        except (Exception, SystemExit) as error:  # a plugin's import can do anything
            reason = _reason(error)
            broken.append(
                Broken(found.name, found.distribution, found.version, reason, found.folder)
            )
    return Plugins(manager, tuple(loaded), tuple(broken), tuple(blocked))


def _objects(extra: Iterable[object]) -> Iterable[Found]:
    for number, target in enumerate(extra):
        path = getattr(target, "__path__", None)
        name = getattr(target, "__name__", type(target).__name__)
        folder = Path(next(iter(path))) if path else None
        yield Found(name, f"object:{number}:{name}", target, folder=folder)


def _load(manager: pluggy.PluginManager, found: Found) -> Plugin:
    target = found.target
    if isinstance(target, PluginError):
        raise target
    if isinstance(target, importlib.metadata.EntryPoint):
        target = target.load()
    elif isinstance(target, Path):
        target = _import(target)
    if manager.is_registered(target):
        raise PluginError("is the same module as another plugin")
    plugin = Plugin(found.name, found.distribution, found.version, found.folder)
    try:
        manager.register(target, name=found.key)
        manager.check_pending()  # pluggy reports a misspelt hook only when asked
        tasks = _tasks(manager, target)
        has_files = plugin.conf is not None and any(plugin.conf.glob("*/*.y*ml"))
        if not has_files and not manager.get_hookcallers(target):
            raise PluginError(
                "adds nothing: it has neither a function marked @hookimpl nor a YAML file in "
                "conf/task/"
            )
    except BaseException:
        if manager.get_hookcallers(target) is not None:  # register() itself went through
            manager.unregister(target)
        raise
    return dataclasses.replace(plugin, tasks=tasks)


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


def _tasks(manager: pluggy.PluginManager, target: object) -> tuple[type[Task], ...]:
    """What the plugin's own `register_tasks` gives, checked."""
    others = [other for other in manager.get_plugins() if other is not target]
    classes: list[type[Task]] = []
    for answer in manager.subset_hook_caller("register_tasks", others)():
        if not isinstance(answer, list | tuple):
            raise PluginError("answers register_tasks with something other than a list of classes")
        classes.extend(answer)
    for cls in classes:
        _check_class(cls)
    return tuple(classes)


def _check_class(cls: object) -> None:
    """Raise PluginError where a class would not work as its author expects."""
    if not (isinstance(cls, type) and issubclass(cls, Task)):
        raise PluginError(f"registers {cls!r}, which is no subclass of gptasks.Task")
    said = f"registers {cls.__module__}.{cls.__qualname__}, which "
    if inspect.isabstract(cls):
        missing = ", ".join(sorted(cls.__abstractmethods__))
        raise PluginError(f"{said}lacks the methods {missing}")
    if not isinstance(cls.name, str) or not re.fullmatch(r"\w[\w.-]*", cls.name):
        raise PluginError(
            f"{said}needs a `name` of letters, digits, '_', '-' and '.'; it has {cls.name!r}"
        )
    fields = {field.name for field in dataclasses.fields(cls)}
    annotations = inspect.get_annotations(cls)
    typed = {name for name, text in annotations.items() if "ClassVar" not in str(text)}
    if typed and "__dataclass_params__" not in vars(cls):
        raise PluginError(f"{said}has options but lacks @dataclass above the class")
    untyped = sorted((fields - typed) & set(vars(cls)))
    if untyped:  # Python would take it for no option, and keep the parent's default in silence
        raise PluginError(
            f"{said}sets the option {untyped[0]} without its type; write `{untyped[0]}: <type> = …`"
        )
    if fields & {"name", "kind"}:
        raise PluginError(f"{said}has an option called name or kind, which every task has already")


def _origin(distribution: str | None, version: str | None, folder: Path | None) -> str:
    if distribution:
        return f"{distribution} {version}" if version else distribution
    if folder is None:
        return ""
    near = os.path.relpath(folder)
    return str(folder) if near.startswith("..") else near


def _reason(error: BaseException) -> str:
    """What is wrong, on one line, to be read after "plugin 'x'"."""
    said = " ".join(str(error).split())
    if isinstance(error, PluginError):
        return said
    if isinstance(error, pluggy.PluginValidationError):
        hook = re.match(r"unknown hook '(\w+)'", said)
        if hook:
            known = [name for name in vars(hookspecs) if name.startswith("register_")]
            return f"has the hook '{hook[1]}', which is unknown{suggest(hook[1], known)}"
        return f"has a hook that doesn't fit: {said}"
    if isinstance(error, ImportError):
        return f"could not be imported: {said}"
    return f"could not be imported: {type(error).__name__}: {said}"

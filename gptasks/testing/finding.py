"""Which tasks a name means: of a plugin, a distribution, a file, a folder."""

from __future__ import annotations

import re
from pathlib import Path

from gptasks.config.locations import at_location
from gptasks.errors import ConfigError, suggest
from gptasks.plugins import BLOCK, plugin_manager
from gptasks.registry import Choice, Registry


def found(name: str) -> tuple[Registry, list[Choice]]:
    """The tasks that a name means, and the registry they are in.

    name: a task; a plugin or a distribution, for all their tasks; a YAML file; the folder of a
    drop-in plugin, be it installed or not. Raises ConfigError where it means none, PluginError for
    a plugin that can't be loaded.
    """
    registry = Registry()
    path = Path(name)
    if not path.is_dir():
        choice = at_location("task", name, registry)
        if choice is not None:
            return registry, [choice]
    elif (path / "__init__.py").is_file() or (path / "conf").is_dir():
        return _of_folder(registry, path)
    elif "/" in name or name in (".", ".."):
        raise ConfigError(f"the folder {name} holds neither an __init__.py nor a conf/")
    for broken in registry.plugins.broken:
        if _plain(name) in {_plain(broken.name), _plain(broken.distribution or "")}:
            raise ConfigError(broken.message)
    tasks = registry.tasks()
    owned = [
        task
        for task in tasks
        if _plain(name) in {_plain(task.plugin or ""), _plain(task.distribution or "")}
    ]
    if owned and _plain(name) != "gptasks":
        return registry, owned
    named = [task for task in tasks if _plain(task.name) == _plain(name)]
    if named:
        return registry, named
    if name in registry.plugins.blocked:
        raise ConfigError(f"plugin '{name}' is left out by {BLOCK}")
    plugins = [plugin.name for plugin in registry.plugins.loaded]
    if name in plugins:
        raise ConfigError(f"plugin '{name}' has no task to check")
    known = [*(task.name for task in tasks), *plugins]
    raise ConfigError(
        f"no task, plugin, file or folder '{name}'{suggest(name, known) or '.'} "
        "`gptasks plugins list` shows plugins."
    )


def _of_folder(registry: Registry, path: Path) -> tuple[Registry, list[Choice]]:
    def of(registry: Registry) -> list[Choice]:
        return [
            task
            for task in registry.tasks()
            if task.source and task.source.folder and task.source.folder.resolve() == path.resolve()
        ]

    if not of(registry):
        registry = Registry(plugin_manager([path]))
    for broken in registry.plugins.broken:
        if broken.folder is not None and broken.folder.resolve() == path.resolve():
            raise ConfigError(broken.message)
    if not of(registry):
        raise ConfigError(f"the folder {path} holds no plugin with a task")
    return registry, of(registry)


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "_", name).lower()

"""What `gptasks tasks` says of each task: kind, metrics, owner, data, licence, size; and what
`gptasks plugins list` says of plugins."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

from gptasks.data.sources import named
from gptasks.fields import defaults
from gptasks.metrics import NAMES
from gptasks.plugins import CORE
from gptasks.registry import Choice, Registry
from gptasks.task import DataOptions

COLUMNS = 80


def about(task: Choice) -> dict[str, Any]:
    """All that is known of a task without reading its data; null where nothing is said.

    `error` says why it can't be used, and then there is no more.
    """
    known = {
        "task": task.name,
        "description": task.description,
        "kind": task.kind_name,
        "of_kind": _below(task),
        "distribution": task.distribution,
        "version": task.version,
        "from": task.origin,
    }
    if task.error is not None or task.kind is None:
        return {**known, "error": str(task.error)}
    values = {**defaults(task.kind), **task.values}
    data = DataOptions(**{**defaults(DataOptions), **values["data"]})
    return {
        **known,
        "metrics": values["metrics"],
        "data": named(data) or None,
        "licence": data.licence,
        "megabytes": data.megabytes,
    }


def _below(task: Choice) -> str | None:
    """The kind that the task's own kind is made of; None where it has none, or is none."""
    named = (vars(cls).get("name") for cls in (task.kind.__mro__ if task.kind else ()))
    return next((name for name in named if name and name != task.kind_name), None)


def task_lines(task: Choice) -> str:
    """The same for people, in lines of at most 80 columns, the first not indented."""
    said = about(task)
    if "error" in said:
        return _paragraph(f"{task.name}: {said['error']}", "")
    metrics = said["metrics"]
    more = f" and {len(metrics) - 1} more" if len(metrics) > 1 else ""
    scored = f"scored by {metrics[0]}{more}" if metrics else "scored by nothing"
    below = f" ({said['of_kind']})" if said["of_kind"] else ""
    lines = [
        _paragraph(f"{task.name}: {task.description}".removesuffix(": "), ""),
        _paragraph(f"kind {task.kind_name}{below} · {scored} · from {task.origin}"),
    ]
    if said["data"]:
        size = said["megabytes"]
        licence = f"licence {said['licence']}" if said["licence"] else "licence not stated"
        download = f" · download {size} MB" if size is not None else ""
        lines.append(_paragraph(f"data: {said['data']} · {licence}{download}"))
    return "\n".join(lines)


def plugin_rows(registry: Registry) -> list[list[str]]:
    """The plugins that are loaded, one a row, under a row of headings."""
    owned: dict[str, list[str]] = {}
    for task in registry.tasks():
        owned.setdefault(task.plugin or "", []).append(task.name)
    metrics = {plugin.name: names(classes) for plugin, classes in registry.metric_classes}
    metrics[CORE] = list(NAMES)
    rows = [["plugin", "from", "tasks", "more"]]
    for plugin in registry.plugins.loaded:
        more = {
            "metric": metrics.get(plugin.name, []),
            "data source": names(plugin.sources),
            "tracker": names(plugin.trackers),
        }
        told = ", ".join(_counted(noun, found) for noun, found in more.items() if found)
        tasks = ", ".join(owned.get(plugin.name, [])) or "none"
        rows.append([plugin.name, plugin.origin, tasks, told])
    return rows


def names(classes: Iterable[Any]) -> list[str]:
    """The names that classes of plugins are selected by."""
    return [cls.name for cls in classes]


def _counted(noun: str, found: Sequence[str]) -> str:
    return f"{noun} {found[0]}" if len(found) == 1 else f"{len(found)} {noun}s"


def _paragraph(text: str, indent: str = "    ") -> str:
    return textwrap.fill(
        text,
        COLUMNS,
        initial_indent=indent,
        subsequent_indent="    ",
        break_long_words=False,
        break_on_hyphens=False,
    )

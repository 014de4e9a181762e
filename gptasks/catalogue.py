"""What `gptasks tasks` says of each task: kind, metrics, owner, data, licence, size."""

from __future__ import annotations

import textwrap
from typing import Any

from gptasks.data.sources import named
from gptasks.fields import defaults
from gptasks.registry import Choice
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


def task_lines(task: Choice) -> str:
    """The same for people, in lines of at most 80 columns, the first not indented."""
    said = about(task)
    if "error" in said:
        return _paragraph(f"{task.name}: {said['error']}", "")
    metrics = said["metrics"]
    more = f" and {len(metrics) - 1} more" if len(metrics) > 1 else ""
    scored = f"scored by {metrics[0]}{more}" if metrics else "scored by nothing"
    lines = [
        _paragraph(f"{task.name}: {task.description}".removesuffix(": "), ""),
        _paragraph(f"kind {task.kind_name} · {scored} · from {task.origin}"),
    ]
    if said["data"]:
        size = said["megabytes"]
        licence = f"licence {said['licence']}" if said["licence"] else "licence not stated"
        download = f" · download {size} MB" if size is not None else ""
        lines.append(_paragraph(f"data: {said['data']} · {licence}{download}"))
    return "\n".join(lines)


def _paragraph(text: str, indent: str = "    ") -> str:
    return textwrap.fill(
        text,
        COLUMNS,
        initial_indent=indent,
        subsequent_indent="    ",
        break_long_words=False,
        break_on_hyphens=False,
    )

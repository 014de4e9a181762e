"""The hooks a plugin can answer; entry-point group `gptasks`. Hooks return classes, no more."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from gptasks.task import Task

PROJECT = "gptasks"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def register_tasks() -> list[type[Task]]:
    """Give the task classes this plugin adds; called once, before any configuration is read."""
    raise NotImplementedError("a specification: pluggy calls the plugins that answer it")

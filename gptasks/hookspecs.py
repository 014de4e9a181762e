"""The hooks a plugin can answer; entry-point group `gptasks`. Hooks return classes, no more.

A plugin answers those that it has something for. The built-in classes come through the same hooks
(`builtin.py`). What stands here has a signature and no body: pluggy calls the plugins, never these.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from gptasks.data.source import DataSource
    from gptasks.metrics.base import Metric
    from gptasks.task import Task
    from gptasks.tracking import Tracker

PROJECT = "gptasks"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def register_tasks() -> list[type[Task]]:
    """Give the task classes this plugin adds; called once, before any configuration is read."""


@hookspec
def register_metrics() -> list[type[Metric]]:
    """Give the metrics this plugin adds; called when a name is asked for that gptasks has not, so
    that a metric may import what it needs."""


@hookspec
def register_sources() -> list[type[DataSource]]:
    """Give the data sources this plugin adds, for `task.data.source`; called with
    `register_tasks`."""


@hookspec
def register_trackers() -> list[type[Tracker]]:
    """Give the trackers this plugin adds, for `tracking`; called with `register_tasks`."""

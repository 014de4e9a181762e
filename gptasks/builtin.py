"""What comes with gptasks, registered through the hooks that every plugin uses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gptasks.hookspecs import hookimpl

if TYPE_CHECKING:
    from gptasks.data.source import DataSource
    from gptasks.metrics.base import Metric
    from gptasks.task import Task
    from gptasks.tracking import Tracker


@hookimpl
def register_tasks() -> list[type[Task]]:
    """The kinds under `gptasks.tasks`."""
    from gptasks.tasks.conditional_generation import ConditionalGeneration
    from gptasks.tasks.sequence_classification import SequenceClassification
    from gptasks.tasks.token_classification import TokenClassification

    return [SequenceClassification, TokenClassification, ConditionalGeneration]


@hookimpl
def register_metrics() -> list[type[Metric]]:
    """The metrics under `gptasks.metrics`."""
    from gptasks.metrics import NAMES, metric_class

    return [metric_class(name) for name in NAMES]


@hookimpl
def register_sources() -> list[type[DataSource]]:
    """Files, packages of the package index, data sets of the hub."""
    from gptasks.data.sources import SOURCES

    return list(SOURCES.values())


@hookimpl
def register_trackers() -> list[type[Tracker]]:
    """The trackers under `gptasks.tracking`."""
    from gptasks.tracking import TRACKERS

    return list(TRACKERS.values())

"""One GPT, many tasks: everything a user or a plugin needs, in one namespace.

Importing this loads no torch; what needs it is loaded when first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from gptasks.data.source import DataSource
from gptasks.errors import (
    BackboneError,
    ConfigError,
    DataError,
    GptasksError,
    PluginError,
    RunError,
    TrainingError,
)
from gptasks.hookspecs import hookimpl
from gptasks.task import CONTRACT, DataOptions, Layout, Prediction, Probe, ProbeFit, Row, Task
from gptasks.tasks.conditional_generation import ConditionalGeneration, GenerationOptions
from gptasks.tasks.sequence_classification import SequenceClassification
from gptasks.tasks.token_classification import TokenClassification
from gptasks.tracking.tracker import Tracker

if TYPE_CHECKING:
    from gptasks.api import Run, load, train
    from gptasks.metrics.base import Metric
    from gptasks.metrics.simple import CorpusMetric, MeanMetric

__all__ = [
    "CONTRACT",
    "BackboneError",
    "ConditionalGeneration",
    "ConfigError",
    "CorpusMetric",
    "DataError",
    "DataOptions",
    "DataSource",
    "GenerationOptions",
    "GptasksError",
    "Layout",
    "MeanMetric",
    "Metric",
    "PluginError",
    "Prediction",
    "Probe",
    "ProbeFit",
    "Row",
    "Run",
    "RunError",
    "SequenceClassification",
    "Task",
    "TokenClassification",
    "Tracker",
    "TrainingError",
    "hookimpl",
    "load",
    "train",
]

_LATER = {
    "Run": "gptasks.api",
    "load": "gptasks.api",
    "train": "gptasks.api",
    "Metric": "gptasks.metrics.base",
    "MeanMetric": "gptasks.metrics.simple",
    "CorpusMetric": "gptasks.metrics.simple",
}
"""Where the names are that need what is heavy."""


def __getattr__(name: str) -> Any:
    """Load what is heavy when it is first asked for."""
    if name in _LATER:
        return getattr(import_module(_LATER[name]), name)
    raise AttributeError(f"module 'gptasks' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__

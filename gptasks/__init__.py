"""One GPT, many tasks: everything a user or a plugin needs, in one namespace.

Importing this loads no torch; what needs it is loaded when first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    from gptasks.api import Run, load, train

__all__ = [
    "CONTRACT",
    "BackboneError",
    "ConditionalGeneration",
    "ConfigError",
    "DataError",
    "DataOptions",
    "GenerationOptions",
    "GptasksError",
    "Layout",
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
    "TrainingError",
    "hookimpl",
    "load",
    "train",
]

_API = ("Run", "load", "train")


def __getattr__(name: str) -> Any:
    """Load the programming interface when it is first asked for."""
    if name in _API:
        from gptasks import api

        return getattr(api, name)
    raise AttributeError(f"module 'gptasks' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__

"""The kinds that come with gptasks, registered through the hook that every plugin uses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gptasks.hookspecs import hookimpl

if TYPE_CHECKING:
    from gptasks.task import Task


@hookimpl
def register_tasks() -> list[type[Task]]:
    """The kinds under `gptasks.tasks`."""
    from gptasks.tasks.conditional_generation import ConditionalGeneration
    from gptasks.tasks.sequence_classification import SequenceClassification
    from gptasks.tasks.token_classification import TokenClassification

    return [SequenceClassification, TokenClassification, ConditionalGeneration]

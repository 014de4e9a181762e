"""What is wrong with a task's options that their types can't show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from gptasks.errors import listing, suggest
from gptasks.metrics import LOSS, NAMES, names_for
from gptasks.task import Task


def task_faults(values: Mapping[str, Any], kind: type[Task]) -> list[str]:
    """The faults among a task's options, one line each: metrics that are unknown or can't score
    what the kind answers, a label named twice.

    values: options by name, of the right types; what is missing is no fault.
    """
    faults, fit = [], names_for(kind.answer)
    if values.get("metrics") == []:
        faults.append(f"task.metrics is empty; name one or more of {listing(fit, limit=40)}")
    named = [("metrics", name, fit) for name in values.get("metrics", [])]
    named += [("select", values["select"], [LOSS, *fit])] if "select" in values else []
    for key, name, there in named:
        if name in NAMES and name not in there:
            faults.append(
                f"task.{key}: metric '{name}' can't score this kind of task, whose answer is a "
                f"{kind.answer.removesuffix('s')}{' a word' * (kind.answer == 'tags')}; there are "
                f"{listing(there, limit=40)}"
            )
        elif name not in there:
            near = suggest(name, there) or f"; there are {listing(there, limit=40)}"
            faults.append(f"task.{key}: no metric '{name}'{near}")
    for label, count in Counter(values.get("labels", [])).items():
        if count > 1:
            faults.append(f"task.labels names '{label}' {count} times; name each label once")
    return faults

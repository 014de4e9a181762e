"""What is wrong with a task's options that their types can't show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from gptasks.errors import listing, suggest
from gptasks.metrics import NAMES


def task_faults(values: Mapping[str, Any]) -> list[str]:
    """The faults among a task's options, one line each: unknown metrics, a label named twice.

    values: options by name, of the right types; what is missing is no fault.
    """
    faults = []
    if values.get("metrics") == []:
        faults.append(f"task.metrics is empty; name one or more of {listing(NAMES, limit=40)}")
    named = [("metrics", name) for name in values.get("metrics", [])]
    named += [("select", values["select"])] if "select" in values else []
    for key, name in named:
        if name not in NAMES:
            near = suggest(name, NAMES) or f"; there are {listing(NAMES, limit=40)}"
            faults.append(f"task.{key}: no metric '{name}'{near}")
    for label, count in Counter(values.get("labels", [])).items():
        if count > 1:
            faults.append(f"task.labels names '{label}' {count} times; name each label once")
    return faults

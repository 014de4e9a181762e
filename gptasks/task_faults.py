"""What is wrong with a task's options that their types can't show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from gptasks.errors import Fault, listing, suggest
from gptasks.metrics import LOSS, NAMES, names_for
from gptasks.schema import check
from gptasks.task import Task

if TYPE_CHECKING:
    from gptasks.data.source import DataSource
    from gptasks.metrics.base import Metric


def task_faults(
    values: Mapping[str, Any], kind: type[Task], extra: Mapping[str, type[Metric]] | None = None
) -> list[Fault]:
    """The faults among a task's options, one line each: metrics that are unknown or can't score
    what the kind answers, a name given twice, labels of a kind that has none.

    values: options by name, of the right types; what is missing is no fault. extra: the metrics of
    plugins, by name.
    """
    extra = extra or {}
    known = (*NAMES, *extra)
    faults: list[Fault] = []
    fit = names_for(kind.answer, extra=extra)
    if values.get("metrics") == []:
        usual = f"task.metrics is empty; name one or more of {listing(fit, limit=40)}"
        faults.append(Fault(usual, "metrics"))
    named = [("metrics", name, fit) for name in values.get("metrics", [])]
    named += [("select", values["select"], [LOSS, *fit])] if "select" in values else []
    for key, name, there in named:
        if name in known and name not in there:
            fault = (
                f"task.{key}: metric '{name}' can't score this kind of task, whose answer is a "
                f"{kind.answer.removesuffix('s')}{' a word' * (kind.answer == 'tags')}; there are "
                f"{listing(there, limit=40)}"
            )
            faults.append(Fault(fault, key))
        elif name not in there:
            near = suggest(name, there) or f"; there are {listing(there, limit=40)}"
            faults.append(Fault(f"task.{key}: no metric '{name}'{near}", key))
    for key in ("metrics", "labels"):
        for name, count in Counter(values.get(key, [])).items():
            if count > 1:
                one = key.removesuffix("s")
                fault = f"task.{key} names '{name}' {count} times; name each {one} once"
                faults.append(Fault(fault, key))
    if values.get("labels") and kind.answer == "text":
        fault = "task.labels: this kind of task writes texts, which have no labels; leave it out"
        faults.append(Fault(fault, "labels"))
    return faults


def source_faults(data: Any, sources: Mapping[str, type[DataSource]]) -> list[Fault]:
    """The faults among a task's `data` that concern its source: its name, and its options."""
    if not isinstance(data, Mapping) or "source" not in data:
        return []
    name = data["source"]
    if name in sources:
        found = check(sources[name], data.get("options", {}), "task.data.options")
        return [Fault(fault, f"data.options.{fault.key}") for fault in found]
    near = suggest(name, sources)
    fault = f"task.data.source must be one of {listing(sources)}; got {name!r}{near}"
    return [Fault(fault, "data.source")]

"""What a plugin has to fulfil to be loaded, and what is said of one that does not."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
from importlib import import_module
from pathlib import Path

import pluggy

from gptasks import hookspecs
from gptasks.data.source import DataSource
from gptasks.errors import PluginError, suggest
from gptasks.task import CONTRACT, Task
from gptasks.tracking.tracker import Tracker

STATED = "GPTASKS_CONTRACT"
"""What a plugin's module calls the version of the contract that it was built for."""

HOOKS = tuple(name for name in vars(hookspecs) if name.startswith("register_"))
"""The hooks there are."""


def check_contract(stated: object, who: str) -> None:
    """Raise PluginError where a plugin was built for another version of the contract.

    stated: what it says, None where it says nothing. who: how to get another one of it.
    """
    if stated is None or stated == CONTRACT:
        return
    if not isinstance(stated, int):
        raise PluginError(f"states {STATED} = {stated!r}; write {STATED} = {CONTRACT}")
    remedy = f"it needs a newer gptasks, or an older {who}"
    if stated < CONTRACT:
        remedy = f"it needs a newer {who}, or an older gptasks"
    raise PluginError(
        f"was built for version {stated} of the contract, and this gptasks has {CONTRACT}: {remedy}"
    )


def stated_in(path: Path) -> object:
    """What a module says of the contract, read without running it; None where it says nothing."""
    try:
        body = ast.parse(path.read_bytes()).body
    except (OSError, SyntaxError, ValueError, RecursionError):
        return None  # importing it will tell
    for line in body:
        targets = line.targets if isinstance(line, ast.Assign) else [getattr(line, "target", None)]
        if any(isinstance(target, ast.Name) and target.id == STATED for target in targets):
            value = getattr(line, "value", None)
            return value.value if isinstance(value, ast.Constant) else None
    return None


def check_classes(hook: str, answer: object) -> list[type]:
    """What a plugin answers to `hook`; PluginError where a class would not work as its author
    expects."""
    if not isinstance(answer, list | tuple):
        raise PluginError(f"answers {hook} with something other than a list of classes")
    for cls in answer:
        if hook == "register_metrics":
            _check_metric(cls)
        else:
            _check_options(cls, *_BASES[hook])
    return list(answer)


_BASES: dict[str, tuple[type, str, str]] = {
    "register_tasks": (Task, "gptasks.Task", "task"),
    "register_sources": (DataSource, "gptasks.DataSource", "source"),
    "register_trackers": (Tracker, "gptasks.Tracker", "tracker"),
}


def _check_options(cls: object, base: type, base_name: str, noun: str) -> None:
    said = _check_named(cls, base, base_name)
    assert isinstance(cls, type)
    if issubclass(cls, DataSource) and not _opens(cls):
        raise PluginError(f"{said}lacks the method open")
    fields = {field.name for field in dataclasses.fields(cls)}
    annotations = inspect.get_annotations(cls)
    typed = {name for name, text in annotations.items() if "ClassVar" not in str(text)}
    if typed and "__dataclass_params__" not in vars(cls):
        raise PluginError(f"{said}has options but lacks @dataclass above the class")
    untyped = sorted((fields - typed) & set(vars(cls)))
    if untyped:  # Python would take it for no option, and keep the parent's default in silence
        raise PluginError(
            f"{said}sets the option {untyped[0]} without its type; write `{untyped[0]}: <type> = …`"
        )
    if fields & {"name", "kind"}:
        raise PluginError(
            f"{said}has an option called name or kind, which every {noun} has already"
        )


def _opens(cls: type[DataSource]) -> bool:
    """Whether a source says how it opens a name: one of the two methods is its own."""
    return (cls.open, cls.open_all) != (DataSource.open, DataSource.open_all)


def _check_metric(cls: object) -> None:
    from gptasks.metrics.base import Metric

    said = _check_named(cls, Metric, "gptasks.Metric")
    answers = ("label", "tags", "text")
    if getattr(cls, "answer", None) not in answers:
        raise PluginError(
            f"{said}needs an `answer`, what it scores: {', '.join(map(repr, answers))}; it has "
            f"{getattr(cls, 'answer', None)!r}"
        )
    if not isinstance(getattr(cls, "source", None), str):
        raise PluginError(f"{said}needs a `source`, where it is defined: author, year, title")


def _check_named(cls: object, base: type, base_name: str) -> str:
    """Raise PluginError unless it is a whole class of that base with a name; gives "registers x,
    which ", for more to be said of it."""
    if not (isinstance(cls, type) and issubclass(cls, base)):
        raise PluginError(f"registers {cls!r}, which is no subclass of {base_name}")
    said = f"registers {cls.__module__}.{cls.__qualname__}, which "
    if inspect.isabstract(cls):
        missing = ", ".join(sorted(getattr(cls, "__abstractmethods__", ())))
        raise PluginError(f"{said}lacks the methods {missing}")
    name = getattr(cls, "name", None)
    if not isinstance(name, str) or not re.fullmatch(r"\w[\w.-]*", name):
        raise PluginError(
            f"{said}needs a `name` of letters, digits, '_', '-' and '.'; it has {name!r}"
        )
    return said


def reason(error: BaseException, distribution: str | None) -> str:
    """What is wrong with a plugin, on one line, to be read after "plugin 'x'"."""
    said = " ".join(str(error).split())
    if isinstance(error, PluginError):
        return said
    if isinstance(error, pluggy.PluginValidationError):
        hook = re.match(r"unknown hook '(\w+)'", said)
        if hook:
            near = suggest(hook[1], HOOKS) or f"; there are {', '.join(HOOKS)}"
            return f"has the hook '{hook[1]}', which is unknown{near}"
        return f"has a hook that doesn't fit: {said}"
    if isinstance(error, ImportError):
        return f"could not be imported: {said}{_remedy(error, distribution)}"
    return f"could not be imported: {type(error).__name__}: {said}"


def _remedy(error: ImportError, distribution: str | None) -> str:
    """What to do where something that a plugin imports is absent."""
    missing = (error.name or "").partition(".")[0]
    if missing == "gptasks":
        wanted = re.match(r"cannot import name '(\w+)' from 'gptasks'", str(error))
        near = suggest(wanted[1], import_module("gptasks").__all__) if wanted else ""
        return near or "; it was written for another version of gptasks"
    if not isinstance(error, ModuleNotFoundError) or not missing:
        return ""
    with_it = f", or {distribution} anew with all it needs" if distribution else ""
    return f"; install what has the module '{missing}'{with_it}"

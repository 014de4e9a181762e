"""What a key means: type, default, meaning, who declares it, and who set it."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from gptasks.config import primary_config, traced
from gptasks.errors import ConfigError, suggest
from gptasks.fields import Option, fields_of, nested, type_at
from gptasks.options import RunOptions
from gptasks.registry import GROUPS, Registry


@dataclass(frozen=True)
class Explained:
    """All about one key of one class."""

    key: str
    type: str
    limits: str
    """What a value must be beside its type; empty where it may be any."""

    default: Any
    meaning: str
    declared: str
    """The class whose field it is, and whose that is."""

    of: str
    """What it is a key of: a task, a kind, a strategy, the run."""

    value: Any = None
    origin: str = ""
    """Who set it; empty without a configuration, or where it is the default."""

    has_value: bool = False

    def lines(self) -> list[str]:
        """For people."""
        value = f" = {_shown(self.value)}" if self.has_value else ""
        set_by = f"  (set by {self.origin})" if self.origin else ""
        told = [f"{self.key}{value}{set_by or ('  (the default)' if self.has_value else '')}"]
        limits = f", {self.limits}" if self.limits else ""
        told.append(f"  type      {self.type}{limits}")
        default = "none: it must be given" if self.default is ... else _shown(self.default)
        told.append(f"  default   {default}")
        told.append(f"  meaning   {self.meaning or 'nothing is said of it'}")
        told.append(f"  declared  by {self.declared}; {self.of}")
        return told


def explain(key: str, overrides: Sequence[str], file: str | None = None) -> list[Explained]:
    """The key in the configuration that `overrides` make; without a task in them, and for a key of
    a group whose choices differ, in each class that declares it.

    Raises ConfigError with the nearest key where there is none, and where an override is wrong.
    """
    registry = Registry()
    group, _, rest = key.partition(".")
    if group in GROUPS and not rest:
        return [_of_group(group, registry, overrides, file)]
    if overrides or file or _is_of_one_class(group):
        return [_configured(key, registry, overrides, file)]
    found = {
        one.declared: one
        for name in registry.names(group)
        for one in _in_choice(group, name, rest, registry)
    }
    if not found:
        raise _unknown(key, registry)
    return list(found.values())


def _is_of_one_class(group: str) -> bool:
    return group not in ("task", "strategy", "tracking")


def _in_choice(group: str, name: str, rest: str, registry: Registry) -> Iterator[Explained]:
    kind = next((c.kind for c in [_choice(registry, group, name)] if c is not None), None)
    if kind is not None and type_at(kind, rest) is not None:
        yield _of_class(group, kind, rest, registry)


def _choice(registry: Registry, group: str, name: str) -> Any:
    try:
        return registry.choice(group, name)
    except Exception:  # a broken one explains nothing, and hides no other
        return None


def _configured(
    key: str, registry: Registry, overrides: Sequence[str], file: str | None
) -> Explained:
    group, _, rest = key.partition(".")
    given = list(overrides)
    if file is None and not any(word.startswith("task=") for word in given):
        given.append("task=sequence_classification")  # any: the key is none of a task
        if group == "task":
            raise ConfigError(f"say which task, as {key} task=NAME, or give the key alone")
    if group in GROUPS:
        config, origins = traced(given, registry, file)
        kind: type = type(getattr(config, group))
        name = getattr(config, f"{group}_name")
        if type_at(kind, rest) is None or nested(type_at(kind, rest)) is not None:
            raise _unknown(key, registry, f"{group} '{name}'", kind)
        made = _of_class(group, kind, rest, registry)
    else:
        if type_at(RunOptions, key) is None:
            raise _unknown(key, registry)
        config, origins = traced(given, registry, file)
        made = _of_class("", RunOptions, key, registry)
    value: Any = config.resolved
    for part in key.split("."):
        value = value[part]
    return dataclasses.replace(made, value=value, origin=origins.of(key), has_value=True)


def _of_class(group: str, kind: type, rest: str, registry: Registry) -> Explained:
    option = next(option for option in fields_of(kind) if option.key == rest)
    owner, field = _field(kind, rest)
    if group in ("task", "strategy", "tracking"):
        of = f"a key of {group} {getattr(kind, 'name', kind.__name__)}"
    else:
        of = f"a key of the {group}" if group else "a key of every run"
    return Explained(
        key=f"{group}.{rest}" if group else rest,
        type=option.type,
        limits=_limits(option, field),
        default=... if option.required else option.default,
        meaning=option.doc,
        declared=_declarer(owner, field.name, registry),
        of=of,
    )


def _of_group(
    group: str, registry: Registry, overrides: Sequence[str], file: str | None
) -> Explained:
    _, usual = primary_config()
    value, origin = usual.get(group, ...), ""
    if overrides or file:
        config, origins = traced(overrides, registry, file)
        value, origin = getattr(config, f"{group}_name"), origins.of(group)
    also = ", a file, a folder, a hub id" if group in ("task", "backbone") else ""
    return Explained(
        key=group,
        type=f"one of {', '.join(registry.names(group))}{also}",
        limits="",
        default=usual.get(group, ...),
        meaning=f"the {group} of the run; gptasks --help {group}=NAME shows its keys",
        declared="conf/ of gptasks, and the plugins",
        of="a group",
        value=value,
        origin=origin,
        has_value=value is not ...,
    )


def _field(kind: type, key: str) -> tuple[type, dataclasses.Field[Any]]:
    """The dataclass and the field of a dotted key."""
    name, _, rest = key.partition(".")
    if rest:
        inner = nested(type_at(kind, name))
        assert inner is not None
        return _field(inner, rest)
    return kind, next(field for field in dataclasses.fields(kind) if field.name == name)


def _declarer(kind: type, name: str, registry: Registry) -> str:
    cls = next(base for base in kind.__mro__ if name in inspect.get_annotations(base))
    owner = next((p.origin for p, task in registry.classes if task is cls), "")
    if not owner and cls.__module__.startswith("gptasks."):
        owner = registry.plugins.loaded[0].origin
    return f"{cls.__module__}.{cls.__qualname__}" + (f" ({owner})" if owner else "")


_BOUNDS = {"minimum": "at least", "maximum": "at most", "above": "above", "below": "below"}


def _limits(option: Option, field: dataclasses.Field[Any]) -> str:
    told = [f"one of {', '.join(option.choices)}"] if option.choices else []
    said = field.metadata
    told += [f"{words} {said[key]:.10g}" for key, words in _BOUNDS.items() if key in said]
    return " and ".join(told)


def _unknown(
    key: str, registry: Registry, where: str = "", kind: type | None = None
) -> ConfigError:
    """That there is no such key, with the nearest of the class, or whose key it is."""
    group = key.partition(".")[0]
    own = [f"{group}.{option.key}" for option in fields_of(kind)] if kind else []
    near = suggest(key, own)
    every: dict[str, str] = {option.key: "every run" for option in fields_of(RunOptions)}
    for other in GROUPS:
        for name in registry.names(other):
            choice = _choice(registry, other, name)
            for option in fields_of(choice.kind) if choice is not None and choice.kind else ():
                every.setdefault(f"{other}.{option.key}", f"{other} {choice.kind_name or name}")
    exact = every.get(key)
    if not near and exact is not None:
        near = f"; it is one of {exact}"
    if not near:
        last = [one for one in every if one.rpartition(".")[2] == key.rpartition(".")[2]]
        near = f"; did you mean '{last[0]}'?" if last else suggest(key, [*every, *GROUPS])
    who = f"{where} has" if where else "there is"
    return ConfigError(f"{who} no key '{key}'{near or '; gptasks --help lists the groups'}")


def _shown(value: Any) -> str:
    from gptasks.config.printed import written

    return written(value)

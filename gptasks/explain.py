"""What a key means: type, default, meaning, who declares it, and who set it."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gptasks.config import RunConfig, primary_config, traced
from gptasks.config.origins import Origins, shown
from gptasks.errors import ConfigError, listing, suggest
from gptasks.fields import Option, fields_of, limit_words, type_at
from gptasks.options import RunOptions, SweepOptions
from gptasks.registry import GROUPS, Registry
from gptasks.yamlfile import place


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

    set_in: tuple[str, ...] = ()
    """Without a configuration: what choices set it to in their files, and where."""

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
        told += [f"  set       {one}" for one in self.set_in]
        return told


def explain(key: str, overrides: Sequence[str], file: str | None = None) -> list[Explained]:
    """The key in the configuration that `overrides` make; without a task in them, and for a key of
    a group whose choices differ, in each class that declares it. A key that holds others stands
    for all of these, and a word that only one key ends in for that key.

    Raises ConfigError with the nearest key where there is none, and where an override is wrong.
    """
    registry = Registry()
    keys = [word.lstrip("+").partition("=")[0] for word in overrides]
    has_task = file is not None or "task" in keys
    given = list(overrides)
    if not has_task and not any(word.startswith("task.") for word in keys):
        given.append("task=sequence_classification")  # any: the key is none of a task
    config, origins = traced(given, registry, file)  # all that is wrong with them is told first
    if key in GROUPS:
        return [_of_group(key, registry, config, origins, has_value=has_task or key != "task")]
    if type_at(SweepOptions, key) is not None:
        return [_of_class("", SweepOptions, key, registry)]
    every = _every(registry)
    key = _meant(key, every)
    group = key.partition(".")[0]
    if group in _OF_KINDS and not (has_task if group == "task" else overrides or file):
        return _in_classes(key, every, registry)
    kind = type(getattr(config, group)) if group in GROUPS else RunOptions
    own = [f"{group}.{o.key}" if group in GROUPS else o.key for o in fields_of(kind)]
    below = [one for one in own if one == key or one.startswith(f"{key}.")]
    if not below:
        where = f"{group} '{getattr(config, f'{group}_name')}'" if group in GROUPS else ""
        raise _unknown(key, every, where, own)
    return [_configured(one, kind, config, origins, registry) for one in below]


_OF_KINDS = ("task", "strategy", "tracking")
"""Groups whose choices differ in their keys."""


def _in_classes(key: str, every: Mapping[str, str], registry: Registry) -> list[Explained]:
    """The key, or those below it, as each class declares it that does."""
    below = [one for one in every if one == key or one.startswith(f"{key}.")]
    if not below:
        raise _unknown(key, every)
    found: dict[tuple[str, str], Explained] = {}
    names: dict[tuple[str, str], list[str]] = {}
    files: dict[tuple[str, str], list[str]] = {}
    for one in below:
        group, _, rest = one.partition(".")
        for choice in (registry.find(group, name) for name in registry.names(group)):
            if choice.kind is None or type_at(choice.kind, rest) is None:
                continue
            told = _of_class(group, choice.kind, rest, registry)
            same = (one, told.declared)
            found.setdefault(same, told)
            names.setdefault(same, []).append(choice.kind_name)
            value = _at(choice.values, rest)
            if value is not ...:
                where = place(shown(choice.path), choice.lines, rest)
                said = f"to {_shown(value)} by {group}={choice.name}: {where}"
                files.setdefault(same, []).append(said)
    return [
        dataclasses.replace(
            told,
            of=f"a key of {told.key.partition('.')[0]} {listing(dict.fromkeys(names[same]))}",
            set_in=tuple(files.get(same, ())),
        )
        for same, told in found.items()
    ]


def _configured(
    key: str, kind: type, config: RunConfig, origins: Origins, registry: Registry
) -> Explained:
    group, _, rest = key.partition(".")
    made = _of_class(group if rest else "", kind, rest or key, registry)
    value = _at(config.resolved, key)
    return dataclasses.replace(made, value=value, origin=origins.of(key), has_value=True)


def _of_class(group: str, kind: type, rest: str, registry: Registry) -> Explained:
    option = next(option for option in fields_of(kind) if option.key == rest)
    if group in ("task", "strategy", "tracking"):
        of = f"a key of {group} {getattr(kind, 'name', kind.__name__)}"
    elif kind is SweepOptions:
        of = "a key of the command line, and of no configuration"
    else:
        of = f"a key of the {group}" if group else "a key of every run"
    return Explained(
        key=f"{group}.{rest}" if group else rest,
        type=option.type,
        limits=_limits(option),
        default=... if option.required else option.default,
        meaning=option.doc,
        declared=_declarer(option.owner, registry),
        of=of,
    )


def _of_group(
    group: str, registry: Registry, config: RunConfig, origins: Origins, *, has_value: bool
) -> Explained:
    _, usual = primary_config()
    also = ", a file, a folder, a hub id" if group in ("task", "backbone") else ""
    return Explained(
        key=group,
        type=f"one of {', '.join(registry.names(group))}{also}",
        limits="",
        default=usual.get(group, ...),
        meaning=f"the {group} of the run; gptasks --help {group}=NAME shows its keys",
        declared="conf/ of gptasks, and the plugins",
        of="a group",
        value=getattr(config, f"{group}_name") if has_value else None,
        origin=origins.of(group) if has_value else "",
        has_value=has_value,
    )


def _declarer(cls: type, registry: Registry) -> str:
    owner = next((p.origin for p, task in registry.classes if task is cls), "")
    if not owner and cls.__module__.startswith("gptasks."):
        owner = registry.plugins.loaded[0].origin
    module = re.sub(r"^gptasks_dropin_[0-9a-f]{8}_", "", cls.__module__)  # a private name
    return f"{module}.{cls.__qualname__}" + (f" ({owner})" if owner else "")


def _limits(option: Option) -> str:
    told = [f"one of {', '.join(option.choices)}"] if option.choices else []
    return " and ".join([*told, *limit_words(option.limits)])


def _every(registry: Registry) -> dict[str, str]:
    """Every key that there is, with what it is one of."""
    every: dict[str, str] = {option.key: "every run" for option in fields_of(RunOptions)}
    every |= {option.key: "the command line" for option in fields_of(SweepOptions)}
    for group in GROUPS:
        for name in registry.names(group):
            choice = registry.find(group, name)
            for option in fields_of(choice.kind) if choice.kind else ():
                every.setdefault(f"{group}.{option.key}", f"{group} {choice.kind_name or name}")
    return every


def _meant(key: str, every: Mapping[str, str]) -> str:
    """The one key of the same group that ends in the same word, where `key` is none itself."""
    if any(one == key or one.startswith(f"{key}.") for one in every):
        return key
    *above, last = key.split(".")
    alike = [one for one in every if one.endswith(f".{last}")]
    if above:
        alike = [one for one in alike if one.startswith(f"{above[0]}.")]
    return alike[0] if len(alike) == 1 else key


def _unknown(
    key: str, every: Mapping[str, str], where: str = "", own: Sequence[str] = ()
) -> ConfigError:
    """That there is no such key, with the nearest of the class, or whose key it is."""
    near = f"; it is one of {every[key]}" if key in every else suggest(key, own)
    if not near:
        last = [one for one in every if one.rpartition(".")[2] == key.rpartition(".")[2]]
        near = f"; did you mean '{last[0]}'?" if last else suggest(key, [*every, *GROUPS])
    who = f"{where} has" if where else "there is"
    return ConfigError(f"{who} no key '{key}'{near or '; gptasks --help lists the groups'}")


def _at(values: Any, key: str) -> Any:
    """The value at a dotted key; ... without one."""
    for part in key.split("."):
        values = values.get(part, ...) if isinstance(values, Mapping) else ...
    return values


def _shown(value: Any) -> str:
    from gptasks.config.printed import written

    return written(value)

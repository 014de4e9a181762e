"""Dataclasses as the only schema: checks plain values against one, builds it, lists its options.

Understood types: int, float, bool, str, Any, Literal, list, tuple and dict of these, nested
dataclasses, and unions. Field metadata may hold "choices", "refused" (words that one may expect
among them, each with the reason), "minimum", "maximum", "above" and "below" (exclusive bounds) and
"internal" (not settable by users). A value may also be the text of a number or of true and false,
since an interpolation such as ${oc.env:SEED} always gives a text.
"""

from __future__ import annotations

import dataclasses
import math
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeVar, get_args, get_origin

from gptasks.errors import ConfigError, Fault, listing, suggest
from gptasks.fields import (
    LIMITS,
    Option,
    defaults,
    entry_type,
    fields_of,
    hints,
    is_optional,
    item_type,
    limit_words,
    members,
    numbers,
    options,
    plain,
    required,
    type_text,
)
from gptasks.unknown import meant

__all__ = ["Option", "build", "check", "defaults", "fields_of", "plain", "without_interpolations"]

T = TypeVar("T")


def check(
    cls: type,
    values: Mapping[str, Any],
    where: str,
    *,
    internal: bool = False,
    others: Callable[[], Mapping[str, Sequence[str]]] = dict,
) -> list[Fault]:
    """All faults of `values` as options of `cls`, one line each; missing options are no fault.

    where: what the options belong to, its first word being the group: "trainer", or "task
    'sentiment' (gptasks 0.1)"; "" for the options of the run itself.
    internal: whether options that users can't set are allowed.
    others: gives the dotted keys that other kinds of the group have, each with their names.
    """
    faults: list[Fault] = []
    reader = _Reader(where, internal, faults, partial=True)
    reader.kind, reader.others = getattr(cls, "name", cls.__name__), others
    reader.fields(cls, values, "")
    return faults


def build(cls: type[T], values: Mapping[str, Any], where: str, *, internal: bool = False) -> T:
    """`cls` made of `values`, defaults elsewhere; ConfigError with all faults, one line each."""
    faults: list[Fault] = []
    made = _Reader(where, internal, faults).instance(cls, values, "")
    if made is None:
        raise ConfigError(*faults)
    return made


def without_interpolations(values: Any) -> Any:
    """`values` without the options that hold ${...}, which can be checked only once resolved."""
    if not isinstance(values, Mapping):
        return values
    return {
        key: without_interpolations(value)
        for key, value in values.items()
        if isinstance(value, Mapping) or not interpolates(value)
    }


class _Reader:
    """Turns plain values into typed ones, noting what doesn't fit."""

    kind = ""
    others: Callable[[], Mapping[str, Sequence[str]]] = dict

    def __init__(
        self, where: str, internal: bool, faults: list[Fault], *, partial: bool = False
    ) -> None:
        self.where = where
        self.group = where.split(" ")[0]
        self.internal = internal
        self.faults = faults
        self.partial = partial  # nothing is built, so nothing can be missing

    def instance(self, cls: type[T], values: Any, above: str) -> T | None:
        """`cls` made of `values`; None where that gave a fault."""
        before = len(self.faults)
        given = self.fields(cls, values, above)
        for name in required(cls):
            if name not in given:
                self.note(above + name, "is missing and has no default")
        if len(self.faults) > before:
            return None
        try:
            return cls(**given)
        except ConfigError as error:
            self.faults += map(Fault, error.faults)
        except (TypeError, ValueError) as error:
            self.faults.append(Fault(f"{self.where or cls.__name__}: {error}"))
        return None

    def fields(self, cls: type, values: Any, above: str) -> dict[str, Any]:
        """The values by field name, typed; nested dataclasses are built."""
        if not isinstance(values, Mapping):
            self.note(above[:-1], f"must be a map of options; got {_shown(values)}")
            return {}
        known = {
            field.name: field
            for field in options(cls)
            if self.internal or not field.metadata.get("internal")
        }
        typed = {}
        for name, value in values.items():
            if name not in known:
                key, near = meant(above, str(name), value, fields_of(cls), self.others(), self.kind)
                who = f"{self.where} has" if self.where else "there is"
                fault = f"{who} no option '{key}'{near}"
                self.faults.append(Fault(fault, key, is_unknown=True))
                continue
            key = above + name
            before = len(self.faults)
            typed[name] = self.value(hints(cls)[name], value, key)
            if len(self.faults) == before:
                self.bounds(known[name], typed[name], key)
        return typed

    def value(self, want: Any, value: Any, key: str) -> Any:
        """`value` as type `want`; a fault and the value as it is where it doesn't fit."""
        if want is Any or (value is None and is_optional(want)):
            return value
        kinds = members(want)
        if len(kinds) == 1:
            return self.single(kinds[0], want, value, key)
        # Of a union the type that fits exactly is taken, then one the value can be read as.
        exact = [kind for kind in kinds if _is_exactly(kind, value)]
        for kind in exact + sorted((k for k in kinds if k not in exact), key=lambda k: k is str):
            trial = _Reader(self.where, self.internal, [], partial=self.partial)
            typed = trial.value(kind, value, key)
            if not trial.faults:
                return typed
        self.misfit(want, value, key)
        return value

    def single(self, kind: Any, want: Any, value: Any, key: str) -> Any:
        origin = get_origin(kind) or kind
        if origin is Literal:
            self.choice(key, value, get_args(kind))
            return value
        if isinstance(kind, type) and dataclasses.is_dataclass(kind):
            if isinstance(value, kind):
                return value
            take = self.fields if self.partial else self.instance
            return take(kind, value, key + ".")
        if origin in (list, tuple) and isinstance(value, list | tuple):
            inner = item_type(kind)
            return origin(
                self.value(inner, item, f"{key}[{index}]") for index, item in enumerate(value)
            )
        if origin in (dict, Mapping) and isinstance(value, Mapping):
            inner = entry_type(kind)
            return {
                str(name): self.value(inner, item, f"{key}.{name}") for name, item in value.items()
            }
        if origin in _READERS:
            typed = _READERS[origin](value)
            if typed is not None:
                return typed
        elif origin not in (list, tuple, dict, Mapping):
            return value  # a type this module knows nothing of: the class itself has to judge
        self.misfit(want, value, key)
        return value

    def bounds(self, field: dataclasses.Field[Any], value: Any, key: str) -> None:
        limits = field.metadata
        if limits.get("choices") and value is not None:
            for item in value if isinstance(value, list | tuple) else [value]:
                if item in limits.get("refused", ()):
                    reason = f"{self.named(key)}={item}: {limits['refused'][item]}"
                    self.faults.append(Fault(reason, key))
                else:
                    self.choice(key, item, limits["choices"])
        if isinstance(value, bool) or not isinstance(value, int | float):
            return
        if not all(LIMITS[name][0](value, limit) for name, limit in numbers(limits).items()):
            self.note(key, f"must be {' and '.join(limit_words(limits))}; got {_shown(value)}")

    def choice(self, key: str, value: Any, choices: tuple[Any, ...]) -> None:
        if value not in choices:
            near = suggest(str(value), choices)
            self.note(key, f"must be one of {listing(choices)}; got {_shown(value)}{near}")

    def misfit(self, want: Any, value: Any, key: str) -> None:
        words = [_WORDS.get(get_origin(kind) or kind, type_text(kind)) for kind in members(want)]
        if isinstance(value, float) and not math.isfinite(value):
            words = ["a finite number"]
        if is_optional(want):
            words.append("null")
        self.note(key, f"must be {' or '.join(words)}; got {_shown(value)}")

    def note(self, key: str, what: str) -> None:
        self.faults.append(Fault(f"{self.named(key)} {what}", key))

    def named(self, key: str) -> str:
        return ".".join(part for part in (self.group, key) if part)


def interpolates(value: Any) -> bool:
    """Whether it is a text with ${...}, or holds one."""
    if isinstance(value, Mapping):
        return any(interpolates(item) for item in value.values())
    if isinstance(value, list | tuple):
        return any(interpolates(item) for item in value)
    return isinstance(value, str) and "${" in value


def _shown(value: Any) -> str:
    """A value as a message quotes it: in YAML's words, on one line, cut at 60 signs."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str) and not value:
        return "nothing"
    text = " ".join(repr(plain(value)).split())
    return text if len(text) <= 60 else text[:57] + "..."


def _is_exactly(kind: Any, value: Any) -> bool:
    origin = get_origin(kind) or kind
    if isinstance(value, bool):
        return origin is bool
    return isinstance(origin, type) and isinstance(value, origin)


def _int(value: Any) -> int | None:
    if isinstance(value, str) and re.fullmatch(r"[+-]?\d+(_\d+)*", value, re.ASCII):
        # A longer one Python refuses to read; it can't be what any option wants.
        return int(value) if len(value) < sys.int_info.default_max_str_digits else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _float(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _bool(value: Any) -> bool | None:
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value.lower())
    return value if isinstance(value, bool) else None


def _str(value: Any) -> str | None:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, str | int | float) else None


_READERS = {int: _int, float: _float, bool: _bool, str: _str}
"""Type to the function that gives a value as that type, or None where it is none."""

_WORDS = {
    int: "a whole number of type int",
    float: "a number of type float",
    bool: "true or false",
    str: "a text",
    list: "a list such as [a,b]",
    tuple: "a list such as [a,b]",
    dict: "a map such as {a:b}",
}

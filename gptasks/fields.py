"""What options a dataclass has: their names, types, defaults, and the docstrings under them."""

from __future__ import annotations

import ast
import builtins
import copy
import dataclasses
import functools
import inspect
import itertools
import operator
import textwrap
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from inspect import get_annotations
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from gptasks.errors import ConfigError


@dataclass(frozen=True)
class Option:
    """One settable key, as `--help` and the reference show it."""

    key: str
    """Dotted below the group, such as "data.train"."""

    type: str
    default: Any
    """None also where the option has to be given (`required`)."""

    doc: str
    """The docstring under the field, on one line."""

    choices: tuple[str, ...] = ()
    required: bool = False
    limits: Mapping[str, float] = dataclasses.field(default_factory=dict)
    """Bounds of a number, by the names of `LIMITS`."""

    owner: builtins.type = object
    """The class that declares it."""


LIMITS: Mapping[str, tuple[Callable[[Any, Any], bool], str]] = {
    "minimum": (operator.ge, "at least {:g}"),
    "maximum": (operator.le, "at most {:.10g}"),
    "above": (operator.gt, "above {:g}"),
    "below": (operator.lt, "below {:g}"),
}
"""What a field's metadata may bound a number by: how it is told, and in which words."""


def fields_of(cls: type) -> list[Option]:
    """Every option of `cls` that users can set, nested ones under dotted keys, in order."""
    return list(_listed(cls, ""))


def options(cls: type) -> list[dataclasses.Field[Any]]:
    """The fields of a dataclass that are options: those its constructor takes."""
    return [field for field in dataclasses.fields(cls) if field.init]


def columns_of(cls: type) -> list[str]:
    """The options of a task's class that name a column of its rows, by the metadata "column". A
    subclass that gives one another default need not say so again."""
    marked = {
        name
        for base in cls.__mro__
        for name, field in getattr(base, "__dataclass_fields__", {}).items()
        if field.metadata.get("column")
    }
    return [field.name for field in options(cls) if field.name in marked]


def numbers(metadata: Mapping[str, Any]) -> dict[str, float]:
    """The limits among a field's metadata, in the order of `LIMITS`."""
    return {name: metadata[name] for name in LIMITS if name in metadata}


def limit_words(metadata: Mapping[str, Any]) -> list[str]:
    """The same in words, such as "at least 1"."""
    return [LIMITS[name][1].format(limit) for name, limit in numbers(metadata).items()]


def required(cls: type) -> list[str]:
    """Names of the options of `cls` that have no default."""
    return [field.name for field in options(cls) if _is_required(field)]


def defaults(cls: type) -> dict[str, Any]:
    """The defaults of `cls` as a plain nested dict; options without a default are left out."""
    values = {}
    for field in options(cls):
        if field.default is not dataclasses.MISSING:
            values[field.name] = plain(field.default)
        elif field.default_factory is not dataclasses.MISSING:
            values[field.name] = plain(field.default_factory())
    return values


def plain(value: Any) -> Any:
    """`value` as nested dicts, lists and plain values, which JSON can write; tuples are lists."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in options(type(value))}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return str(value)


def laid_over(cls: type, below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """`above` over `below`: options of nested dataclasses one by one, all else as a whole."""
    both = dict(below)
    for name, value in above.items():
        inner = nested(type_at(cls, name))
        if inner is not None and isinstance(value, dict):
            value = laid_over(inner, both.get(name) or {}, value)
        both[name] = copy.deepcopy(value)
    return both


def type_at(cls: type, key: str) -> Any:
    """The type of the option at a dotted key; None where `cls` has no such option."""
    name, _, rest = key.partition(".")
    if name not in {field.name for field in options(cls)}:
        return None
    want = hints(cls)[name]
    if not rest:
        return want
    inner = nested(want)
    return type_at(inner, rest) if inner else None


def members(want: Any) -> tuple[Any, ...]:
    """The types a union allows, None left out; a lone type for itself."""
    if get_origin(want) in (Union, types.UnionType):
        return tuple(member for member in get_args(want) if member is not type(None))
    return (want,)


def is_optional(want: Any) -> bool:
    """Whether null is a value of type `want`."""
    return want is Any or want is type(None) or type(None) in get_args(want)


def nested(want: Any) -> type | None:
    """The dataclass that an option of type `want` holds, also as `X | None`; else None."""
    for member in members(want):
        if isinstance(member, type) and dataclasses.is_dataclass(member):
            return member
    return None


def item_type(want: Any) -> Any:
    """The type of a list's items where `want` allows a list; Any where nothing is said."""
    for member in members(want):
        if get_origin(member) in (list, tuple):
            return get_args(member)[0]
    return Any


def entry_type(want: Any) -> Any:
    """The type of a map's values where `want` allows a map; Any where nothing is said."""
    for member in members(want):
        if get_origin(member) in (dict, Mapping):
            return get_args(member)[1]
    return Any


def entry_types(want: Any) -> Mapping[str, Any] | None:
    """Key to type where `want` allows a dataclass; None where it allows none."""
    cls = nested(want)
    return {field.name: hints(cls)[field.name] for field in options(cls)} if cls else None


@functools.lru_cache(maxsize=256)
def hints(cls: type) -> Mapping[str, Any]:
    """Field name to type, the annotations read; ConfigError where one can't be."""
    try:
        return get_type_hints(cls)
    except (NameError, TypeError) as error:
        raise ConfigError(
            f"the field types of {cls.__module__}.{cls.__qualname__} can't be read: {error}"
        ) from error


def type_text(want: Any) -> str:
    """A type as one would write it: "list[str] | None"."""
    if want is type(None):
        return "None"
    if isinstance(want, type) and not get_args(want):
        return want.__name__
    if get_origin(want) in (Union, types.UnionType):
        return " | ".join(type_text(member) for member in get_args(want))
    return str(want).replace("typing.", "").replace("collections.abc.", "")


def _listed(cls: type, above: str) -> Iterator[Option]:
    docs, owners = _docs(cls), _owners(cls)
    usual = defaults(cls)
    for field in options(cls):
        if field.metadata.get("internal"):
            continue
        want = hints(cls)[field.name]
        inner = nested(want)
        if inner is not None:
            yield from _listed(inner, f"{above}{field.name}.")
            continue
        choices = field.metadata.get("choices") or _literals(want)
        yield Option(
            key=above + field.name,
            type=type_text(want),
            default=usual.get(field.name),
            doc=docs.get(field.name, ""),
            choices=tuple(str(choice) for choice in choices),
            required=_is_required(field),
            limits=numbers(field.metadata),
            owner=owners[field.name],
        )


def _owners(cls: type) -> dict[str, type]:
    """Field name to the class, `cls` or a parent, that says what it is."""
    named = ((name, base) for base in reversed(cls.__mro__) for name in get_annotations(base))
    return dict(named)


@functools.lru_cache(maxsize=256)
def _docs(cls: type) -> dict[str, str]:
    """Field name to the docstring under it, a subclass' own before its parents'."""
    docs: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        if not dataclasses.is_dataclass(base):
            continue
        try:
            (tree,) = ast.parse(textwrap.dedent(inspect.getsource(base))).body
        except (OSError, TypeError, SyntaxError, ValueError):
            continue  # made without a source file, as in an interactive session
        body = tree.body if isinstance(tree, ast.ClassDef) else []
        for field, text in itertools.pairwise(body):
            if (
                isinstance(field, ast.AnnAssign)
                and isinstance(field.target, ast.Name)
                and isinstance(text, ast.Expr)
                and isinstance(text.value, ast.Constant)
                and isinstance(text.value.value, str)
            ):
                docs[field.target.id] = " ".join(text.value.value.split())
    return docs


def _is_required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _literals(want: Any) -> tuple[Any, ...]:
    return next((get_args(kind) for kind in members(want) if get_origin(kind) is Literal), ())

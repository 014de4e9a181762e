"""Reading a YAML file of options, where a text option keeps the text as written.

YAML takes `no`, `007` and `1e3` for false, 7 and 1000.0. Read beside the typed values, the texts
let an option of type text be what its author typed; names in a map are always texts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from gptasks.errors import ConfigError, Fault
from gptasks.fields import entry_type, entry_types, item_type, members

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the C one is about 8 times faster

MAX_DEPTH, MAX_VALUES = 20, 100_000
"""Many times what options need. A few lines of aliases can stand for billions of values."""

_YAML = "tag:yaml.org,2002:"
_MERGE = f"{_YAML}merge"
_TEXTS = {_YAML + kind for kind in ("str", "timestamp", "value", "merge")}
"""What a scalar may look like without being more than its text; dates are no option's type."""

_TAGS = _TEXTS | {_YAML + kind for kind in ("null", "bool", "int", "float", "seq", "map")}


@dataclass(frozen=True)
class YamlFile:
    """What a YAML file of options holds."""

    path: Path
    tree: dict[str, Any]
    """Nested dicts and lists of `Scalar`."""

    comment: str = ""
    """The first line of the comment the file starts with; "" without one."""

    lines: Mapping[str, int] = field(default_factory=dict)
    """Dotted key to the line, from 1, that it stands in."""

    def pop(self, key: str) -> str | None:
        """Take a key of type text out of the file; None without it."""
        scalar = self.tree.pop(key, None)
        if isinstance(scalar, dict | list):
            raise ConfigError(f"{self.place(key)}: {key} must be a text")
        return scalar.text if scalar is not None and scalar.value is not None else None

    def place(self, key: str) -> str:
        """Where a dotted key stands, as "x.yaml line 3"; the file where it doesn't."""
        return place(self.path, self.lines, key)

    def told(self, faults: Iterable[Fault]) -> list[str]:
        """Faults of its options, each after its place, in the order of their lines."""
        ordered = sorted(faults, key=lambda fault: line_of(self.lines, fault.key) or 0)
        return [f"{self.place(fault.key)}: {fault}" for fault in ordered]

    def below(self, key: str) -> YamlFile:
        """The map that a key holds, as a file of its own."""
        start = f"{key}."
        lines = {k[len(start) :]: line for k, line in self.lines.items() if k.startswith(start)}
        return YamlFile(self.path, dict(self.tree[key]), lines=lines)

    def values(self, cls: type) -> dict[str, Any]:
        """Key to value, typed by YAML's rules, or the text as written where `cls` has texts."""
        return typed(cls, self.tree)


def place(path: Path | str, lines: Mapping[str, int], key: str) -> str:
    """Where a file says what a dotted key is, as "x.yaml line 3"; else what is around it."""
    line = line_of(lines, key)
    return f"{path} line {line}" if line is not None else str(path)


def line_of(lines: Mapping[str, int], key: str) -> int | None:
    """The line of a dotted key, or of what is around it; None where neither has one."""
    key = key.partition("[")[0]
    while key and key not in lines:
        key = key.rpartition(".")[0]
    return lines.get(key)


class Scalar(NamedTuple):
    """One value of a YAML file, by YAML's type and as it was written."""

    value: Any
    text: str


def read_yaml(path: Path) -> YamlFile:
    """Read a file of one map; ConfigError, one line with file and line, where it is none."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"{path} can't be read: {reason}") from error
    loader = None
    try:
        _refuse_depth(text, path)
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is not None and not isinstance(node, yaml.MappingNode):
            raise ConfigError(f"{path} must hold keys and values, such as `max_length: 128`")
        tree = _Tree(loader, path).read(node) if node is not None else {}
        lines = dict(_lines(node, ""))
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is no valid YAML: {_reason(error)}") from error
    finally:
        if loader is not None:
            loader.dispose()
    return YamlFile(path, tree, _comment(text), lines)


def _lines(node: yaml.Node | None, above: str) -> Iterator[tuple[str, int]]:
    """Dotted keys with their lines; what a map is merged with (<<) comes before its own."""
    for key, value in sorted(getattr(node, "value", ()), key=lambda pair: pair[0].tag != _MERGE):
        if key.tag != _MERGE:
            yield f"{above}{key.value}", key.start_mark.line + 1
            if isinstance(value, yaml.MappingNode):
                yield from _lines(value, f"{above}{key.value}.")
            continue
        for part in reversed(value.value if isinstance(value, yaml.SequenceNode) else [value]):
            yield from _lines(part, above)


def _refuse_depth(text: str, path: Path) -> None:
    """Raise where values nest too deep: the C loader would end the whole process."""
    depth = 0
    for event in yaml.parse(text, _Loader):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            line = event.start_mark.line + 1
            raise ConfigError(f"{path} line {line}: values nest more than {MAX_DEPTH} deep")


class _Tree:
    """Turns the nodes of a file into nested dicts and lists of `Scalar`."""

    def __init__(self, loader: Any, path: Path) -> None:
        self.loader = loader
        self.path = path
        self.count = 0

    def read(self, node: yaml.Node, depth: int = 1) -> Any:
        """What a node holds; `depth` counts the maps and lists around it."""
        self.count += 1
        if depth > MAX_DEPTH + 1:
            raise self.fault(node, f"holds itself through an alias (*), or {MAX_DEPTH} others")
        if self.count > MAX_VALUES:
            raise self.fault(node, f"its aliases (*) stand for more than {MAX_VALUES:,} values")
        if node.tag not in _TAGS:
            tag = node.tag.replace(_YAML, "!!")
            raise self.fault(node, f"the tag {tag} has no meaning here; leave it out")
        if isinstance(node, yaml.SequenceNode):
            return [self.read(item, depth + 1) for item in node.value]
        if isinstance(node, yaml.MappingNode):
            return self.map(node, depth)
        if node.tag in _TEXTS:
            return Scalar(node.value, node.value)
        try:
            value = self.loader.construct_object(node)
            str(value)  # fails, too, for a number too long to be shown
        except Exception as error:  # PyYAML raises whatever comes: KeyError for !!bool x
            kind = node.tag.removeprefix(_YAML)
            raise self.fault(node, f"{node.value[:40]!r} can't be read as {kind}") from error
        return Scalar(value, node.value)

    def map(self, node: yaml.MappingNode, depth: int) -> dict[str, Any]:
        """A map, over the maps that it is merged with (<<), of which the first counts most."""
        seen: set[str] = set()
        own: dict[str, Any] = {}
        below: dict[str, Any] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise self.fault(key, "a key must be a text; put ${...} in quotes")
            if key.value in seen:  # YAML itself would keep the last in silence
                raise self.fault(key, f"the key '{key.value}' is given a second time")
            seen.add(key.value)
            if key.tag != _MERGE:
                own[key.value] = self.read(value, depth + 1)
                continue
            for part in reversed(value.value if isinstance(value, yaml.SequenceNode) else [value]):
                if not isinstance(part, yaml.MappingNode):
                    raise self.fault(key, "<< takes a map, or a list of maps")
                below |= self.read(part, depth + 1)
        return below | own

    def fault(self, node: yaml.Node, what: str) -> ConfigError:
        return ConfigError(f"{self.path} line {node.start_mark.line + 1}: {what}")


def typed(want: Any, item: Any) -> Any:
    """The values below `item`, a part of a file's tree, or its text where the type `want` asks for
    one."""
    if isinstance(item, Scalar):
        return item.text if str in members(want) and item.value is not None else item.value
    if isinstance(item, list):
        return [typed(item_type(want), part) for part in item]
    known = entry_types(want) or {}
    usual = entry_type(want)
    return {key: typed(known.get(key, usual), part) for key, part in item.items()}


def _comment(text: str) -> str:
    for line in text.splitlines():
        if line.strip() and not line.startswith("#"):
            break
        if line.strip("# "):
            return line.strip("# ")
    return ""


def _reason(error: Exception) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        said = ", ".join(part for part in (error.problem, error.context) if part)
        return f"line {error.problem_mark.line + 1}: {said}"
    return " ".join(str(error).split())

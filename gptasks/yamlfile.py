"""Reading a YAML file of options, where a text option keeps the text as written.

YAML takes `no`, `007` and `1e3` for false, 7 and 1000.0. Read beside the typed values, the texts
let an option of type text be what its author typed; names in a map are always texts.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from gptasks.errors import ConfigError
from gptasks.fields import entry_type, entry_types, item_type, members

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the C one is about 8 times faster


@dataclass(frozen=True)
class YamlFile:
    """What a YAML file of options holds."""

    path: Path
    tree: dict[str, Any]
    """Nested dicts and lists of `Scalar`."""

    comment: str
    """The first line of the comment the file starts with; "" without one."""

    def pop(self, key: str) -> str | None:
        """Take a key of type text out of the file; None without it."""
        scalar = self.tree.pop(key, None)
        if isinstance(scalar, dict | list):
            raise ConfigError(f"{self.path}: {key} must be a text")
        return scalar.text if scalar is not None and scalar.value is not None else None

    def values(self, cls: type) -> dict[str, Any]:
        """Key to value, typed by YAML's rules, or the text as written where `cls` has texts."""
        return _values(cls, self.tree)


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
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is not None and not isinstance(node, yaml.MappingNode):
            raise ConfigError(f"{path} must hold keys and values, such as `max_length: 128`")
        tree = _read(loader, node, path) if node is not None else {}
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date such as 2024-99-99
        raise ConfigError(f"{path} is no valid YAML: {_reason(error)}") from error
    except RecursionError as error:
        raise ConfigError(f"{path} holds itself through an alias (*)") from error
    finally:
        if loader is not None:
            loader.dispose()
    return YamlFile(path, tree, _comment(text))


def _read(loader: Any, node: yaml.Node, path: Path) -> Any:
    if isinstance(node, yaml.SequenceNode):
        return [_read(loader, item, path) for item in node.value]
    if isinstance(node, yaml.MappingNode):
        _refuse_twins(node, path)
        loader.flatten_mapping(node)  # merge keys (<<)
        return {key.value: _read(loader, value, path) for key, value in node.value}
    value = loader.construct_object(node)
    plain = value is None or isinstance(value, str | int | float | bool)
    return Scalar(value if plain else node.value, node.value)


def _refuse_twins(node: yaml.MappingNode, path: Path) -> None:
    """Raise where a map has one key twice; YAML itself would keep the last in silence."""
    seen: set[str] = set()
    for key, _ in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            raise ConfigError(f"{path} line {line}: a key must be a text; put ${{...}} in quotes")
        if key.value in seen:
            raise ConfigError(f"{path} line {line} gives the key '{key.value}' a second time")
        seen.add(key.value)


def _values(want: Any, item: Any) -> Any:
    """The values below `item`, or its text where the type `want` asks for one."""
    if isinstance(item, Scalar):
        return item.text if str in members(want) and item.value is not None else item.value
    if isinstance(item, list):
        return [_values(item_type(want), part) for part in item]
    known = entry_types(want) or {}
    usual = entry_type(want)
    return {key: _values(known.get(key, usual), part) for key, part in item.items()}


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

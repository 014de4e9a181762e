"""A configuration as YAML, with who set each value; `--config FILE` reads it back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from gptasks.config.origins import Origins

WIDTH = 40
"""Column of the comments, where a line is shorter."""


def printed(origins: Origins) -> str:
    """Every value; a comment says who set those that are not by default."""
    return "\n".join(_lines(origins.resolved, origins, "", ""))


def _lines(values: Mapping[str, Any], origins: Origins, above: str, indent: str) -> Iterator[str]:
    for name, value in values.items():
        key = f"{above}{name}"
        if key == "task.data.directory" and value is None:
            continue  # only a file may name it
        if isinstance(value, dict) and value and not _is_set_whole(origins, key):
            yield f"{indent}{written(name)}:"
            yield from _lines(value, origins, f"{key}.", indent + "  ")
            continue
        line = f"{indent}{written(name)}: {written(value)}"
        origin = origins.of(key)
        yield f"{line:<{WIDTH}}  # {origin}" if origin else line


def _is_set_whole(origins: Origins, key: str) -> bool:
    """Whether a map is the value of one option, and no place for options."""
    return key.count(".") > 1 and bool(origins.of(key))


def written(value: Any) -> str:
    """A value in YAML, on one line; ${ in a text is escaped, since a file may interpolate."""
    if isinstance(value, str):
        value = value.replace("${", "\\${")
    style = '"' if isinstance(value, str) and "\n" in value else None
    text: str = yaml.safe_dump(
        value,
        default_flow_style=True,
        default_style=style,
        allow_unicode=True,
        sort_keys=False,
        width=float("inf"),
    )
    return text.removesuffix("\n").removesuffix("\n...")

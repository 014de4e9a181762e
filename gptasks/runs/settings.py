"""Configurations as a run folder holds them: as text, by dotted key, and how two differ."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import yaml

UNCOMPARED = ("run", "tracking")
"""What may differ between a run and its continuation: where it is, and who watches."""


def compare(there: Mapping[str, Any], here: Mapping[str, Any]) -> list[str]:
    """How two configurations differ, as "trainer.epochs is 3 there and 2 here"."""
    old, new = flat(there), flat(here)
    differences = []
    for key in sorted({*old, *new}):
        if key.split(".")[0] in UNCOMPARED or (key in old and key in new and old[key] == new[key]):
            continue
        differences.append(f"{key} is {_shown(old, key)} there and {_shown(new, key)} here")
    return differences


def to_yaml(config: Mapping[str, Any]) -> str:
    """A configuration as text, keys in their own order."""
    return yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True)


def flat(values: Mapping[Any, Any], prefix: str = "") -> dict[str, Any]:
    """A configuration without levels, its keys dotted."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            found |= flat(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value
    return found


def _shown(values: Mapping[str, Any], key: str) -> str:
    return json.dumps(values[key], ensure_ascii=False, default=str) if key in values else "absent"

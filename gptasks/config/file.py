"""A whole configuration in one file, as `gptasks config` prints it and a run folder keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from gptasks.errors import ConfigError, GptasksError, suggest
from gptasks.fields import fields_of, laid_over
from gptasks.options import RunOptions
from gptasks.registry import GROUPS, Choice, Registry
from gptasks.schema import check, without_interpolations
from gptasks.yamlfile import read_yaml, typed


@dataclass(frozen=True)
class ConfigFile:
    """What a file chooses; empty where there is none."""

    path: Path | None = None
    choices: dict[str, Choice] = field(default_factory=dict)
    """By group, those of groups that the file names."""

    values: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What it says itself of these groups."""

    run: dict[str, Any] = field(default_factory=dict)
    """The run's own options."""


def read_config_file(path: Path, registry: Registry, usual: Mapping[str, str]) -> ConfigFile:
    """A file with any of the groups and of the run's own keys; ConfigError with all its faults.

    A group is the name of a choice, or a map: its `name` (left out: that of `usual`), its `kind`
    where it says all the rest itself, and options.
    """
    if not path.exists():
        beside = path.parent.iterdir() if path.parent.is_dir() else ()
        near = suggest(path.name, [one.name for one in beside])
        raise ConfigError(f"--config {path}: there is no such file{near}")
    tree = read_yaml(path).tree
    faults: list[str] = []
    choices: dict[str, Choice] = {}
    values: dict[str, dict[str, Any]] = {}
    for group in GROUPS:
        if group in tree:
            try:
                choices[group], values[group] = _choice(group, tree.pop(group), registry, usual)
            except GptasksError as error:
                faults += error.faults
    known = [*GROUPS, *(option.key for option in fields_of(RunOptions))]
    for key in [key for key in tree if key not in known]:
        del tree[key]
        faults.append(f"there is no option '{key}'{suggest(key, known)}")
    run = typed(RunOptions, tree)
    faults += check(RunOptions, without_interpolations(run), "")
    if faults:
        raise ConfigError(*(f"{path}: {fault}" for fault in faults))
    return ConfigFile(path, choices, values, run)


def _choice(
    group: str, node: Any, registry: Registry, usual: Mapping[str, str]
) -> tuple[Choice, dict[str, Any]]:
    """The choice of a group, and those of its values that the file says itself."""
    if not isinstance(node, dict):
        if isinstance(node, list) or not node.text:
            raise ConfigError(f"{group} must be a name, or a map of options")
        return registry.choice(group, node.text), {}
    told = {key: node.pop(key, None) for key in ("name", "kind")}
    words = {key: getattr(scalar, "text", None) for key, scalar in told.items()}
    name = words["name"] or usual.get(group)
    if not name:
        raise ConfigError(f"{group} needs a name: one of {', '.join(registry.names(group))}")
    if words["kind"]:  # as it is printed, with every option
        base = Choice(group, name, registry.kind(group, words["kind"]), words["kind"])
    else:
        base = registry.choice(group, name)
    kind = base.kind
    assert kind is not None
    values = typed(kind, node)
    faults = check(kind, without_interpolations(values), base.where, internal=True)
    faults = faults or registry.faults(kind, without_interpolations(_public(values)), base.where)
    if faults:
        raise ConfigError(*faults)
    return replace(base, values=laid_over(kind, base.values, values)), values


def _public(values: dict[str, Any]) -> dict[str, Any]:
    """`values` without the folder that paths start from, which only files may name."""
    data = values.get("data")
    if not isinstance(data, dict):
        return values
    return {**values, "data": {key: v for key, v in data.items() if key != "directory"}}

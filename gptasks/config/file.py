"""A whole configuration in one file, as `gptasks config` prints it and a run folder keeps it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from gptasks.config.locations import beside, chosen
from gptasks.errors import ConfigError, Fault, GptasksError, suggest
from gptasks.fields import fields_of, laid_over
from gptasks.options import RunOptions, SweepOptions
from gptasks.registry import GROUPS, ONE_CLASS, Choice, Registry
from gptasks.schema import check, without_interpolations
from gptasks.yamlfile import YamlFile, read_yaml, typed


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

    lines: Mapping[str, int] = field(default_factory=dict)
    """The line that a dotted key stands in."""

    faults: dict[str, list[str]] = field(default_factory=dict)
    """What is wrong with it, one line each, by group; "" is the file as a whole."""


def read_config_file(path: Path, registry: Registry, usual: Mapping[str, str]) -> ConfigFile:
    """A file with any of the groups and of the run's own keys, and all its faults.

    A group is the name of a choice, or a map: its `name` (left out: that of `usual`), its `kind`
    where it says all the rest itself, and options.
    """
    try:
        file = _read(path)
    except ConfigError as error:
        return ConfigFile(path, faults={"": error.faults})
    faults: dict[str, list[str]] = {"": []}
    choices: dict[str, Choice] = {}
    values: dict[str, dict[str, Any]] = {}
    for group in (group for group in GROUPS if group in file.tree):
        try:
            choices[group], values[group], faults[group] = _choice(group, file, registry, usual)
        except GptasksError as error:
            faults[group] = [f"{file.place(group)}: {fault}" for fault in error.faults]
    known = [*GROUPS, *(option.key for option in fields_of(RunOptions))]
    rest = {key: node for key, node in file.tree.items() if key not in GROUPS}
    wrong = [Fault(_unknown(key, known), key) for key in rest if key not in known]
    run = typed(RunOptions, {key: node for key, node in rest.items() if key in known})
    faults[""] = file.told([*wrong, *check(RunOptions, without_interpolations(run), "")])
    return ConfigFile(path, choices, values, run, file.lines, faults)


def _unknown(key: str, known: Sequence[str]) -> str:
    if key in {option.key for option in fields_of(SweepOptions)}:
        return f"{key} is part of no configuration; give {key}=… on the command line"
    return f"there is no option '{key}'{suggest(key, known)}"


def _read(path: Path) -> YamlFile:
    if not path.exists():
        near = suggest(path.name, beside(path))
        raise ConfigError(f"--config {path}: there is no such file{near}")
    file = read_yaml(path)
    if not set(GROUPS) & set(file.tree) and {"kind", "data"} & set(file.tree):
        raise ConfigError(f"{path} is a task, and no whole configuration; give it as task={path}")
    return file


def _choice(
    group: str, file: YamlFile, registry: Registry, usual: Mapping[str, str]
) -> tuple[Choice, dict[str, Any], list[str]]:
    """The choice of a group, those of its values that the file says itself, and their faults."""
    node = file.tree[group]
    if not isinstance(node, dict):
        if isinstance(node, list) or not node.text:
            raise ConfigError(f"{group} must be a name, or a map of options")
        return chosen(group, node.text, registry), {}, []
    part = file.below(group)
    told, kind_name = part.pop("name"), part.pop("kind")
    name = told or usual.get(group)
    if not name:
        raise ConfigError(f"{group} needs a name: one of {', '.join(registry.names(group))}")
    if kind_name:  # as it is printed, with every option
        base = Choice(group, name, registry.kind(group, kind_name), kind_name)
    elif _is_whole(group, name, part, registry):
        base = Choice(group, name, ONE_CLASS[group], "")
    else:
        base = chosen(group, name, registry)
    kind = base.kind
    if kind is None:
        return base, {}, []
    values = part.values(kind)
    found = registry.faults(kind, without_interpolations(values), base.where, internal=True)
    choice = replace(base, values=laid_over(kind, base.values, values))
    return choice, values, part.told(found)


def _is_whole(group: str, name: str, part: YamlFile, registry: Registry) -> bool:
    """Whether a map of a group without kinds needs no choice of its name: a backbone that was a
    folder, a trainer whose plugin is gone."""
    telling = {"backbone": "source" in part.tree, "trainer": bool(part.tree)}
    return telling.get(group, False) and name not in registry.names(group)

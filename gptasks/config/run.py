"""`RunConfig`: everything a run is told, typed; made from overrides or from its plain values."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gptasks.config.file import ConfigFile, read_config_file
from gptasks.config.origins import Origins
from gptasks.config.overrides import read_overrides
from gptasks.errors import ConfigError, GptasksError
from gptasks.fields import plain
from gptasks.metrics import LOSS, NAMES
from gptasks.options import BackboneOptions, RunOptions, TrainerOptions
from gptasks.registry import GROUPS, Registry, build_task, core_conf
from gptasks.schema import build
from gptasks.task import Task
from gptasks.yamlfile import read_yaml

if TYPE_CHECKING:
    from gptasks.data.source import DataSource
    from gptasks.metrics.base import Metric
    from gptasks.strategies.strategy import Strategy
    from gptasks.tracking import Tracker


@dataclass(frozen=True)
class RunConfig:
    """All options of one run."""

    task: Task
    task_name: str
    backbone: BackboneOptions
    backbone_name: str
    strategy: Strategy
    strategy_name: str
    trainer: TrainerOptions
    trainer_name: str
    tracking: Tracker
    tracking_name: str
    metrics: Mapping[str, type[Metric]]
    """The metrics of plugins that the task names."""

    sources: Mapping[str, type[DataSource]]
    """The data sources there are, by name."""

    plugins: Mapping[str, str | None]
    """The distribution and version, or the folder, of the plugins whose classes it is made of."""

    run: RunOptions
    """Seed, run folder, limit, device, precision, bootstrap."""

    overrides: tuple[str, ...]
    """What was typed, each as key=value; of a sweep only this job's values."""

    resolved: dict[str, Any]
    """Everything as plain values, for `config.yaml`; `from_resolved` reads it back."""

    file: str | None = None
    """What `--config` named."""

    def digest(self) -> str:
        """8 hex digits that stand for the configuration; its run folder and tracker set aside."""
        told = {key: value for key, value in self.resolved.items() if key not in _BESIDE}
        text = json.dumps(told, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()[:8]


_BESIDE = ("run", "tracking")
"""Keys that change nothing of what is learnt."""


def compose(overrides: Sequence[str], registry: Registry | None = None) -> RunConfig:
    """The configuration that `overrides`, such as "trainer.epochs=1", make of the defaults.

    Raises ConfigError with all faults, one line each, and PluginError for a task whose plugin is
    broken or at odds with another. Imports nothing heavy.
    """
    config, _ = traced(overrides, registry)
    return config


def traced(
    overrides: Sequence[str], registry: Registry | None = None, file: str | None = None
) -> tuple[RunConfig, Origins]:
    """The same, over what a file chooses, with the origin of each value."""
    from gptasks.config.composition import compose_one

    registry = Registry() if registry is None else registry
    primary, usual = primary_config()
    told = file_of(file, registry, usual)
    plan = read_overrides(overrides, registry, usual, told, sweep=False)
    if plan.seeds > 1:
        raise ConfigError(
            f"seeds={plan.seeds} stands for {plan.seeds} runs, and here one is meant; leave it out"
        )
    values = compose_one(plan, {**primary, **told.run})
    origins = Origins(plan, told, primary, values, {})
    config = configured(origins, registry, plan.typed, file)
    return config, replace(origins, resolved=config.resolved)


def configured(
    origins: Origins, registry: Registry, overrides: Sequence[str], file: str | None
) -> RunConfig:
    """The configuration of composed values; its faults say who set what they are about."""
    try:
        return from_resolved(origins.composed, registry, overrides, file)
    except ConfigError as error:
        raise ConfigError(*map(origins.told, error.faults)) from error


def file_of(file: str | None, registry: Registry, usual: Mapping[str, str]) -> ConfigFile:
    """What `--config FILE` chooses; nothing without it."""
    if file is None:
        return ConfigFile()
    return read_config_file(Path(os.path.expanduser(file)), registry, usual)


def from_resolved(
    resolved: Mapping[str, Any],
    registry: Registry,
    overrides: Sequence[str] = (),
    file: str | None = None,
) -> RunConfig:
    """The configuration that plain values, as in a run's `config.yaml`, stand for.

    Raises ConfigError with all faults, one line each.
    """
    faults: list[str] = []
    made: dict[str, Any] = {}
    for group in GROUPS:
        try:
            made[group] = _instance(group, resolved.get(group), registry)
        except GptasksError as error:
            faults += error.faults
    own = {key: value for key, value in resolved.items() if key not in GROUPS}
    try:
        made["run"] = build(RunOptions, own, "")
    except ConfigError as error:
        faults += error.faults
    if faults:
        raise ConfigError(*faults)
    trainer, strategy, task = made["trainer"], made["strategy"], made["task"]
    task.suit(learns=strategy.learns)
    strategy.suit(task)
    for key in ("epochs", "learning_rate"):
        if getattr(trainer, key) is None:
            setattr(trainer, key, getattr(strategy, key))
    values = {
        group: {
            **{key: resolved[group][key] for key in ("name", "kind") if key in resolved[group]},
            **plain(made[group]),
        }
        for group in GROUPS
    }
    named = {made["task"].select, *made["task"].metrics} - {LOSS, *NAMES}
    made["metrics"] = {name: registry.metrics[name] for name in named}
    made["sources"] = registry.sources
    classes = [type(made["task"]), type(made["tracking"]), *made["metrics"].values()]
    made["plugins"] = registry.owners([*classes, registry.sources[made["task"].data.source]])
    made |= {f"{group}_name": str(resolved[group]["name"]) for group in GROUPS}
    resolved = {**values, **plain(made["run"])}
    return RunConfig(**made, overrides=tuple(overrides), resolved=resolved, file=file)


def primary_config() -> tuple[dict[str, Any], dict[str, str]]:
    """The values of `conf/config.yaml`, and the choice it makes for each group."""
    values = read_yaml(core_conf() / "config.yaml").values(dict)
    usual = {
        str(group): str(name)
        for entry in values["defaults"]
        if isinstance(entry, dict)
        for group, name in entry.items()
        if group in GROUPS and name != "???"
    }
    return values, usual


def _instance(group: str, told: Any, registry: Registry) -> Any:
    if not isinstance(told, Mapping) or not isinstance(told.get("name"), str):
        raise ConfigError(f"the configuration names no {group}")
    values = dict(told)
    if not isinstance(values.get("kind"), str | None):
        raise ConfigError(f"{group}.kind must be a text; got {values['kind']!r}")
    if group == "task":
        return build_task(values, registry)
    name = values.pop("name")
    kind = registry.kind(group, values.pop("kind", None) or name)
    where = group if group in ("backbone", "trainer") else f"{group} '{name}'"
    return build(kind, values, where, internal=True)

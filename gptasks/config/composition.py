"""Composes a checked plan with Hydra: choices into its store, values as overrides, sweeps.

Hydra's own state is put aside meanwhile, so that gptasks can be called from another Hydra program,
and Hydra works in a temporary folder, so that it leaves nothing in the current one.
"""

from __future__ import annotations

import contextlib
import copy
import io
import os
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict

from gptasks.config.grammar import render
from gptasks.config.nodes import UNSET, literal, nest, node
from gptasks.config.plan import Plan, Setting
from gptasks.config.surroundings import MAIN, explained, own_logging, own_state, stored
from gptasks.errors import ConfigError, suggest
from gptasks.fields import defaults, laid_over, required
from gptasks.options import RunOptions
from gptasks.registry import GROUPS, Choice

if TYPE_CHECKING:
    from hydra._internal.hydra import Hydra


def compose_one(plan: Plan, primary: dict[str, Any]) -> dict[str, Any]:
    """The composed values of a plan without sweeps, interpolations resolved."""
    with _prepared(plan, primary) as (engine, prepared):
        cfg = engine.compose_config(MAIN, prepared.overrides, RunMode.RUN, from_shell=False)
        return _values(cfg, plan)


def compose_all(plan: Plan, primary: dict[str, Any]) -> list[tuple[dict[str, Any], list[str]]]:
    """The composed values of every job of a sweep, each with its overrides as they were typed.

    Raises ConfigError with the faults of all jobs.
    """
    jobs: list[tuple[dict[str, Any], list[str]]] = []
    faults: list[str] = []

    def note(cfg: DictConfig) -> None:
        try:  # here, since Hydra would write about an exception by itself
            with explained():
                jobs.append((_values(cfg, plan), prepared.typed(HydraConfig.get().overrides.task)))
        except ConfigError as error:
            faults.extend(error.faults)

    with _prepared(plan, primary) as (engine, prepared):
        engine.multirun(MAIN, note, prepared.overrides, with_log_configuration=False)
    if faults:
        raise ConfigError(*dict.fromkeys(faults))
    return jobs


def show(
    plan: Plan,
    primary: dict[str, Any],
    *,
    cfg: str | None,
    package: str | None,
    resolve: bool,
    info: str | None,
) -> None:
    """Print what Hydra's flags `--cfg` and `--info` ask for."""
    with _prepared(plan, primary) as (engine, prepared):
        if info is not None:
            with own_logging():
                engine.show_info(info, MAIN, prepared.overrides)
            return
        assert cfg is not None
        complaint = io.StringIO()
        try:
            with contextlib.redirect_stderr(complaint):
                engine.show_cfg(MAIN, prepared.overrides, cfg, package, resolve)
        except SystemExit as error:
            near = suggest(str(package), GROUPS)
            raise ConfigError(
                f"--package {package}: {complaint.getvalue().strip()}{near}"
            ) from error


class _Prepared:
    """A plan as Hydra takes it: nodes for its store, and overrides."""

    def __init__(self, plan: Plan) -> None:
        self.nodes: dict[str, dict[str, dict[str, Any]]] = {}
        self.overrides: list[str] = []
        self._settings = plan.settings
        self._texts: dict[str, str] = {}  # override as Hydra gives it back: as it was typed
        names = {group: _option_names(choices) for group, choices in plan.choices.items()}
        self.first = {group: options[0] for group, options in names.items()}
        for group, choices in plan.choices.items():
            self.nodes[group] = dict(zip(names[group], map(node, choices), strict=True))
        for key, setting in plan.settings.items():
            group = key.partition(".")[0]
            if setting.has_map:
                for name, choice in zip(names[group], plan.choices[group], strict=True):
                    _put(self.nodes[group][name], choice, setting)
                continue
            written = [render(value) for value in names.get(key, setting.values)]
            self.overrides.append(f"{key}={','.join(written)}")
            for value, text in zip(written, setting.texts, strict=True):
                self._texts[f"{key}={value}"] = f"{key}={text}"
        self.overrides += plan.hydra

    def typed(self, given: Sequence[str]) -> list[str]:
        """The overrides of one job of a sweep, as they would be typed for it alone."""
        swept = {line.partition("=")[0]: self._texts.get(line, line) for line in given}
        return [
            f"{key}={setting.texts[0]}" if len(setting.texts) == 1 else swept[key]
            for key, setting in self._settings.items()
        ]


@contextlib.contextmanager
def _prepared(plan: Plan, primary: dict[str, Any]) -> Iterator[tuple[Hydra, _Prepared]]:
    """Hydra, ready to compose, with the plan's choices in its store."""
    prepared = _Prepared(plan)
    with tempfile.TemporaryDirectory(prefix="gptasks-") as scratch:
        main = _primary(primary, prepared.first, scratch)
        with own_state(), explained(plan.hydra), stored(main, prepared.nodes):
            hydra.initialize(config_path=None, job_name="gptasks", version_base="1.3")
            engine = GlobalHydra.instance().hydra
            assert engine is not None
            yield engine, prepared


def _option_names(choices: Sequence[Choice]) -> list[str]:
    """The names Hydra knows the choices by: no slashes or dots, and no two alike."""
    names: list[str] = []
    for choice in choices:
        name = re.sub(r"[^\w-]", "_", choice.name)
        while name in names:
            name += "_"
        names.append(name)
    return names


def _put(values: dict[str, Any], choice: Choice, setting: Setting) -> None:
    """Set a map inside a choice's values: Hydra would mix it with the one that is there."""
    assert choice.kind is not None
    inner = nest(setting.key.partition(".")[2], setting.values[0])
    values.update(laid_over(choice.kind, values, inner))


def _primary(primary: dict[str, Any], first: Mapping[str, str], scratch: str) -> dict[str, Any]:
    """The primary configuration: the run's own options, and Hydra kept in a scratch folder.

    first: each group's choice, of a sweep the first: Hydra looks for one before it sweeps.
    """
    main = {**literal(defaults(RunOptions)), **copy.deepcopy(primary)}
    main["defaults"] = [
        {group: first.get(group, name) for group, name in entry.items()}
        if isinstance(entry, dict)
        else entry
        for entry in main["defaults"]
    ]
    own = main.setdefault("hydra", {})
    own["run"] = {"dir": scratch}
    own["sweep"] = {"dir": scratch, "subdir": "${hydra.job.num}"}
    return main


def _values(cfg: DictConfig, plan: Plan) -> dict[str, Any]:
    """The configuration as plain values, resolved."""
    with open_dict(cfg):
        cfg.pop("hydra", None)
    values = OmegaConf.to_container(cfg, resolve=True)
    assert isinstance(values, dict)
    for group, choices in plan.choices.items():
        kind = choices[0].kind
        for name in required(kind) if kind else ():
            if values[group].get(name) == UNSET:
                del values[group][name]
    _root(values["task"].get("data"), plan)
    return {str(key): value for key, value in values.items()}


def _root(data: Any, plan: Plan) -> None:
    """Keep paths of the command line relative to the current folder, not to the task's file."""
    if not isinstance(data, dict) or not data.get("directory") or data.get("source") != "files":
        return
    whole = plan.settings.get("task.data")
    given = {key.rpartition(".")[2] for key in plan.settings if key.startswith("task.data.")}
    for split in ("train", "validation", "test"):
        if split in given or (whole is not None and split in whole.values[0]):
            data[split] = _absolute(data[split])


def _absolute(paths: Any) -> Any:
    if isinstance(paths, dict):
        return {label: _absolute(path) for label, path in paths.items()}
    if isinstance(paths, list):
        return [_absolute(path) for path in paths]
    return os.path.abspath(os.path.expanduser(paths)) if isinstance(paths, str) else paths

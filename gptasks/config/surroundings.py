"""Hydra's surroundings: its global state put aside, its store filled, its errors in one line."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import re
from collections.abc import Iterator, Sequence
from typing import Any

from hydra.conf import HydraConf
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.singleton import Singleton
from hydra.core.utils import JobRuntime
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from hydra.version import VersionBase
from omegaconf import OmegaConf
from omegaconf.errors import (
    ConfigAttributeError,
    ConfigKeyError,
    GrammarParseError,
    InterpolationResolutionError,
    OmegaConfBaseException,
)

from gptasks.errors import ConfigError, GptasksError, suggest

MAIN = "config"
"""Name of the primary configuration."""

UNFOUND = re.compile(r"Interpolation key '([^']+)' not found")
"""What OmegaConf says of an interpolation that names no key."""


@contextlib.contextmanager
def own_state() -> Iterator[None]:
    """Put aside what Hydra keeps globally, for a program that uses Hydra itself."""
    kinds = (GlobalHydra, HydraConfig, JobRuntime, VersionBase)
    before = {kind: Singleton._instances.pop(kind, None) for kind in kinds}
    log = logging.getLogger("hydra")
    level = log.level
    log.setLevel(logging.WARNING)  # it announces jobs that are only being composed
    try:
        yield
    finally:
        log.setLevel(level)
        for kind, instance in before.items():
            Singleton._instances.pop(kind, None)
            if instance is not None:
                Singleton._instances[kind] = instance


@contextlib.contextmanager
def stored(main: dict[str, Any], nodes: dict[str, dict[str, Any]]) -> Iterator[None]:
    """Hydra's store with our configuration in it, as it was before afterwards."""
    store = ConfigStore.instance()
    before = {key: store.repo.pop(key, None) for key in (*nodes, f"{MAIN}.yaml")}
    try:
        store.store(MAIN, main, provider="gptasks")
        for group, options in nodes.items():
            for name, node in options.items():
                store.store(name, node, group=group, provider="gptasks")
        yield
    finally:
        for key, entry in before.items():
            store.repo.pop(key, None)
            if entry is not None:
                store.repo[key] = entry


@contextlib.contextmanager
def own_logging() -> Iterator[None]:
    """`--info` sets up the root logger for itself; put it back."""
    root = logging.getLogger()
    before = (root.level, root.handlers[:])
    logging.getLogger("hydra").setLevel(logging.NOTSET)
    try:
        yield
    finally:
        root.setLevel(before[0])
        root.handlers[:] = before[1]


@contextlib.contextmanager
def explained(hydra: Sequence[str] = ()) -> Iterator[None]:
    """Hydra's and OmegaConf's errors as ConfigError of one line.

    hydra: overrides of Hydra's own options, which it checks little: what they lead to is theirs.
    """
    try:
        yield
    except GptasksError:
        raise
    except OverrideParseException as error:
        raise ConfigError(
            f"{error.override}: Hydra can't read this; its own options need its "
            "grammar, with texts in quotes"
        ) from error
    except MissingConfigException as error:
        options = [str(option) for option in error.options or ()]
        group, _, name = str(error.missing_cfg_file).rpartition("/")
        near = suggest(name, options) or f"; there are {', '.join(options)}"
        raise ConfigError(f"no {group} '{name}'{near}") from error
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(_line(error)) from error
    except Exception as error:
        if not hydra:
            raise
        raise ConfigError(f"{' '.join(hydra)}: Hydra can't take this: {_line(error)}") from error


def _line(error: Exception) -> str:
    cause = error if isinstance(error, OmegaConfBaseException) else error.__cause__
    said = next(iter(str(cause or error).splitlines()), "") or type(error).__name__
    key = getattr(cause, "full_key", None)
    if isinstance(cause, InterpolationResolutionError | GrammarParseError):
        near = _nearest_key(cause, said)
        plain = f"{near} For" if near else "; for"
        return f"{key or 'a value'}: {said}{plain} a plain ${{ write \\${{"
    if isinstance(cause, ConfigAttributeError | ConfigKeyError):
        known = [field.name for field in dataclasses.fields(HydraConf)]
        word = str(key).removeprefix("hydra.")
        near = suggest(word, known).replace("mean '", "mean 'hydra.") if word not in known else ""
        return f"there is no option '{key}'{near}"
    first = str(error).splitlines()[0] if str(error) else ""
    return f"{first}: {said}" if first and first != said else said


def _nearest_key(error: Exception, said: str) -> str:
    """For an interpolation that names no key: the nearest one that there is."""
    node, wrong = getattr(error, "parent_node", None), UNFOUND.search(said)
    if node is None or wrong is None:
        return ""
    return suggest(wrong[1], list(_keys(OmegaConf.to_container(node._get_root(), resolve=False))))


def _keys(values: Any, start: str = "") -> Iterator[str]:
    """Keys within keys, with dots between."""
    for key, value in values.items() if isinstance(values, dict) else ():
        yield f"{start}{key}"
        yield from _keys(value, f"{start}{key}.")

"""config.yaml and results.json of a run, read back; results.json is whole or damaged."""

from __future__ import annotations

import copy
import json
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from gptasks.errors import RunError, first_line, listing, suggest
from gptasks.shape import EVERY, misfit

FORMAT = 2
"""Version of results.json and of the folder's layout. Since 2 all keys are required; it has the
SHA-256 of the run's files, and what was cut as a share of the texts."""

CONFIG, RESULTS = "config.yaml", "results.json"

_YAML: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's is eight times faster

_SCORES = {
    EVERY: {
        "value": float,
        "low": float,
        "high": float,
        "n": int,
        "signature": str,
        "is_better_higher": bool,
    },
}
_CUT = {
    "rows": int,
    "rows_cut": int,
    "share_of_rows_cut": float,
    "tokens": int,
    "source_tokens": int,
    "tokens_lost": int,
    "share_of_tokens_lost": float,
    "targets": int,
    "targets_lost": int,
}
_ROWS = {"n": int, "sha256": str, "bad": int, "dropped": int}

SHAPE = {
    "format": int,
    "task": str,
    "kind": str,
    "backbone": str,
    "strategy": str,
    "seed": int,
    "select": str,
    "metrics": {"validation": _SCORES, "test": _SCORES},
    "baselines": {EVERY: _SCORES},
    "fit": {EVERY: None},
    "timing": {
        "seconds": {EVERY: float},
        "total_seconds": float,
        "device": str,
        "processor": str,
        "threads": int,
        "precision": ("fp32", "bf16"),
        "processes": int,
        "peak_memory_bytes": int,
    },
    "truncation": {"train": _CUT, "validation": _CUT, "test": _CUT},
    "tally": {"validation": {EVERY: float}, "test": {EVERY: float}},
    "labels": [str],
    "model": {EVERY: str},
    "adapter": {EVERY: str},
    "files": {EVERY: str},
    "data": {"train": _ROWS, "validation": _ROWS, "test": _ROWS},
    "versions": {EVERY: str},
    "plugins": {EVERY: None},
    "command": str,
}
"""The shape of results.json; docs/reference/run-folder.md says what each key means."""


def read_config(path: Path) -> dict[str, Any]:
    """config.yaml of a run folder. Raises RunError if there is none, or it can't be read."""
    try:
        values = _loaded((path / CONFIG).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise _no_run(path, CONFIG) from error
    except Exception as error:  # OSError, and all that PyYAML raises where a value can't be
        raise RunError(f"{path / CONFIG} can't be read: {first_line(error)}.") from error
    if not isinstance(values, dict):
        raise RunError(f"{path / CONFIG} holds no configuration.")
    return values


def read_results(path: Path) -> dict[str, Any]:
    """results.json of a finished run. Raises RunError as `read_run` does."""
    return read_run(path)[1]


def read_run(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """config.yaml and results.json of a finished run.

    Raises RunError if the folder is none, the run is not finished, or a file is broken or of
    another version's format.
    """
    config = read_config(path)
    place = path / RESULTS
    try:
        results = json.loads(place.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise RunError(
            f"the run in {path} is not finished: it has no {RESULTS}. Repeat its command to go on."
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise RunError(f"{place} can't be read: {error}.") from error
    found = results.get("format") if isinstance(results, dict) else None
    if found != FORMAT:
        raise RunError(
            f"{place} is of format {json.dumps(found)}; this gptasks reads format {FORMAT}. Train "
            "again, or read it by the gptasks that wrote it."
        )
    missing = [key for key in SHAPE if key not in results]
    if missing:
        raise RunError(f"{place} lacks {listing(missing)}: it is not as gptasks wrote it.")
    fault = misfit(results, SHAPE)
    if fault:
        raise RunError(f"{place} is damaged: {fault}. Copy the run folder anew, or train again.")
    return config, results


def _loaded(text: str) -> Any:
    """What a YAML text holds. The parts that runs of a sweep share are parsed only once."""
    try:
        parts = [_part(part) for part in re.split(r"^(?=[^\s-])", text, flags=re.MULTILINE) if part]
    except yaml.YAMLError:
        parts = []
    if not parts or not all(isinstance(part, dict) for part in parts):  # cut where no key begins
        return yaml.load(text, _YAML)
    return copy.deepcopy({key: value for part in parts for key, value in part.items()})


@lru_cache(maxsize=256)
def _part(text: str) -> Any:
    return yaml.load(text, _YAML)


def _no_run(path: Path, file: str) -> RunError:
    if not path.exists():
        near = [p.name for p in path.parent.iterdir() if p.is_dir()] if path.parent.is_dir() else []
        return RunError(f"run folder {path} does not exist{suggest(path.name, near) or '.'}")
    if path.is_file():
        return RunError(f"{path} is a file, not a run folder.")
    held = listing(sorted(p.name for p in path.iterdir()), 6) or "nothing"
    return RunError(f"{path} is no run folder: it has no {file} (it has: {held}).")

"""The run folder: everything one command did, found again by the next."""

from __future__ import annotations

import copy
import errno
import json
import logging
import os
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml
from filelock import FileLock, Timeout

from gptasks.digest import sha256
from gptasks.errors import RunError, first_line, listing, suggest
from gptasks.shape import EVERY, misfit
from gptasks.tracking.tracker import plain

logger = logging.getLogger(__name__)

FORMAT = 1
"""Version of results.json and of the folder's layout."""

CONFIG, RESULTS, HISTORY = "config.yaml", "results.json", "history.jsonl"
LOCK, ID, PART = ".lock", ".id", ".part"

TRACKED = ("tracking.jsonl", "wandb", "tensorboard", "mlflow")
"""What the trackers keep in the folder."""

_YAML: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's is eight times faster

UNCOMPARED = ("run", "tracking")
"""What may differ between a run and its continuation: where it is, and who watches."""

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


class RunFolder:
    """One run's files. `config.yaml` is there from the start, `results.json` only at the end."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.model = path / "model"
        self.adapter = path / "adapter"
        self.predictions = path / "predictions"
        self.checkpoints = path / "checkpoints"
        self._lock = FileLock(path / LOCK)

    @property
    def is_finished(self) -> bool:
        """Whether the run came to its end."""
        return os.path.isfile(self.path / RESULTS)  # False, too, for what can be no path

    @property
    def is_at_work(self) -> bool:
        """Whether a process has claimed the folder and is not done."""
        place = self.path / LOCK
        if not place.exists():
            return False
        try:
            with FileLock(place).acquire(timeout=0):
                return False
        except Timeout:
            return True
        except OSError:  # of a folder that is only read
            return False

    @property
    def id(self) -> str:
        """8 hex digits, unique to this folder, by which trackers know the run."""
        place = self.path / ID
        held = place.read_text(encoding="ascii", errors="replace") if place.exists() else None
        if held is None or not re.fullmatch("[0-9a-f]{8}", held):
            if held is not None:
                logger.warning("%s is damaged: trackers will show this run as a new one", place)
            held = secrets.token_hex(4)
            _write(place, held)
        return held

    def claim(self, config: Mapping[str, Any]) -> bool:
        """Make the folder this configuration's, or go on with it, and keep other processes out.

        Gives whether anything is left to do: a finished run is only looked at, not locked.
        Raises RunError if it holds another configuration (naming the differences), is no run
        folder, can't be written, or another process is at work in it; nothing was written then.
        """
        self._check(config)
        if self.is_finished:
            return False
        self._acquire()
        try:
            self._check(config)  # again: another process may have come first
            if self.is_finished:
                self.release()
                return False
            with writing(self.path / CONFIG):
                _write(self.path / CONFIG, to_yaml(config))
        except BaseException:
            self.release()
            raise
        return True

    def suits(self, config: Mapping[str, Any]) -> bool:
        """Whether the folder is free, or holds a run of this configuration."""
        try:
            self._check(config)
        except RunError:
            return False
        return True

    def release(self) -> None:
        """Let other processes in."""
        self._lock.release()

    def digests(self) -> dict[str, str]:
        """SHA-256 of the configuration, the curves and the predictions, by path."""
        told = [self.path / CONFIG, self.path / HISTORY, *sorted(self.predictions.glob("*.jsonl"))]
        return {
            path.relative_to(self.path).as_posix(): sha256(path) for path in told if path.is_file()
        }

    def history(self) -> HistoryFile:
        """The curves."""
        return HistoryFile(self.path / HISTORY)

    def prepare_results(self, results: Mapping[str, Any]) -> None:
        """Write all of results.json but its name, so that what can fail fails here; numbers that
        are none are null."""
        text = json.dumps(plain(results), indent=2, ensure_ascii=False, allow_nan=False)
        with writing(self.path / RESULTS):
            _write_part(self.path / RESULTS, text + "\n")

    def finish(self) -> None:
        """Give results.json its name, which makes the run a finished one, and remove what only an
        unfinished one needs."""
        with writing(self.path / RESULTS):
            _beside(self.path / RESULTS).replace(self.path / RESULTS)
        self.clear_checkpoints()

    def clear_checkpoints(self) -> None:
        """Remove what only an unfinished run needs."""
        shutil.rmtree(self.checkpoints, ignore_errors=True)

    def _acquire(self) -> None:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock.acquire(timeout=0)
        except Timeout as error:
            raise RunError(
                f"another process is at work on {self.path}; wait for it, "
                "or choose another run=DIR."
            ) from error
        except (OSError, ValueError) as error:  # ValueError: a path with a null character
            if isinstance(error, OSError) and os.path.isfile(self.path / CONFIG):
                with writing(self.path):
                    raise
            reason = getattr(error, "strerror", None) or error
            raise RunError(
                f"run folder {self.path} can't be made ({reason}); choose another run=DIR."
            ) from error

    def _check(self, config: Mapping[str, Any]) -> None:
        """Raise RunError unless the folder is free, or holds this configuration."""
        if os.path.isfile(self.path):
            raise RunError(f"run={self.path} is a file; give a folder.")
        if not os.path.isdir(self.path):
            return
        if not (self.path / CONFIG).exists():
            ours = (LOCK, CONFIG + PART)  # of a run killed at its first moment
            foreign = sorted(p.name for p in self.path.iterdir() if p.name not in ours)
            if foreign:
                raise RunError(
                    f"{self.path} is not empty and no run folder (it has: {listing(foreign, 4)}); "
                    "nothing was written. Choose another run=DIR."
                )
            return
        differences = compare(read_config(self.path), config)
        if differences and not self._is_fresh():
            raise RunError(
                f"{self.path} holds a run of another configuration: {listing(differences, 6)}. "
                "Choose another run=DIR, or remove that folder."
            )

    def _is_fresh(self) -> bool:
        """Whether the run ended before it had learnt anything, as for a file not found: then the
        same folder may be used for the corrected command."""
        ours = {CONFIG, CONFIG + PART, LOCK, ID, ID + PART, *TRACKED}
        return {LOCK, CONFIG} <= {p.name for p in self.path.iterdir()} <= ours


class HistoryFile:
    """history.jsonl: one point of the curves a line, in the order they were made."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, step: int, values: Mapping[str, float]) -> None:
        """Add a point; numbers that are none become null."""
        line = json.dumps({"step": step, **plain(values)}) + "\n"
        with writing(self.path), self.path.open("a", encoding="utf-8") as file:
            file.write(line)

    def rewind(self, points: Sequence[Mapping[str, Any]]) -> None:
        """Hold these points and no others."""
        with writing(self.path):
            _write(self.path, "".join(json.dumps(point) + "\n" for point in points))

    def points(self) -> list[dict[str, Any]]:
        """Every point up to the first that can't be read: the last line, where a crash cut it. A
        value that is not a finite number is None."""
        if not self.path.exists():
            return []
        points = []
        for line in self.path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                point = json.loads(line)
            except (ValueError, RecursionError):
                break
            if misfit(point, {"step": int, EVERY: float}):
                break
            points.append(plain(point))
        return points


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns a full disk, or a place that can't be written, into one line.

    Raises RunError, with the exit code of a failed run, in place of the libraries' own errors.
    """
    try:
        yield
    except RunError:
        raise
    except Exception as error:
        # safetensors and tokenizers wrap the system's error in ones of their own.
        if not isinstance(error, OSError) and "os error" not in str(error):
            raise
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        number = getattr(error, "errno", None)
        if number == errno.ENOENT:
            then = "Its folder was removed meanwhile; repeat the command to begin anew."
        elif number in (errno.EROFS, errno.EACCES, errno.EPERM):
            then = "Let gptasks write there, then repeat the command to go on."
        elif number in (None, errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            then = "Make room, then repeat the command to go on."
        else:
            then = "Mend that, then repeat the command to go on."
        fault = RunError(f"{path} can't be written: {reason}. {then}")
        fault.exit_code = 1
        raise fault from error


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
        raise RunError(f"{place} is of format {found}; this gptasks reads format {FORMAT}.")
    missing = [key for key in SHAPE if key not in results]
    if missing:
        raise RunError(f"{place} lacks {listing(missing)}: it is not as gptasks wrote it.")
    fault = misfit(results, SHAPE)
    if fault:
        raise RunError(f"{place} is damaged: {fault}. Copy the run folder anew, or train again.")
    return config, results


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


def _shown(values: Mapping[str, Any], key: str) -> str:
    return json.dumps(values[key], ensure_ascii=False, default=str) if key in values else "absent"


def _no_run(path: Path, file: str) -> RunError:
    if not path.exists():
        near = [p.name for p in path.parent.iterdir() if p.is_dir()] if path.parent.is_dir() else []
        return RunError(f"run folder {path} does not exist{suggest(path.name, near) or '.'}")
    if path.is_file():
        return RunError(f"{path} is a file, not a run folder.")
    held = listing(sorted(p.name for p in path.iterdir()), 6) or "nothing"
    return RunError(f"{path} is no run folder: it has no {file} (it has: {held}).")


def _beside(path: Path) -> Path:
    """Where a file is written before it takes the place of `path`."""
    return path.with_name(path.name + PART)


def _write(path: Path, text: str) -> None:
    """Replace a file whole or not at all."""
    _write_part(path, text)
    try:
        _beside(path).replace(path)
    finally:
        _beside(path).unlink(missing_ok=True)


def _write_part(path: Path, text: str) -> None:
    """Write what is to become `path`; nothing is left where that fails."""
    part = _beside(path)
    try:
        with part.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())  # a rename must never stand before its content
    except BaseException:
        part.unlink(missing_ok=True)
        raise

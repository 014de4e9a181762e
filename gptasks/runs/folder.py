"""The run folder: everything one command did, found again by the next."""

from __future__ import annotations

import json
import logging
import os
import re
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from gptasks.digest import sha256
from gptasks.errors import RunError, listing
from gptasks.runs.history import HISTORY, HistoryFile
from gptasks.runs.reading import CONFIG, RESULTS, read_config
from gptasks.runs.settings import compare, to_yaml
from gptasks.runs.writing import PART, beside, write, write_part, writing
from gptasks.tracking.tracker import plain

logger = logging.getLogger(__name__)

LOCK, ID = ".lock", ".id"

TRACKED = ("tracking.jsonl", "wandb", "tensorboard", "mlflow")
"""What the trackers keep in the folder."""


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
            write(place, held)
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
                write(self.path / CONFIG, to_yaml(config))
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
            write_part(self.path / RESULTS, text + "\n")

    def finish(self) -> None:
        """Give results.json its name, which makes the run a finished one, and remove what only an
        unfinished one needs."""
        with writing(self.path / RESULTS):
            beside(self.path / RESULTS).replace(self.path / RESULTS)
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

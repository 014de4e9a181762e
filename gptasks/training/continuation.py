"""What lets a run go on after a stop, beside the loop's checkpoints: its curves and its fits."""

from __future__ import annotations

import copy
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gptasks.config import RunConfig
from gptasks.data.splits import load_splits
from gptasks.errors import GptasksError, RunError, listing
from gptasks.runs import HistoryFile, RunFolder, read_results
from gptasks.task import ProbeFit
from gptasks.tracking import Tracker
from gptasks.training.checkpoint import Checkpoint, Checkpoints
from gptasks.training.processes import Processes

logger = logging.getLogger(__name__)

Fit = tuple[int, ProbeFit]
"""A layer, and the head fitted on it."""


class Curves:
    """The curves' file and the tracker, kept in step; only the first process has a tracker."""

    def __init__(self, file: HistoryFile, tracker: Tracker | None) -> None:
        self.file, self.tracker = file, tracker

    def append(self, step: int, values: Mapping[str, float]) -> None:
        """Add a point to both."""
        if self.tracker is not None:
            self.file.append(step, values)
            self.tracker.log(step, values)

    def points(self) -> list[dict[str, Any]]:
        """Every point in the file."""
        return self.file.points()

    def rewind(self, points: Sequence[Mapping[str, Any]]) -> None:
        """Go back to these points, and tell them to the tracker, which starts anew."""
        if self.tracker is None:
            return
        self.file.rewind(points)
        for point in points:
            told = {k: math.nan if v is None else v for k, v in point.items() if k != "step"}
            self.tracker.log(point["step"], told)


class Memory:
    """Keeps what was fitted before the loop, so that a run that goes on need not repeat it."""

    def __init__(self, checkpoints: Checkpoints, processes: Processes) -> None:
        self.checkpoints, self.processes = checkpoints, processes

    def __call__(self, name: str, make: Callable[[], Fit]) -> Fit:
        """What `make` gives, or gave before; in every process what it gave in the first."""
        kept = self.processes.first(lambda: self._load(name))
        if kept is not None:
            return kept
        made = make()
        return self.processes.first(lambda: self._save(name, made))

    def _load(self, name: str) -> Fit | None:
        kept = self.checkpoints.load(name)
        if kept is None:
            return None
        parameters = {key: tensor.numpy() for key, tensor in kept.tensors.items()}
        state = kept.state
        return state["layer"], ProbeFit(state["loss"], parameters, state["options"])

    def _save(self, name: str, made: Fit) -> Fit:
        import torch

        layer, fit = made
        tensors = {key: torch.from_numpy(value) for key, value in fit.parameters.items()}
        state = {"layer": layer, "loss": fit.loss, "options": fit.options}
        self.checkpoints.save(name, Checkpoint(tensors, state))
        return made


def check_same_data(config: RunConfig, folder: RunFolder) -> None:
    """Refuse to show a finished run's scores for rows that are others now.

    Data that is gone, or can't be read any more, is no reason to hide them.
    """
    try:
        splits = load_splits(
            copy.deepcopy(config.task), limit=config.run.limit, sources=config.sources
        )
    except GptasksError as error:
        logger.warning("the data can't be compared with the finished run's: %s", error)
        return
    stored = read_results(folder.path)["data"]
    changed = [name for name, split in splits.items() if split.sha256 != stored[name]["sha256"]]
    if changed:
        raise RunError(
            f"{folder.path} is finished, but on other data: {listing(changed)} changed since. "
            "Remove that folder, or give another run=DIR."
        )

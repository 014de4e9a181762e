"""A finished run under test: its files, its configuration, and its data as it is now."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gptasks.data.opening import File
from gptasks.data.sources import SPLITS, files_of, starts_here
from gptasks.data.splits import Split, load_splits
from gptasks.errors import GptasksError
from gptasks.predictions import prediction_of, records_in
from gptasks.runs import RunFolder
from gptasks.task import Prediction, Task

if TYPE_CHECKING:
    from gptasks.config import RunConfig

MODEL, ADAPTER, FILES = "model", "adapter", "files"
"""The keys of results.json with the SHA-256 of files: those of two folders, and the run's own."""

ELSEWHERE = "Relative paths start from the current folder: go where the run was started."
"""What to do where files of a run that names them by relative paths are not found."""


class Mismatch(Exception):
    """What was found is not what the run says."""


class NotChecked(Exception):
    """There is nothing to look at, for this reason."""


class Data:
    """The rows that a configuration reads now, and what is made of them."""

    def __init__(self, config: RunConfig) -> None:
        self.config = config
        self.task: Task = copy.deepcopy(config.task)
        """Learns its labels from the rows."""

    @cached_property
    def found(self) -> dict[str, Split] | NotChecked | Mismatch:
        """Train, validation and test; or that they can't be had, or be read as a run reads them."""
        data, sources = self.config.task.data, self.config.sources
        named = [name for name in SPLITS if getattr(data, name) is not None]
        try:
            by_split = files_of(data, named, sources=sources)
            paths = [file.path for files in by_split.values() for file in files]
            for path in paths:
                if isinstance(path, File):
                    path.open("rb").close()
        except (GptasksError, OSError) as error:
            more = f" {ELSEWHERE}" if starts_here(data) else ""
            return NotChecked(f"the data can't be had: {one_line(error)}{more}")
        try:
            return load_splits(self.task, limit=self.config.run.limit, sources=sources)
        except GptasksError as error:
            if all(isinstance(path, File) for path in paths):
                return Mismatch(f"the data can't be read as it was: {one_line(error)}")
            return NotChecked(f"the data can't be had: {one_line(error)}")

    @property
    def splits(self) -> dict[str, Split]:
        """The same, for what needs them. Raises NotChecked where there are none."""
        if isinstance(self.found, Exception):
            raise NotChecked("needs the data")
        return self.found

    @cached_property
    def baselines(self) -> dict[str, list[Prediction]]:
        """What the task's baselines answer to the test rows."""
        return self.task.baselines(*(self.splits[name].rows for name in SPLITS))


class Subject:
    """A run, and what the checks ask of it."""

    def __init__(
        self,
        path: Path,
        results: Mapping[str, Any],
        data_of: Callable[[RunConfig], Data],
        *,
        is_strict: bool,
    ) -> None:
        self.path, self.results, self.is_strict = path, results, is_strict
        self._data_of = data_of
        self._stored: dict[str, list[dict[str, Any]]] = {}
        self.folder = RunFolder(path)

    @cached_property
    def files(self) -> Mapping[str, Mapping[str, str]]:
        """The SHA-256 that files have now, by the key of results.json that has them."""
        from gptasks.saved_model import model_digests

        return {
            MODEL: model_digests(self.folder.model),
            ADAPTER: model_digests(self.folder.adapter),
            FILES: self.folder.digests(),
        }

    @cached_property
    def composed(self) -> RunConfig | NotChecked:
        """The run's configuration; or why this gptasks can't take it."""
        from gptasks.api import Run

        try:
            return Run(self.path).config
        except GptasksError as error:
            return NotChecked(one_line(error))

    @property
    def config(self) -> RunConfig:
        """The same, for what needs it. Raises NotChecked where there is none."""
        if isinstance(self.composed, NotChecked):
            raise NotChecked("needs the configuration")
        return self.composed

    @cached_property
    def task(self) -> Task:
        """The run's task, with the labels that results.json gives it."""
        task = copy.deepcopy(self.config.task)
        task.labels = list(self.results["labels"])
        return task

    @property
    def data(self) -> Data:
        """The run's data, as it is now."""
        return self._data_of(self.config)

    def stored(self, split: str) -> list[dict[str, Any]]:
        """The lines of a split's predictions. Raises RunError where they can't be read."""
        if split not in self._stored:
            self._stored[split] = list(records_in(self.folder.predictions / f"{split}.jsonl"))
        return self._stored[split]

    def predictions(self, split: str) -> list[Prediction]:
        """The predictions in these lines."""
        return list(map(prediction_of, self.stored(split)))

    def check_rows(self, names: Iterable[str]) -> None:
        """Raise NotChecked where the rows of a split are not those of the run."""
        for name in names:
            if self.data.splits[name].sha256 != self.results["data"][name]["sha256"]:
                raise NotChecked(f"{name} has changed")


def one_line(error: Exception) -> str:
    """What an error says, on one line."""
    return " ".join(str(error).split())

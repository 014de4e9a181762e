"""Whether a finished run is what it says of itself: its scores made anew from the predictions it
keeps, its data, baselines and model compared with what results.json holds of them.

What can't be looked at, such as data that was moved, has a state of its own: `not checked`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gptasks.compare.reading import folders_in
from gptasks.errors import GptasksError, RunError
from gptasks.runs import RunFolder, read_run
from gptasks.verification.checks import CHECKS
from gptasks.verification.subject import Data, Mismatch, NotChecked, Subject, one_line

if TYPE_CHECKING:
    from gptasks.config import RunConfig

OK, FAILED, NOT_CHECKED = "ok", "FAILED", "not checked"
"""What a check can find."""


@dataclass(frozen=True)
class Check:
    """What one check found of a run."""

    name: str

    state: str
    """`OK`, `FAILED` or `NOT_CHECKED`."""

    text: str
    """What was found, or the reason, on one line."""


def finished_runs(paths: Sequence[str | os.PathLike[str]]) -> tuple[list[Path], list[Path]]:
    """The finished runs in these folders, each once, and those that are not finished.

    paths: run folders, and folders with runs at any depth.
    Raises RunError for a path that does not exist, or holds no finished run.
    """
    finished: dict[Path, Path] = {}
    others: dict[Path, Path] = {}
    for path in paths:
        named = Path(path).expanduser()
        found = list(folders_in(named)) if named.exists() else []
        done = [folder for folder in found if RunFolder(folder).is_finished]
        if len(found) > 1 and not done:
            raise RunError(f"{path} holds no finished run, of {len(found)} that began.")
        if not done:
            read_run(found[0] if found else named)  # says what is wrong with it
        for folder in found:
            (finished if folder in done else others).setdefault(folder.resolve(), folder)
    return list(finished.values()), list(others.values())


class Verifier:
    """Checks runs, one after another. Data that one run has in common with the next is read once.

    strict: whether numbers must be the same in the last bit, whoever computed them.
    """

    def __init__(self, *, strict: bool = False) -> None:
        self.strict = strict
        self._last: tuple[str, Data] | None = None

    def checks(self, path: Path) -> Iterator[Check]:
        """What each check finds of the finished run at `path`, as it is found."""
        try:
            _, results = read_run(path)
        except RunError as error:
            yield Check("results", FAILED, one_line(error))
            return
        subject = Subject(path, results, self.data_of, is_strict=self.strict)
        for name, check in CHECKS.items():
            try:
                yield Check(name, OK, check(subject))
            except NotChecked as reason:
                yield Check(name, NOT_CHECKED, one_line(reason))
            except (Mismatch, GptasksError) as error:
                yield Check(name, FAILED, one_line(error))

    def data_of(self, config: RunConfig) -> Data:
        """The data of a run."""
        told = json.dumps([config.resolved["task"], config.run.limit], sort_keys=True, default=str)
        if self._last is None or self._last[0] != told:
            self._last = (told, Data(config))
        return self._last[1]

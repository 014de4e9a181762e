"""The checks by name, and how they are run on a task."""

from __future__ import annotations

import contextlib
import inspect
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from gptasks import watchdog
from gptasks.errors import ConfigError, GptasksError, suggest
from gptasks.registry import Registry
from gptasks.testing.finding import found
from gptasks.testing.learning import (
    a_run_goes_on_as_if_never_stopped,
    every_strategy_ends,
    gold_scores_best,
    sixteen_rows_can_be_learnt,
)
from gptasks.testing.network import needs_no_network, without_network
from gptasks.testing.options import (
    options_are_documented,
    options_survive_a_file,
    states_the_contract,
)
from gptasks.testing.outputs import (
    a_batch_predicts_like_single_rows,
    every_word_is_answered,
    loss_is_a_sum,
    padding_changes_nothing,
    predicting_twice_is_the_same,
    predictions_have_their_shape,
    the_answer_is_not_in_the_input,
    the_whole_text_is_read,
)
from gptasks.testing.rows import (
    baselines_do_not_peek,
    odd_rows_are_handled,
    rows_are_deterministic,
    splits_do_not_overlap,
)
from gptasks.testing.saving import predictions_survive_saving, transformers_opens_it
from gptasks.testing.subject import GIVE, CheckFailed, Skipped, Subject, given, sample
from gptasks.testing.windows import (
    targets_are_kept_or_counted,
    the_cue_is_kept,
    the_end_is_a_target,
    training_reads_what_use_reads,
    windows_have_their_shape,
)
from gptasks.watchdog import TooLong, alarm

Check = Callable[[Subject], None]

CHECKS: Mapping[str, Check] = {
    check.__name__: check
    for check in (
        states_the_contract,
        options_survive_a_file,
        options_are_documented,
        windows_have_their_shape,
        rows_are_deterministic,
        splits_do_not_overlap,
        baselines_do_not_peek,
        gold_scores_best,
        targets_are_kept_or_counted,
        the_cue_is_kept,
        training_reads_what_use_reads,
        the_end_is_a_target,
        loss_is_a_sum,
        predictions_have_their_shape,
        the_answer_is_not_in_the_input,
        padding_changes_nothing,
        the_whole_text_is_read,
        a_batch_predicts_like_single_rows,
        predicting_twice_is_the_same,
        every_word_is_answered,
        odd_rows_are_handled,
        needs_no_network,
        sixteen_rows_can_be_learnt,
        predictions_survive_saving,
        transformers_opens_it,
        every_strategy_ends,
        a_run_goes_on_as_if_never_stopped,
    )
}
"""The checks by name, the quick ones first."""

FIRST = "windows_have_their_shape"
"""Where it fails, those after it have nothing to look at, but for those that read no window."""

WITHOUT_WINDOWS = ("baselines_do_not_peek", "gold_scores_best")

SECONDS = 300.0
"""Longest that one check may take."""


@dataclass(frozen=True)
class Outcome:
    """What one check found of one task."""

    task: str
    check: str
    failure: str = ""
    """What failed; empty where nothing did."""

    skipped: str = ""
    """Why there was nothing to check."""

    @property
    def word(self) -> str:
        """`ok`, `FAILED` or `skipped`."""
        return "FAILED" if self.failure else "skipped" if self.skipped else "ok"

    @property
    def text(self) -> str:
        """All about it: what failed, what must be, why, and what to do."""
        line = f"{self.word:<8}{self.check}"
        if self.skipped:
            return f"{line}: {self.skipped}"
        if not self.failure:
            return line
        must, *more = (" ".join(part.split()) for part in _doc(self.check).split("\n\n"))
        return "\n".join([f"{line}: {self.failure}", *(f"        {one}" for one in (must, *more))])


def outcomes(
    task: str | os.PathLike[str],
    rows: Sequence[Mapping[str, Any]] | None = None,
    *,
    only: Sequence[str] = (),
) -> Iterator[Outcome]:
    """What each check finds of each task that `task` names, one by one.

    task: a task, a plugin, a distribution, a YAML file, or the folder of a drop-in plugin. rows:
    raw rows to try it on, such as [{"text": "…", "label": "…"}]; without them its own data. only:
    names of checks.
    Raises ConfigError where a name is wrong or there are no rows, DataError where they can't be
    had.
    """
    chosen = _chosen(only)
    registry, choices = found(os.fspath(task))
    for choice in choices:
        subject = _subject(os.fspath(task), registry, choice, rows)
        is_sound = True
        for name in chosen:
            if is_sound or name in WITHOUT_WINDOWS:
                outcome = _outcome(name, subject)
            else:
                outcome = Outcome(choice.name, name, skipped=f"not tried, since {FIRST} failed")
            is_sound = is_sound and not (name == FIRST and outcome.failure)
            yield outcome


def check_task(
    task: str | os.PathLike[str],
    rows: Sequence[Mapping[str, Any]] | None = None,
    *,
    only: Sequence[str] = (),
) -> None:
    """Raise AssertionError with all that is wrong with a task; arguments as in `outcomes`."""
    failed = [outcome for outcome in outcomes(task, rows, only=only) if outcome.failure]
    if failed:
        raise AssertionError("\n".join(f"task {one.task}: {one.text}" for one in failed))


def checks(
    task: str | os.PathLike[str],
    rows: Sequence[Mapping[str, Any]] | None = None,
    *,
    only: Sequence[str] = (),
) -> Any:
    """A decorator for a test with the argument `check`: pytest runs it once for every check.

    Arguments as in `outcomes`. The test calls `check()`.
    """
    import pytest

    def run(name: str) -> None:
        for outcome in outcomes(task, rows, only=[name]):
            if outcome.failure:
                pytest.fail(f"task {outcome.task}: {outcome.text}", pytrace=False)
            if outcome.skipped:
                pytest.skip(outcome.skipped)

    names = _chosen(only)
    return pytest.mark.parametrize("check", [partial(run, name) for name in names], ids=names)


def _chosen(only: Sequence[str]) -> list[str]:
    for name in only:
        if name not in CHECKS:
            near = suggest(name, CHECKS) or f"; there are {', '.join(CHECKS)}"
            raise ConfigError(f"no check '{name}'{near}")
    return [name for name in CHECKS if name in only or not only]


def _subject(
    name: str, registry: Registry, choice: Any, rows: Sequence[Mapping[str, Any]] | None
) -> Subject:
    if choice.error is not None:
        raise choice.error
    subject = Subject(choice, registry, [], Path(), name)
    try:
        task = subject.task()
        subject.rows = sample(task, registry) if rows is None else given(rows)
    except ConfigError as error:
        faults = [f"task '{choice.name}': {fault}" for fault in error.faults]
        raise ConfigError(*faults) from error
    if not subject.rows:
        raise ConfigError(f"task '{choice.name}': there are no rows to try it on; {GIVE}")
    return subject


def _outcome(name: str, subject: Subject) -> Outcome:
    with tempfile.TemporaryDirectory(prefix="gptasks-") as folder, without_network():
        subject.folder = Path(folder)
        try:
            with _quiet(), alarm(SECONDS):
                CHECKS[name](subject)
        except TooLong as error:
            place = _place(error)
            return Outcome(
                subject.choice.name, name, failure=f"it did not end in {SECONDS:g} s: {place}"
            )
        except CheckFailed as failure:
            return Outcome(subject.choice.name, name, failure=str(failure))
        except Skipped as reason:
            return Outcome(subject.choice.name, name, skipped=str(reason))
        except GptasksError as error:
            return Outcome(subject.choice.name, name, failure=" ".join(str(error).split()))
        except Exception as error:  # the task's own code can raise anything
            said = f"{type(error).__name__}: {' '.join(str(error).split())} ({_place(error)})"
            return Outcome(subject.choice.name, name, failure=f"it raises {said}")
    return Outcome(subject.choice.name, name)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep what a training tells off the screen."""
    import logging

    logger = logging.getLogger("gptasks")
    before, logger.disabled = logger.disabled, True
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.disabled = before
        logger.setLevel(level)


def _place(error: BaseException) -> str:
    """File and line of the task's own code where there is some, else of ours."""
    import traceback

    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename) != Path(watchdog.__file__)
    ]
    own = [frame for frame in frames if not _is_library(frame.filename)]
    frame = (own or frames)[-1]
    return f"{Path(frame.filename).name} line {frame.lineno}"


def _is_library(file: str) -> bool:
    path = Path(file)
    return path.is_relative_to(_OURS) or "lib/python" in path.as_posix() or file.startswith("<")


_OURS = Path(__file__).parent.parent


def _doc(name: str) -> str:
    return inspect.getdoc(CHECKS[name]) or ""

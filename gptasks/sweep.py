"""Several runs one after another, and what they come to: the table of `compare`."""

from __future__ import annotations

import logging
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path

from gptasks.config import RunConfig
from gptasks.errors import GptasksError, RunError, listing
from gptasks.report import table
from gptasks.runs import read_results
from gptasks.selection import Candidate, best_on_validation
from gptasks.training.stopping import Stopped

logger = logging.getLogger(__name__)


def sweep(
    configs: Sequence[RunConfig], train: Callable[[RunConfig], Path], *, speaks: bool = True
) -> None:
    """Carry out runs in turn, and print how they compare.

    train: carries out one run and gives its folder. A fault of one is told when it comes and does
    not keep the next from running. speaks: whether this process tells, as one of several does.
    Raises RunError at the end if a run failed, with the exit code of the first.
    """
    names = told_apart(configs)
    done: list[tuple[RunConfig, Path]] = []
    errors: dict[str, GptasksError] = {}
    for number, (config, name) in enumerate(zip(configs, names, strict=True), 1):
        which = f"run {number} of {len(configs)}"
        logger.info("%s: %s", which, name)
        try:
            done.append((config, train(config)))
        except GptasksError as error:
            errors[name] = error
            for fault in error.faults if speaks else ():
                logger.error("%s (%s) failed: %s", which, name, fault)
        except KeyboardInterrupt as stop:
            where = f"{stop}, in {which} ({name})" if str(stop) else f"in {which} ({name})"
            if isinstance(stop, Stopped):
                raise Stopped(stop.number, where) from stop
            raise KeyboardInterrupt(where) from stop
    if done and speaks:
        print("\n".join(["", *summary(done)]), flush=True)
    if errors:
        told = f"{len(errors)} of {len(configs)} runs failed, as told above: "
        failed = RunError(told + listing(errors, 20))
        failed.exit_code = next(iter(errors.values())).exit_code
        raise failed


def told_apart(configs: Sequence[RunConfig], without: Sequence[str] = ()) -> list[str]:
    """What tells each configuration from the others, as typed: "strategy=head seed=1".

    without: keys that are left out.
    """
    given = [dict(text.split("=", 1) for text in config.overrides) for config in configs]
    keys = dict.fromkeys(key for one in given for key in one if key not in without)
    told = [key for key in keys if len({one.get(key) for one in given}) > 1]
    return [
        " ".join(f"{key}={one[key]}" for key in told if key in one)
        or " ".join(f"{key}={text}" for key, text in one.items() if key not in without)
        for one in given
    ]


def summary(done: Sequence[tuple[RunConfig, Path]]) -> list[str]:
    """The lines that end a sweep: the table of `compare`, the best on validation, the folders."""
    from gptasks.compare import compare
    from gptasks.compare.formats import formatted

    folders = {str(folder): config for config, folder in done}
    configs = list(folders.values())
    names = told_apart(configs, without=("seed",))
    best = best_on_validation(
        [
            Candidate(name, config.run.seed, read_results(Path(folder)))
            for name, (folder, config) in zip(names, folders.items(), strict=True)
        ]
    )
    return [
        formatted(compare([*folders]), "table"),
        *(["", *best] if best else []),
        "",
        table([[*pair] for pair in zip(told_apart(configs), folders, strict=True)]),
        f"this table again: {shlex.join(['python', '-m', 'gptasks', 'compare', *folders])}",
    ]

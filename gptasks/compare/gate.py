"""New runs against old ones: whether any task became worse, by more than is allowed and by more
than chance explains.

The new runs are one line of a comparison and the old ones another, each of one configuration with
its seeds. So they are flagged, tested and corrected as all lines are.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace

from gptasks.compare import metrics_of_plugins
from gptasks.compare.formats import needed
from gptasks.compare.model import Cell, Column, Comparison, RunRecord, Test
from gptasks.compare.pairs import add_tests
from gptasks.compare.reading import read_runs
from gptasks.compare.significance import ALPHA, rows_needed
from gptasks.compare.systems import better, tabled
from gptasks.errors import ConfigError, RunError, listing
from gptasks.progress import counted
from gptasks.report import table

SIDE = "side"
"""The key that names the two lines."""

OLD, NEW = "old", "new"

HUNDREDTH = 0.01
"""What `max_drop` counts in."""

ROUNDING = 1e-9
"""What a drop may be beyond the one allowed: 0.9 - 0.895 is a little more than 0.005."""


@dataclass(frozen=True)
class Gated:
    """One metric of one task, old and new."""

    task: str
    metric: str
    is_better_higher: bool

    old: float
    """Value of the old runs, of several seeds the mean."""

    new: float
    difference: float
    """New less old, in the metric's own unit."""

    low: float
    """Lower end of the difference's 95% interval."""

    high: float
    p: float
    """Two-sided, after Holm's correction over all that is gated."""

    rows: int
    """Number of test rows."""

    rows_needed: int | None
    """Rows with which a difference of this size would be found in 80% of all cases."""

    needs_seeds: bool
    """Whether the spread of seeds alone is why it is not significant: more rows would not tell."""

    old_seeds: int
    new_seeds: int

    verdict: str
    """What is to be said of it, in words."""

    is_worse: bool
    """Whether it dropped by more than is allowed, significantly."""


@dataclass(frozen=True)
class Gate:
    """What was gated, and what could not be."""

    gated: list[Gated]

    incomparable: list[str]
    """Why tasks, or metrics of them, can't be compared, a sentence each."""

    notes: list[str]
    """What else there is to know."""

    @property
    def is_open(self) -> bool:
        """Whether nothing became worse, of what could be compared."""
        return not any(one.is_worse for one in self.gated)


def gate(
    new: Sequence[str | os.PathLike[str]],
    old: Sequence[str | os.PathLike[str]],
    *,
    metrics: Sequence[str] = (),
    max_drop: float = 0.0,
    alpha: float = ALPHA,
) -> Gate:
    """Compare the new runs with the old ones, task by task.

    new, old: run folders, and folders of them; for each task the seeds of one configuration.
    metrics: by name; empty for each task's headline metric. max_drop: how much worse a metric may
    become whatever the test says, in hundredths: 0.5 is 0.005 of accuracy. alpha: below which p
    value a drop is significant.
    Raises RunError or ConfigError where something is missing, broken, or not one configuration.
    """
    _check_numbers(max_drop, alpha)
    every = {OLD: _read(old, OLD), NEW: _read(new, NEW)}
    twice = set.intersection(*({_place(run) for run in runs} for runs in every.values()))
    if twice:
        raise ConfigError(f"{sorted(twice)[0]} is among both the new runs and the baseline's.")
    tasks = {side: _tasks(runs) for side, runs in every.items()}
    incomparable = [
        f"{task}: there is no new run of it" for task in tasks[OLD] if task not in tasks[NEW]
    ]
    notes = [
        f"{task} is not gated: the baseline has no run of it."
        for task in tasks[NEW]
        if task not in tasks[OLD]
    ]
    shared = set(tasks[OLD]) & set(tasks[NEW])
    runs = [run for run in (*every[OLD], *every[NEW]) if run.task in shared]
    if not runs:
        return Gate([], incomparable, notes)
    comparison = tabled(runs, [], (SIDE,), metrics)
    _check_configurations(comparison)
    names = [column.metric for column in comparison.columns]
    add_tests(comparison, "all", metrics_of_plugins(names), force=False)
    gated = []
    for number, column in enumerate(comparison.columns):
        before, after = (_cell(comparison, number, side) for side in (OLD, NEW))
        reasons = [_reason(OLD, before), _reason(NEW, after)]
        test = next((test for test in comparison.tests if test.column == number), None)
        if before is None or after is None or test is None:
            reason = "; ".join(filter(None, reasons)) or "they could not be tested"
            incomparable.append(f"{column.task} {column.metric}: {reason.rstrip('.')}")
        else:
            gated.append(_gated(column, test, before, after, max_drop, alpha))
    told = {column.task for column in comparison.columns}
    incomparable += [
        f"{task}: it has no test score {listing(metrics)}"
        for task in _tasks(runs)
        if task not in told
    ]
    return Gate(gated, incomparable, [*notes, *comparison.notes])


def _check_numbers(max_drop: float, alpha: float) -> None:
    if not 0 <= max_drop < math.inf:
        raise ConfigError(
            f"--max-drop is {max_drop:g}; it is a number of hundredths, 0 or more: 0.5 allows a "
            "drop of 0.005."
        )
    if not 0 < alpha < 1:
        raise ConfigError(f"--alpha is {alpha:g}; it lies between 0 and 1, such as 0.05.")


def _read(paths: Sequence[str | os.PathLike[str]], side: str) -> list[RunRecord]:
    """The runs of a side, its name among their settings. None may be broken: seeds that are
    missing would make the rest look better or worse."""
    runs, broken = read_runs(paths)
    if broken:
        told = (
            one.reason if one.path in one.reason else f"{one.path}: {one.reason}" for one in broken
        )
        raise RunError(f"among the {side} runs {' '.join(told)}")
    return [replace(run, settings={**run.settings, SIDE: side}) for run in runs]


def _place(run: RunRecord) -> str:
    return os.path.realpath(run.path)


def _tasks(runs: Sequence[RunRecord]) -> list[str]:
    return list(dict.fromkeys(run.task for run in runs))


def _check_configurations(comparison: Comparison) -> None:
    """Raise ConfigError unless the runs of a task are of one configuration, on each side."""
    faults = []
    for task in _tasks(comparison.runs):
        for side in (OLD, NEW):
            systems = {
                cell.system: comparison.systems[cell.system].name
                for cell in comparison.cells
                if comparison.columns[cell.column].task == task
                and comparison.systems[cell.system].name[SIDE] == side
            }
            if len(systems) > 1:
                names = list(systems.values())
                differ = [
                    f"{key} ({listing(dict.fromkeys(name[key] or 'none' for name in names), 4)})"
                    for key in comparison.by
                    if len({name[key] for name in names}) > 1
                ]
                faults.append(
                    f"the {side} runs of task {task} are of {len(systems)} configurations, which "
                    f"differ in {listing(differ)}; name those of one."
                )
    if faults:
        raise ConfigError(*faults)


def _cell(comparison: Comparison, number: int, side: str) -> Cell | None:
    """The cell of a side in a column."""
    return next(
        (
            cell
            for cell in comparison.cells
            if cell.column == number and comparison.systems[cell.system].name[SIDE] == side
        ),
        None,
    )


def _reason(side: str, cell: Cell | None) -> str:
    """Why the cell can't be compared with the other side's; "" where it can."""
    if cell is None:
        return f"there is no {side} test score of it"
    if math.isnan(cell.value):
        return f"it is undefined for the {side} runs"
    if cell.flags:
        return f"the {side} runs have {'; '.join(cell.flags)}"
    return cell.untested


def _gated(
    column: Column, test: Test, old: Cell, new: Cell, max_drop: float, alpha: float
) -> Gated:
    sign = 1 if test.a == new.system else -1
    difference, *ends = (sign * one + 0.0 for one in (test.difference, test.low, test.high))
    drop = better(column, old.value) - better(column, new.value)
    is_beyond = drop > max_drop * HUNDREDTH + ROUNDING
    is_worse = is_beyond and test.p_holm < alpha
    if drop <= ROUNDING:
        verdict = "no drop"
    elif not is_beyond:
        verdict = "within --max-drop"
    else:
        verdict = "DROPPED" if is_worse else "not significant"
    return Gated(
        task=column.task,
        metric=column.metric,
        is_better_higher=column.is_better_higher,
        old=old.value,
        new=new.value,
        difference=difference,
        low=min(ends),
        high=max(ends),
        p=test.p_holm,
        rows=test.rows,
        rows_needed=rows_needed(test.effect, alpha),
        needs_seeds=test.lacks_seeds(alpha),
        old_seeds=len(old.runs),
        new_seeds=len(new.runs),
        verdict=verdict,
        is_worse=is_worse,
    )


# -- as text ------------------------------------------------------------------------------


def as_text(found: Gate) -> str:
    """What was gated, and what there is to know of it, for a terminal."""
    parts = []
    if found.gated:
        p = "p" if len(found.gated) == 1 else "p Holm"
        head = ["task", "metric", OLD, NEW, "new - old", p, "rows", "rows needed", "verdict"]
        parts.append(table([head, *map(_cells, found.gated)]))
    few = [_few(one) for one in found.gated if one.verdict == "not significant"]
    lines = "\n".join([*filter(None, few), *found.notes])
    return "\n\n".join([*parts, *([lines] if lines else [])])


def _few(one: Gated) -> str:
    """What there is too little of, to tell whether a drop that was seen is there."""
    drop = f"{one.task} {one.metric}: a drop of {abs(one.difference):.4f}"
    if one.needs_seeds:
        return f"{drop} is within the spread of the seeds; more of them would tell."
    if one.rows_needed and one.rows_needed > one.rows:
        needed = counted(one.rows_needed, "row")
        return f"{drop} would be found in 80% of all cases with {needed}; there are {one.rows:,}."
    return ""


def _cells(one: Gated) -> list[str]:
    def value(number: float, seeds: int) -> str:
        return f"{number:.4f}" + (f" of {seeds} seeds" if seeds > 1 else "")

    return [
        one.task,
        one.metric + " (lower is better)" * (not one.is_better_higher),
        value(one.old, one.old_seeds),
        value(one.new, one.new_seeds),
        f"{one.difference:.4f} [{one.low:.4f}, {one.high:.4f}]",
        "<0.0001" if one.p < 0.00005 else f"{one.p:.4f}",
        f"{one.rows:,}",
        needed(one.rows_needed, needs_seeds=one.needs_seeds),
        one.verdict,
    ]

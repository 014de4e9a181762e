"""Runs beside each other: the table of their scores, and whether they differ.

`compare` gives a `Comparison` (`model.py`), plain data from which `formats.py` makes every output.
The way there: `reading.py` reads the folders, `systems.py` makes the table, `pairs.py` tests.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from gptasks.compare.model import Broken, Cell, Column, Comparison, RunRecord, System, Test
from gptasks.compare.reading import read_runs
from gptasks.compare.systems import tabled
from gptasks.errors import RunError
from gptasks.metrics import NAMES

if TYPE_CHECKING:
    from gptasks.metrics.base import Metric

__all__ = [
    "Broken", "Cell", "Column", "Comparison", "RunRecord", "System", "Test",
    "compare", "compare_runs", "metrics_of_plugins", "read_runs",
]  # fmt: skip


def compare(
    paths: Sequence[str | os.PathLike[str]],
    *,
    by: Sequence[str] = ("backbone", "strategy"),
    metrics: Sequence[str] = (),
    tests: str = "auto",
    force: bool = False,
) -> Comparison:
    """The test scores of runs beside each other, with paired tests between them.

    paths: run folders, and folders of them. by: keys that name the lines of the table. metrics: by
    name; empty for the headline metric of each task. tests: one of `pairs.CHOICES`. force: test
    also what can't be compared.
    Raises RunError if no finished run is there, ConfigError for a key or metric that no run has.
    """
    runs, broken = read_runs(paths)
    return compare_runs(runs, broken, by=by, metrics=metrics, tests=tests, force=force)


def compare_runs(
    runs: list[RunRecord],
    broken: list[Broken],
    *,
    by: Sequence[str] = ("backbone", "strategy"),
    metrics: Sequence[str] = (),
    tests: str = "auto",
    force: bool = False,
) -> Comparison:
    """The same of runs that were read; broken: what else was found, for the comparison's notes."""
    if not runs:
        told = "; ".join(one.said for one in broken)
        raise RunError(f"there is no finished run to compare: {told}")
    comparison = tabled(runs, broken, by, metrics)
    from gptasks.compare.pairs import add_tests

    names = [column.metric for column in comparison.columns]
    add_tests(comparison, tests, metrics_of_plugins(names), force=force)
    return comparison


def metrics_of_plugins(names: Iterable[str]) -> Mapping[str, type[Metric]]:
    """The metrics of plugins, if any of these names is not of this package."""
    if all(name in NAMES for name in names):
        return {}
    from gptasks.registry import Registry

    return Registry().metrics

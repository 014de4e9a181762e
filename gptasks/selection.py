"""The score on validation by which a run chose its model, and the best of several runs by it.

Test takes no part in any choice: what a sweep is for is told by validation alone.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gptasks.metrics import LOSS, NAMES, Score, is_better_higher


@dataclass(frozen=True)
class Candidate:
    """A run that may be the best of several."""

    configuration: str
    """What tells its configuration from the others', seeds apart, as "strategy=head"."""

    seed: int
    results: Mapping[str, Any]
    """Its results.json."""


def selected(results: Mapping[str, Any]) -> Score | None:
    """The score on validation of the metric that chose the model (`task.select`); None where the
    run kept none.

    results: results.json. The loss is no metric, and has no interval.
    """
    name = results["select"]
    found = results["metrics"]["validation"]
    if name in found:
        return Score.from_json(found[name])
    best = results["fit"].get("best", {})
    value = best.get(name) if isinstance(best, Mapping) else None
    if not isinstance(value, int | float) or name not in (LOSS, *NAMES):
        return None
    rows = results["data"]["validation"]["n"]
    return Score(float(value), math.nan, math.nan, rows, name, is_better_higher(name))


def best_on_validation(runs: Sequence[Candidate]) -> list[str]:
    """A line for each task: the configuration that is best by the mean of its seeds, or of one
    configuration the best seed; why there is none where scores can't be compared."""
    lines = []
    tasks = dict.fromkeys(run.results["task"] for run in runs)
    for task in tasks:
        own = [run for run in runs if run.results["task"] == task]
        said = _best(own) if len(own) > 1 else ""
        of = f" of task {task}" if len(tasks) > 1 else ""
        if said:
            lines.append(f"best on validation{of}: {said}")
    return lines


def _best(runs: Sequence[Candidate]) -> str:
    scores = [(run, selected(run.results)) for run in runs]
    sound = [(run, score) for run, score in scores if score and not math.isnan(score.value)]
    lacking = len(runs) - len(sound)
    if lacking:
        return f"none, since {lacking} of {len(runs)} runs have no score of what selects"
    if len({_basis(run, score) for run, score in sound}) > 1:
        return "none, since not all runs were validated on the same rows by the same metric"
    values: dict[str, list[float]] = {}
    several = len({run.configuration for run in runs}) > 1
    for run, score in sound:
        name = run.configuration if several else f"seed={run.seed}"
        values.setdefault(name, []).append(score.value)
    means = {name: statistics.fmean(found) for name, found in values.items()}
    choose = max if sound[0][1].is_better_higher else min
    best = choose(means, key=lambda name: means[name])
    seeds = f", mean of {len(values[best])} seeds" if len(values[best]) > 1 else ""
    return f"{best} ({runs[0].results['select']} {means[best]:.4f}{seeds})"


def _basis(run: Candidate, score: Score) -> tuple[Any, ...]:
    """What must be equal for two scores to be compared; a loss also hangs on the tokenizer."""
    rows = run.results["data"]["validation"]["sha256"]
    tokens = run.results["backbone"] if score.signature == LOSS else ""
    return run.results["select"], score.signature, rows, tokens

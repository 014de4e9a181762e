"""The tests of a comparison: which pairs, on which rows, and which cell is the best."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from gptasks.compare.model import Cell, Column, Comparison, RunRecord, Test
from gptasks.compare.reading import Stored, check_count, read_inputs, read_predictions
from gptasks.compare.significance import (
    ALPHA,
    bootstrap,
    bootstrap_p,
    effect_size,
    holm,
    mcnemar_p,
    randomisation_p,
    rows_needed,
    seeds_p,
)
from gptasks.compare.systems import better
from gptasks.errors import GptasksError, RunError
from gptasks.metrics import measure
from gptasks.metrics.bootstrap import Measure, interval

if TYPE_CHECKING:
    from gptasks.metrics.base import Metric

CHOICES = ("auto", "all", "best", "none")
"""Which pairs are tested: `all` of a column, the `best` with every other, `none`; `auto` is the
most of these that takes seconds."""

ALL_UP_TO = 6
"""Systems in a column of which `auto` tests all pairs."""

TESTED_UP_TO = 50
"""Runs among which `auto` tests at all, since it reads all their predictions."""

Pair = tuple[Cell, Cell]
"""Two cells of a column, that with the better value first."""


@dataclass(frozen=True)
class _Answers:
    """What a run says of n rows, and a metric of it."""

    stored: Stored
    labels: tuple[str, ...]
    metric: Callable[..., Measure]
    """Predictions, references and labels to a measure."""

    measure: Measure
    value: float


def add_tests(
    comparison: Comparison, choice: str, extra: Mapping[str, type[Metric]], *, force: bool
) -> None:
    """Test pairs of systems, correct their p values together, and mark the best cells.

    choice: one of `CHOICES`. extra: metrics of plugins, by name. force: flagged cells take part
    too, on the rows in common.
    """
    cells = [_candidates(comparison, n, force) for n in range(len(comparison.columns))]
    choice = _resolved(comparison, choice, max(map(len, cells), default=0))
    read: dict[int, Stored] = {}
    for number, found in enumerate(cells):
        if choice != "none" and len(found) > 1:
            metric = partial(measure, comparison.columns[number].metric, extra=extra)
            _test_column(comparison, number, found, choice, read, metric)
    corrected = holm([test.p for test in comparison.tests])
    for test, p in zip(comparison.tests, corrected, strict=True):
        test.p_holm, test.is_significant = p, p < ALPHA
        test.needs_seeds = test.lacks_seeds(ALPHA)
    for number, found in enumerate(cells):
        _mark(comparison, number, found, force=force)


def _candidates(comparison: Comparison, number: int, force: bool) -> list[Cell]:
    """The cells of a column that may be tested, the best first."""
    column = comparison.columns[number]
    found = [
        cell
        for cell in comparison.cells
        if cell.column == number
        and comparison.systems[cell.system].baseline is None
        and (force or not cell.flags)
        and not math.isnan(cell.value)
    ]
    return sorted(found, key=lambda cell: -better(column, cell.value))


def _resolved(comparison: Comparison, choice: str, systems: int) -> str:
    if choice != "auto" or systems < 2:
        return choice
    if len(comparison.runs) > TESTED_UP_TO:
        comparison.notes.append(
            f"No tests among {len(comparison.runs):,} runs; --tests best or --tests all makes them."
        )
        return "none"
    if systems > ALL_UP_TO:
        comparison.notes.append(
            "Tested: the best of each column with every other; --tests all tests all pairs."
        )
        return "best"
    return "all"


def _test_column(
    comparison: Comparison,
    number: int,
    cells: Sequence[Cell],
    choice: str,
    read: dict[int, Stored],
    metric: Callable[..., Measure],
) -> None:
    """Test the cells of a column by its metric; those that can't be are told why.

    read: the predictions of runs, which other columns of the task use as well.
    """
    column = comparison.columns[number]
    answers: dict[int, _Answers] = {}
    bases: dict[str, Stored] = {}
    for cell in cells:
        try:
            for i in cell.runs:
                run = comparison.runs[i]
                if i not in read:
                    read[i] = read_predictions(run)
                own = _checked(run, column, read[i], metric)
                # A base that others are measured by is one that is what it says of itself.
                aligned = _aligned(run, read[i], bases.setdefault(_rows(run), read[i]))
                is_moved = aligned is not read[i]
                answers[i] = _checked(run, column, aligned, metric) if is_moved else own
        except GptasksError as error:
            cell.untested = " ".join(str(error).split())
    same_rows: dict[str, list[Pair]] = {}
    for a, b in _pairs(column, [cell for cell in cells if not cell.untested], choice):
        rows = {_rows(comparison.runs[i]) for i in (*a.runs, *b.runs)}
        if len(rows) == 1:
            same_rows.setdefault(rows.pop(), []).append((a, b))
            continue
        try:
            _tests(comparison, number, [(a, b)], _in_common(comparison, (a, b), answers))
        except GptasksError as error:
            _note(comparison, column, (a, b), error)
    for pairs in same_rows.values():
        _tests(comparison, number, pairs, answers)


def _rows(run: RunRecord) -> str:
    """What stands for a run's test rows."""
    return run.data.get("test", {}).get("sha256", "")


def _pairs(column: Column, cells: Sequence[Cell], choice: str) -> Iterator[Pair]:
    return (
        itertools.combinations(cells, 2) if choice == "all" else ((cells[0], b) for b in cells[1:])
    )


def _note(comparison: Comparison, column: Column, pair: Pair, error: GptasksError) -> None:
    names = " and ".join(comparison.runs[cell.runs[0]].path for cell in pair)
    said = " ".join(str(error).split())
    comparison.notes.append(f"{column.task} {column.metric}: {names} are not tested: {said}")


# -- the same rows ------------------------------------------------------------------------


def _aligned(run: RunRecord, stored: Stored, base: Stored) -> Stored:
    """The predictions in the order of `base`, which another run on the same rows keeps.

    By id; by place where the same rows were read from files of other names.
    """
    places = {id: place for place, id in enumerate(stored.ids)}
    if stored.ids != base.ids and places.keys() == set(base.ids):
        stored = stored.at([places[id] for id in base.ids])
    if stored.references != base.references:
        raise RunError(f"{run.path}: its predictions are not of the rows that its test data has.")
    return stored


def _checked(
    run: RunRecord, column: Column, stored: Stored, metric: Callable[..., Measure]
) -> _Answers:
    """The predictions with the metric on them, if they are what the run says of itself."""
    check_count(run, len(stored.ids))
    if len(set(stored.ids)) < len(stored.ids):
        raise RunError(f"{run.path}: ids of its predictions stand there twice.")
    found = metric(stored.predictions, stored.references, run.labels)
    value = _value(found, len(stored.ids))
    check_value(run, column.metric, value)
    return _Answers(stored, run.labels, metric, found, value)


def check_value(run: RunRecord, metric: str, value: float) -> None:
    """Raise RunError where the predictions of a run give another score than its results hold."""
    told = run.scores["test"][metric].value
    if not math.isclose(value, told, rel_tol=1e-6, abs_tol=1e-6):
        raise RunError(
            f"{run.path}: its predictions give {metric} {value:.4f}, its results.json says "
            f"{told:.4f}."
        )


def _in_common(
    comparison: Comparison, pair: Pair, answers: Mapping[int, _Answers]
) -> dict[int, _Answers]:
    """The answers of a pair's runs on the rows, by input and reference, that all of them have."""
    runs = [i for cell in pair for i in cell.runs]
    keyed = {i: _contents(comparison.runs[i], answers[i].stored) for i in runs}
    common = [key for key in keyed[runs[0]] if all(key in keyed[i] for i in runs)]
    if not common:
        raise RunError("their test data have no row in common.")
    found = {}
    for i in runs:
        stored = answers[i].stored.at([keyed[i][key] for key in common])
        labels, metric = answers[i].labels, answers[i].metric
        on_them = metric(stored.predictions, stored.references, labels)
        found[i] = _Answers(stored, labels, metric, on_them, _value(on_them, len(common)))
    return found


def _contents(run: RunRecord, stored: Stored) -> dict[tuple[str, str, int], int]:
    """What a row holds, and the how many-th of its kind it is, to its place."""
    inputs, seen = read_inputs(run), Counter[tuple[str, str]]()
    found = {}
    for place, (id, reference) in enumerate(zip(stored.ids, stored.references, strict=True)):
        content = (inputs[id], repr(reference))
        seen[content] += 1
        found[*content, seen[content]] = place
    return found


def _value(found: Measure, rows: int) -> float:
    return float(found(np.ones((rows, 1)))[0])


# -- the tests ----------------------------------------------------------------------------


def _tests(
    comparison: Comparison, number: int, pairs: Sequence[Pair], answers: Mapping[int, _Answers]
) -> None:
    """Test pairs of cells whose runs answer the same rows, all on the same draws."""
    column = comparison.columns[number]
    both: dict[int, list[Measure]] = {}
    for place, pair in enumerate(pairs):
        try:
            both[place] = _mixtures(pair, answers)
        except GptasksError as error:
            _note(comparison, column, pair, error)
    if not both:
        return
    runs = list(dict.fromkeys(i for place in both for cell in pairs[place] for i in cell.runs))
    rows = len(answers[runs[0]].stored.ids)
    drawn = bootstrap({i: answers[i].measure for i in runs}, rows)
    randomised = randomisation_p(both, rows)
    for place, p_randomisation in randomised.items():
        a, b = pairs[place]
        values = [[answers[i].value for i in cell.runs] for cell in (a, b)]
        difference = float(np.mean(values[0]) - np.mean(values[1]))
        means = [np.mean([drawn[i] for i in cell.runs], axis=0) for cell in (a, b)]
        differences = means[0] - means[1]  # (R,)
        effect = effect_size(difference, differences, rows)
        p_mcnemar = _mcnemar(column, (a, b), answers)
        p_seeds = seeds_p(*values)
        p = p_randomisation if p_mcnemar is None else p_mcnemar
        low, high = interval(differences)
        comparison.tests.append(
            Test(
                column=number,
                a=a.system,
                b=b.system,
                rows=rows,
                difference=difference,
                low=low,
                high=high,
                p_bootstrap=bootstrap_p(difference, differences),
                p_randomisation=p_randomisation,
                p_mcnemar=p_mcnemar,
                p_seeds=p_seeds,
                p=p if p_seeds is None else max(p, p_seeds),
                effect=effect,
                rows_needed=rows_needed(effect),
            )
        )


def _mixtures(pair: Pair, answers: Mapping[int, _Answers]) -> list[Measure]:
    """The metric on the rows of both sides, one side's before the other's, for each seed.

    With other numbers of seeds each is taken equally often, so that the mean over these measures
    differs between the sides as the sides' means over seeds do.
    """
    a, b = ([answers[i] for i in cell.runs] for cell in pair)
    labels = list(dict.fromkeys(label for one in (*a, *b) for label in one.labels))
    found = []
    for turn in range(math.lcm(len(a), len(b))):
        first, second = a[turn % len(a)].stored, b[turn % len(b)].stored
        predictions = [*first.predictions, *second.predictions]
        references = [*first.references, *second.references]
        found.append(answers[pair[0].runs[0]].metric(predictions, references, labels))
    return found


def _mcnemar(column: Column, pair: Pair, answers: Mapping[int, _Answers]) -> float | None:
    if column.metric != "accuracy" or any(len(cell.runs) > 1 for cell in pair):
        return None
    right = []
    for cell in pair:
        stored = answers[cell.runs[0]].stored
        said = zip(stored.predictions, stored.references, strict=True)
        right.append(np.array([one.value == reference for one, reference in said]))
    return mcnemar_p(*right)


# -- the best -----------------------------------------------------------------------------


def _mark(comparison: Comparison, number: int, cells: Sequence[Cell], *, force: bool) -> None:
    """Mark the best cell if it is significantly better than every other of its column.

    Baselines keep no predictions to test, so their intervals must lie apart from its own.
    """
    column = comparison.columns[number]
    baselines = [
        cell
        for cell in comparison.cells
        if cell.column == number
        and comparison.systems[cell.system].baseline is not None
        and (force or not cell.flags)
        and not math.isnan(cell.value)
    ]
    if not cells or len(cells) + len(baselines) < 2:
        return
    best = cells[0]
    beaten = {
        test.b
        for test in comparison.tests
        if test.is_significant and (test.column, test.a) == (number, best.system)
    }
    best.is_best = {cell.system for cell in cells[1:]} <= beaten and all(
        _lies_above(column, best, cell) for cell in baselines
    )


def _lies_above(column: Column, best: Cell, other: Cell) -> bool:
    ends = (best.low, best.high, other.low, other.high)
    if any(math.isnan(end) for end in ends):
        return False
    low, high, other_low, other_high = (better(column, end) for end in ends)
    return min(low, high) > max(other_low, other_high)

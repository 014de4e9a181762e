"""Runs as a table: which are seeds of one configuration, what tells the others apart, and which
scores can be compared."""

from __future__ import annotations

import itertools
import json
import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gptasks.compare.model import Broken, Cell, Column, Comparison, RunRecord, System
from gptasks.errors import ConfigError, listing, suggest
from gptasks.metrics import Score
from gptasks.progress import counted
from gptasks.registry import GROUPS

IGNORED = ("run", "seed", "device", "bootstrap", "task.metrics", "task.slice_by")
"""Keys that leave a run's model as it is."""

IGNORED_GROUPS = ("tracking.", "task.data.")
"""Groups of such keys. What data a run had its rows' SHA-256 tell, not the place of a file."""

TRUNCATION = 0.01
"""How far the shares of test rows cut, and of tokens lost, may lie apart between two backbones,
whose tokens are not the same. Within one backbone any difference counts."""


@dataclass
class _Group:
    """The runs that make one line of the table in one task: one configuration, or a baseline."""

    task: str
    baseline: str | None
    name: dict[str, str]
    """What it is called, by key."""

    facts: Mapping[str, str]
    """What may tell it from others of the same name."""

    runs: list[int]


def tabled(
    runs: list[RunRecord], broken: list[Broken], by: Sequence[str], metrics: Sequence[str]
) -> Comparison:
    """The table of these runs, without tests; seeds of one configuration are one line of it.

    by: the keys that name a line. Configurations that they don't tell apart are never taken
    together: keys that do are added.
    metrics: names of metrics; empty for the headline metric of each task.
    Raises ConfigError for a key or a metric that no run has.
    """
    _check_keys(runs, by)
    notes: list[str] = []
    columns = _columns(runs, metrics)
    shown: dict[str, list[str]] = defaultdict(list)
    for column in columns:
        shown[column.task].append(column.metric)
    groups = [*_configurations(runs, by, shown, notes), *_baselines(runs, by, shown)]
    keys = (*by, *_told_apart(groups, by))
    for group in groups:
        for key in keys[len(by) :]:
            group.name[key] = group.facts.get(key, "")
    comparison = Comparison(keys, runs, broken, columns, [], [], notes=notes)
    _place(comparison, groups)
    for number, column in enumerate(columns):
        _flag(comparison, number, column)
    _order(comparison)
    return comparison


def better(column: Column, value: float) -> float:
    """A value of this column such that the better one is higher; not a number is the worst."""
    if math.isnan(value):
        return -math.inf
    return value if column.is_better_higher else -value


# -- which runs belong together -----------------------------------------------------------


def _configurations(
    runs: Sequence[RunRecord],
    by: Sequence[str],
    shown: Mapping[str, Sequence[str]],
    notes: list[str],
) -> list[_Group]:
    """shown: the metrics in the table, by task."""
    found: dict[Any, _Group] = {}
    for number, run in enumerate(runs):
        facts = _facts(run, shown[run.task])
        name = {key: _named(run, key) for key in by}
        same = (run.task, tuple(name.values()), frozenset(facts.items()))
        group = found.setdefault(same, _Group(run.task, None, name, facts, []))
        twin = next((runs[i] for i in group.runs if runs[i].seed == run.seed), None)
        if twin is None:
            group.runs.append(number)
        else:
            notes.append(
                f"{run.path} repeats {twin.path}, configuration and seed"
                f"{_otherwise(run, twin, shown[run.task])}: only the latter counts."
            )
    for group in found.values():
        group.runs.sort(key=lambda i: runs[i].seed)
    return list(found.values())


def _otherwise(run: RunRecord, twin: RunRecord, metrics: Sequence[str]) -> str:
    """What is said of a run whose scores are not those of its twin."""
    for name in metrics:
        one, other = (_score(found, None, name) for found in (run, twin))
        if one and other and repr(one.value) != repr(other.value):
            return f", with another {name} ({one.value:.4f}, not {other.value:.4f})"
    return ""


def _baselines(
    runs: Sequence[RunRecord], by: Sequence[str], shown: Mapping[str, Sequence[str]]
) -> list[_Group]:
    """Baselines of equal data are one line, told by the run of the lowest seed. They are learnt
    from the rows alone."""
    found: dict[Any, _Group] = {}
    for number, run in enumerate(runs):
        rows = _rows(run)
        for baseline, scores in run.baselines.items():
            name = {key: run.task if key == "task" else "" for key in by}
            metrics = [metric for metric in shown[run.task] if metric in scores]
            values = tuple((metric, scores[metric].value) for metric in metrics)
            same = (run.task, baseline, frozenset(rows.items()), repr(values))
            facts = {"limit": _shown(run.settings.get("limit")), **rows}
            group = found.setdefault(same, _Group(run.task, baseline, name, facts, [number]))
            if run.seed < runs[group.runs[0]].seed:  # so that no order of folders matters
                group.runs = [number]
    return list(found.values())


def _told_apart(groups: Iterable[_Group], by: Sequence[str]) -> list[str]:
    """The keys that must stand beside `by` so that no two groups of a task have one name."""
    alike = defaultdict(list)
    for group in groups:
        alike[group.task, group.baseline, *group.name.values()].append(group.facts)
    added: dict[str, None] = {}
    for facts in alike.values():
        keys = [key for key in dict.fromkeys(itertools.chain(*facts)) if _differs(key, facts)]
        choices = [f"{key}." for key in GROUPS if key in keys]
        plain = [key for key in keys if " " not in key and not key.startswith(tuple(choices))]
        added |= dict.fromkeys(plain)
        for key in keys:  # of rows, labels, …: only where the configuration does not tell
            if _count(facts, [*added]) == len(facts):
                break
            if " " in key and _count(facts, [*added, key]) > _count(facts, [*added]):
                added[key] = None
    return [key for key in added if key not in by]


def _differs(key: str, facts: Sequence[Mapping[str, str]]) -> bool:
    return _count(facts, [key]) > 1


def _count(facts: Sequence[Mapping[str, str]], keys: Sequence[str]) -> int:
    """How many of the groups these keys tell apart."""
    return len({tuple(one.get(key, "") for key in keys) for one in facts})


def _facts(run: RunRecord, metrics: Sequence[str]) -> dict[str, str]:
    """All that makes a run's model and its scores what they are, but the seed; by key, as text.

    The keys of the configuration first, then what it led to, with a space in the key.

    metrics: those in the table; how others were computed tells nothing apart.
    """
    facts = {
        key.removesuffix(".name") if key.removesuffix(".name") in GROUPS else key: _shown(value)
        for key, value in run.settings.items()
        if key not in IGNORED and not key.startswith(IGNORED_GROUPS) and value is not None
    }
    scores = run.scores["test"]
    signatures = [scores[metric].signature for metric in metrics if metric in scores]
    return {
        **facts,
        **_rows(run),
        "test tokens lost": _shown(run.truncation["test"]["tokens_lost"]),
        "metric signatures": ", ".join(signatures),
    }


def _rows(run: RunRecord) -> dict[str, str]:
    shown = {f"{name} rows": _data(split) for name, split in run.data.items()}
    return {**shown, "label set": ", ".join(run.labels)}


def _named(run: RunRecord, key: str) -> str:
    if key == "run":
        return run.path
    if key in ("task", "backbone", "strategy", "seed"):
        return str(getattr(run, key))
    return _shown(run.settings.get(f"{key}.name" if key in GROUPS else key))


def _shown(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _check_keys(runs: Sequence[RunRecord], by: Sequence[str]) -> None:
    known = dict.fromkeys([*GROUPS, "seed", "run", *(key for run in runs for key in run.settings)])
    for key in by:
        if key not in known:
            near = suggest(key, known) or f"; there are {listing(known)}."
            raise ConfigError(f"--by: no run has the key '{key}'{near}")
    if len(set(by)) < len(by):
        raise ConfigError(f"--by names a key twice: {listing(by)}.")


# -- cells --------------------------------------------------------------------------------


def _columns(runs: Sequence[RunRecord], metrics: Sequence[str]) -> list[Column]:
    tested: dict[str, list[Mapping[str, Score]]] = defaultdict(list)
    for run in runs:
        tested[run.task].append(run.scores.get("test", {}))
    there = list(dict.fromkeys(name for found in tested.values() for one in found for name in one))
    for name in metrics:
        if name not in there:
            near = suggest(name, there) or f"; there are {listing(there, limit=40)}."
            raise ConfigError(f"--metric: no run has a test score '{name}'{near}")
    columns = []
    for task, found in tested.items():
        first = Counter(next(iter(one)) for one in found if one).most_common(1)
        for name in dict.fromkeys(metrics or [metric for metric, _ in first]):
            if any(name in one for one in found):
                score = next(one[name] for one in found if name in one)
                columns.append(Column(task, name, score.is_better_higher))
    return columns


def _place(comparison: Comparison, groups: Iterable[_Group]) -> None:
    """Fill systems and cells: groups of one name are one system, each in a task of its own."""
    known: dict[Any, int] = {}
    filled = set()
    for group in groups:
        cells = _cells(comparison, group)
        same = (group.baseline, *group.name.values())
        number = known.get(same)
        if number is None or any((number, cell.column) in filled for cell in cells):
            number = known[same] = len(comparison.systems)
            comparison.systems.append(System(group.name, group.baseline))
        for cell in cells:
            cell.system = number
            filled.add((number, cell.column))
            comparison.cells.append(cell)


def _order(comparison: Comparison) -> None:
    """Sort the systems: the best in the first column first, then what can't be compared, then
    baselines; tasks one after another where they name the lines."""
    first: dict[int, Cell] = {}
    for cell in sorted(comparison.cells, key=lambda cell: cell.column):
        first.setdefault(cell.system, cell)

    def rank(number: int) -> tuple[Any, ...]:
        cell, is_baseline = first[number], comparison.systems[number].baseline is not None
        task = cell.column if "task" in comparison.by else 0
        value = better(comparison.columns[cell.column], cell.value)
        return task, is_baseline, cell.column, bool(cell.flags), -value

    order = sorted(first, key=rank)  # a system without a cell has nothing to show
    places = {number: place for place, number in enumerate(order)}
    comparison.systems[:] = [comparison.systems[number] for number in order]
    for cell in comparison.cells:
        cell.system = places[cell.system]
    comparison.cells.sort(key=lambda cell: (cell.system, cell.column))


def _cells(comparison: Comparison, group: _Group) -> list[Cell]:
    cells = []
    for number, column in enumerate(comparison.columns):
        found = [_score(comparison.runs[i], group.baseline, column.metric) for i in group.runs]
        scores = [score for score in found if score is not None]
        if column.task != group.task or not scores:
            continue
        values = [score.value for score in scores]
        cells.append(
            Cell(
                system=-1,
                column=number,
                runs=list(group.runs),
                value=statistics.fmean(values),
                low=statistics.fmean(score.low for score in scores),
                high=statistics.fmean(score.high for score in scores),
                seed_sd=_sd(values),
                rows=scores[0].n,
            )
        )
    return cells


def _sd(values: Sequence[float]) -> float | None:
    return None if len(values) < 2 or any(map(math.isnan, values)) else statistics.stdev(values)


def _score(run: RunRecord, baseline: str | None, metric: str) -> Score | None:
    scores = run.scores.get("test", {}) if baseline is None else run.baselines[baseline]
    return scores.get(metric)


# -- what can be compared -----------------------------------------------------------------


def _flag(comparison: Comparison, number: int, column: Column) -> None:
    """Flag the cells of a column that were not scored as most of its runs were."""
    cells = [cell for cell in comparison.cells if cell.column == number]
    systems = comparison.systems
    models = [cell for cell in cells if systems[cell.system].baseline is None]
    usual: Counter[Any] = Counter()
    for cell in models:
        run = comparison.runs[cell.runs[0]]
        usual[_kept(run, column.metric)] += len(cell.runs)
    ((most, _),) = usual.most_common(1)
    standard = next(
        run
        for run in (comparison.runs[cell.runs[0]] for cell in models)
        if _kept(run, column.metric) == most
    )
    rows = standard.data.get("test", {})
    column.rows, column.test_sha256 = rows.get("n", 0), rows.get("sha256", "")
    for cell in cells:
        run, baseline = comparison.runs[cell.runs[0]], systems[cell.system].baseline
        cell.flags = _differences(run, baseline, standard, column.metric)


def _kept(run: RunRecord, metric: str) -> tuple[Any, ...]:
    score = _score(run, None, metric)
    return (
        run.data.get("test", {}).get("sha256"),
        frozenset(run.labels),
        score and score.signature,
        _cut(run),
    )


def _differences(
    run: RunRecord, baseline: str | None, standard: RunRecord, metric: str
) -> list[str]:
    """Why a score of `run`, or of its baseline, can't be compared with one of `standard`."""
    reasons = []
    rows, usual = run.data.get("test", {}), standard.data.get("test", {})
    if rows.get("sha256") != usual.get("sha256"):
        reasons.append(f"test data {_data(rows)}, not {_data(usual)}")
    if set(run.labels) != set(standard.labels):
        reasons.append(f"labels {listing(run.labels)}, not {listing(standard.labels)}")
    score, other = _score(run, baseline, metric), _score(standard, None, metric)
    if score is not None and other is not None and score.signature != other.signature:
        reasons.append(f"metric {score.signature}, not {other.signature}")
    if baseline is None and not _is_cut_alike(run, standard):
        reasons.append(f"{_cut_text(run)}, not {_cut_text(standard)}")
    return reasons


def _data(rows: Mapping[str, Any]) -> str:
    return f"{rows['sha256'][:8]} ({counted(rows['n'], 'row')})"


def _cut(run: RunRecord) -> tuple[int, int]:
    ledger = run.truncation["test"]
    return ledger["rows_cut"], ledger["tokens_lost"]


def _is_cut_alike(run: RunRecord, standard: RunRecord) -> bool:
    if run.backbone == standard.backbone:
        return _cut(run) == _cut(standard)
    here, there = (one.truncation["test"] for one in (run, standard))
    return all(
        abs(here[share] - there[share]) <= TRUNCATION
        for share in ("share_of_rows_cut", "share_of_tokens_lost")
    )


def _cut_text(run: RunRecord) -> str:
    rows, tokens = _cut(run)
    return f"{counted(rows, 'test row')} cut ({counted(tokens, 'token')} lost)"

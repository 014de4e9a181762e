"""What the page shows: a head, read when it opens, and blocks, read when somebody looks at them.

The scripts in `page/` read both; docs/reference/dashboard.md says what is shown.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from gptasks.compare import Broken, Comparison, RunRecord, metrics_of_plugins
from gptasks.compare.pairs import check_value
from gptasks.dashboard.details import are_labels, are_tags, details
from gptasks.dashboard.rows import Answers, lengths_of, read_answers, slices_of
from gptasks.errors import GptasksError, RunError
from gptasks.evaluation import sampled
from gptasks.metrics import measure
from gptasks.runs import CONFIG, HISTORY, RESULTS, HistoryFile, flat, read_config
from gptasks.runtime import versions
from gptasks.tracking.tracker import plain

ROWS = 2000
"""Test rows of a task that are shown one by one, spread evenly; scores are of all rows."""

POINTS = 500
"""Points of a curve that are shown, spread evenly, its last among them."""


@dataclass
class Content:
    """All that the page shows."""

    head: dict[str, Any]

    blocks: dict[str, Callable[[], Any]]
    """By name what makes a block, in JSON's own types."""


def content(
    runs: Sequence[RunRecord],
    broken: Sequence[Broken],
    comparison: Comparison | None,
    *,
    rows: int = ROWS,
    texts: bool = True,
) -> Content:
    """The page of these runs.

    broken: what else was found; those of it that go on, or were stopped, are shown by their curves.
    comparison: of `runs`; None where none is finished. rows: most rows of a task to show. texts:
    whether inputs, and outputs that are texts, are shown.
    """
    unfinished = _going(broken)
    places = {run.path: number for number, run in enumerate(runs)}
    blocks: dict[str, Callable[[], Any]] = {}
    groups: dict[str, _Rows] = {}
    told = []
    for run in runs:
        name = _rows_name(run)
        group = groups.setdefault(name, _Rows(rows, texts))
        group.runs.append(run)
        key = key_of(run.path)
        blocks[f"answers-{key}"] = partial(group.answers, run)
        blocks[f"config-{key}"] = partial(_configuration, run)
        blocks[f"curves-{key}"] = partial(_curves, run.path)
        told.append({**_run(run), "key": key, "rows": name})
    for path, config in unfinished.items():
        key = key_of(path)
        blocks[f"curves-{key}"] = partial(_curves, path)
        blocks[f"config-{key}"] = partial(_settings, config)
        told.append({**_unfinished(path, config), "key": key})
    for name, group in groups.items():
        blocks[name] = group.block
    head = {
        "version": versions()["gptasks"],
        "runs": told,
        "table": None if comparison is None else _table(comparison, places),
        "broken": [asdict(one) for one in broken if one.path not in unfinished],
        "texts": texts,
    }
    return Content(plain(_rounded(head)), blocks)


def key_of(path: str) -> str:
    """What names a run's blocks: its place would be another's once a run is added or removed."""
    return hashlib.sha256(path.encode("utf-8", "surrogatepass")).hexdigest()[:12]


# -- the head -----------------------------------------------------------------------------


def _run(run: RunRecord) -> dict[str, Any]:
    return {
        "path": run.path,
        "name": Path(run.path).name,
        "task": run.task,
        "kind": run.kind,
        "backbone": run.backbone,
        "strategy": run.strategy,
        "seed": run.seed,
        "select": run.select,
        "labels": run.labels,
        "scores": {split: _scores(found) for split, found in run.scores.items()},
        "baselines": {name: _scores(found) for name, found in run.baselines.items()},
        "data": run.data,
        "truncation": run.truncation,
        "command": run.command,
        "timing": run.timing,
        "versions": run.versions,
        "licence": run.settings.get("task.data.licence"),
        "finished": True,
    }


def _scores(found: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: {
            "value": score.value,
            "low": score.low,
            "high": score.high,
            "n": score.n,
            "up": score.is_better_higher,
        }
        for name, score in found.items()
    }


def _table(comparison: Comparison, places: Mapping[str, int]) -> dict[str, Any]:
    found = asdict(comparison)
    del found["runs"], found["broken"]
    numbers = [places[run.path] for run in comparison.runs]
    for cell in found["cells"]:
        cell["runs"] = [numbers[i] for i in cell["runs"]]
    return found


def _going(broken: Sequence[Broken]) -> dict[str, Mapping[str, Any]]:
    """The configurations, by path, of those that go on or were stopped."""
    found: dict[str, Mapping[str, Any]] = {}
    for one in broken:
        folder = Path(one.path)
        if (folder / CONFIG).is_file() and not (folder / RESULTS).exists():
            with contextlib.suppress(RunError):
                found[one.path] = read_config(folder)
    return found


def _unfinished(path: str, config: Mapping[str, Any]) -> dict[str, Any]:
    names = {
        group: value.get("name", "") if isinstance(value, Mapping) else ""
        for group in ("task", "backbone", "strategy")
        for value in [config.get(group)]
    }
    points = HistoryFile(Path(path) / HISTORY).points()
    return {
        "path": path,
        "name": Path(path).name,
        **names,
        "seed": config.get("seed"),
        "step": points[-1]["step"] if points else None,
        "finished": False,
    }


# -- blocks -------------------------------------------------------------------------------


class _Rows:
    """The test rows of some runs of one task, and what each of them says of these."""

    def __init__(self, most: int, texts: bool) -> None:
        self.most, self.texts = most, texts
        self.runs: list[RunRecord] = []
        self.lengths: list[int] = []
        """Words of the inputs of the base."""
        self._base: tuple[RunRecord, Answers] | None = None

    def base(self) -> tuple[RunRecord, Answers] | None:
        """The first run whose predictions are what it says of itself, of those that keep most
        columns, and these."""
        for run in self._with_columns_first() if self._base is None else ():
            try:
                self._base = run, _sound(run)
            except GptasksError:
                continue
            self.lengths = lengths_of(self._base[1].inputs)
            break
        return self._base

    def _with_columns_first(self) -> list[RunRecord]:
        return sorted(self.runs, key=lambda run: -len(run.settings.get("task.slice_by") or ()))

    def block(self) -> dict[str, Any]:
        """The rows that are shown."""
        found = self.base()
        if found is None:
            return {"n": 0, "ids": []}
        run, every = found
        places = sampled(len(every.inputs), self.most)
        shown = every.at(places)
        references = shown.stored.references
        block: dict[str, Any] = {
            "n": len(every.inputs),
            "ids": shown.stored.ids,
            "columns": shown.columns,
            "lengths": [self.lengths[i] for i in places],
            "answer": _answer(every, run.labels),
        }
        if self.texts:
            block["inputs"] = shown.inputs
            if block["answer"] == "tags":
                block["words"] = [_words(one.get("words")) for one in shown.details]
        if self.texts or block["answer"] != "text":
            block["references"] = _packed(references, run.labels)
        block["labels"] = run.labels
        block["balance"] = _balance(every, run.labels)
        return plain(block)

    def answers(self, run: RunRecord) -> dict[str, Any]:
        """What one run says of the rows that are shown, and what that is worth on all rows."""
        found = self.base()
        try:
            if found is None:
                raise RunError("its predictions can't be read.")
            base, every = found
            own = every if base is run else _ordered(read_answers(run), every)
            names = list(run.scores["test"])
            extra = metrics_of_plugins(names)
            lengths = self.lengths if own.inputs == every.inputs else lengths_of(own.inputs)
            slices = slices_of(own, run.labels, lengths)
            block = details(own.stored, run.labels, names, slices, extra)
        except GptasksError as error:
            return {"fault": " ".join(str(error).split())}
        places = sampled(len(every.inputs), self.most)
        shown = own.at(places)
        if len(block["rows"]["values"]):
            block["rows"]["values"] = np.asarray(block["rows"]["values"])[places]
        predictions = shown.stored.predictions
        answer = _answer(own, run.labels)
        if self.texts or answer != "text":
            block["predictions"] = _packed([one.value for one in predictions], run.labels)
        block["scores"] = _confidence(predictions, shown.stored.references, run.labels)
        return plain(_rounded(block))


def _sound(run: RunRecord) -> Answers:
    """The predictions of a run, if they give the score that its results hold: others are measured
    by them."""
    found = read_answers(run)
    told = (name for name, score in run.scores["test"].items() if not math.isnan(score.value))
    if name := next(told, ""):
        stored, extra = found.stored, metrics_of_plugins([name])
        measured = measure(name, stored.predictions, stored.references, run.labels, extra=extra)
        check_value(run, name, float(measured(np.ones((len(stored.ids), 1)))[0]))
    return found


def _ordered(own: Answers, base: Answers) -> Answers:
    """A run's own rows in the order of `base`; by id, or by place where the same rows were read
    from files of other names."""
    ids, wanted = own.stored.ids, base.stored.ids
    if ids != wanted and set(ids) == set(wanted):
        places = {id: place for place, id in enumerate(ids)}
        own = own.at([places[id] for id in wanted])
    if own.stored.references != base.stored.references:
        raise RunError("its predictions are not of the rows that other runs on this data have.")
    return own


def _answer(answers: Answers, labels: Sequence[str]) -> str:
    references = answers.stored.references
    if are_labels(references, labels):
        return "label"
    return "tags" if are_tags(references) else "text"


def _packed(values: Sequence[Any], labels: Sequence[str]) -> list[Any]:
    """Labels as their numbers, lists of tags as one text."""
    place = {label: number for number, label in enumerate(labels)}
    return [
        " ".join(map(str, one)) if isinstance(one, list) else place.get(one, one) for one in values
    ]


def _words(told: Any) -> list[str] | None:
    """The words that tags are of, as a prediction's details tell them; None where they don't."""
    given = told if isinstance(told, list) else []
    texts = [one["text"] for one in given if isinstance(one, Mapping) and "text" in one]
    return texts if texts and all(isinstance(one, str) for one in texts) else None


def _confidence(
    predictions: Sequence[Any], references: Sequence[Any], labels: Sequence[str]
) -> dict[str, Any]:
    """Scores of rows: of a classifier the probabilities of what it says and of what is right; of
    others what they give."""
    if are_labels(references, labels):
        pairs = list(zip(predictions, references, strict=True))
        return {
            "confidence": [one.scores.get(one.value) for one, _ in pairs],
            "probability of the reference": [one.scores.get(meant) for one, meant in pairs],
        }
    names = dict.fromkeys(name for one in predictions for name in one.scores)
    return {name: [one.scores.get(name) for one in predictions] for name in names}


def _balance(answers: Answers, labels: Sequence[str]) -> dict[str, int]:
    references = answers.stored.references
    if are_labels(references, labels):
        return dict(Counter(references).most_common())
    if are_tags(references):
        return dict(Counter(tag for one in references for tag in one).most_common(40))
    return {}


def _configuration(run: RunRecord) -> dict[str, Any]:
    return plain(dict(run.settings))


def _settings(config: Mapping[str, Any]) -> dict[str, Any]:
    return plain(flat(config))


def _curves(path: str) -> dict[str, Any]:
    """By name of a curve its steps and its values."""
    curves: dict[str, tuple[list[int], list[float | None]]] = {}
    seconds: dict[int, Any] = {}
    for point in HistoryFile(Path(path) / HISTORY).points():
        step = point["step"]
        seconds[step] = point.get("time/seconds", seconds.get(step))
        for name, value in point.items():
            if name not in ("step", "time/seconds"):
                steps, values = curves.setdefault(name, ([], []))
                steps.append(step)
                values.append(value)
    return {
        name: {
            "step": [steps[i] for i in kept],
            "value": _rounded([values[i] for i in kept]),
            "seconds": _rounded([seconds[steps[i]] for i in kept]),
        }
        for name, (steps, values) in curves.items()
        for kept in [_spread(len(steps))]
    }


def _spread(n: int) -> list[int]:
    kept = sampled(n, POINTS)
    return kept if not n or kept[-1] == n - 1 else [*kept, n - 1]


# -- numbers ------------------------------------------------------------------------------


def _rounded(value: Any) -> Any:
    """`value` with every float cut to what a page can show: six digits."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(one) for one in value]
    if isinstance(value, np.ndarray):
        return [_rounded(one) for one in value.tolist()]
    return value


def _rows_name(run: RunRecord) -> str:
    """Stands for the test rows of a run; equal for runs that can share them."""
    held = f"{run.task}\n{run.data.get('test', {}).get('sha256', run.path)}"
    return f"rows-{hashlib.sha256(held.encode()).hexdigest()[:12]}"

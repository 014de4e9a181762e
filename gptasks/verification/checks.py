"""What is checked of a run. Each check says what it found; it raises Mismatch where that is not
what the run says, and NotChecked where there is nothing to look at."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from gptasks.data.sources import SPLITS
from gptasks.errors import listing
from gptasks.evaluation import full_scores, references_of
from gptasks.metrics import Score
from gptasks.predictions import SCORED, records
from gptasks.progress import counted
from gptasks.runs import CONFIG, RESULTS
from gptasks.task import Prediction, Task
from gptasks.tracking.tracker import plain
from gptasks.verification.subject import (
    ADAPTER,
    FILES,
    MODEL,
    Mismatch,
    NotChecked,
    Subject,
)

ROUNDING = 1e-9
"""Up to which relative difference a score is the same number: processors and versions of numpy
round a logarithm, or a sum, in their own way."""

ITERATED = 1e-5
"""The same of baselines, which a solver comes to step by step: another number of threads moved the
log loss of TF-IDF by 3e-9."""

SAID = ("prediction", "scores", "details")
"""What the model says in a line of predictions; the rest is its row's."""

SHOWN = 4
"""Faults that the line of a check names."""


def _configuration(run: Subject) -> str:
    config = run.composed
    if isinstance(config, NotChecked):
        raise config
    said = {
        "task": config.task_name,
        "kind": type(config.task).name,
        "backbone": config.backbone_name,
        "strategy": config.strategy_name,
        "seed": config.run.seed,
        "select": config.task.select,
    }
    wrong = [
        f"{key} is {run.results[key]!r} in {RESULTS} and {value!r} by {CONFIG}"
        for key, value in said.items()
        if run.results[key] != value
    ]
    _demand(wrong)
    return ", ".join(f"{key} {said[key]}" for key in ("task", "backbone", "strategy", "seed"))


def _scores(run: Subject, split: str) -> str:
    references = [record["reference"] for record in run.stored(split)]
    rows = run.results["data"][split]["n"]
    if len(references) != rows:
        raise Mismatch(
            f"{split}.jsonl holds {counted(len(references), 'prediction')}, where {RESULTS} says "
            f"{rows:,}"
        )
    found = _scored(run, run.task, run.predictions(split), references)
    said = _compared(run, run.results["metrics"][split], found, ROUNDING)
    return f"{counted(len(found), 'score')} of {counted(rows, 'row')}, {said}"


def _tally(run: Subject) -> str:
    told: dict[str, Any] = {}
    found: dict[str, Any] = {}
    for split in SCORED:
        counts = plain(run.task.tally(run.predictions(split)))
        found |= {f"{split} {name}": count for name, count in counts.items()}
        counts = run.results["tally"][split]
        told |= {f"{split} {name}": count for name, count in counts.items()}
    _demand(
        f"{name} is {told.get(name)} in {RESULTS}, the predictions give {found.get(name)}"
        for name in {**told, **found}
        if told.get(name) != found.get(name)
    )
    return listing(f"{name} {count}" for name, count in found.items()) or "this task counts nothing"


def _data(run: Subject) -> str:
    splits = run.data.found
    if isinstance(splits, Exception):
        raise splits
    wrong = []
    for name, split in splits.items():
        now = {"sha256": split.sha256, "n": len(split.rows)}
        now |= {"bad": len(split.bad), "dropped": split.dropped}
        then = run.results["data"][name]
        pairs = [
            f"{key} {_short(then[key])} in {RESULTS}, {_short(now[key])} now"
            for key in now
            if now[key] != then[key]
        ]
        wrong += [f"{name} has changed: {listing(pairs)}"] if pairs else []
    _demand(wrong)
    rows = (f"{name} {len(split.rows):,}" for name, split in splits.items())
    return f"{', '.join(rows)} rows, as they were"


def _predicted_rows(run: Subject) -> str:
    splits = run.data.splits
    run.check_rows(SCORED)
    for name in SCORED:
        rows, stored = splits[name].rows, run.stored(name)
        if len(rows) != len(stored):
            raise Mismatch(
                f"{name}.jsonl holds {counted(len(stored), 'prediction')}, where the data has "
                f"{counted(len(rows), 'row')}"
            )
        made = records(run.task, rows, run.predictions(name))
        for number, (record, again) in enumerate(zip(stored, made, strict=True), 1):
            given = {key: value for key, value in again.items() if key not in SAID}
            for key, value in json.loads(json.dumps(plain(given))).items():
                if record.get(key) != value:
                    raise Mismatch(
                        f"{name}.jsonl, line {number}, has the {key} {_short(record.get(key))}, "
                        f"where {again['id']} has {_short(value)}"
                    )
    return "ids, inputs and references are those of the data"


def _truncation(run: Subject) -> str:
    from gptasks.data.encoding import encode_rows
    from gptasks.saved_model import saved_tokenizer

    data = run.data
    run.check_rows(SPLITS)
    if list(_file_faults(run, MODEL)):
        raise NotChecked(f"needs {MODEL}/ as the run wrote it")
    tokenizer = saved_tokenizer(run.folder.model)
    ledgers = {
        name: encode_rows(data.task, split.rows, tokenizer).ledger
        for name, split in data.splits.items()
    }
    _demand(
        f"{name} {key} is {then[key]} in {RESULTS}, {now} by the data"
        for name, ledger in ledgers.items()
        for then in [run.results["truncation"][name]]
        for key, now in ledger.as_json().items()
        if then[key] != now
    )
    cut = (f"{name} {ledger.shown()}" for name, ledger in ledgers.items() if ledger.rows_cut)
    return "; ".join(cut) or "nothing was cut"


def _baselines(run: Subject) -> str:
    data, stored = run.data, run.results["baselines"]
    references = references_of(data.task, data.splits["test"].rows)
    run.check_rows(SPLITS)
    if set(stored) != set(data.baselines):
        raise Mismatch(
            f"{RESULTS} has {listing(stored) or 'none'}, where the task makes "
            f"{listing(data.baselines) or 'none'}"
        )
    told: dict[str, list[str]] = {}
    wrong = []
    for name, predictions in data.baselines.items():
        found = _scored(run, data.task, predictions, references)
        try:
            told.setdefault(_compared(run, stored[name], found, ITERATED), []).append(name)
        except Mismatch as error:
            wrong.append(f"{name}: {error}")
    _demand(wrong)
    return "; ".join(f"{listing(names)}: {said}" for said, names in told.items()) or "there is none"


def _files(run: Subject, name: str) -> str:
    stored, found = run.results[name], run.files[name]
    if name == ADAPTER and not stored and not found:
        return "there is none"
    if name == MODEL and not found:
        raise NotChecked(f"there is no {MODEL}/")
    _demand(_file_faults(run, name))
    return f"{counted(len(stored), 'file')}, as the run wrote them"


def _labels(run: Subject) -> str:
    from gptasks.saved_model import misnamed

    labels, by = run.results["labels"], []
    if not labels and not run.config.task.labels:
        return "this task has none"
    if not isinstance(run.data.found, Exception):
        if run.data.task.labels != labels:
            raise Mismatch(
                f"{listing(labels)} in {RESULTS}, {listing(run.data.task.labels)} by the data"
            )
        by.append("the data")
    if (run.folder.model / "config.json").is_file():
        fault = misnamed(run.folder.model, run.task)
        if fault:
            raise Mismatch(f"model/config.json says {fault}")
        by += ["model/"] if fault is not None else []
    if not by:
        raise NotChecked("neither the data nor a model/ that names them is there")
    return f"{listing(labels)}: those of {' and '.join(by)}"


CHECKS: Mapping[str, Callable[[Subject], str]] = {
    "configuration": _configuration,
    "files": partial(_files, name=FILES),
    "validation scores": partial(_scores, split="validation"),
    "test scores": partial(_scores, split="test"),
    "tally": _tally,
    "data": _data,
    "predicted rows": _predicted_rows,
    "truncation": _truncation,
    "baselines": _baselines,
    "model": partial(_files, name=MODEL),
    "adapter": partial(_files, name=ADAPTER),
    "labels": _labels,
}
"""The checks by name, in the order they are made. Each says what it found."""


# -- their parts --------------------------------------------------------------------------


def _scored(
    run: Subject, task: Task, predictions: Sequence[Prediction], references: Sequence[Any]
) -> dict[str, Score]:
    """The scores as the run makes them: on the same resamples."""
    config = run.config
    return full_scores(
        task, predictions, references, config.metrics,
        seed=config.run.seed, resamples=config.run.bootstrap,
    )  # fmt: skip


def _compared(
    run: Subject, stored: Mapping[str, Any], found: Mapping[str, Score], tolerance: float
) -> str:
    """How equal the scores are. Raises Mismatch with those that are not.

    tolerance: up to which relative difference numbers are the same but for rounding.
    """
    if list(stored) != list(found):
        raise Mismatch(
            f"{RESULTS} has the scores {listing(stored) or 'none'}, where the task asks for "
            f"{listing(found) or 'none'}"
        )
    tolerance = 0.0 if run.is_strict else tolerance
    wrong: dict[str, str] = {}
    rounded, most = [], 0.0
    for name, score in found.items():
        for key, now in score.as_json().items():
            then = stored[name][key]
            if then == now:
                continue
            is_number = isinstance(then, float) and isinstance(now, float)
            if is_number and math.isclose(then, now, rel_tol=tolerance, abs_tol=tolerance):
                rounded.append(f"{name} {key}")
                most = max(most, abs(then - now))
            else:
                wrong[f"{name} {key}"] = f"is {then} in {RESULTS}, {now} by the predictions"
    if wrong:
        (first, said), *others = wrong.items()
        more = f"; so differ {listing((name for name, _ in others), 4)}" if others else ""
        raise Mismatch(f"{first} {said}{more}")
    if not rounded:
        return "bit for bit"
    return f"the same but for rounding, by up to {most:.0e}, of {listing(rounded, 2)}"


def _file_faults(run: Subject, name: str) -> Iterator[str]:
    """What is wrong with the files of the saved model, or adapter."""
    stored, found = run.results[name], run.files[name]
    for file in {**stored, **found}:
        if file not in found:
            yield f"{file} is missing"
        elif file not in stored:
            if not file.startswith("."):
                yield f"{file} is not of the run"
        elif stored[file] != found[file]:
            yield f"{file} has changed"


def _demand(faults: Iterable[str]) -> None:
    """Raise Mismatch with all of them, if there is any."""
    if told := list(faults):
        more = f"; and {len(told) - SHOWN} more" if len(told) > SHOWN else ""
        raise Mismatch("; ".join(told[:SHOWN]) + more)


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = " ".join(text.split())
    if re.fullmatch("[0-9a-f]{64}", text):
        return f"{text[:8]}…"
    return repr(text if len(text) <= 60 else f"{text[:59]}…") if isinstance(value, str) else text

"""Checks of a task's rows: read, identified, cut into splits."""

from __future__ import annotations

import copy
import itertools
import math
import random
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from gptasks.data.splits import load_splits, text_digest
from gptasks.errors import DataError, GptasksError
from gptasks.task import DataOptions, Prediction, Row, Task
from gptasks.testing.again import seen, seen_elsewhere
from gptasks.testing.subject import CheckFailed, Skipped, Subject
from gptasks.testing.trials import (
    ODD,
    text_columns,
    with_another_answer,
    with_text,
    without_answer,
)


def rows_are_deterministic(subject: Subject) -> None:
    """Reading and encoding the same file twice gives the same rows and the same tokens.

    A run that is repeated, or goes on after a stop, must see the rows it saw, in another process,
    too, where strings have other hashes and so a set another order.

    Mend: draw no random numbers in read and encode, take no time, no hash() and no order of a set
    into a row, and keep nothing between calls.
    """
    found = []
    for seed in (1, 2):
        random.seed(seed)
        np.random.seed(seed)
        found.append(seen(subject))
    _check_equal(found[0], found[1], "")
    _check_equal(found[0], seen_elsewhere(subject), " in another process")


def splits_do_not_overlap(subject: Subject) -> None:
    """What the model reads in training never stands in validation or test.

    Splits are cut by `key`, so rows of one key stay together. A key that differs between rows of
    one text lets the model learn the answers it is scored on.

    Mend: let `key` give the text that the model reads, and nothing else: no id, no label.
    """
    task = subject.task()
    rows = subject.read(task)
    for row in rows:
        twin = Row(copy.deepcopy(dict(row)), f"{row.id} again")
        if task.key(row) != task.key(twin):
            raise CheckFailed(f"the key of {row.id} depends on the row's id: {task.key(twin)!r}")
    keys = defaultdict(set)
    for row in rows:
        keys[_input(subject, task, row)].add(text_digest(task.key(row)))
    if any(len(found) > 1 for found in keys.values()):
        raise CheckFailed("rows whose input is the same to the token have different keys")
    # Each row twice, so that there is what could be torn apart.
    task.data = DataOptions(
        train=str(subject.written([*subject.rows, *subject.rows])), format="jsonl"
    )
    try:
        splits = load_splits(task)
    except GptasksError as error:
        raise Skipped(f"its rows are too few to be cut: {error}") from error
    inputs = {
        name: {_input(subject, task, row) for row in split.rows} for name, split in splits.items()
    }
    for one, other in (("train", "validation"), ("train", "test"), ("validation", "test")):
        both = inputs[one] & inputs[other]
        if both:
            raise CheckFailed(f"{len(both)} inputs stand in {one} and in {other}")


def baselines_do_not_peek(subject: Subject) -> None:
    """Its baselines answer every test row, and the same whatever the test rows' answers are.

    A baseline that reads the answers it is scored on can't be beaten, or not honestly.

    Mend: learn from the train and validation rows alone; of a test row read what `read_input`
    needs.
    """
    task = subject.task()
    rows = subject.read(task)
    third = len(rows) // 3
    if third < 2:
        raise Skipped("it has too few rows")
    train, validation, test = rows[: -2 * third], rows[-2 * third : -third], rows[-third:]
    said = task.baselines(train, validation, test)
    if not said:
        raise Skipped("it has no baselines")
    for name, predictions in said.items():
        if len(predictions) != len(test):
            raise CheckFailed(f"{name} gives {len(predictions)} answers to {len(test)} test rows")
        wrong = [one for one in predictions if not isinstance(one, Prediction)]
        if wrong:
            raise CheckFailed(f"{name} gives {wrong[0]!r}, which is no gptasks.Prediction")
    other = [with_another_answer(task, row, rows) or row for row in test]
    if other == test:
        raise Skipped("no test row could be given another answer")
    for name, predictions in task.baselines(train, validation, other).items():
        if [one.value for one in predictions] != [one.value for one in said[name]]:
            raise CheckFailed(f"{name} answers otherwise when the test rows' answers are others")


def odd_rows_are_handled(subject: Subject) -> None:
    """An empty, a blank, a huge and a row of odd signs is learnt and predicted, or refused.

    Users' files hold all of them, and a traceback after an hour of work helps nobody.

    Mend: raise gptasks.DataError in read_input where there is nothing to predict from, and cut in
    encode what is longer than max_length.
    """
    task = subject.task()
    model = subject.model(task)
    raw, read = subject.rows[0], subject.read(task)[0]  # reading may make columns of others
    columns = text_columns(subject, read)
    if not columns:
        raise Skipped("its rows hold no texts")
    for what, text in ODD.items():
        where = f"a row whose {' and '.join(columns)} is {what} ({_short(text)})"
        try:
            loss = _loss_of(subject, task, model, with_text(subject, raw, text, what))
            if not math.isfinite(loss):
                raise CheckFailed(f"{where} has a loss of {loss}")
        except DataError:
            pass
        except CheckFailed:
            raise
        except Exception as error:
            raise CheckFailed(
                f"{where}, in training, raises {type(error).__name__}: {error}"
            ) from error
        try:
            row = task.read_input(with_text(subject, read, text, what))
            predictions = subject.predict(task, model, [row])
        except DataError:
            continue
        except Exception as error:
            raise CheckFailed(f"{where} raises {type(error).__name__}: {error}") from error
        if len(predictions) != 1:
            raise CheckFailed(f"{where} gives {len(predictions)} predictions")


def _loss_of(subject: Subject, task: Task, model: Any, row: Row) -> float:
    """The mean loss of a row's targets; 0 where it has none, or is left out."""
    import torch

    read = task.read(row)
    windows = [] if read is None else subject.windows(task, [read])
    total, targets = 0.0, 0
    for window in windows:
        batch = subject.batch([window])
        with torch.inference_mode():
            loss, count = task.loss(model(batch), batch)
        total, targets = total + float(loss), targets + count
    return total / max(targets, 1)


def _input(subject: Subject, task: Task, row: Row) -> Any:
    """What a model reads of a row, its answer taken away where that is possible."""
    windows = subject.windows(task, [without_answer(task, row)])
    return tuple(tuple(window["input_ids"]) for window in windows)


def _check_equal(one: dict[str, list[str]], other: dict[str, list[str]], where: str) -> None:
    for what in one:
        if one[what] != other[what]:
            raise CheckFailed(f"the {what} differ{where}: {_difference(one[what], other[what])}")


def _short(text: str) -> str:
    return repr(text if len(text) < 40 else text[:37] + "…")


def _difference(one: Sequence[str], other: Sequence[str]) -> str:
    if len(one) != len(other):
        return f"{len(one)} and {len(other)} of them"
    number = next(i for i in range(len(one)) if one[i] != other[i])
    return f"number {number + 1} is {_from(one[number], other[number])}"


def _from(one: str, other: str) -> str:
    """Two texts from shortly before the place where they begin to differ."""
    same = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))
    start = max(0, len(list(same)) - 20)
    return f"{_short(one[start:])}, then {_short(other[start:])}"

"""Checks of a task's rows: read, identified, cut into splits."""

from __future__ import annotations

import copy
import random
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from gptasks.data.splits import load_splits, text_digest
from gptasks.errors import DataError, GptasksError
from gptasks.task import DataOptions, Prediction, Row, Task
from gptasks.testing.subject import CheckFailed, Skipped, Subject


def rows_are_deterministic(subject: Subject) -> None:
    """Reading and encoding the same file twice gives the same rows and the same tokens.

    A run that is repeated, or goes on after a stop, must see the rows it saw.

    Mend: draw no random numbers in read and encode, take no time or order of a set into a row, and
    keep nothing between calls.
    """
    seen = []
    for seed in (1, 2):
        random.seed(seed)
        np.random.seed(seed)
        task = subject.task()
        rows = subject.read(task)
        seen.append((task.labels, rows, [row.id for row in rows], subject.windows(task, rows)))
    for what, one, other in zip(("labels", "rows", "ids", "tokens"), *seen, strict=True):
        if one != other:
            raise CheckFailed(f"the {what} differ: {_difference(one, other)}")


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
    for name, predictions in task.baselines(train, validation, other).items():
        if [one.value for one in predictions] != [one.value for one in said[name]]:
            raise CheckFailed(f"{name} answers otherwise when the test rows' answers are others")


def odd_rows_are_handled(subject: Subject) -> None:
    """An empty, a blank, a huge and a row of odd signs give a prediction, or say what is wrong.

    Users' files hold all of them, and a traceback after an hour of work helps nobody.

    Mend: raise gptasks.DataError in read_input where there is nothing to predict from, and cut in
    encode what is longer than max_length.
    """
    task = subject.task()
    model = subject.model(task)
    columns = _text_columns(subject)
    if not columns:
        raise Skipped("its rows hold no texts")
    for what, text in ODD.items():
        row = Row(copy.deepcopy(dict(subject.rows[0])), f"{what} row")
        for column in columns:
            row[column] = _like(row[column], text)
        try:
            predictions = subject.predict(task, model, [task.read_input(row)])
        except DataError:
            continue
        except Exception as error:
            raise CheckFailed(
                f"a row whose {' and '.join(columns)} is {what} ({_short(text)}) raises "
                f"{type(error).__name__}: {error}"
            ) from error
        if len(predictions) != 1:
            raise CheckFailed(f"a row that is {what} gives {len(predictions)} predictions")


ODD = {
    "empty": "",
    "blank": " \t\n\u3000 ",
    "huge": "many words " * 10_000,
    "of odd signs": "e\u0301 中文 😀 \u202eعربى \x00 \ufeff\u200b \U0001f468\u200d\U0001f469",
}
"""Texts that files hold now and then, by what they are."""


def answers_in(task: Task, row: Row) -> list[str]:
    """The columns that hold a row's answer: without one of them it is still an input."""
    found = []
    for name in row:
        try:
            rest = task.read_input(_without(row, name))
            if task.reference(rest) is None:
                found.append(name)
        except Exception:  # a task's code can raise anything
            continue
    return found


def with_another_answer(task: Task, row: Row, rows: Sequence[Row]) -> Row | None:
    """A row with the answer of another one, as long as its own where it is a list."""
    columns = answers_in(task, row)
    own = task.reference(row)
    for other in rows if columns else ():
        answer = task.reference(other)
        if answer == own or (isinstance(own, list) and len(answer) != len(own)):
            continue
        swapped = {**row, **{name: other[name] for name in columns if name in other}}
        return Row(swapped, row.id)
    return None


def without_answer(task: Task, row: Row) -> Row:
    """A row without the columns that hold its answer."""
    answers = answers_in(task, row)
    return Row({name: value for name, value in row.items() if name not in answers}, row.id)


def _without(row: Row, name: str) -> Row:
    rest = {key: copy.deepcopy(value) for key, value in row.items() if key != name}
    return Row(rest, row.id)


def _input(subject: Subject, task: Task, row: Row) -> Any:
    """What a model reads of a row, its answer taken away where that is possible."""
    windows = subject.windows(task, [without_answer(task, row)])
    return tuple(tuple(window["input_ids"]) for window in windows)


def _text_columns(subject: Subject) -> list[str]:
    row = subject.rows[0]
    answers = answers_in(subject.task(), row)
    return [name for name, value in row.items() if name not in answers and _is_text(value)]


def _is_text(value: Any) -> bool:
    first = value[0] if isinstance(value, list) and value else value
    return isinstance(first, str)


def _like(value: Any, text: str) -> Any:
    return [text, text] if isinstance(value, list) else text


def _short(text: str) -> str:
    return repr(text if len(text) < 40 else text[:37] + "…")


def _difference(one: Any, other: Any) -> str:
    if isinstance(one, list) and isinstance(other, list):
        if len(one) != len(other):
            return f"{len(one)} and {len(other)} of them"
        number = next(i for i in range(len(one)) if one[i] != other[i])
        return (
            f"number {number + 1} is {_short(str(one[number]))}, then {_short(str(other[number]))}"
        )
    return f"{_short(str(one))}, then {_short(str(other))}"

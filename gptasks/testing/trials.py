"""Rows made otherwise: with another answer, without one, with odd texts, with long ones."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Any

from gptasks.errors import DataError
from gptasks.task import Row, Task
from gptasks.testing.subject import Subject

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


def text_columns(subject: Subject, row: Row) -> list[str]:
    """The columns of a row with texts, or lists of them, that are not the answer."""
    answers = answers_in(subject.task(), row)
    return [name for name, value in row.items() if name not in answers and _is_text(value)]


def with_text(subject: Subject, row: Row, text: str, what: str) -> Row:
    """A row, raw or read, with `text` in all its columns of texts; its id says `what` it is."""
    columns = text_columns(subject, row)
    row = Row(copy.deepcopy(dict(row)), f"a row whose text is {what}")
    for column in columns:
        row[column] = [text, text] if isinstance(row[column], list) else text
    return row


def longer(subject: Subject, task: Task) -> Iterator[Row]:
    """Rows too long for a window: one of longer input, and one whose answer is longer, too."""
    raw = next(row for row in subject.rows if task.read(Row(dict(row), row.id)) is not None)
    answers = answers_in(task, raw)
    for what, is_longer in (
        ("input", lambda name: name not in answers or isinstance(raw[name], list)),
        ("answer", lambda name: name not in answers or task.answer != "label"),
    ):
        values = {
            name: _repeated(value, task) if is_longer(name) else value
            for name, value in raw.items()
        }
        try:
            row = task.read(Row(values, f"a row with a longer {what}"))
        except DataError:
            continue
        if row is not None:
            yield row


def _repeated(value: Any, task: Task) -> Any:
    """A text or a list repeated until no window has room for it."""
    if not isinstance(value, str | list) or not value:
        return value
    times = 3 * task.max_length // len(value) + 1
    if isinstance(value, list):
        return value * times
    return (" " if " " in value else "").join([value] * times)


def _without(row: Row, name: str) -> Row:
    rest = {key: copy.deepcopy(value) for key, value in row.items() if key != name}
    return Row(rest, row.id)


def _is_text(value: Any) -> bool:
    first = value[0] if isinstance(value, list) and value else value
    return isinstance(first, str)

"""Words, texts and marked spans as a row holds them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from gptasks.errors import DataError
from gptasks.tags import Span
from gptasks.task import Row
from gptasks.tasks.texts import text_of
from gptasks.words import FULL_WIDTH, UNSPACED


def listed(row: Row, column: str) -> list[str]:
    """A cell with one entry a word."""
    value = row[column]
    if isinstance(value, str):
        return value.split()
    if not isinstance(value, list | tuple):
        raise DataError(
            f"column '{column}' holds a {type(value).__name__}, where a list or a text with spaces "
            "is read"
        )
    return [text_of(one, column) for one in value]


def joined(tokens: Sequence[str], column: str) -> tuple[str, list[tuple[int, int]]]:
    """The text that words make, with spaces where it would be written with them; and their places
    in it."""
    text, places = "", []
    for number, token in enumerate(tokens):
        if not token.strip():
            raise DataError(f"column '{column}': word {number} (from 0) is empty")
        text += " " if text and not _touch(text[-1], token[0]) else ""
        places.append((len(text), len(text) + len(token)))
        text += token
    return text, places


def _touch(left: str, right: str) -> bool:
    """Whether words that end and begin with these signs are written without a space between them:
    those of scripts that have none, and the signs beside them."""
    if FULL_WIDTH.match(left) or FULL_WIDTH.match(right):
        return True
    unspaced = [bool(UNSPACED.match(sign)) for sign in (left, right)]
    return any(unspaced) and all(
        is_one or not sign.isalnum() for is_one, sign in zip(unspaced, (left, right), strict=True)
    )


def spans_of(value: Any, column: str) -> Iterator[Span]:
    """What is marked: a list of {"start", "end", "label"}."""
    if not isinstance(value, list | tuple):
        raise DataError(
            f"column '{column}' holds a {type(value).__name__}, where a list is read, as jsonl and "
            "parquet files hold it"
        )
    for span in value:
        try:
            start, end = span["start"], span["end"]
            label = text_of(span["label"], column).strip()
        except (TypeError, KeyError, IndexError, DataError):
            start = end = label = None
        if not label or not (_is_whole(start) and _is_whole(end)):
            raise DataError(
                f"column '{column}' holds {span!r}, where "
                '{"start": 0, "end": 5, "label": "NAME"} is read'
            )
        yield Span(label, int(start), int(end))


def _is_whole(number: Any) -> bool:
    if isinstance(number, float):  # as tables have it that lack a number elsewhere
        return number.is_integer()
    return isinstance(number, int) and not isinstance(number, bool)

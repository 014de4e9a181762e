"""What the kinds share: cells as text, and labels as a model's configuration has them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from gptasks.errors import DataError, listing, suggest

LONE = re.compile("[\ud800-\udfff]")
"""Half a character, which no tokenizer reads and no file can hold."""


def text_of(value: Any, column: str) -> str:
    """A cell as text. Raises DataError for a list, a mapping or bytes, and for half a character."""
    if isinstance(value, list | dict | bytes):
        kind = type(value).__name__
        raise DataError(f"column '{column}' holds a {kind}, where a text or a number is read")
    text = plain_text(value)
    if half := LONE.search(text):
        raise DataError(
            f"column '{column}' holds half a character (lone surrogate \\u{ord(half[0]):04x}), "
            "which is no text"
        )
    return text


def plain_text(value: Any) -> str:
    """A value as text: nothing for a missing one; whole numbers without a point, so that 1 and 1.0
    are one label."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):  # tables mark a missing value by "not a number"
        return "" if math.isnan(value) else str(int(value) if value.is_integer() else value)
    return str(value)


def check_columns(row: Mapping[str, Any], columns: Mapping[str, str]) -> None:
    """Raise DataError, naming all, where a row has not the columns; each by the option that says
    it."""
    gone = {option: column for option, column in columns.items() if column not in row}
    if len(gone) == 1:
        ((option, column),) = gone.items()
        raise DataError(
            f"column '{column}' is not there{suggest(column, row)} (it has: {listing(row)}); "
            f"set task.{option}=COLUMN"
        )
    if gone:
        each = [
            f"'{column}' (task.{option}{suggest(column, row)})" for option, column in gone.items()
        ]
        raise DataError(f"columns {' and '.join(each)} are not there (it has: {listing(row)})")


def check_text(text: str, column: str) -> None:
    """Raise DataError for a text that is empty."""
    if not text.strip():
        raise DataError(f"column '{column}' is empty")


def names_of(labels: Sequence[str]) -> dict[str, Any]:
    """The labels as config.json names them."""
    return {
        "id2label": dict(enumerate(labels)),
        "label2id": {label: number for number, label in enumerate(labels)},
    }

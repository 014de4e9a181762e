"""What the kinds share: cells as text, and labels as a model's configuration has them."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

from gptasks.errors import DataError

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

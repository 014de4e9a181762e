"""What the fuzz tests share: how many examples, and what a refusal has to look like."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from gptasks.errors import GptasksError

T = TypeVar("T")

CONTROL = "\0\x07\x1b[31m\x7f\x85"
"""Signs that steer a terminal or end a string."""


def fuzz(examples: int) -> Callable[[T], T]:
    """The same so many inputs every time, and no clock, for a busy machine must not fail a test."""
    unchecked = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
    return settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=unchecked,
    )


@contextlib.contextmanager
def refusal() -> Iterator[list[str]]:
    """The lines of the GptasksError that ends the block, if one does; all else is a bug."""
    lines: list[str] = []
    found: list[GptasksError] = []
    try:
        yield lines
    except GptasksError as error:
        found.append(error)
    for error in found:
        assert error.exit_code == 2
        lines += str(error).split("\n")
        assert all(line.strip() for line in lines), lines


@st.composite
def torn(draw: Any, whole: st.SearchStrategy[str], signs: str) -> str:
    """One of `whole` with a sign put in or taken out, or the rest cut off."""
    text = draw(whole)
    at = draw(st.integers(0, len(text)))
    put = draw(st.sampled_from(["", *signs]))
    return text[:at] + put + text[at + draw(st.sampled_from((0, 1, len(text)))) :]


def says(text: str, found: Any) -> bool:
    """Whether what was found has all the words of `text`, in their order, and no others.

    A reading of its own, which knows numbers but no grammar; interpolations it can't judge.
    """
    return "${" in text or _words(text) == _words(written(found))


def written(value: Any) -> str:
    """A value's words, in its order."""
    if isinstance(value, dict):
        return ",".join(f"{key},{written(item)}" for key, item in value.items())
    if isinstance(value, list):
        return ",".join(map(written, value))
    return "null" if value is None else str(value)


def _words(text: str) -> list[str]:
    return [_number(word) for word in re.split(r"[][{},:'\"\\\s]+", text) if word]


def _number(word: str) -> str:
    try:
        return str(float(word))
    except ValueError:
        return word.lower()

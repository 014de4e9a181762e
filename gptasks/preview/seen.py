"""A row as the model will see it, and what was cut away of it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gptasks.data.encoding import (
    IGNORED,
    Window,
    targets_of,
)
from gptasks.task import Row, Task

if TYPE_CHECKING:
    from gptasks.tokenizer import Tokenizer

AT_A_CUT = 2
"""Tokens where a text was cut that may be others than in the whole text."""


@dataclass(frozen=True)
class Token:
    """One token of a window."""

    id: int
    piece: str
    """What it spells, as the tokenizer's vocabulary has it."""

    target: str | None = None
    """What is learnt at it; None where nothing is."""


@dataclass(frozen=True)
class SeenWindow:
    """What the model is given at once."""

    tokens: list[Token]
    target: str | None
    """What is learnt of the window as a whole; None where nothing is."""

    targets: int
    """How many targets it has, its own or those of its tokens."""

    shared: int
    """How many of its tokens the window before holds too."""

    lost: int
    """How many tokens were cut away of it."""

    lost_targets: int
    more: dict[str, Any]
    """Numbers and texts that the task gives the window beside these."""


@dataclass(frozen=True)
class SeenRow:
    """One row as the model will see it."""

    split: str
    number: int
    """Its place in the split, from 1."""

    row: Row
    answer: Any
    """What should be predicted of it."""

    windows: list[SeenWindow]
    cut: list[list[str]]
    """The pieces that were cut away, each gap by itself; empty where it can't be told which."""

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "id": self.row.id,
            "split": self.split,
            "number": self.number,
            "row": dict(self.row),
            "answer": self.answer,
            "windows": [_window_as_json(window) for window in self.windows],
            "cut": self.cut,
        }


def seen_window(task: Task, window: Window, tokenizer: Tokenizer) -> SeenWindow:
    """A window as `Task.encode` yields it."""
    ids = window["input_ids"]
    labels = window.get("labels", [IGNORED] * len(ids))
    own = {"input_ids", "label", "labels", "source", "lost", "lost_targets", "shared"}
    return SeenWindow(
        [
            Token(id, piece, None if label == IGNORED else task.target_name(label, tokenizer))
            for id, piece, label in zip(ids, tokenizer.pieces(ids), labels, strict=True)
        ],
        task.target_name(window["label"], tokenizer) if "label" in window else None,
        targets_of(window),
        window.get("shared", 0),
        window.get("lost", 0),
        window.get("lost_targets", 0),
        {k: v for k, v in window.items() if k not in own and isinstance(v, str | int | float)},
    )


def _window_as_json(window: SeenWindow) -> dict[str, Any]:
    return {
        "tokens": [vars(token) for token in window.tokens],
        **{key: value for key, value in vars(window).items() if key not in ("tokens", "more")},
        **window.more,
    }


def gaps(whole: Sequence[int], kept: Sequence[int]) -> list[list[int]]:
    """What `whole` has and `kept` lacks, run by run; none where `kept` is no part of it in order.

    >>> gaps([1, 2, 3, 4, 5], [1, 2, 5])
    [[3, 4]]
    """
    start = _alike(whole, kept)
    end = _alike(whole[start:][::-1], kept[start:][::-1])
    inner, middle = list(whole[start : len(whole) - end]), list(kept[start : len(kept) - end])
    if not middle:
        return [inner] if inner else []
    # Both of two texts were cut: what is left between the gaps is one run.
    for place in range(len(inner) - len(middle) + 1):
        if inner[place : place + len(middle)] == middle:
            return [gap for gap in (inner[:place], inner[place + len(middle) :]) if gap]
    # At the cut a token may be another, where a template's words touch the text.
    return [inner] if len(middle) <= AT_A_CUT else []


def _alike(one: Sequence[int], other: Sequence[int]) -> int:
    """How many ids two lists begin with alike."""
    pairs = zip(one, other, strict=False)
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))

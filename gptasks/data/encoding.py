"""Rows to windows of tokens, with a ledger of what was cut away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gptasks.errors import DataError
from gptasks.task import Row, Task

if TYPE_CHECKING:
    from gptasks.tokenizer import Tokenizer

Window = dict[str, Any]
"""What `Task.encode` yields, with `row` added: the index of its row."""


@dataclass(frozen=True)
class Ledger:
    """What truncation took from the rows of one split."""

    rows: int
    rows_cut: int
    tokens: int
    tokens_lost: int

    def as_json(self) -> dict[str, float | int]:
        """Counts and shares in [0, 1], as they stand in results.json."""
        whole = self.tokens + self.tokens_lost
        return {
            "rows": self.rows,
            "rows_cut": self.rows_cut,
            "share_of_rows_cut": self.rows_cut / self.rows if self.rows else 0.0,
            "tokens": self.tokens,
            "tokens_lost": self.tokens_lost,
            "share_of_tokens_lost": self.tokens_lost / whole if whole else 0.0,
        }


@dataclass(frozen=True)
class Encoding:
    """The windows of some rows, in the rows' order."""

    windows: list[Window]
    ledger: Ledger

    @property
    def lengths(self) -> list[int]:
        """Tokens of each window."""
        return [len(window["input_ids"]) for window in self.windows]


def encode_rows(task: Task, rows: Sequence[Row], tokenizer: Tokenizer) -> Encoding:
    """Encode every row. Raises DataError for a row that gives no token, naming it."""
    windows: list[Window] = []
    cut = tokens = lost = 0
    for index, row in enumerate(rows):
        row_lost = 0
        parts = list(task.encode(row, tokenizer))
        if not parts or not all(part["input_ids"] for part in parts):
            raise DataError(f"{row.id}: the text has no token in this backbone's tokenizer.")
        for part in parts:
            window = {**part, "row": index}
            row_lost += window.pop("lost", 0)
            tokens += len(window["input_ids"])
            windows.append(window)
        cut += row_lost > 0
        lost += row_lost
    return Encoding(windows, Ledger(len(rows), cut, tokens, lost))

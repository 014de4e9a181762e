"""Rows to windows of tokens, with a ledger of what was cut away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING, Any

from gptasks.errors import ConfigError, DataError
from gptasks.progress import counted
from gptasks.task import Row, Task

if TYPE_CHECKING:
    from gptasks.tokenizer import Tokenizer

SHOWN = 3
"""Rows that can't be encoded which an error names."""

IGNORED = -100
"""Target of a position that has none; torch's losses leave it out."""

Window = dict[str, Any]
"""What `Task.encode` yields, with `row` added: the index of its row."""


@dataclass(frozen=True)
class Ledger:
    """What truncation took from the rows of one split."""

    rows: int = 0
    rows_cut: int = 0
    tokens: int = 0
    tokens_lost: int = 0
    targets: int = 0
    targets_lost: int = 0
    source_tokens: int = 0
    """Those of `tokens` that are of the rows' texts, and so could have been cut."""

    def __add__(self, other: Ledger) -> Ledger:
        """That of both rows together."""
        return Ledger(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))

    @property
    def share_lost(self) -> float:
        """Share of the tokens of the rows' texts that was cut away, in [0, 1]."""
        whole = self.source_tokens + self.tokens_lost
        return self.tokens_lost / whole if whole else 0.0

    def shown(self) -> str:
        """For the screen: "12 of 100 rows (3.1% of the tokens)", and targets if some are gone."""
        text = f"{self.rows_cut:,} of {self.rows:,} rows ({self.share_lost:.1%} of the tokens)"
        return text + (f", {self.targets_lost:,} targets" if self.targets_lost else "")

    def as_json(self) -> dict[str, float | int]:
        """Counts and shares in [0, 1], as they stand in results.json."""
        return {
            "rows": self.rows,
            "rows_cut": self.rows_cut,
            "share_of_rows_cut": self.rows_cut / self.rows if self.rows else 0.0,
            "tokens": self.tokens,
            "source_tokens": self.source_tokens,
            "tokens_lost": self.tokens_lost,
            "share_of_tokens_lost": self.share_lost,
            "targets": self.targets,
            "targets_lost": self.targets_lost,
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
    """Encode every row. Raises DataError for rows that can't be, or give no token, naming them."""
    windows: list[Window] = []
    faults: list[DataError] = []
    cut = tokens = own = lost = targets = targets_lost = 0
    for index, row in enumerate(rows):
        row_lost = 0
        try:
            parts = _encoded(task, row, tokenizer)
        except DataError as error:
            faults.append(error)
            continue
        for part in parts:
            window = {**part, "row": index}
            row_lost += window.pop("lost", 0)
            window.pop("shared", None)
            targets += targets_of(window)
            targets_lost += window.pop("lost_targets", 0)
            tokens += len(window["input_ids"])
            own += window.pop("source", len(window["input_ids"]))
            windows.append(window)
        cut += row_lost > 0
        lost += row_lost
    check_encoded(faults)
    return Encoding(windows, Ledger(len(rows), cut, tokens, lost, targets, targets_lost, own))


def check_encoded(faults: Sequence[DataError]) -> None:
    """Raise one DataError for rows that could not be encoded, the first of them named."""
    if faults:
        more = f"… and {counted(len(faults) - SHOWN, 'such row')} more"
        raise DataError(*map(str, faults[:SHOWN]), *[more] * (len(faults) > SHOWN))


def _encoded(task: Task, row: Row, tokenizer: Tokenizer) -> list[dict[str, Any]]:
    parts = list(task.encode(row, tokenizer))
    if not parts or not all(part["input_ids"] for part in parts):
        raise DataError(f"{row.id}: the text has no token in this backbone's tokenizer.")
    return parts


def check_length(task: Task, context: int, backbone: str) -> None:
    """Raise ConfigError where a window may be longer than the backbone's context, in tokens."""
    if task.max_length > context:
        raise ConfigError(
            f"task.max_length={task.max_length} is more than backbone {backbone!r} can read at "
            f"once ({context} tokens); set task.max_length={context} or less."
        )


def check_cut(task: Task, ledgers: Mapping[str, Ledger]) -> str:
    """What was cut of each split, for the screen. Raises DataError where it is more than
    `task.max_lost`."""
    cut = {name: ledger for name, ledger in ledgers.items() if ledger.rows_cut}
    if not cut:
        return f"nothing was cut to task.max_length={task.max_length}"
    shown = "; ".join(f"{name} {ledger.shown()}" for name, ledger in cut.items())
    for name, ledger in cut.items():
        if ledger.share_lost > task.max_lost:
            raise DataError(
                f"task.max_length={task.max_length} cuts {ledger.share_lost:.1%} of the tokens of "
                f"{name}, more than task.max_lost={task.max_lost} allows ({shown}); raise "
                "task.max_length, or allow more."
            )
    return f"cut to task.max_length={task.max_length}: {shown}"


def targets_of(window: Window) -> int:
    """How many targets a window has."""
    if "labels" in window:
        return sum(label != IGNORED for label in window["labels"])
    return int("label" in window)

"""How a data file is read: its format, its columns, its quotation marks."""

from __future__ import annotations

import csv
import itertools
import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from gptasks.data.files import BadRow, format_of, read_file
from gptasks.data.opening import EncodingError, opened_text
from gptasks.errors import DataError
from gptasks.proposal.columns import is_tag
from gptasks.task import DataOptions, Row

ROWS = 20_000
"""Rows that are looked at, of each file."""

_DELIMITERS = {"csv": ",", "tsv": "\t"}
_FIRST = 200
"""Rows among which a value of the first line is looked for."""


@dataclass
class Sample:
    """The first rows of the files of a split."""

    rows: list[Row]
    bad: list[BadRow]
    """Records that can't be read."""

    is_whole: bool
    """Whether there are no more."""


def way_of(path: Path, encoding: str) -> DataOptions:
    """How a file is read with the fewest records that can't be used, and the most that can.

    Raises DataError, what was wrong the usual way, where no way reads it.
    """
    first: DataError | None = None
    best: tuple[int, int] | None = None
    found = DataOptions(encoding=encoding)
    for options in _ways(path, found):
        try:
            sample = read([path], options)
        except EncodingError:
            raise
        except DataError as error:
            first = first or error
            continue
        worth = (-len(sample.bad), len(sample.rows))
        if sample.rows and (best is None or worth > best):
            best, found = worth, options
            if not sample.bad:
                break
    if best is None and first is not None:
        raise first
    return found


def read(paths: Sequence[Path], options: DataOptions) -> Sample:
    """The first rows of files."""
    found = Sample([], [], is_whole=True)
    with heard():
        for path in paths:
            records = read_file(path, options, origin=path.name)
            for record in itertools.islice(records, ROWS):
                if isinstance(record, BadRow):
                    found.bad.append(record)
                else:
                    found.rows.append(record)
            found.is_whole = found.is_whole and next(records, None) is None
    return found


class _Kept(logging.Handler):
    """Keeps what is logged."""

    def __init__(self, level: int) -> None:
        super().__init__(level)
        self.told: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.told.append(record.getMessage())


@contextmanager
def heard() -> Iterator[list[str]]:
    """What reading data warns of, while it lasts, in place of the screen."""
    handler = _Kept(logging.WARNING)
    logger = logging.getLogger("gptasks.data")
    before = logger.propagate, logger.level
    logger.propagate = False
    logger.setLevel(logging.WARNING)
    logger.addHandler(handler)
    try:
        yield handler.told
    finally:
        logger.removeHandler(handler)
        logger.propagate = before[0]
        logger.setLevel(before[1])


def _ways(path: Path, usual: DataOptions) -> Iterator[DataOptions]:
    """The ways to read a file that come into question, the usual one first."""
    kind = format_of(path, usual)
    if kind == "txt" and _is_tagged(path, usual):
        yield replace(usual, format="conll")
    elif kind in _DELIMITERS:
        usual = _parted(path, usual, kind)
        usual = replace(usual, columns=_columns(path, usual))
        yield usual
        yield replace(usual, quoting=False)
    else:
        yield usual
        if kind == "json":
            yield replace(usual, format="jsonl")


def _parted(path: Path, options: DataOptions, kind: str) -> DataOptions:
    """The options with the format, or the delimiter, that parts the fields of every line."""
    with opened_text(path, options, newline="") as lines:
        first = list(itertools.islice(lines, 5))
    if not first or _DELIMITERS[kind] in first[0]:
        return options
    other = "tsv" if kind == "csv" else "csv"
    for name, sign in ((other, _DELIMITERS[other]), ("", ";"), ("", "|")):
        counts = {line.count(sign) for line in first}
        if len(counts) == 1 and counts != {0}:
            return replace(options, format=name) if name else replace(options, delimiter=sign)
    return options


def _columns(path: Path, options: DataOptions) -> list[str] | None:
    """Names for the columns of a table whose first line is a row; None where it names them."""
    with opened_text(path, options, newline="") as lines:
        csv.field_size_limit(max(csv.field_size_limit(), 1 << 30))  # as gptasks.data.files has it
        sign = options.delimiter or _DELIMITERS[format_of(path, options)]
        head = next(csv.reader(lines, delimiter=sign), [])
    numbered = [f"column{number}" for number in range(1, len(head) + 1)]
    with heard():
        records = read_file(path, replace(options, columns=numbered), origin=path.name)
        rows = [r for r in itertools.islice(records, 1, _FIRST + 1) if isinstance(r, Row)]
    told = [(value.strip(), name) for value, name in zip(head, numbered, strict=True)]
    is_row = any(
        value and (not _is_name(value) or any(row[name].strip() == value for row in rows))
        for value, name in told
    )
    return numbered if is_row else None


def _is_name(text: str) -> bool:
    """Whether it may be a column's name, and not a value."""
    is_short = len(text) <= 40 and len(text.split()) <= 4
    return is_short and not re.fullmatch(r"[-+]?[\d.]+|.*[.!?。！？，；].*", text)


def _is_tagged(path: Path, usual: DataOptions) -> bool:
    """Whether a text holds a word a line, with its tag in the last column."""
    try:
        rows = read([path], replace(usual, format="conll")).rows
    except DataError:
        return False
    tags = [tag for row in rows for tag in row.get("tags", [""])]
    return bool(tags) and all(map(is_tag, tags))

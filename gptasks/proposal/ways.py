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


@contextmanager
def heard() -> Iterator[list[str]]:
    """What reading data warns of, while it lasts, in place of the screen."""
    told: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: told.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("gptasks.data")
    before = logger.propagate, logger.level
    logger.propagate = False
    logger.setLevel(logging.WARNING)
    logger.addHandler(handler)
    try:
        yield told
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
        parted = _parted_by(path, usual, kind)
        usual = usual if parted == kind else replace(usual, format=parted)
        usual = replace(usual, columns=_columns(path, usual, parted))
        yield usual
        yield replace(usual, quoting=False)
    else:
        yield usual
        if kind == "json":
            yield replace(usual, format="jsonl")


def _parted_by(path: Path, options: DataOptions, kind: str) -> str:
    """The format whose delimiter parts the fields, `kind` unless another is in every line.

    Raises DataError for a delimiter that is not read.
    """
    with opened_text(path, options, newline="") as lines:
        first = list(itertools.islice(lines, 5))
    if not first or _DELIMITERS[kind] in first[0]:
        return kind
    other = "tsv" if kind == "csv" else "csv"
    for name, sign in ((other, _DELIMITERS[other]), ("", ";"), ("", "|")):
        counts = {line.count(sign) for line in first}
        if len(counts) == 1 and counts != {0}:
            if not name:
                raise DataError(
                    f"{path} seems to be parted by '{sign}', which is not read; write it with "
                    "commas, or with tabs as .tsv."
                )
            return name
    return kind


def _columns(path: Path, options: DataOptions, kind: str) -> list[str] | None:
    """Names for the columns of a table whose first line is a row; None where it names them."""
    with opened_text(path, options, newline="") as lines:
        csv.field_size_limit(max(csv.field_size_limit(), 1 << 30))  # as gptasks.data.files has it
        head = next(csv.reader(lines, delimiter=_DELIMITERS[kind]), [])
    numbered = [f"column{number}" for number in range(1, len(head) + 1)]
    with heard():
        records = read_file(path, replace(options, columns=numbered), origin=path.name)
        rows = [r for r in itertools.islice(records, 1, _FIRST + 1) if isinstance(r, Row)]
    told = [(value.strip(), name) for value, name in zip(head, numbered, strict=True)]
    is_row = any(
        value and (not _is_name(value) or any(row[name].strip() == value for row in rows))
        for value, name in told
    )
    if is_row:
        return numbered
    nameless = [number for number, (value, _) in enumerate(told, start=1) if not value]
    if nameless and len(nameless) < len(told):
        raise DataError(
            f"the header line of {path} has no name for column {nameless[0]}; give it one. (pandas "
            "leaves its index without a name, unless a table is written by to_csv(index=False).)"
        )
    return None


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

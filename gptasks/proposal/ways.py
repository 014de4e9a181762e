"""How a data file is read: its format, its columns, its quotation marks."""

from __future__ import annotations

import csv
import itertools
import logging
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from gptasks.data.files import BadRow, format_of, read_file
from gptasks.data.opening import opened_text
from gptasks.errors import DataError
from gptasks.proposal.columns import Column, tags_of
from gptasks.task import DataOptions, Row

ROWS = 20_000
"""Rows that are looked at, of each file."""


def way_of(path: Path) -> DataOptions:
    """How a file is read with the fewest records that can't be used, and the most that can.

    Raises DataError, what was wrong the usual way, where no way reads it.
    """
    first: DataError | None = None
    best: tuple[int, int] | None = None
    found = DataOptions()
    for options in _ways(path):
        try:
            rows, bad, _ = read([path], options)
        except DataError as error:
            first = first or error
            continue
        worth = (-len(bad), len(rows))
        if rows and (best is None or worth > best):
            best, found = worth, options
    if best is None and first is not None:
        raise first
    return found


def _ways(path: Path) -> Iterator[DataOptions]:
    """The ways to read a file that come into question, the usual one first."""
    kind = format_of(path, DataOptions())
    if kind == "txt" and _is_tagged(path):
        yield DataOptions(format="conll")
        return
    yield DataOptions()
    if kind == "json":
        yield DataOptions(format="jsonl")
    elif kind in ("csv", "tsv"):
        columns = _columns(path, kind)
        if columns:
            yield DataOptions(columns=columns)
        yield DataOptions(columns=columns, quoting=False)


def _columns(path: Path, kind: str) -> list[str] | None:
    """Names for the columns of a table whose first line is a row; None where it names them."""
    with opened_text(path, DataOptions(), newline="") as lines:
        names = next(csv.reader(lines, delimiter={"csv": ",", "tsv": "\t"}[kind]), [])

    def is_name(text: str) -> bool:
        is_short = len(text) <= 40 and len(text.split()) <= 4
        return bool(text) and is_short and not re.fullmatch(r"-?[\d.]+", text)

    if len(set(names)) == len(names) and all(map(is_name, names)):
        return None
    return [f"column{number}" for number in range(1, len(names) + 1)]


def _is_tagged(path: Path) -> bool:
    """Whether a text holds a word a line, with its tag in the last column."""
    try:
        rows, _, _ = read([path], DataOptions(format="conll"))
    except DataError:
        return False
    tags = [row["tags"] for row in rows if "tags" in row]
    return bool(tags) and len(tags) == len(rows) and tags_of(Column("tags", tags, len(tags)))


def read(paths: Sequence[Path], options: DataOptions) -> tuple[list[Row], list[BadRow], bool]:
    """The first rows and unusable records of files, and whether that is all of them."""
    rows: list[Row] = []
    bad: list[BadRow] = []
    is_whole = True
    logging.getLogger("gptasks.data").setLevel(logging.ERROR)  # a way that is not taken may warn
    for path in paths:
        records = read_file(path, options, origin=path.name)
        for record in itertools.islice(records, ROWS):
            (bad if isinstance(record, BadRow) else rows).append(record)  # type: ignore[arg-type]
        is_whole = is_whole and next(records, None) is None
    return rows, bad, is_whole

"""Reads one data file, of any format, as a stream of rows and of records that can't be used.

A record that is broken by itself (a line of JSON that is none, a wrong number of fields, a document
in another encoding) is a `BadRow` and reading goes on; a file that is broken as a whole (cut short,
another encoding) is a DataError.
"""

from __future__ import annotations

import csv
import json
import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from gptasks.data.conll import sentences
from gptasks.data.opening import EncodingError, File, check_file, opened_text
from gptasks.data.parquet import parquet_records
from gptasks.errors import ConfigError, DataError, listing, suggest
from gptasks.task import DataOptions, Row

_ENDINGS = {
    **{name: name for name in ("csv", "tsv", "json", "jsonl", "parquet", "txt", "conll")},
    "bio": "conll",
    "iob": "conll",
}
"""Endings of files, `.gz` set aside, and the formats they tell."""

FORMATS = (*dict.fromkeys(_ENDINGS.values()), "documents")
"""Formats there are."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class BadRow:
    """A record that can't be used: its place, as `Row.id`, and why."""

    id: str
    reason: str


def read_file(
    path: File, options: DataOptions, *, origin: str, address: str | None = None
) -> Iterator[Row | BadRow]:
    """The records of `path` in order; none if it is empty, unless it is a document.

    origin: what the ids begin with, usually the file's name: a row's id is "<origin>:<n>", n being
    the line it starts at, or in parquet and json its number; both count from 1.
    address: the file's whole path where it came from, which names a document's file and folder;
    without it, where it lies.
    Raises DataError, at once or on the way, where the file is missing or broken as a whole.
    """
    if isinstance(path, Path):
        check_file(path)
    kind = format_of(path, options)
    if kind == "documents":
        place = PurePath(address or os.path.abspath(str(path)))
        return _read_document(path, options, origin, place)
    return _READERS[kind](path, options, origin)


def format_of(path: File, options: DataOptions) -> str:
    """`options.format`, or the format that the ending of `path` tells."""
    name = PurePath(path.name.lower().removesuffix(".gz"))
    kind = options.format or _ENDINGS.get(name.suffix[1:])
    if kind in FORMATS:
        return kind
    if options.format:
        near = suggest(options.format, FORMATS) or "."
        raise ConfigError(f"task.data.format={options.format} is none of {listing(FORMATS)}{near}")
    endings = listing(f".{ending}" for ending in _ENDINGS)
    raise DataError(
        f"the ending of {path} tells no format; it may end in {endings},"
        f" each also with .gz, or set task.data.format={'|'.join(FORMATS)}."
    )


# -- tables -------------------------------------------------------------------------------

_DELIMITERS = {"csv": ",", "tsv": "\t"}
_PLAIN_QUOTES = "if quotation marks are plain text here, set task.data.quoting=false"


@dataclass(frozen=True)
class _Record:
    """A record of a csv or tsv file: lines first to last, and its fields or what is wrong."""

    first: int
    last: int
    fields: list[str]
    fault: str | None = None

    @property
    def span(self) -> str:
        """Which lines it takes, if more than one: "lines 3 to 9: "."""
        return f"lines {self.first} to {self.last}: " if self.last > self.first else ""


def _read_table(path: File, options: DataOptions, origin: str) -> Iterator[Row | BadRow]:
    with opened_text(path, options, newline="") as lines:
        records = _records(path, lines, options)
        names = _header(path, options, records)
        spanning: _Record | None = None
        for record in records:
            id = f"{origin}:{record.first}"
            if record.span and spanning is None:
                spanning = record
            if record.fault:
                yield BadRow(id, f"{record.span}{record.fault}; {_PLAIN_QUOTES}")
            elif len(record.fields) != len(names):
                expected = f"{len(names)} ({listing(names)})"
                advice = f"; {_PLAIN_QUOTES}" if record.span else ""
                got = len(record.fields)
                yield BadRow(id, f"{record.span}fields: {got}, expected: {expected}{advice}")
            else:
                yield Row(dict(zip(names, record.fields, strict=True)), id=id)
    # A line break inside a field is common in csv; in tsv it mostly is a stray quotation mark.
    if spanning and format_of(path, options) == "tsv":
        lines_of = f"{origin}, {spanning.span.removesuffix(': ')}"
        logger.warning("quotation marks make one record of %s; %s.", lines_of, _PLAIN_QUOTES)


def _header(path: File, options: DataOptions, records: Iterator[_Record]) -> list[str]:
    """Names of the columns: as given, or the first record, which is then used up."""
    if options.columns is not None:
        return _given_names(options.columns)
    header = next(records, None)
    if header is None:
        return []
    if header.fault:
        raise DataError(f"{path}, line {header.first}: {header.fault}; {_PLAIN_QUOTES}.")
    _hint_at_delimiter(path, options, header.fields)
    # The index that pandas writes has no name, and neither have the empty columns of spreadsheets.
    return _checked_names(
        [name.strip() or f"column{n}" for n, name in enumerate(header.fields, start=1)],
        f"the header line of {path}",
        "if it has no header line, name the columns: task.data.columns=[text,label]",
    )


def _hint_at_delimiter(path: File, options: DataOptions, fields: Sequence[str]) -> None:
    """Warn of a header in one piece that another sign would part."""
    signs = [sign for sign in ";|\t," if len(fields) == 1 and sign in fields[0]]
    if signs and options.delimiter is None:
        logger.warning(
            "%s has one column, %r; if %r parts its fields, set task.data.delimiter",
            *(path, fields[0], signs[0]),
        )


def _given_names(names: Sequence[str]) -> list[str]:
    return _checked_names(names, "task.data.columns", "give each column a name of its own")


def _checked_names(names: Sequence[str], where: str, advice: str) -> list[str]:
    if "" in names:
        raise DataError(f"{where} has no name for column {names.index('') + 1}; {advice}.")
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise DataError(f"{where} has the name {twice[0]!r} twice; {advice}.")
    return list(names)


def _records(path: File, lines: Iterator[str], options: DataOptions) -> Iterator[_Record]:
    """The records of a table; blank lines are none.

    A stray quotation mark is a fault of its record, never taken away silently (strict=True); one
    that nothing closes would swallow the rest of the file and is a DataError.
    """
    # The limit belongs to the whole process, not to a reader; a long text is no fault.
    csv.field_size_limit(max(csv.field_size_limit(), 1 << 30))
    reader = csv.reader(
        lines,
        delimiter=_delimiter(path, options),
        quoting=csv.QUOTE_MINIMAL if options.quoting else csv.QUOTE_NONE,
        strict=True,
    )
    while True:
        first = reader.line_num + 1
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            if "unexpected end of data" in str(error):
                message = f"{path}, line {first}: a quotation mark opened here is never closed"
                raise DataError(f"{message}; {_PLAIN_QUOTES}.") from error
            yield _Record(first, reader.line_num, [], str(error))
            continue
        if fields:
            yield _Record(first, reader.line_num, fields)


def _delimiter(path: File, options: DataOptions) -> str:
    told = options.delimiter
    if told is None:
        return _DELIMITERS[format_of(path, options)]
    told = {"\\t": "\t"}.get(told, told)  # as one types it
    if len(told) != 1 or told in '"\r\n' or (told.isspace() and told != "\t"):
        raise ConfigError(
            f"task.data.delimiter must be one sign such as ';' or '|', or a tab; got {told!r}"
        )
    return told


# -- the other formats --------------------------------------------------------------------


def _read_lines(path: File, options: DataOptions, origin: str) -> Iterator[Row | BadRow]:
    with opened_text(path, options, newline="\n") as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                yield Row(
                    {"text": line.removesuffix("\n").removesuffix("\r")}, f"{origin}:{number}"
                )


def _read_conll(path: File, options: DataOptions, origin: str) -> Iterator[Row | BadRow]:
    names = None if options.columns is None else _given_names(options.columns)
    with opened_text(path, options, newline="\n") as lines:
        for sentence in sentences(lines, names):
            id = f"{origin}:{sentence.line}"
            yield BadRow(id, sentence.fault) if sentence.fault else Row(sentence.columns, id)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON, whose keys have to differ: Python would keep the last in silence."""
    value = dict(pairs)
    if len(value) < len(pairs):
        twice = next(name for n, (name, _) in enumerate(pairs) if name in dict(pairs[:n]))
        raise ValueError(f"the key {twice!r} is given twice")
    return value


_JSON = json.JSONDecoder(object_pairs_hook=_object)


def _read_jsonl(path: File, options: DataOptions, origin: str) -> Iterator[Row | BadRow]:
    with opened_text(path, options, newline="\n") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            id = f"{origin}:{number}"
            try:
                value = _JSON.decode(line.rstrip("\r\n"))
            except json.JSONDecodeError as error:
                yield BadRow(id, f"no JSON: {error.msg} at column {error.colno}")
                continue
            except (ValueError, RecursionError) as error:
                yield BadRow(id, f"unreadable JSON: {error}")
                continue
            yield _object_row(value, id, escapes="\\u" in line)


def _read_json(path: File, options: DataOptions, origin: str) -> Iterator[Row | BadRow]:
    with opened_text(path, options, newline="\n") as lines:
        text = "".join(lines)  # json has no streaming reader; jsonl is the format for large files
    if not text.strip():
        return
    try:
        value = _JSON.decode(text)
    except (ValueError, RecursionError) as error:
        several = "Extra data" in str(error)
        advice = "; for one object per line set task.data.format=jsonl" if several else ""
        raise DataError(f"{path} is no JSON: {error}{advice}.") from error
    escapes = "\\u" in text
    for number, item in enumerate(_array(path, value), start=1):
        yield _object_row(item, f"{origin}:{number}", escapes)


def _array(path: File, value: Any) -> list[Any]:
    """The array of records: the value itself, or the one array of objects it holds."""
    if isinstance(value, list):
        return value
    if not isinstance(value, dict):
        raise DataError(f"{path} holds {_kind(value)}; it must hold an array of objects.")
    arrays = {name: item for name, item in value.items() if isinstance(item, list)}
    full = {name: item for name, item in arrays.items() if any(isinstance(i, dict) for i in item)}
    found = full or {name: item for name, item in arrays.items() if not item}
    if len(found) != 1:
        got = f"{len(found)} ({listing(found)})" if found else f"none (keys: {listing(value)})"
        raise DataError(f"{path} must hold exactly one array of objects, and holds {got}.")
    return next(iter(found.values()))


def _object_row(value: Any, id: str, escapes: bool) -> Row | BadRow:
    """A JSON value as a row. escapes: it was written with \\u, so half a character is possible."""
    if not isinstance(value, dict):
        return BadRow(id, f"{_kind(value)} where an object is expected")
    if escapes:
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            lone = error.object[error.start : error.start + 1]
            return BadRow(id, f"half a character (lone surrogate \\u{ord(lone):04x})")
    return Row(value, id=id)


def _kind(value: Any) -> str:
    kinds = {str: "a string", list: "an array", bool: "true or false", type(None): "null"}
    return kinds.get(type(value), "a number")


def _read_parquet(path: File, options: DataOptions, origin: str) -> Iterator[Row | BadRow]:
    for number, values in enumerate(parquet_records(path), start=1):
        yield Row(values, id=f"{origin}:{number}")


def _read_document(
    path: File, options: DataOptions, origin: str, place: PurePath
) -> Iterator[Row | BadRow]:
    id = f"{origin}:1"
    try:
        with opened_text(path, options, newline=None) as lines:
            text = "".join(lines)
    except EncodingError as error:  # the file is the record: the others are still good
        yield BadRow(id, str(error).replace(str(path), "the file", 1))
        return
    yield Row({"text": text, "file": place.name, "folder": place.parent.name}, id=id)


_READERS: Mapping[str, Callable[[File, DataOptions, str], Iterator[Row | BadRow]]] = {
    "csv": _read_table,
    "tsv": _read_table,
    "json": _read_json,
    "jsonl": _read_jsonl,
    "parquet": _read_parquet,
    "txt": _read_lines,
    "conll": _read_conll,
}

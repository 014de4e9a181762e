"""What the verbs share: their arguments parsed, rows read from files or stdin, files written."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import io
import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

from gptasks.errors import ConfigError, DataError, GptasksError, listing, suggest

if TYPE_CHECKING:
    from gptasks.api import Run
    from gptasks.data.sources import DataFile
    from gptasks.registry import Registry
    from gptasks.task import DataOptions, Row, Task

_OTHERS = (".csv", ".tsv", ".json", ".parquet", ".xlsx")
"""Endings of files that hold something else than an object a line."""


class Parser(argparse.ArgumentParser):
    """An argparse parser whose faults are one line, like all others."""

    def __init__(self, verb: str, description: str) -> None:
        super().__init__(prog=f"gptasks {verb}", description=description, allow_abbrev=False)
        self.verb = verb

    def parse(self, argv: Sequence[str]) -> argparse.Namespace:
        """The options; intermixed, so that flags may stand anywhere. What follows -- is no flag."""
        known, unknown = self.parse_known_intermixed_args(list(argv))
        if unknown:
            flags = [flag for action in self._actions for flag in action.option_strings]
            near = suggest(unknown[0].partition("=")[0], flags)
            if self.verb == "predict":
                near = near or "; a text that begins with a dash goes after --."
            raise ConfigError(
                f"{self.verb} has no argument '{unknown[0]}'{near or '.'} See {self.prog} --help."
            )
        return known

    def choice(self, given: str, choices: Sequence[str]) -> str:
        """`given` if it is one of `choices`; else a ConfigError."""
        if given in choices:
            return given
        near = suggest(given, choices) or f": it is {' or '.join(choices)}."
        raise ConfigError(f"{self.verb} has no '{given}'{near}")

    def error(self, message: str) -> NoReturn:
        """Raise what argparse would print."""
        if message.startswith("the following arguments are required"):
            message = f"{message.partition(': ')[2].split(', ')[0]} is missing"
        raise ConfigError(f"{self.verb}: {message}. See {self.prog} --help.")


def add_reading(parser: Parser, flag: str) -> None:
    """The flags that say how a file is read and which of its columns are meant."""
    group = parser.add_argument_group(f"reading {flag}")
    group.add_argument(
        "--column", metavar="OPTION=NAME", action="append", default=[],
        help="the column that task.OPTION means there: text=review, label=stars, …; repeatable",
    )  # fmt: skip
    group.add_argument(
        "--format", metavar="FORMAT", help="csv, tsv, json, jsonl, parquet, txt, conll or documents"
    )
    group.add_argument("--columns", metavar="A,B,…", help="names, for a file without a header")
    group.add_argument("--delimiter", metavar="SIGN", help="between the fields of a csv file")
    group.add_argument("--encoding", default="utf-8", help="of a text file; default: utf-8")
    group.add_argument(
        "--no-quoting", action="store_true", help='in csv and tsv, " is a sign like any other'
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    parser.add_argument(
        "--trust-remote-code", action="store_true", help="run Python code that lies in RUN/model"
    )


def opened_run(options: argparse.Namespace) -> Run:
    """The run, its task reading the columns asked for."""
    from gptasks.api import load
    from gptasks.options import RunOptions
    from gptasks.schema import check

    faults = check(RunOptions, {"device": options.device}, "")
    if faults:
        raise ConfigError(*faults)
    run = load(options.run, device=options.device, trust_remote_code=options.trust_remote_code)
    run.task = dataclasses.replace(run.task, **_columns(options.column, type(run.task)))
    return run


def _columns(given: Sequence[str], kind: type[Task]) -> dict[str, Any]:
    """What --column says, by option."""
    from gptasks.fields import columns_of

    there = columns_of(kind)
    found: dict[str, str] = {}
    for one in given:
        option, sign, name = one.partition("=")
        if not sign or not name:
            raise ConfigError(f"--column {one}: give it as OPTION=NAME, such as text=review.")
        if option not in there:
            near = suggest(option, there) or "."
            raise ConfigError(
                f"--column {one}: a task of kind '{kind.name}' has no column '{option}'{near} "
                f"It has {listing(there) or 'none'}."
            )
        if option in found:
            raise ConfigError(f"--column names {option} twice, as {found[option]} and {name}.")
        found[option] = name
    return found


def data_options(options: argparse.Namespace, path: str) -> DataOptions:
    """How the file at `path` is read, its rows all being one split."""
    from gptasks.schema import build
    from gptasks.task import DataOptions

    values = {
        "test": path,
        "format": options.format,
        "columns": options.columns.split(",") if options.columns else None,
        "delimiter": options.delimiter,
        "encoding": options.encoding,
        "quoting": not options.no_quoting,
    }
    return build(DataOptions, values, "task.data")


def rows_of(options: argparse.Namespace, task: Task) -> Iterator[Row]:
    """The rows of --input, one by one. Raises DataError at the first unusable one."""
    from gptasks.data.sources import DataFile, files_of

    if options.input != "-":
        data = data_options(options, options.input)
        for found in files_of(data, ["test"])["test"]:
            yield from _records(found, data, task)
        return
    if sys.stdin is None:
        raise ConfigError("--input - reads the standard input, which is closed.")
    is_plain = options.format in (None, "txt") and options.encoding.lower() in ("utf-8", "utf8")
    if is_plain:
        yield from _lines(_bytes(sys.stdin), task)
        return
    with tempfile.TemporaryDirectory(prefix="gptasks-") as spare:
        path = Path(spare) / "stdin"  # most formats can't be read from a stream
        with path.open("wb") as file:
            shutil.copyfileobj(_bytes(sys.stdin), file)
        options.format = options.format or "txt"
        try:
            stdin = DataFile(path, "stdin", address="stdin")
            yield from _records(stdin, data_options(options, str(path)), task)
        except GptasksError as error:
            told = [fault.replace(str(path), "stdin") for fault in error.faults]
            raise type(error)(*told) from error


def typed_rows(texts: Sequence[str], task: Task) -> Iterator[Row]:
    """The texts of the command line as rows."""
    for n, text in enumerate(texts, 1):
        try:
            text.encode()
        except UnicodeEncodeError as error:  # how Python holds bytes that it could not decode
            raise DataError(f"text {n} holds bytes that are no UTF-8.") from error
        yield task.row_of(text, f"text {n}")


@contextlib.contextmanager
def output(path: str | None, *, force: bool) -> Iterator[TextIO]:
    """Where lines go: stdout without a path (or with -), else a file that is whole or not there.

    Raises ConfigError where the file can't be written, or exists and may not be replaced.
    """
    if path is None or path == "-":
        if sys.stdout is None:
            raise ConfigError("there is no standard output to write to; give --output FILE.")
        yield sys.stdout
        return
    target = Path(os.path.realpath(os.path.expanduser(path)))
    if target.is_dir():
        raise ConfigError(f"--output {path} is a folder; give a file.")
    if target.suffix.lower() in _OTHERS:
        raise ConfigError(
            f"--output {path}: a JSON object a line is written; name it {target.stem}.jsonl."
        )
    if target.is_file() and not force:
        raise ConfigError(f"{path} exists; choose another --output, or add --force to replace it.")
    is_device = target.exists() and not target.is_file()  # /dev/null must stay what it is
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    place = target if is_device else part
    try:
        file = place.open("w", encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise ConfigError(f"--output {path} can't be written: {error.strerror}.") from error
    try:
        with file:
            yield file
        if not is_device:
            part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def write_line(file: TextIO, record: Mapping[str, Any]) -> None:
    """One JSON object, in signs that the file's encoding has."""
    is_unicode = (file.encoding or "utf-8").lower().startswith("utf")
    file.write(json.dumps(record, ensure_ascii=not is_unicode) + "\n")


def warn_of_broken(registry: Registry) -> None:
    """One line on stderr for each plugin that could not be loaded."""
    for broken in registry.plugins.broken:
        print(f"gptasks: {broken.message}", file=sys.stderr)


@contextlib.contextmanager
def keys_as_flags() -> Iterator[None]:
    """Errors from below name keys, such as task.text=; where verbs run, their flags are meant."""
    try:
        yield
    except GptasksError as error:
        told = [_named_by_flags(fault) for fault in error.faults]
        if told == error.faults:
            raise
        raise type(error)(*told) from error


def _records(file: DataFile, data: DataOptions, task: Task) -> Iterator[Row]:
    from gptasks.data.files import BadRow, format_of

    assert isinstance(file.path, Path)
    is_text = format_of(file.path, data) == "txt"
    for record in file.records(data):
        if isinstance(record, BadRow):
            raise DataError(f"{record.id}: {record.reason}")
        yield task.row_of(record["text"], record.id) if is_text else record


def _lines(stream: Iterator[bytes], task: Task) -> Iterator[Row]:
    """The lines of stdin as they come; blank ones are left out, as they are in a file."""
    for n, line in enumerate(stream, 1):
        try:
            text = line.decode("utf-8-sig" if n == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise DataError(
                f"stdin:{n} is not utf-8: byte 0x{line[error.start]:02x}; say what it is by "
                "task.data.encoding=…"
            ) from error
        if text.strip():
            yield task.row_of(text.removesuffix("\n").removesuffix("\r"), f"stdin:{n}")


def _bytes(stream: Any) -> Any:
    """The bytes under a text stream; a stand-in without any, as tests use, is encoded."""
    buffer = getattr(stream, "buffer", None)
    return io.BytesIO(stream.read().encode()) if buffer is None else buffer


def _named_by_flags(text: str) -> str:
    # A model that is trained can't learn more labels, so that advice goes.
    text = re.sub(r",? or name all (labels )?by task\.labels=\[…\]", "", text)
    text = re.sub(r", or leave them out with task\.data\.max_bad=\d+", "", text)
    text = re.sub(r", where task\.data\.max_bad=0 may be left out", "", text)
    text = text.replace("task.data.quoting=false", "--no-quoting")
    text = re.sub(r"\btask\.(?:data\.)?(format|columns|delimiter|encoding)\b", r"--\1", text)
    text = re.sub(r"\btask\.(\w+)=COLUMN", r"--column \1=COLUMN", text)
    text = re.sub(r"--columns=\[([^]]*)\]", r"--columns=\1", text)
    text = re.sub(r"\bdevice(=| must)", r"--device\1", text)
    return re.sub(r"\bset --", "give --", text)

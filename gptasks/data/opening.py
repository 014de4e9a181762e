"""Opens a data file as bytes, unpacked, or as lines; every fault says where and what to do."""

from __future__ import annotations

import codecs
import glob
import gzip
import io
import itertools
import logging
import os
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from gptasks.data.patterns import is_pattern
from gptasks.errors import ConfigError, DataError, listing, suggest
from gptasks.task import DataOptions

GUESS = "guess"
"""What `task.data.encoding` says to have the encoding guessed."""

File = Path | zipfile.Path
"""A file on this machine, or one of a zip that a pattern brought out of a package."""

logger = logging.getLogger(__name__)


class EncodingError(DataError):
    """A file's bytes are no text in its encoding."""


def check_file(path: Path) -> None:
    """Raise DataError unless `path` is a file, naming the nearest one in its folder."""
    try:
        if path.is_dir():
            raise DataError(
                f"{path} is a folder where a file is asked for{_inside(path)}; name several of its"
                f" files by a pattern, such as {path / '*'}."
            )
        if path.exists():
            return
        folder = path.parent
        if not folder.is_dir():
            raise DataError(f"no file {path}: there is no folder {folder.absolute()}.")
        near = suggest(path.name, _file_names(folder)) or "."
        raise DataError(f"no file {path.name!r} in {folder.absolute()}{_inside(folder)}{near}")
    except OSError as error:
        raise DataError(f"{path} can't be read: {error.strerror or error}.") from error


def matching(path: Path) -> list[Path]:
    """The files that `path` names: the one of that name, else those it fits as a pattern, sorted.

    In a pattern * and ? stand for letters of a name, [ab] for one of those letters, and ** for any
    folders; hidden files are not matched. Raises DataError where there is none.
    """
    if os.path.exists(path) or not is_pattern(str(path)):
        check_file(path)
        return [path]
    folder, names = Path(), list(path.parts)
    while os.path.exists(folder / names[0]):  # so much is no pattern, whatever signs it holds
        folder /= names.pop(0)
    pattern = os.path.join(*names)
    try:
        found = glob.glob(pattern, root_dir=folder, recursive=True)
        there = sorted(entry.name + "/" * entry.is_dir() for entry in folder.iterdir())
    except (OSError, ValueError) as error:
        raise DataError(f"{path} can't be read: {error}.") from error
    if paths := sorted(folder / name for name in found if (folder / name).is_file()):
        return paths
    has = f"it has: {listing(there, 6)}" if there else "which is empty"
    raise DataError(f"no file fits the pattern {pattern!r} in {folder.absolute()} ({has}).")


@contextmanager
def opened_bytes(path: File) -> Iterator[IO[bytes]]:
    """The open file, unpacked if its name ends in .gz; faults of reading are one DataError."""
    try:
        with cast(IO[bytes], path.open("rb")) as stream:
            is_packed = path.name.lower().endswith(".gz")
            yield cast(IO[bytes], gzip.GzipFile(fileobj=stream)) if is_packed else stream
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path} is no whole gzip file: {error}.") from error
    except (OSError, zipfile.BadZipFile) as error:
        why = getattr(error, "strerror", None) or error
        raise DataError(f"{path} can't be read: {why}.") from error


@contextmanager
def opened_text(path: File, options: DataOptions, newline: str | None) -> Iterator[Iterator[str]]:
    """The lines of a text file, with their ends, without a byte-order mark.

    newline: as in `open`. Raises EncodingError where the bytes are no text in the encoding.
    """
    encoding = _guessed(path) if options.encoding == GUESS else options.encoding
    with opened_bytes(path) as stream:
        try:
            text = io.TextIOWrapper(stream, encoding=encoding, newline=newline)
        except (LookupError, ValueError) as error:  # ValueError: a null character in the name
            near = suggest(encoding, [*_ENCODINGS, GUESS]) or f"; such are {listing(_ENCODINGS)}."
            raise ConfigError(f"task.data.encoding={encoding}: {error}{near}") from error
        try:
            yield _without_mark(text)
        except UnicodeError as error:
            raise EncodingError(_undecodable(path, encoding, error)) from error


_ENCODINGS = ("utf-8", "utf-16", "latin-1", "cp1252", "gb18030", "big5", "shift_jis", "euc_kr")

_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",  # before that of utf-16, with which it begins
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}

_COMMON = (
    *("cp1252", "gb18030", "big5", "cp932", "euc_kr", "euc_jp", "cp1251", "koi8_r", "cp1250"),
    *("cp1253", "cp1254", "cp1255", "cp1256", "mac_roman"),
)
"""Encodings that are guessed. Of those that fit equally well the first is taken: most signs of
western, central and southern Europe are the same in several."""

_SAMPLE = 1 << 18
"""Bytes that a guess is made on."""


def _guessed(path: File) -> str:
    """The encoding that its mark tells; else utf-8 where the whole file is that, since other texts
    hardly ever are by chance; else what charset-normalizer finds likeliest, with a warning."""
    from charset_normalizer import from_bytes

    decoder = codecs.getincrementaldecoder("utf-8")()
    sample, is_utf8 = b"", True
    with opened_bytes(path) as stream:
        start = stream.read(4)
    for mark, encoding in _MARKS.items():
        if start.startswith(mark):
            return encoding
    with opened_bytes(path) as stream:
        for line in itertools.chain(stream, [b""]):
            if is_utf8:
                try:
                    decoder.decode(line, final=not line)
                except UnicodeDecodeError:
                    is_utf8 = False
            if not line.isascii() or b"\0" in line:  # plain letters tell nothing
                sample += line[: _SAMPLE - len(sample)]
            if not is_utf8 and len(sample) >= _SAMPLE:
                break
    if is_utf8 and sample.count(0) <= len(sample) / 4:  # more is utf-16 without its mark
        return "utf-8"
    wide = ("utf_16_le", "utf_16_be") if b"\0" in sample else ()
    found = from_bytes(sample, cp_isolation=[*wide, *_COMMON])
    best = found.best()
    if best is None:
        raise EncodingError(f"{path} is text in no encoding that could be guessed; {_ADVICE}.")
    equal = {
        name
        for match in found
        if abs(match.chaos - best.chaos) + abs(match.coherence - best.coherence) < 0.01
        for name in match.could_be_from_charset
    }
    encoding = next((name for name in _COMMON if name in equal), best.encoding)
    logger.warning(
        "%s is not utf-8 and is read as %s, which is a guess; if the texts are right, set"
        " task.data.encoding=%s.",
        *(path, encoding, encoding),
    )
    return encoding


_ADVICE = (
    "set task.data.encoding to what it was written in, such as latin-1 or gb18030, or to guess"
)


def _without_mark(text: IO[str]) -> Iterator[str]:
    for line in itertools.islice(text, 1):
        # utf-8 and utf-16-le leave the mark in the text; utf-16 has taken it away.
        if line := line.removeprefix("\ufeff"):
            yield line
    yield from text


def _undecodable(path: File, encoding: str, error: UnicodeError) -> str:
    """Where and why `path` can't be decoded. Reads it again, for a text stream knows no place."""
    with opened_bytes(path) as stream:
        mark = stream.read(2)
    if mark in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) and "16" not in encoding:
        return f"{path} is not {encoding}: it begins as utf-16 does; set task.data.encoding=utf-16."
    decoder = codecs.getincrementaldecoder(encoding)()
    offset, line = 0, 1
    with opened_bytes(path) as stream:
        while True:
            chunk = stream.read(1 << 16)
            state = decoder.getstate()
            try:
                line += decoder.decode(chunk, final=not chunk).count("\n")
            except UnicodeDecodeError as fault:
                good = max(0, len(chunk) - len(fault.object) + fault.start)
                at = offset + len(chunk) - len(fault.object) + fault.start
                decoder.setstate(state)
                try:
                    line += decoder.decode(chunk[:good]).count("\n")
                except UnicodeError:  # a part by itself is none in punycode
                    break
                byte = f"byte 0x{fault.object[fault.start]:02x} at offset {at}, line {line}"
                return f"{path} is not {encoding}: {byte}; {_ADVICE}."
            except UnicodeError:
                break
            if not chunk:
                break
            offset += len(chunk)
    return f"{path} is not {encoding}: {error}; {_ADVICE}."


def _file_names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir() if entry.is_file())


def _inside(folder: Path) -> str:
    """The files of a folder, for a message: " (it has: a.csv)"."""
    names: Sequence[str] = _file_names(folder)
    return f" (it has: {listing(names, 6)})" if names else " (which has no files)"

"""One file out of an archive, also through archives inside it, with nothing else unpacked.

A member is named by its path, with `!/` where the path enters an inner archive:
`folder/inner.tar.gz!/folder/file.txt`. A pattern in its last part, `folder/*.txt`, names all files
that fit. The archive's own names never become paths on this machine: what is read is written to the
one target the caller gives, for a pattern as a zip.
"""

from __future__ import annotations

import bz2
import difflib
import gzip
import io
import lzma
import posixpath
import stat
import tarfile
import tempfile
import unicodedata
import warnings
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import IO, Any

from gptasks.data.patterns import fits, is_pattern
from gptasks.errors import DataError, listing, suggest

MAX_BYTES = 4 * 2**30
"""Most bytes one member, all that fit a pattern, or one tar archive as a whole, may unpack to: many
times what package indexes let anyone upload, and little enough that a bomb fills no disk."""

_MAX_NAME = 1000
"""Most letters of the name of a file that a pattern fits."""

_CHUNK = 2**20

_IN_MEMORY = {
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
}
"""Parts of a tar archive that hold long names and the like, which tarfile reads whole."""

_OPENERS: dict[bytes, Callable[[Path], Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\x00": lzma.open,
}
"""First bytes of a compressed tar archive, and what decompresses it."""

_Into = Callable[[str, int], AbstractContextManager[IO[bytes]]]
"""Called with a file's name and size: where its content goes."""


def extract(archive: Path, member: str, target: Path, *, strip_top: bool) -> None:
    """Write one regular file out of `archive` (zip, wheel, or tar, plain, gz, bz2, xz) to `target`.

    For a pattern `target` becomes a zip of all files that fit, which `members` reads.
    strip_top: the archive has one folder around everything, as an sdist has, that `member` leaves
    out; inner archives are read as they are.
    Raises DataError if the member is missing (with the nearest names), no regular file, or too
    large, or the archive is damaged; `target` is then not left behind.
    """
    names = split_member(member)
    where = archive.name
    with tempfile.TemporaryDirectory(dir=target.parent) as spare:
        for depth, name in enumerate(names):
            is_last = depth == len(names) - 1
            out = target if is_last else Path(spare) / str(depth)
            write = _extract_all if is_last and is_pattern(name) else _extract
            try:
                write(archive, where, name, out, strip_top=strip_top and depth == 0)
            except BaseException:
                out.unlink(missing_ok=True)
                raise
            archive, where = out, f"{where}!/{name}"


def members(packed: Path) -> list[zipfile.Path]:
    """The files of the zip that `extract` wrote for a pattern, in the order of their paths."""
    try:
        opened = zipfile.ZipFile(packed)
    except (zipfile.BadZipFile, OSError) as error:
        raise DataError(
            f"{packed} can't be read ({error}); empty the cache by `gptasks cache clean`."
        ) from error
    names = sorted(set(opened.namelist()), key=lambda name: name.split("/"))
    return [zipfile.Path(opened, name) for name in names]


def split_member(member: str) -> list[str]:
    """The member's path in each archive, outermost first.

    Raises DataError if a part is empty, absolute or leads out of its archive.
    """
    names = member.split("!/")
    for name in names:
        if not name or name.startswith("/") or not set(name.split("/")).isdisjoint(("", ".", "..")):
            raise DataError(
                f"'{member}' is no path inside an archive; write it as 'folder/file.txt', or "
                "'folder/inner.tar.gz!/folder/file.txt' for a file in an inner archive."
            )
    return names


def _extract(archive: Path, where: str, name: str, target: Path, *, strip_top: bool) -> None:
    def into(name: str, size: int) -> IO[bytes]:
        return target.open("wb")

    names = _unpack(archive, where, name.__eq__, into, strip_top=strip_top)
    if name not in names:
        raise DataError(_missing(name, where, names))


def _extract_all(archive: Path, where: str, pattern: str, target: Path, *, strip_top: bool) -> None:
    def is_wanted(name: str) -> bool:
        return fits(name, pattern)

    with (
        warnings.catch_warnings(),
        zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        # Of two files of one name the last counts, for zipfile too, which warns of it.
        warnings.filterwarnings("ignore", "Duplicate name")

        def into(name: str, size: int) -> IO[bytes]:
            info = zipfile.ZipInfo(name)
            info.compress_type, info.file_size = zipfile.ZIP_DEFLATED, size
            return packed.open(info, "w")

        names = _unpack(archive, where, is_wanted, into, strip_top=strip_top)
        if not packed.namelist():
            raise DataError(_unfit(pattern, where, names))


def _unpack(
    archive: Path, where: str, is_wanted: Callable[[str], bool], into: _Into, *, strip_top: bool
) -> Collection[str]:
    """Write the files that are wanted; gives the names of all there are."""
    with archive.open("rb") as file:
        start = file.read(8)
        file.seek(0)
        is_tar = start.startswith(tuple(_OPENERS)) or tarfile.is_tarfile(file)
    if start.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _from_zip(archive, where, is_wanted, into, strip_top=strip_top)
    if is_tar:
        return _from_tar(archive, where, is_wanted, into, strip_top=strip_top)
    raise DataError(f"{where} is no archive that can be read (zip, or tar with gz, bz2 or xz).")


def _from_zip(
    archive: Path, where: str, is_wanted: Callable[[str], bool], into: _Into, *, strip_top: bool
) -> Collection[str]:
    total = 0
    with _reading(where), zipfile.ZipFile(archive) as opened:
        found = {
            _plain_name(info.filename, strip_top): info
            for info in opened.infolist()
            if not info.is_dir()
        }
        for name in filter(is_wanted, found):
            info = found[name]
            kind = stat.S_IFMT(info.external_attr >> 16)  # 0 where made on Windows
            _check(where, name, is_file=kind in (0, stat.S_IFREG), size=info.file_size)
            if info.flag_bits & 0x1:
                raise DataError(f"'{name}' in {where} is encrypted; only plain files can be read.")
            total += info.file_size
            if total > MAX_BYTES:
                raise DataError(
                    f"what fits in {where} unpacks to more than {_gib(MAX_BYTES)}; not read."
                )
            with opened.open(info) as source:
                _copy(source, where, name, info.file_size, into)
    return found.keys()


def _from_tar(
    archive: Path, where: str, is_wanted: Callable[[str], bool], into: _Into, *, strip_top: bool
) -> Collection[str]:
    """As `_from_zip`; of several members of one name the last counts, as with `tar -x`.

    Read as a stream, once, to the end: so the checksum of the compression is checked as well.
    """
    names: dict[str, None] = {}
    with _reading(where), _decompressed(archive) as source:
        stream = _Limited(source, where)
        with tarfile.open(fileobj=stream, mode="r|", bufsize=_CHUNK, tarinfo=_Header) as opened:
            for info in opened:
                if info.isdir():
                    continue
                name = _plain_name(info.name, strip_top)
                names[name] = None
                if is_wanted(name):
                    _check(where, name, is_file=info.isreg(), size=info.size)
                    content = opened.extractfile(info)
                    assert content is not None  # a regular file has content
                    _copy(content, where, name, info.size, into)
        while stream.read(_CHUNK):
            pass
    return names.keys()


class _Header(tarfile.TarInfo):
    """A header that may not ask for much memory: a small archive could ask for all there is."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> _Header:
        info = super().frombuf(buf, encoding, errors)
        if info.type in _IN_MEMORY and info.size > _CHUNK:
            raise tarfile.ReadError(f"a name of {info.size:,} bytes")
        return info


class _Limited(io.BufferedIOBase):
    """A stream that stops a decompression bomb: `read` raises DataError past MAX_BYTES."""

    def __init__(self, source: IO[bytes], where: str) -> None:
        self._source = source
        self._where = where
        self._left = MAX_BYTES

    def read(self, size: int | None = -1, /) -> bytes:
        data = self._source.read(-1 if size is None else size)
        self._left -= len(data)
        if self._left < 0:
            raise DataError(f"{self._where} unpacks to more than {_gib(MAX_BYTES)}; not read.")
        return data


def _decompressed(archive: Path) -> IO[bytes]:
    with archive.open("rb") as file:
        start = file.read(8)
    for magic, opener in _OPENERS.items():
        if start.startswith(magic):
            return opener(archive)
    return archive.open("rb")


@contextmanager
def _reading(where: str) -> Iterator[None]:
    """Turn what the archive libraries raise on damaged input into one DataError."""
    try:
        yield
    except (
        tarfile.TarError,
        zipfile.BadZipFile,
        zlib.error,
        lzma.LZMAError,
        EOFError,
        ValueError,  # negative sizes and offsets, undecodable names
        RuntimeError,  # NotImplementedError too: an unknown way of compressing
        OSError,
    ) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the disk's fault, not the archive's
        raise DataError(f"{where} is damaged or cut short ({error}); get it anew.") from error


def _plain_name(name: str, strip_top: bool) -> str:
    name = name.removeprefix("./")
    return name.partition("/")[2] if strip_top else name


def _check(where: str, name: str, *, is_file: bool, size: int) -> None:
    """Refuse what is no plain file of a plain name, or too large."""
    is_odd = len(name) > _MAX_NAME or any(
        unicodedata.category(sign) in ("Cc", "Cs") for sign in name
    )
    if is_odd or "!/" in name or not {"", ".", ".."}.isdisjoint(name.split("/")):
        raise DataError(f"{name[:200]!a} in {where} is no plain path; not read.")
    if not is_file:
        raise DataError(f"'{name}' in {where} is a link or device; only plain files are read.")
    if size > MAX_BYTES:
        raise DataError(
            f"'{name}' in {where} would unpack to {_gib(size)}; the limit is {_gib(MAX_BYTES)}."
        )


def _copy(source: IO[bytes], where: str, name: str, size: int, into: _Into) -> None:
    """Copy exactly `size` bytes, what the header says; a longer or shorter stream is refused."""
    left = size
    with into(name, size) as file:
        while chunk := source.read(_CHUNK):
            left -= len(chunk)
            if left < 0:
                break
            file.write(chunk)
    if left:
        raise DataError(f"'{name}' in {where} is not as long as its header says; get it anew.")


def _missing(name: str, where: str, names: Collection[str]) -> str:
    names = [one for one in names if one]
    inside = [one for one in names if one.startswith(f"{name}/")]
    if inside:
        return f"'{name}' in {where} is a folder; name a file in it: {listing(inside, 3)}."
    outer = [one for one in names if name.startswith(f"{one}/")]
    alike = [one for one in names if posixpath.basename(one) == posixpath.basename(name)]
    before = "".join(f"{part}!/" for part in where.split("!/")[1:])
    if outer:
        near = f"; did you mean '{before}{outer[0]}!{name.removeprefix(outer[0])}'?"
    elif alike:
        near = f"; did you mean {listing([repr(before + one) for one in alike], 3)}?"
    else:
        near = suggest(f"{before}{name}", [f"{before}{one}" for one in names])
    return f"no file '{name}' among the {len(names)} of {where}{near or '.'}"


def _unfit(pattern: str, where: str, names: Collection[str]) -> str:
    folder, parts = "", pattern.split("/")
    while not is_pattern(parts[0]) and any(n.startswith(f"{folder}{parts[0]}/") for n in names):
        folder += f"{parts.pop(0)}/"
    inside = [name.removeprefix(folder) for name in names if name.startswith(folder)]
    there = {name.partition("/")[0] + "/" * ("/" in name) for name in inside if name}
    near = difflib.get_close_matches(parts[0], sorted(there), n=6, cutoff=0)
    place = f"{folder[:-1]} of {where}" if folder else where
    has = f"nearest there: {listing(sorted(near))}" if near else "which has no files"
    return f"no file fits the pattern '{'/'.join(parts)}' in {place} ({has})."


def _gib(size: int) -> str:
    return f"{size / 2**30:.1f} GiB"

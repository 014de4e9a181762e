"""One file out of an archive, also through archives inside it, with nothing else unpacked.

A member is named by its path, with `!/` where the path enters an inner archive:
`folder/inner.tar.gz!/folder/file.txt`. The archive's own names never become paths on this machine:
what is read is written to the one target the caller gives.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import posixpath
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from gptasks.errors import DataError, listing, suggest

MAX_BYTES = 4 * 2**30
"""Most bytes one member, or one tar archive as a whole, may unpack to: many times what package
indexes let anyone upload, and little enough that a bomb fills no disk."""

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


def extract(archive: Path, member: str, target: Path, *, strip_top: bool) -> None:
    """Write one regular file out of `archive` (zip, wheel, or tar, plain, gz, bz2, xz) to `target`.

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
            try:
                _extract(archive, where, name, out, strip_top=strip_top and depth == 0)
            except BaseException:
                out.unlink(missing_ok=True)
                raise
            archive, where = out, f"{where}!/{name}"


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
    with archive.open("rb") as file:
        start = file.read(8)
        file.seek(0)
        is_tar = start.startswith(tuple(_OPENERS)) or tarfile.is_tarfile(file)
    if start.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        names = _from_zip(archive, where, name, target, strip_top=strip_top)
    elif is_tar:
        names = _from_tar(archive, where, name, target, strip_top=strip_top)
    else:
        raise DataError(f"{where} is no archive that can be read (zip, or tar with gz, bz2 or xz).")
    if names is not None:
        raise DataError(_missing(name, where, names))


def _from_zip(
    archive: Path, where: str, name: str, target: Path, *, strip_top: bool
) -> Collection[str] | None:
    """None when the file was written, else the names of all files there are."""
    with _reading(where), zipfile.ZipFile(archive) as opened:
        found = {
            _plain_name(info.filename, strip_top): info
            for info in opened.infolist()
            if not info.is_dir()
        }
        if name not in found:
            return found.keys()
        info = found[name]
        kind = stat.S_IFMT(info.external_attr >> 16)  # 0 where made on Windows
        _check(where, name, is_file=kind in (0, stat.S_IFREG), size=info.file_size)
        if info.flag_bits & 0x1:
            raise DataError(f"'{name}' in {where} is encrypted; only plain files can be read.")
        with opened.open(info) as source:
            _copy(source, where, name, info.file_size, target)
    return None


def _from_tar(
    archive: Path, where: str, name: str, target: Path, *, strip_top: bool
) -> Collection[str] | None:
    """As `_from_zip`; of several members of one name the last counts, as with `tar -x`.

    Read as a stream, once, to the end: so the checksum of the compression is checked as well.
    """
    names: dict[str, None] = {}
    is_written = False
    with _reading(where), _decompressed(archive) as source:
        stream = _Limited(source, where)
        with tarfile.open(fileobj=stream, mode="r|", bufsize=_CHUNK, tarinfo=_Header) as opened:
            for info in opened:
                if info.isdir():
                    continue
                found = _plain_name(info.name, strip_top)
                names[found] = None
                if found == name:
                    _check(where, name, is_file=info.isreg(), size=info.size)
                    content = opened.extractfile(info)
                    assert content is not None  # a regular file has content
                    _copy(content, where, name, info.size, target)
                    is_written = True
        while stream.read(_CHUNK):
            pass
    return None if is_written else names.keys()


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
    if not is_file:
        raise DataError(f"'{name}' in {where} is a link or device; only plain files are read.")
    if size > MAX_BYTES:
        raise DataError(
            f"'{name}' in {where} would unpack to {_gib(size)}; the limit is {_gib(MAX_BYTES)}."
        )


def _copy(source: IO[bytes], where: str, name: str, size: int, target: Path) -> None:
    """Copy exactly `size` bytes, what the header says; a longer or shorter stream is refused."""
    left = size
    with target.open("wb") as file:
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


def _gib(size: int) -> str:
    return f"{size / 2**30:.1f} GiB"

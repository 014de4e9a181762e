"""Rows by the million: packed in memory while they are few, then in a file on the disk.

In memory are a buffer of fixed size and, for each row, its place: 12 bytes. The file has no name,
so that nobody else can open it and nothing is left of it when the process ends, however it ends.
"""

from __future__ import annotations

import os
import pickle
import tempfile
import weakref
from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import IO, overload

from gptasks.cache import cache_dir
from gptasks.errors import DataError
from gptasks.task import Row

IN_MEMORY = 1 << 24
"""Bytes of packed rows that are kept in memory before a file is begun."""

_BLOCK = 1 << 20
"""Bytes written, or read in order, at once."""


class Rows(Sequence[Row]):
    """Rows in the order they were added.

    Each look gives a new Row that equals the one added; to change it changes nothing here.
    """

    def __init__(self, rows: Iterable[Row] = ()) -> None:
        self._packed = _Packed()
        self._starts = array("Q")
        self._sizes = array("I")
        for row in rows:
            self.append(row)

    def append(self, row: Row) -> None:
        """Add a row at the end. Raises DataError where the disk has no room for it."""
        record = pickle.dumps((dict(row), row.id), pickle.HIGHEST_PROTOCOL)
        self._starts.append(self._packed.add(record))
        self._sizes.append(len(record))

    def chosen(self, indices: Iterable[int]) -> Rows:
        """The rows at these places, in this order, kept where they are."""
        rows = Rows()
        rows._packed = self._packed
        for index in indices:
            rows._starts.append(self._starts[index])
            rows._sizes.append(self._sizes[index])
        return rows

    def __len__(self) -> int:
        return len(self._starts)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or len(self) != len(other):
            return False
        return all(mine == its for mine, its in zip(self, other, strict=True))

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> Rows: ...
    def __getitem__(self, index: int | slice) -> Row | Rows:
        if isinstance(index, slice):
            return self.chosen(range(*index.indices(len(self))))
        return Row(*pickle.loads(self._packed.read(self._starts[index], self._sizes[index])))

    def __iter__(self) -> Iterator[Row]:
        first = 0
        while first < len(self):  # as many as lie side by side in a block
            start, last = self._starts[first], first + 1
            end = start + self._sizes[first]
            while last < len(self) and self._starts[last] == end and end - start < _BLOCK:
                end += self._sizes[last]
                last += 1
            block = memoryview(self._packed.read(start, end - start))
            for index in range(first, last):
                at = self._starts[index] - start
                yield Row(*pickle.loads(block[at : at + self._sizes[index]]))
            first = last


class _Packed:
    """Bytes that are only ever added to."""

    def __init__(self) -> None:
        self._memory = bytearray()
        """All there is, or what the file still lacks."""
        self._file: IO[bytes] | None = None
        self._written = 0

    def add(self, record: bytes) -> int:
        """Where the record begins from now on."""
        start = self._written + len(self._memory)
        self._memory += record
        if len(self._memory) >= (IN_MEMORY if self._file is None else _BLOCK):
            self._write()
        return start

    def read(self, start: int, size: int) -> bytes | bytearray:
        if self._file is None:
            return self._memory[start : start + size]
        if start + size > self._written:
            self._write()
        return os.pread(self._file.fileno(), size, start)  # mapped pages would count as memory

    def _write(self) -> None:
        folder = cache_dir()
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(buffering=0, dir=folder)  # noqa: SIM115
                weakref.finalize(self, self._file.close)
            left = bytes(self._memory)
            while left:  # the system may take a part at a time
                left = left[self._file.write(left) :]
        except OSError as error:
            raise DataError(
                f"the rows are too many for the memory, and can't be put into a file in {folder}"
                f" ({error.strerror or error}); set GPTASKS_CACHE to a folder with more room."
            ) from error
        self._written += len(self._memory)
        self._memory.clear()

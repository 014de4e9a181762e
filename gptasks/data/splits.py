"""Reads a task's rows and cuts them into train, validation and test.

A cut depends on nothing but the text of each row: it is the same on every machine and for every
seed, rows added later move none of the others, and rows with the same text go together.
"""

from __future__ import annotations

import hashlib
import heapq
import itertools
import json
import logging
import unicodedata
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from gptasks.data.files import BadRow
from gptasks.data.rows import Rows
from gptasks.data.source import DataSource
from gptasks.data.sources import SOURCES, SPLITS, DataFile, files_of
from gptasks.errors import ConfigError, DataError, listing, suggest, together
from gptasks.task import DataOptions, Row, Task

logger = logging.getLogger(__name__)


@dataclass
class Split:
    """The rows of one split, in the order of their files."""

    name: str
    """train, validation or test."""

    rows: Sequence[Row]
    """The usable rows, as the task reads them; on the disk where they are many."""

    bad: list[BadRow]
    """Unusable records of this split's own files."""

    dropped: int
    """Number of rows of this split's own files that the task leaves out on purpose."""

    sha256: str
    """SHA-256, in hex, of the rows' content and order; equal only for the same data."""


def load_splits(
    task: Task,
    *,
    limit: int | None = None,
    names: Sequence[str] = SPLITS,
    sources: Mapping[str, type[DataSource]] = SOURCES,
) -> dict[str, Split]:
    """The splits of `names`, read, cut, and checked by the task, which learns its labels.

    limit: at most so many rows per split, chosen by a hash of their text; None takes all.
    Raises ConfigError where a split is neither given nor can be cut, and DataError where a file
    can't be read, more than `task.data.max_bad` records are unusable, or a split is empty.
    """
    _check_request(task.data, names, limit)
    cut = _cuts(task.data, names)
    wanted = {*names, "train"} if any(name in cut for name in names) else {*names}
    needed = [name for name in SPLITS if name in wanted and getattr(task.data, name) is not None]
    files = files_of(task.data, needed, sources=sources)
    read = together(partial(_read, task, files[name], name, cut) for name in needed)
    readings = dict(zip(needed, read, strict=True))
    _check_bad(task.data, list(readings.values()))

    parts = {name: part for reading in readings.values() for name, part in reading.parts.items()}
    splits: dict[str, Split] = {}
    kept: dict[str, _Part] = {}
    for name in names:
        own = readings.get(name, _Reading())
        if name not in parts:
            raise _empty(name, files.get(name, files.get("train", [])), readings, cut)
        kept[name] = parts[name] if limit is None else _sample(task, parts[name], limit)
        rows = kept[name].rows
        splits[name] = Split(name, rows, own.bad, own.dropped, content_hash(rows))
    _warn_of_overlap(kept)
    if "train" in splits:
        task.learn_labels(splits["train"].rows)
    if "train" in splits:  # by itself: what is wrong there may be all that is wrong elsewhere
        task.check_rows("train", splits["train"].rows)
    _check_slices(task, splits)
    others = (split for name, split in splits.items() if name != "train")
    together(partial(task.check_rows, split.name, split.rows) for split in others)
    return splits


def _check_slices(task: Task, splits: Mapping[str, Split]) -> None:
    """Raise DataError unless some test row has each column of `task.slice_by`."""
    rows = splits["test"].rows if "test" in splits else []
    columns = dict.fromkeys(name for row in rows for name in row) if task.slice_by else {}
    for column in task.slice_by if rows else ():
        if column not in columns:
            raise DataError(
                f"task.slice_by: no test row has a column '{column}'{suggest(column, columns)} "
                f"(there are: {listing(columns)})"
            )


def content_hash(rows: Iterable[Row]) -> str:
    """SHA-256, in hex, of the rows' content in their order; ids don't count."""
    digest = hashlib.sha256()
    for row in rows:
        digest.update(json.dumps(row, sort_keys=True, default=_plain).encode("ascii") + b"\n")
    return digest.hexdigest()


def text_digest(key: str) -> bytes:
    """What a text is known by: equal for texts that differ only in case, white space or the
    composition of accents."""
    text = " ".join(unicodedata.normalize("NFC", key).casefold().split())
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


# -- reading ------------------------------------------------------------------------------


@dataclass
class _Part:
    """The rows of one split, from its own files or cut from train."""

    rows: Rows = field(default_factory=Rows)
    digests: array[int] = field(default_factory=lambda: array("Q"))
    """Of each row the first 8 bytes of `text_digest`: of 10 million texts that differ, two have the
    same about once in 400,000 data sets."""

    def add(self, row: Row, digest: bytes) -> None:
        self.rows.append(row)
        self.digests.append(int.from_bytes(digest[:8], "big"))


@dataclass
class _Reading:
    """What the files of one split gave."""

    parts: dict[str, _Part] = field(default_factory=dict)
    """The rows by the split they belong to; only those of train can belong to others."""
    bad: list[BadRow] = field(default_factory=list)
    dropped: int = 0
    understood: set[str] = field(default_factory=set)
    """Origins of the files of which the task understood a row, be it to leave it out."""

    @property
    def count(self) -> int:
        """Number of usable rows."""
        return sum(len(part.rows) for part in self.parts.values())


def _read(task: Task, files: Sequence[DataFile], split: str, cut: Mapping[str, float]) -> _Reading:
    reading = _Reading()
    for record in records_of(task, files):
        if isinstance(record, BadRow):
            reading.bad.append(record)
            continue
        try:
            row = task.read(record)
            reading.understood.add(_origin(record.id))
            if row is None:
                reading.dropped += 1
            else:
                digest = text_digest(task.key(row))
                name = _part(digest, cut) if split == "train" else split
                reading.parts.setdefault(name, _Part()).add(row, digest)
        except DataError as error:
            reading.bad.append(BadRow(record.id, str(error)))
    return reading


def records_of(task: Task, files: Sequence[DataFile]) -> Iterator[Row | BadRow]:
    """The records of all files; those of a file that holds one class get its label."""
    column = getattr(task, "label", None)
    column = column if isinstance(column, str) and column else "label"
    for file in files:
        for record in file.records(task.data):
            if isinstance(record, Row) and file.label is not None:
                if str(record.get(column, file.label)) != file.label:
                    raise DataError(
                        f"{record.id}: column {column!r} says {record[column]!r}, but task.data"
                        f" gives the whole file the label {file.label!r}; set task.label to another"
                        " name, or give the file without a label."
                    )
                record[column] = file.label
            yield record


def _origin(id: str) -> str:
    """The file of a row, by the id that reading it gave."""
    return id.rpartition(":")[0]


def _plain(value: Any) -> Any:
    """A value that JSON lacks, such as the dates and bytes of parquet."""
    return value.hex() if isinstance(value, bytes) else str(value)


# -- cutting ------------------------------------------------------------------------------


def _cuts(data: DataOptions, names: Sequence[str]) -> dict[str, float]:
    """The splits to be cut from train, with their shares, in the order they are cut.

    Those not asked for count too: what falls into a split must not depend on which are loaded.
    """
    return {
        name: getattr(data, f"{name}_share")
        for name in ("test", "validation")
        if getattr(data, name) is None
        and data.train is not None
        and (getattr(data, f"{name}_share") > 0 or name in names)
    }


def _part(digest: bytes, cut: Mapping[str, float]) -> str:
    position = int.from_bytes(digest, "big") / 2**256
    for name, end in zip(cut, itertools.accumulate(cut.values()), strict=True):
        if position < end:
            return name
    return "train"


def _sample(task: Task, part: _Part, limit: int) -> _Part:
    """`limit` rows, in their order: as if drawn by lot, so that sorted files give every label."""
    if limit >= len(part.rows):
        return part

    def lot(row: Row) -> bytes:
        return hashlib.sha256(b"limit:" + text_digest(task.key(row))).digest()

    drawn = heapq.nsmallest(limit, ((lot(row), index) for index, row in enumerate(part.rows)))
    indices = sorted(index for _, index in drawn)
    return _Part(part.rows.chosen(indices), array("Q", (part.digests[i] for i in indices)))


# -- faults -------------------------------------------------------------------------------


def _check_request(data: DataOptions, names: Sequence[str], limit: int | None) -> None:
    for name in names:
        if name not in SPLITS:
            raise ConfigError(f"no split '{name}'{suggest(name, SPLITS)} ({', '.join(SPLITS)}).")
    if limit is not None and limit < 1:
        raise ConfigError(f"limit={limit} leaves no rows; give 1 or more.")
    missing = [name for name in names if getattr(data, name) is None]
    given = "SPLIT" if data.source == "hub" else "FILE"
    if missing and data.train is None:
        also = f" (or task.data.{missing[0]}={given})" if missing[0] != "train" else ""
        raise ConfigError(f"no {missing[0]} rows: give the data, task.data.train={given}{also}.")
    for name in missing:
        share = getattr(data, f"{name}_share")
        if not 0 < share < 1:
            raise ConfigError(
                f"no {name} rows: task.data.{name} is not given and task.data.{name}_share={share};"
                f" give task.data.{name}={given}, or a share of train between 0 and 1."
            )
    cut = _cuts(data, names)
    if sum(cut.values()) >= 1 and any(name in cut or name == "train" for name in names):
        shares = " and ".join(f"task.data.{name}_share={share}" for name, share in cut.items())
        raise ConfigError(f"{shares} leave nothing of train; together they must be below 1.")


def _check_bad(data: DataOptions, readings: Sequence[_Reading]) -> None:
    """Refuse or report unusable records, by `max_bad`."""
    bad = [row for reading in readings for row in reading.bad]
    if not bad:
        return
    unread = list(_unread(readings))
    if unread and len(bad) > data.max_bad:
        raise DataError(*unread)
    shown = "; ".join(f"{row.id}: {_short(row.reason)}" for row in bad[:3])
    more = f"; and {len(bad) - 3} more" if len(bad) > 3 else ""
    count = f"{len(bad)} unusable row{'s' if len(bad) > 1 else ''}"
    if len(bad) > data.max_bad:
        raise DataError(
            f"{count}, where task.data.max_bad={data.max_bad} may be left out: {shown}{more}."
            f" Mend them, or leave them out with task.data.max_bad={len(bad)}."
        )
    logger.warning("%s left out: %s%s.", count, shown, more)


def _unread(readings: Iterable[_Reading]) -> Iterator[str]:
    """What is wrong with files of which all is unusable for one reason, as a missing column is."""
    files: dict[str, dict[str, int]] = {}
    for reading in readings:
        reasons: dict[str, list[str]] = {}
        for row in reading.bad:
            reasons.setdefault(_origin(row.id), []).append(row.reason)
        for origin, found in reasons.items():
            if origin not in reading.understood and len(found) > 1 and len(set(found)) == 1:
                files.setdefault(found[0], {})[origin] = len(found)
    for reason, rows in files.items():
        yield f"{listing(rows)}, all {sum(rows.values()):,} rows: {_short(reason, 600)}."


def _short(reason: str, limit: int = 200) -> str:
    reason = " ".join(reason.split()).removesuffix(".")
    return reason if len(reason) <= limit else reason[: limit - 1] + "…"


def _empty(
    name: str,
    files: Sequence[DataFile],
    readings: Mapping[str, _Reading],
    cut: Mapping[str, float],
) -> DataError:
    reading = readings["train" if name in cut else name]
    total = reading.count + len(reading.bad) + reading.dropped
    shown = listing(str(file.path) for file in files)
    counts = f"read {total}, dropped {reading.dropped}, unusable {len(reading.bad)}"
    if not reading.count:
        return DataError(f"no {name} rows in {shown}: {counts}; give a file with rows.")
    shares = ", ".join(f"task.data.{name}_share={share}" for name, share in cut.items())
    given = " and ".join(f"task.data.{name}=FILE" for name in cut)
    return DataError(
        f"no {name} rows left of {shown}: {counts}, cut by {shares}; give more rows,"
        f" other shares, or {given}."
    )


def _warn_of_overlap(kept: Mapping[str, _Part]) -> None:
    import numpy as np

    for first, second in itertools.combinations([name for name in SPLITS if name in kept], 2):
        known, asked = (np.frombuffer(kept[name].digests, np.uint64) for name in (first, second))
        known = np.sort(known)
        places = np.searchsorted(known, asked).clip(max=len(known) - 1)
        count = int((known[places] == asked).sum())  # np.isin would take several times the memory
        if count:
            logger.warning(
                "%d of %d %s rows also stand in %s (same text): the %s score may be too good.",
                count,
                len(kept[second].rows),
                second,
                first,
                second,
            )

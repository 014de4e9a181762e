"""What a look at data files shows: the files of each split, and of each column what it holds."""

from __future__ import annotations

import csv
import itertools
import logging
import math
import re
import statistics
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from gptasks.data.files import BadRow, format_of, read_file
from gptasks.data.opening import opened_text
from gptasks.errors import ConfigError, DataError, GptasksError, listing, suggest
from gptasks.task import DataOptions, Row

ROWS = 20_000
"""Rows that are looked at, of each file."""

MOST_LABELS = 50
"""Different values that a column of labels may have."""

SPLIT_WORDS = {
    "train": ("train", "training", "trn"),
    "validation": ("validation", "valid", "val", "dev", "development"),
    "test": ("test", "tst", "eval", "evaluation", "heldout"),
}
"""Words in names of files that tell a split."""

_ID = re.compile(r"(^|_)(id|idx|index|uuid|guid|key|nr|no|number)$|^unnamed", re.IGNORECASE)
_DATE = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([ T]\d\d:\d\d.*)?")
_TAG = re.compile(r"O|[BIESLUM]-\S+")


@dataclass
class Column:
    """What a column holds, in the rows looked at."""

    name: str
    values: list[Any] = field(repr=False)
    """Those that are not empty."""

    rows: int
    """How many rows there are."""

    @property
    def empty(self) -> int:
        """Rows in which it is empty."""
        return self.rows - len(self.values)

    @cached_property
    def counts(self) -> Counter[str]:
        """Each value, as text, and how often it stands there."""
        return Counter(str(value).strip() for value in self.values)

    @property
    def is_list(self) -> bool:
        """Whether it holds lists."""
        return bool(self.values) and all(isinstance(value, list) for value in self.values[:100])

    @cached_property
    def numbers(self) -> list[float]:
        """Its values as numbers; empty where not all are."""
        try:
            found = [float(value) for value in self.values]
        except (TypeError, ValueError):
            return []
        return found if all(map(math.isfinite, found)) else []

    @cached_property
    def is_identifier(self) -> bool:
        """Whether it numbers or names the rows, or dates them."""
        texts = [str(value) for value in self.values[:200]]
        if texts and all(_DATE.fullmatch(text) for text in texts):
            return True
        differ = len(self.counts) == len(self.values)
        is_counted = bool(self.numbers) and all(number.is_integer() for number in self.numbers)
        is_called_so = bool(_ID.search(self.name)) and len(self.counts) > len(self.values) / 2
        return is_called_so or (is_counted and differ and len(self.values) > MOST_LABELS)

    @cached_property
    def length(self) -> float:
        """Mean length of its texts, in characters; 0 where it holds none."""
        texts = [value for value in self.values if isinstance(value, str)]
        return statistics.fmean(map(len, texts)) if texts and not self.numbers else 0.0

    def long(self, share: float = 0.95) -> int:
        """The length, in characters, that so many of its texts do not exceed."""
        lengths = sorted(len(str(value)) for value in self.values)
        return lengths[min(len(lengths) - 1, int(share * len(lengths)))] if lengths else 0


@dataclass
class Look:
    """All that was seen."""

    files: dict[str, list[Path]]
    """By split."""

    options: DataOptions
    """How they are read."""

    rows: list[Row]
    columns: dict[str, Column]
    bad: list[BadRow]
    is_whole: bool
    """Whether all rows were looked at."""


def look(paths: Sequence[Path]) -> Look:
    """Look at data files, or at a folder of them. Raises ConfigError or DataError, one line each,
    where they can't be read or told apart."""
    files = _splits(paths)
    options = _reading(files["train"][0])
    rows, bad, is_whole = _read(files["train"], options)
    if not rows:
        why = f": {bad[0].id}: {bad[0].reason}" if bad else ""
        raise DataError(f"{files['train'][0]} holds no row that can be read{why}")
    names = list(dict.fromkeys(name for row in rows for name in row))
    told = {name: [v for row in rows if _is_told(v := row.get(name))] for name in names}
    columns = {name: Column(name, values, len(rows)) for name, values in told.items()}
    return Look(files, options, rows, columns, bad, is_whole)


def tags_of(column: Column) -> bool:
    """Whether a column of lists holds tags of words."""
    return all(_TAG.fullmatch(str(tag)) for tags in column.values[:200] for tag in tags)


def _splits(paths: Sequence[Path]) -> dict[str, list[Path]]:
    found = []
    for path in paths:
        if not path.exists():
            beside = path.parent.iterdir() if path.parent.is_dir() else ()
            near = suggest(path.name, [one.name for one in beside])
            raise ConfigError(f"there is no file or folder {path}{near}")
        inside = sorted(path.iterdir()) if path.is_dir() else [path]
        known = [one for one in inside if one.is_file() and _is_data(one)]
        if path.is_dir() and not known:
            raise ConfigError(f"the folder {path} holds no data file")
        found += known if path.is_dir() else [path]
    if len(found) == 1:
        return {"train": found}
    splits: dict[str, list[Path]] = {}
    for path in found:
        words = re.split(r"[^a-z]+", path.name.lower())
        split = next((s for s, known in SPLIT_WORDS.items() if set(words) & set(known)), None)
        if split is None:
            raise ConfigError(
                f"the name of {path} tells no split; let it hold train, dev or test, or give one "
                "file"
            )
        splits.setdefault(split, []).append(path)
    if "train" not in splits:
        raise ConfigError(f"none of {listing(str(path) for path in found)} is called train")
    return splits


def _is_data(path: Path) -> bool:
    try:
        return bool(format_of(path, DataOptions())) and not path.name.startswith(".")
    except GptasksError:
        return False


def _reading(path: Path) -> DataOptions:
    """How a file is read with the fewest records that can't be used, and the most that can.

    Raises DataError, what was wrong the usual way, where no way reads it.
    """
    first: DataError | None = None
    best: tuple[int, int] | None = None
    found = DataOptions()
    for options in _ways(path):
        try:
            rows, bad, _ = _read([path], options)
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
        rows, _, _ = _read([path], DataOptions(format="conll"))
    except DataError:
        return False
    tags = [row["tags"] for row in rows if "tags" in row]
    return bool(tags) and len(tags) == len(rows) and tags_of(Column("tags", tags, len(tags)))


def _read(paths: Sequence[Path], options: DataOptions) -> tuple[list[Row], list[BadRow], bool]:
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


def _is_told(value: Any) -> bool:
    return value is not None and value != [] and bool(str(value).strip())


def share_of_chinese(texts: Sequence[str]) -> float:
    """Share of Chinese characters among all that are no white space."""
    signs = "".join("".join(text.split()) for text in texts[:500])
    return len(re.findall(r"[\u3400-\u9fff]", signs)) / len(signs) if signs else 0.0

"""What a look at data files shows: the files of each split, and of each column what it holds."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gptasks.data.files import BadRow, format_of
from gptasks.errors import ConfigError, DataError, GptasksError, listing, suggest
from gptasks.proposal.columns import Column
from gptasks.proposal.names import TEXTS
from gptasks.proposal.ways import read, way_of
from gptasks.task import DataOptions, Row

SPLIT_WORDS = {
    "train": ("train", "training", "trn"),
    "validation": ("validation", "valid", "val", "dev", "development"),
    "test": ("test", "tst", "eval", "evaluation", "heldout"),
}
"""Words in names of files that tell a split."""


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
    options = way_of(files["train"][0])
    rows, bad, is_whole = read(files["train"], options)
    if not rows:
        why = f": {bad[0].id}: {bad[0].reason}" if bad else ""
        raise DataError(f"{files['train'][0]} holds no row that can be read{why}")
    names = list(dict.fromkeys(name for row in rows for name in row))
    told = {name: [v for row in rows if _is_told(v := row.get(name))] for name in names}
    columns = {name: Column(name, values, len(rows)) for name, values in told.items()}
    return Look(files, options, rows, columns, bad, is_whole)


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


def _is_told(value: Any) -> bool:
    return value is not None and value != [] and bool(str(value).strip())


def texts_of(look: Look) -> list[Column]:
    """The columns that hold texts, the longest first."""
    found = [
        column
        for column in look.columns.values()
        if (column.length >= 6 or (column.length and column.name.lower() in TEXTS))
        and len(column.counts) > 1 and not column.is_identifier
        and not column.is_list and not _is_link(column)
    ]  # fmt: skip
    return sorted(found, key=lambda column: -column.length)


def _is_link(column: Column) -> bool:
    return all(re.fullmatch(r"https?://\S+", str(value)) for value in column.values[:100])

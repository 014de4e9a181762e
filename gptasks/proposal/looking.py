"""What a look at data files shows: the files of each split, and of each column what it holds."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gptasks.data.files import format_of
from gptasks.data.opening import EncodingError
from gptasks.errors import ConfigError, DataError, GptasksError, listing, suggest
from gptasks.proposal.columns import Column
from gptasks.proposal.names import TEXTS
from gptasks.proposal.ways import Sample, read, way_of
from gptasks.task import DataOptions, Row

SPLIT_WORDS = {
    "train": ("train", "training", "trn"),
    "validation": ("validation", "valid", "val", "dev", "development"),
    "test": ("test", "tst", "eval", "evaluation", "heldout"),
}
"""Words in names of files that tell a split."""

_NO_DATA = ("", "readme", "license", "licence", "requirements")
"""Names of files in a folder of data that hold none."""


@dataclass
class Look:
    """All that was seen."""

    files: dict[str, list[Path]]
    """By split."""

    options: DataOptions
    """How they are read."""

    samples: dict[str, Sample]
    """The first rows, by split."""

    columns: dict[str, Column]
    """Those of train."""

    passed_over: list[Path]
    """Files of a folder whose names tell no split."""

    @property
    def rows(self) -> list[Row]:
        """Those of train that were looked at."""
        return self.samples["train"].rows

    @property
    def is_whole(self) -> bool:
        """Whether all rows of all files were looked at."""
        return all(sample.is_whole for sample in self.samples.values())


def look(paths: Sequence[Path], *, encoding: str = "utf-8") -> Look:
    """Look at data files, or at a folder of them. Raises ConfigError or DataError, one line each,
    where they can't be read or told apart."""
    files, passed_over = _splits(paths)
    try:
        options = way_of(files["train"][0], encoding)
        samples = {split: read(found, options) for split, found in files.items()}
    except EncodingError as error:
        raise DataError(f"{error} Here that is --encoding NAME.") from error
    for split, sample in samples.items():
        if not sample.rows:
            why = f": {sample.bad[0].id}: {sample.bad[0].reason}" if sample.bad else ""
            raise DataError(f"{files[split][0]} holds no row that can be read{why}.")
    rows = samples["train"].rows
    names = list(dict.fromkeys(name for row in rows for name in row))
    told = {name: [v for row in rows if is_told(v := row.get(name))] for name in names}
    columns = {name: Column(name, values, len(rows)) for name, values in told.items()}
    return Look(files, options, samples, columns, passed_over)


def _splits(paths: Sequence[Path]) -> tuple[dict[str, list[Path]], list[Path]]:
    """The files by split, and those of a folder that tell none where others do."""
    given = [path for path in paths if not path.is_dir()]
    inside: list[Path] = []
    for path in paths:
        if not path.exists():
            beside = path.parent.iterdir() if path.parent.is_dir() else ()
            near = suggest(path.name, [one.name for one in beside])
            raise ConfigError(f"there is no file or folder {path}{near}")
        if path.is_dir():
            known = [one for one in sorted(path.iterdir()) if one.is_file() and _is_data(one)]
            if not known:
                raise ConfigError(f"the folder {path} holds no data file")
            inside += known
    told = {path: _split_of(path) for path in given + inside}
    if len(told) == 1:
        return {"train": list(told)}, []
    is_told = any(told[path] for path in inside)
    passed_over = [path for path in inside if is_told and told[path] is None]
    splits: dict[str, list[Path]] = {}
    for path, split in told.items():
        if split is None and path not in passed_over:
            raise ConfigError(
                f"the name of {path} tells no split; let it hold train, dev or test, or give one "
                "file"
            )
        if split is not None:
            splits.setdefault(split, []).append(path)
    if "train" not in splits:
        raise ConfigError(f"none of {listing(str(path) for path in told)} is called train")
    return {split: splits[split] for split in SPLIT_WORDS if split in splits}, passed_over


def _split_of(path: Path) -> str | None:
    words = set(re.split(r"[^a-z]+", path.name.lower()))
    return next((split for split, known in SPLIT_WORDS.items() if words & set(known)), None)


def _is_data(path: Path) -> bool:
    stem = path.name.partition(".")[0].lower()  # empty for a hidden file
    try:
        return bool(format_of(path, DataOptions())) and stem not in _NO_DATA
    except GptasksError:
        return False


def is_told(value: Any) -> bool:
    """Whether a cell is not empty."""
    return value is not None and value != [] and bool(str(value).strip())


def texts_of(look: Look) -> list[Column]:
    """The columns that hold texts, the longest first."""
    found = [
        column
        for column in look.columns.values()
        if (column.length >= 6 or (column.length and column.name.lower() in TEXTS))
        and len(column.counts) > 1
        and not column.is_identifier
        and not column.is_list
    ]
    return sorted(found, key=lambda column: -column.length)

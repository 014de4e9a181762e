"""What every tracker is, the one that does nothing, and the guard that lets training go on.

A tracker is told of everything and asked for nothing: the run folder holds all a run needs.
"""

from __future__ import annotations

import importlib.util
import json
import logging
import math
import textwrap
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from gptasks.errors import MissingExtraError, listing

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunInfo:
    """What a tracker is told of a run before its first number."""

    id: str
    """Unique and the same whenever the run goes on after a stop."""

    name: str
    """The run as people call it."""

    task: str
    strategy: str
    backbone: str
    seed: int

    folder: Path
    """The run folder; it exists. A tracker writes nowhere else, unless its tool keeps all runs in
    one store."""

    config: Mapping[str, Any]
    """The whole configuration, nested as in `config.yaml`."""


@dataclass
class Tracker(ABC):
    """Shows a run elsewhere while it happens.

    `start` comes first and `finish` last; what comes between may come in any order, steps rising.
    A run that goes on after a stop calls `start` with the same id and tells its whole history
    again. Methods may raise anything: the run calls them through `SafeTracker`.
    """

    name: ClassVar[str] = ""
    """What `tracking=<name>` selects."""

    libraries: ClassVar[tuple[str, ...]] = ()
    """Modules it needs that gptasks alone does not bring; the extra of its name installs them."""

    log_texts: bool = False
    """Whether tables show the input texts; false by default, for an online run uploads them."""

    @classmethod
    def missing(cls) -> list[str]:
        """Its libraries that are not installed."""
        specs = {library: importlib.util.find_spec(library) for library in cls.libraries}
        # A mere folder of that name, in the current one, has no origin.
        return [library for library, spec in specs.items() if spec is None or spec.origin is None]

    def check(self) -> None:
        """Raise MissingExtraError if a library is absent.

        Called before any work and, unlike the methods below, not through `SafeTracker`.
        """
        missing = self.missing()
        if missing:
            raise MissingExtraError(
                f"tracking={self.name} needs {listing(missing)}, not installed here; "
                f"pip install 'gptasks[{self.name}]', or choose another tracking=…"
            )

    @abstractmethod
    def start(self, info: RunInfo) -> None:
        """Open the run."""

    @abstractmethod
    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Add one point to each named curve, at optimiser step `step`."""

    @abstractmethod
    def table(self, key: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Show a table, such as the predictions; the caller leaves texts out by `log_texts`."""

    @abstractmethod
    def confusion(self, key: str, labels: Sequence[str], matrix: Sequence[Sequence[int]]) -> None:
        """Show how often each class was taken for each: matrix[reference][prediction]."""

    @abstractmethod
    def summary(self, values: Mapping[str, float]) -> None:
        """Set the run's results, such as {"test/accuracy": 0.87}."""

    @abstractmethod
    def finish(self, exit_code: int) -> None:
        """Close the run; 0 says it ended well."""


@dataclass
class NoTracker(Tracker):
    """Tracks nothing."""

    name: ClassVar[str] = "none"

    def start(self, info: RunInfo) -> None:
        """Do nothing."""

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Do nothing."""

    def table(self, key: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Do nothing."""

    def confusion(self, key: str, labels: Sequence[str], matrix: Sequence[Sequence[int]]) -> None:
        """Do nothing."""

    def summary(self, values: Mapping[str, float]) -> None:
        """Do nothing."""

    def finish(self, exit_code: int) -> None:
        """Do nothing."""


class SafeTracker(Tracker):
    """Another tracker, until it fails: then one warning, and nothing more of it.

    A KeyboardInterrupt is the user's and passes through.
    """

    def __init__(self, inner: Tracker) -> None:
        super().__init__(log_texts=inner.log_texts)
        self._inner = inner

    def start(self, info: RunInfo) -> None:
        """Start the inner tracker."""
        self._try("start", info)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Pass on a point."""
        self._try("log", step, values)

    def table(self, key: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Pass on a table."""
        self._try("table", key, columns, rows)

    def confusion(self, key: str, labels: Sequence[str], matrix: Sequence[Sequence[int]]) -> None:
        """Pass on the counts."""
        self._try("confusion", key, labels, matrix)

    def summary(self, values: Mapping[str, float]) -> None:
        """Pass on the results."""
        self._try("summary", values)

    def finish(self, exit_code: int) -> None:
        """Finish the inner tracker."""
        self._try("finish", exit_code)

    def _try(self, method: str, *arguments: Any) -> None:
        try:
            getattr(self._inner, method)(*arguments)
        except (Exception, SystemExit) as error:  # wandb leaves by sys.exit when its service dies
            _log.warning(
                "tracker '%s' failed at %s (%s); the run goes on without it",
                self._inner.name,
                method,
                textwrap.shorten(f"{type(error).__name__}: {error}", 240, placeholder=" …"),
            )
            self._inner = NoTracker()


def plain(value: Any) -> Any:
    """`value` in JSON's own types: numbers of numpy and torch unpacked, not finite to None."""
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    return str(value)


def flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, str | int | float]:
    """Every value of a configuration by its dotted key, for tools that know numbers and strings;
    lists and null are JSON."""
    found: dict[str, str | int | float] = {}
    for key, value in plain(config).items():
        if isinstance(value, dict) and value:
            found |= flat(value, f"{prefix}{key}.")
        else:
            is_simple = isinstance(value, str | int | float)
            found[prefix + key] = value if is_simple else json.dumps(value, ensure_ascii=False)
    return found

"""What every tracker is, the one that does nothing, and the guard that lets training go on.

A tracker is told of everything and asked for nothing: the run folder holds all a run needs.
"""

from __future__ import annotations

import logging
import math
import textwrap
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

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
    """The run folder; it exists, and a tracker writes nowhere else."""

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

    log_texts: bool = False
    """Whether tables show the input texts; false by default, for an online run uploads them."""

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
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if value is None or isinstance(value, str | int):
        return value
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    return str(value)

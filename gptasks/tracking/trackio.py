"""Tracking with Trackio: rows in the SQLite store that `trackio show` opens."""

from __future__ import annotations

import logging
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from gptasks.tracking.points import PointTracker, distinct
from gptasks.tracking.tracker import RunInfo, plain

_log = logging.getLogger(__name__)


@dataclass
class TrackioTracker(PointTracker):
    """Trackio: its own store on this machine, for all runs together; `trackio show` opens it.

    The store is TRACKIO_DIR, by default `~/.cache/huggingface/trackio`; `trackio sync` uploads it.
    Results are the last point of curves of their own. A failure is an alert, for Trackio's runs
    have no outcome. Needs `pip install 'gptasks[trackio]'`.
    """

    name: ClassVar[str] = "trackio"
    libraries: ClassVar[tuple[str, ...]] = ("trackio",)

    project: str = "gptasks"
    """Trackio's project."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._store: Any = None
        self._run: dict[str, str] = {}

    def start(self, info: RunInfo) -> None:
        """Begin the run of this id anew: the rows of an earlier start are told again."""
        # trackio.init would ask the hub who the user is, watch the machine and print.
        from trackio.sqlite_storage import SQLiteStorage

        self._store = SQLiteStorage
        self._run = {"project": self.project, "run": info.name, "run_id": info.id}
        self._store.delete_run(**self._run)
        self._write({}, config={**plain(info.config), "_Group": info.task})
        _log.info(
            "tracking in %s; to see it: trackio show --project %s",
            *(self._store.get_project_db_path(self.project), shlex.quote(self.project)),
        )

    def table(self, key: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Add a table beside the last point."""
        from trackio import Table

        table = Table(columns=distinct(columns), data=plain(rows))
        self._write({key: {"_type": Table.TYPE, "_value": table.data}})

    def finish(self, exit_code: int) -> None:
        """Raise an alert if the run failed."""
        if exit_code:
            self._store.bulk_alert(
                **self._run,
                titles=["The run failed"],
                texts=[f"exit code {exit_code}"],
                levels=["error"],
                steps=[self._step],
            )

    def _add(self, values: Mapping[str, float]) -> None:
        self._write(values)

    def _write(self, values: Mapping[str, Any], config: dict[str, Any] | None = None) -> None:
        self._store.bulk_log(**self._run, metrics_list=[values], steps=[self._step], config=config)

"""Tracking with MLflow, by its client: nothing of mlflow's global state is touched."""

from __future__ import annotations

import json
import logging
import os
import re
import shlex
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from gptasks.tracking.points import PointTracker, distinct
from gptasks.tracking.tracker import RunInfo, flat, plain

_log = logging.getLogger(__name__)

_ID = "gptasks.id"
"""The tag that holds the run's id; MLflow makes its own ids."""

_SQLITE = "sqlite:///"

_BATCH = 100
"""The most parameters that MLflow takes at once."""


@dataclass
class MlflowTracker(PointTracker):
    """MLflow: a store in `<run>/mlflow/`, or one for many runs by MLFLOW_TRACKING_URI.

    The configuration are parameters, curves and results metrics, the confusion matrix and the
    predictions tables among the artifacts. Needs `pip install 'gptasks[mlflow]'`; `mlflow ui`, the
    page, comes with the whole of mlflow.
    """

    name: ClassVar[str] = "mlflow"
    libraries: ClassVar[tuple[str, ...]] = ("mlflow", "sqlalchemy", "alembic")

    uri: str | None = None
    """MLflow's tracking URI; without it MLFLOW_TRACKING_URI, else the run folder's own store."""

    experiment: str = "gptasks"
    """MLflow's experiment."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._client: Any = None
        self._id = ""

    def start(self, info: RunInfo) -> None:
        """Begin the run anew; one that an earlier start of the same id left is deleted."""
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # read once, by the import
        from mlflow import MlflowClient
        from mlflow.entities import Param

        logging.getLogger("mlflow.store.db").setLevel(logging.WARNING)
        uri = self.uri or os.environ.get("MLFLOW_TRACKING_URI")
        uri = uri or f"{_SQLITE}{info.folder.absolute() / 'mlflow' / 'mlflow.db'}"
        artifacts = None
        if uri.startswith(_SQLITE):  # mlflow would put artifacts into the current folder
            folder = Path(uri.removeprefix(_SQLITE)).absolute().parent
            folder.mkdir(exist_ok=True)
            artifacts = (folder / "artifacts").as_uri()
        self._client = client = MlflowClient(tracking_uri=uri)
        found = client.get_experiment_by_name(self.experiment)
        experiment = (
            client.create_experiment(self.experiment, artifacts)
            if found is None
            else found.experiment_id
        )
        # A point can't be taken back, and the points past the last checkpoint are computed anew.
        for earlier in client.search_runs([experiment], f"tags.`{_ID}` = '{info.id}'"):
            client.delete_run(earlier.info.run_id)
        tags = {_ID: info.id, "task": info.task, "strategy": info.strategy}
        self._id = client.create_run(experiment, run_name=info.name, tags=tags).info.run_id
        params = [
            Param(
                re.sub(r"[^\w./: -]", "_", key),  # what a name may hold
                value if isinstance(value, str) else json.dumps(value),
            )
            for key, value in flat(info.config).items()
        ]
        for at in range(0, len(params), _BATCH):
            client.log_batch(self._id, params=params[at : at + _BATCH])
        _log.info(
            "tracking in %s; to see it: mlflow ui --backend-store-uri %s", uri, shlex.quote(uri)
        )

    def table(self, key: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Add a table as an artifact."""
        cells = zip(*plain(rows), strict=True) if rows else [()] * len(columns)
        table = {
            column: list(values) for column, values in zip(distinct(columns), cells, strict=True)
        }
        self._client.log_table(self._id, table, f"{key}.json")

    def finish(self, exit_code: int) -> None:
        """Say how the run ended: finished, killed by a signal, or failed."""
        stopped = "KILLED" if exit_code > 128 else "FAILED"
        self._client.set_terminated(self._id, stopped if exit_code else "FINISHED")

    def _add(self, values: Mapping[str, float]) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        metrics = [Metric(key, value, now, self._step) for key, value in values.items()]
        self._client.log_batch(self._id, metrics=metrics)

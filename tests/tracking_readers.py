"""Reads back, with each tool's own reader, what a tracker left of a run; one shape for all."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import wandb_reader


@dataclass
class Told:
    """What a tool holds of one run."""

    name: str
    config: dict[str, Any]
    """By dotted key, as the tool has it."""

    ended: Any
    """How the tool says the run ended."""

    curves: dict[str, list[tuple[int, float]]] = field(default_factory=dict)
    """Step and value of every point, in order; of a tool without a summary the results too."""

    summary: dict[str, float] = field(default_factory=dict)
    """The last value of each name."""

    tables: dict[str, list[list[Any]]] = field(default_factory=dict)
    """Rows; the first one names the columns."""


def read_wandb(folder: Path, store: Path) -> Told:
    """The newest segment of an offline run; it holds the whole story."""
    place = sorted(folder.glob("wandb/offline-run-*/run-*.wandb"), key=_written)[-1]
    found = list(wandb_reader.records(place))
    kinds = {kind: [] for kind in ("run", "history", "summary", "exit")}
    for record in found:
        kinds.setdefault(record.WhichOneof("record_type"), []).append(record)
    run = kinds["run"][0].run
    config = wandb_reader.values(run.config.update)
    config.pop("_wandb", None)
    codes = [record.exit.exit_code for record in kinds["exit"]]
    told = Told(run.run_id, dotted(config), codes[-1] if codes else None)
    for record in kinds["history"]:
        point = wandb_reader.values(record.history.item)
        step = point["_step"]
        for key, value in point.items():
            if isinstance(value, int | float) and not key.startswith("_") and "." not in key:
                told.curves.setdefault(key, []).append((step, value))
            if key.endswith(".path"):
                content = json.loads((place.parent / "files" / value).read_text())
                told.tables[key.removesuffix(".path")] = [content["columns"], *content["data"]]
    for record in kinds["summary"]:
        told.summary |= wandb_reader.values(record.summary.update)
    return told


def read_tensorboard(folder: Path, store: Path) -> Told:
    """The event file, as TensorBoard's page is given it."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams import api_pb2, metadata
    from tensorboard.util import tensor_util

    events = EventAccumulator(str(folder / "tensorboard"), size_guidance={"tensors": 0})
    events.Reload()
    parts = events.PluginTagToContent("hparams")
    start = metadata.parse_session_start_info_plugin_data(parts[metadata.SESSION_START_INFO_TAG])
    config = {key: getattr(value, value.WhichOneof("kind")) for key, value in start.hparams.items()}
    told = Told(start.group_name, config, None)
    if metadata.SESSION_END_INFO_TAG in parts:
        end = metadata.parse_session_end_info_plugin_data(parts[metadata.SESSION_END_INFO_TAG])
        told.ended = api_pb2.Status.Name(end.status)
    for tag in events.Tags()["tensors"]:
        plugin = events.SummaryMetadata(tag).plugin_data.plugin_name
        values = [
            (event.step, tensor_util.make_ndarray(event.tensor_proto).tolist())
            for event in events.Tensors(tag)
        ]
        if plugin == "scalars":
            told.curves[tag] = values
            told.summary[tag] = values[-1][1]
        elif plugin == "text":
            ((_, rows),) = values
            told.tables[tag] = [[cell.decode() for cell in row] for row in rows]
    return told


def read_trackio(folder: Path, store: Path) -> Told:
    """The only run of the folder's name in Trackio's store."""
    from trackio import sqlite_storage

    sqlite_storage.TRACKIO_DIR = store  # else the one of this process' first import
    read = sqlite_storage.SQLiteStorage
    (run,) = (r for r in read.get_run_records("gptasks") if r["name"] == folder.name)
    one = {"project": "gptasks", "run": run["name"], "run_id": run["id"]}
    config = read.get_run_config(**one)
    config.pop("_Group")
    alerts = read.get_alerts("gptasks", run["name"], run_id=run["id"])
    told = Told(run["id"], dotted(config), [f"{a['level']}: {a['text']}" for a in alerts])
    for point in read.get_logs(**one):
        step = point.pop("step")
        del point["timestamp"]
        for key, value in point.items():
            if isinstance(value, dict):
                rows = value["_value"]
                told.tables[key] = [list(rows[0]), *(list(row.values()) for row in rows)]
            else:
                told.curves.setdefault(key, []).append((step, value))
                told.summary[key] = value
    return told


def read_mlflow(folder: Path, store: Path) -> Told:
    """The only run of the run folder's own store."""
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{folder.absolute() / 'mlflow' / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("gptasks").experiment_id
    (run,) = client.search_runs([experiment])
    told = Told(run.data.tags["gptasks.id"], dict(run.data.params), run.info.status)
    for key, value in run.data.metrics.items():
        points = client.get_metric_history(run.info.run_id, key)
        told.curves[key] = [(point.step, point.value) for point in points]
        told.summary[key] = value
    for each in client.list_artifacts(run.info.run_id, "test"):
        content = json.loads(
            Path(client.download_artifacts(run.info.run_id, each.path)).read_text()
        )
        told.tables[each.path.removesuffix(".json")] = [content["columns"], *content["data"]]
    return told


READERS: dict[str, Callable[[Path, Path], Told]] = {
    "wandb": read_wandb,
    "tensorboard": read_tensorboard,
    "trackio": read_trackio,
    "mlflow": read_mlflow,
}
"""By the tracker's name; each takes the run folder, and TRACKIO_DIR."""


def _written(path: Path) -> float:
    return path.stat().st_mtime


def dotted(config: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """A configuration's values by their dotted keys."""
    found: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, dict) and value:
            found |= dotted(value, f"{prefix}{key}.")
        else:
            found[prefix + key] = value
    return found

"""Where a run's curves, scores and tables are shown while it trains: a tool, a file, or nowhere.

The fields of each tracker are the keys of `tracking=<name>`. A run calls its tracker through
`SafeTracker`, so that a broken one never ends it. A tool is imported only by a run that uses it.
"""

from __future__ import annotations

from gptasks.tracking.jsonl import JsonlTracker
from gptasks.tracking.mlflow import MlflowTracker
from gptasks.tracking.tensorboard import TensorboardTracker
from gptasks.tracking.tracker import NoTracker, RunInfo, SafeTracker, Tracker
from gptasks.tracking.trackio import TrackioTracker
from gptasks.tracking.wandb import WandbTracker

__all__ = [
    "TRACKERS",
    "JsonlTracker",
    "MlflowTracker",
    "NoTracker",
    "RunInfo",
    "SafeTracker",
    "TensorboardTracker",
    "Tracker",
    "TrackioTracker",
    "WandbTracker",
]

TRACKERS: dict[str, type[Tracker]] = {
    tracker.name: tracker
    for tracker in (
        WandbTracker,
        TensorboardTracker,
        TrackioTracker,
        MlflowTracker,
        JsonlTracker,
        NoTracker,
    )
}
"""What `tracking=<name>` can be; the first is the default."""

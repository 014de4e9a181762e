"""What the tools hold of a run that was killed with kill -9 and repeated: all of it, once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from small_runs import points, predictions_of, results_of, small, write_reviews
from test_resume import HARD
from tracking_readers import READERS, Told, dotted
from wandb_reader import records, values

from gptasks.tracking import TRACKERS
from gptasks.tracking.tracker import flat

TOOLS = [
    pytest.param(
        tool,
        marks=pytest.mark.skipif(
            bool(TRACKERS[tool].missing()), reason=f"needs pip install 'gptasks[{tool}]'"
        ),
    )
    for tool in READERS
]


@pytest.fixture(scope="module")
def tracked(tmp_path_factory) -> Path:
    """A folder for each tool that is installed, with its runs "r" and "failed"."""
    place = tmp_path_factory.mktemp("tracked")
    data = write_reviews(place / "reviews.csv", rows=90)
    tools = [tool for tool in READERS if not TRACKERS[tool].missing()]
    script = Path(__file__).with_name("tracked_runs.py")
    line = [word for word in small(data, *HARD) if not word.startswith("tracking=")]
    # Without WANDB_SERVICE, by which a run's service outlives it where another test has begun one.
    others = ("WANDB_", "MLFLOW_", "TRACKIO_")
    env = {key: value for key, value in os.environ.items() if not key.startswith(others)}
    done = subprocess.run(
        [sys.executable, str(script), str(place), ",".join(tools), *line],
        capture_output=True,
        text=True,
        timeout=300,
        env={
            **env,
            "PYTHONPATH": os.pathsep.join(sys.path),
            "WANDB_MODE": "offline",
            "TRACKIO_DIR": str(place / "trackio" / "store"),
        },
        check=False,
    )
    ended = [line.split()[1:] for line in done.stdout.splitlines() if line.startswith("ended")]
    assert ended == [[tool, "-9", "0", "2"] for tool in tools], done.stderr
    assert "the run goes on without it" not in done.stderr
    return place


def told_of(place: Path, tool: str, run: str = "r") -> Told:
    return READERS[tool](place / tool / run, place / "trackio" / "store")


@pytest.mark.parametrize("tool", TOOLS)
def test_the_run_is_the_same_with_its_whole_configuration(tool, tracked):
    folder, told = tracked / tool / "r", told_of(tracked, tool)
    id = (folder / ".id").read_text()
    assert told.name.startswith("sequence_classification-")
    assert told.name.endswith(f"-{id}")
    config = yaml.safe_load((folder / "config.yaml").read_text())
    texts = {key: v if isinstance(v, str) else json.dumps(v) for key, v in flat(config).items()}
    held = {"tensorboard": flat(config), "mlflow": texts}.get(tool, dotted(config))
    if tool == "wandb":  # names to group by stand beside it
        held = {f"settings.{key}": value for key, value in held.items()}
        held |= {"task": "sequence_classification", "kind": "sequence_classification",
                 "backbone": "tiny", "strategy": "lora", "seed": config["seed"],
                 "headline_metric": "accuracy"}  # fmt: skip
    assert told.config == held


@pytest.mark.parametrize("tool", TOOLS)
def test_every_point_is_there_once(tool, tracked):
    curves, history = told_of(tracked, tool).curves, _history(tracked / tool / "r")
    assert len(history["train/loss"]) == 12
    assert len(history["validation/accuracy"]) > 3
    for key, expected in history.items():
        assert _rounded(curves[key], tool) == _rounded(expected, tool), key
    assert {key for key in curves if key not in history} == (
        set() if tool == "wandb" else set(_results(tracked / tool / "r", history))
    )


@pytest.mark.parametrize("tool", TOOLS)
def test_the_summary_is_that_of_results_json(tool, tracked):
    folder, told = tracked / tool / "r", told_of(tracked, tool)
    expected = _results(folder, () if tool == "wandb" else _history(folder))
    assert {"test/accuracy", "test/accuracy/low", "baseline/tfidf/f1_macro"} <= set(expected)
    kept = {key: value for key, value in told.summary.items() if key in expected}
    assert _rounded(sorted(kept.items()), tool) == _rounded(sorted(expected.items()), tool)


@pytest.mark.parametrize("tool", TOOLS)
def test_the_tables_are_those_of_the_predictions(tool, tracked):
    tables = told_of(tracked, tool).tables
    rows = predictions_of(tracked / tool / "r")
    columns, *cells = tables["test/predictions"]
    assert columns == ["id", "prediction", "reference", "bad", "good"]
    expected = [
        [row["id"], row["prediction"], row["reference"], *(row["scores"][c] for c in columns[3:])]
        for row in rows
    ]
    if tool == "tensorboard":
        expected = [[*row[:3], *(f"{score:.4g}" for score in row[3:])] for row in expected]
    if tool == "mlflow":  # which writes ten digits after the point
        expected = [[*row[:3], *(round(score, 10) for score in row[3:])] for row in expected]
    assert cells == expected
    counts = {(a, b): 0 for a in ("bad", "good") for b in ("bad", "good")}
    for row in rows:
        counts[row["reference"], row["prediction"]] += 1
    if tool == "wandb":
        _, *found = tables["test/confusion_table"]
        assert {(a, b): n for a, b, n in found} == counts
    else:
        (_, *labels), *found = tables["test/confusion"]
        pairs = {(a, b): int(n) for a, *ns in found for b, n in zip(labels, ns, strict=True)}
        assert pairs == counts


@pytest.mark.parametrize("tool", TOOLS)
def test_the_outcome_is_told(tool, tracked):
    ends = {
        "wandb": (0, 2),
        "tensorboard": ("STATUS_SUCCESS", "STATUS_FAILURE"),
        "trackio": ([], ["error: exit code 2"]),
        "mlflow": ("FINISHED", "FAILED"),
    }[tool]
    assert told_of(tracked, tool).ended == ends[0]
    assert told_of(tracked, tool, "failed").ended == ends[1]


def test_no_segment_of_wandb_says_what_the_last_one_does_not(tracked):
    """`wandb sync` uploads both under one id: what the killed one holds is told again by the other,
    bit for bit but for the clock."""
    folder = tracked / "wandb" / "r"
    paths = sorted(folder.glob("wandb/offline-run-*/run-*.wandb"), key=lambda p: p.stat().st_mtime)
    assert len(paths) == 2
    assert len({path.name for path in paths}) == 1  # named after the run's id
    killed, whole = ([_point(record) for record in records(p)] for p in paths)
    assert [point for point in killed if point and point not in whole] == []
    assert [r for r in records(paths[0]) if r.WhichOneof("record_type") == "exit"] == []


def _history(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Step and value of every point of every curve, as the run folder has them."""
    found: dict[str, list[tuple[int, float]]] = {}
    for point in points(folder):
        step = point.pop("step")
        for key, value in point.items():
            found.setdefault(key, []).append((step, value))
    return found


def _point(record: Any) -> dict[str, float]:
    """A point's step and values without those of the clock; {} for another record."""
    if record.WhichOneof("record_type") != "history":
        return {}
    point = values(record.history.item)
    clock = ("_timestamp", "_runtime", "_wandb")
    return {k: v for k, v in point.items() if not k.startswith(("time/", *clock))}


def _results(folder: Path, curves: Any) -> dict[str, float]:
    """The results as a tracker names them; beside curves of their names under `final/`."""
    results = results_of(folder)
    named = {**results["metrics"], **{f"baseline/{k}": v for k, v in results["baselines"].items()}}
    found = {}
    for prefix, scores in named.items():
        for name, score in [("headline", scores["accuracy"]), *scores.items()]:
            key = f"{prefix}/{name}"
            found[f"final/{key}" if key in curves else key] = score["value"]
            found |= {f"{key}/{end}": score[end] for end in ("low", "high")}
    return found


def _rounded(pairs: list[tuple[Any, float]], tool: str) -> list[tuple[Any, float]]:
    """As the tool keeps numbers: TensorBoard in 32 bits."""
    return [(k, float(np.float32(v)) if tool == "tensorboard" else v) for k, v in pairs]

"""Trackers whose tools come with an extra: what they leave is read back by the tools themselves."""

from __future__ import annotations

import importlib.util
import math
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from tracking_readers import READERS

import gptasks
from gptasks.errors import MissingExtraError
from gptasks.tracking import TRACKERS, RunInfo

TOOLS = ("tensorboard", "trackio", "mlflow")

STORY = """
import logging, os, signal, sys
from pathlib import Path
from gptasks.tracking import TRACKERS, RunInfo
logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
tool, folder, attempt = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
tracker = TRACKERS[tool]()
info = RunInfo(
    id="sentiment-0a1b2c3d-1234abcd", name=folder.name, task="sentiment",
    strategy="lora", backbone="tiny", seed=1, folder=folder,
    config={"seed": 1, "trainer": {"rate": 0.001, "on": True, "until": None},
            "task": {"data": Path("a.csv"), "labels": ["gut", "好"], "map": {"gut!": "yes"}}},
)
tracker.start(info)
if attempt == "killed":
    for step in range(7):
        tracker.log(step * 10, {"train/loss": 9.0, "validation/accuracy": 0.0})
    os.kill(os.getpid(), signal.SIGKILL)
for step in range(6):  # one point was lost with the checkpoint, the others are told again
    tracker.log(step * 10, {"train/loss": 1 / (step + 1), "train/bad": float("nan")})
    tracker.log(step * 10, {"validation/accuracy": step / 8})
if attempt == "failed":
    tracker.finish(2)
    sys.exit()
tracker.summary({"test/accuracy": 0.875, "test/accuracy/low": 0.75, "validation/accuracy": 0.5})
tracker.table("test/predictions", ["id", "prediction", "id", "好"],
              [["a.csv:1", "gut", 0.25, None], ["a.csv:2", "好", 0.5, 1.0]])
tracker.confusion("test/confusion", ["gut", "好"], [[3, 1], [0, 4]])
tracker.finish(0)
"""


@pytest.fixture(scope="module", params=TOOLS)
def story(request, tmp_path_factory) -> SimpleNamespace:
    """A run that was killed, failed when it went on, and then came to its end; each attempt is a
    process of its own, whose home is not where it works."""
    tool, root = request.param, tmp_path_factory.mktemp(request.param)
    if TRACKERS[tool].missing():
        pytest.skip(f"needs pip install 'gptasks[{tool}]'")
    run, home, cwd = root / "a run", root / "home", root / "cwd"
    for folder in (run, home, cwd):
        folder.mkdir()
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW_", "TRACKIO_"))}
    env = clean | {
        "HOME": str(home),
        "PYTHONPATH": os.pathsep.join([str(Path(gptasks.__file__).parent.parent), *sys.path]),
        "TRACKIO_DIR": str(root / "trackio"),
    }
    told, lines = {}, []
    for attempt, code in (("killed", -9), ("failed", 0), ("whole", 0)):
        done = subprocess.run(
            [sys.executable, "-c", STORY, tool, str(run), attempt],
            **{"cwd": cwd, "env": env, "stdin": subprocess.DEVNULL},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert (done.returncode, done.stdout) == (code, ""), done.stderr
        told[attempt] = READERS[tool](run, root / "trackio")
        lines += done.stderr.splitlines()
    strays = [path for folder in (home, cwd) for path in folder.rglob("*")]
    return SimpleNamespace(
        tool=tool, run=run, told=told["whole"], earlier=told, lines=lines, strays=strays
    )


def same(found: list[tuple[int, float]], expected: list[tuple[int, float]]) -> bool:
    """Equal points, as far as the 32 bits of TensorBoard tell; NaN equals NaN."""
    steps = [step for step, _ in found] == [step for step, _ in expected]
    values = [np.float32(value) for _, value in found], [np.float32(v) for _, v in expected]
    return steps and np.array_equal(*values, equal_nan=True)


def test_a_run_that_goes_on_has_every_point_once(story):
    curves = story.told.curves
    assert same(curves["train/loss"], [(step * 10, 1 / (step + 1)) for step in range(6)])
    assert same(curves["train/bad"], [(step * 10, math.nan) for step in range(6)])
    assert same(curves["validation/accuracy"], [(step * 10, step / 8) for step in range(6)])


def test_results_stand_beside_the_last_point_and_leave_the_curves_alone(story):
    curves = story.told.curves
    assert curves["test/accuracy"] == [(50, 0.875)]
    assert curves["test/accuracy/low"] == [(50, 0.75)]
    assert curves["final/validation/accuracy"] == [(50, 0.5)]


def test_the_run_has_its_id_and_configuration(story):
    plain = {
        "seed": 1,
        "trainer.rate": 0.001,
        "trainer.on": True,
        "trainer.until": None,
        "task.data": "a.csv",
        "task.labels": ["gut", "好"],
        "task.map.gut!": "yes",
    }
    texts = {"trainer.until": "null", "task.labels": '["gut", "好"]'}
    as_it_has_it = {
        "trackio": plain,
        "tensorboard": plain | texts,
        "mlflow": {
            **{"seed": "1", "trainer.rate": "0.001", "trainer.on": "true", "task.data": "a.csv"},
            **{"task.map.gut_": "yes"},
            **texts,
        },
    }
    assert story.told.name == "sentiment-0a1b2c3d-1234abcd"
    assert story.told.config == as_it_has_it[story.tool]


def test_predictions_and_confusion_are_tables(story):
    columns = {"tensorboard": "id"}.get(story.tool, "id (2)")
    confusion = [["reference", "gut", "好"], ["gut", 3, 1], ["好", 0, 4]]
    predictions = [
        ["id", "prediction", columns, "好"],
        ["a.csv:1", "gut", 0.25, None],
        ["a.csv:2", "好", 0.5, 1.0],
    ]
    if story.tool == "tensorboard":
        confusion = [[str(cell) for cell in row] for row in confusion]
        predictions[1:] = [["a.csv:1", "gut", "0.25", ""], ["a.csv:2", "好", "0.5", "1"]]
    assert story.told.tables == {"test/confusion": confusion, "test/predictions": predictions}


def test_the_end_is_told(story):
    ends = {
        "tensorboard": (None, "STATUS_FAILURE", "STATUS_SUCCESS"),
        "trackio": ([], ["error: exit code 2"], []),
        "mlflow": ("RUNNING", "FAILED", "FINISHED"),
    }[story.tool]
    attempts = ("killed", "failed", "whole")
    assert tuple(story.earlier[attempt].ended for attempt in attempts) == ends


def test_what_was_told_before_a_kill_is_there(story):
    assert same(story.earlier["killed"].curves["train/loss"], [(n * 10, 9.0) for n in range(7)])


def test_it_works_in_its_own_place_and_says_how_to_see_it(story):
    assert story.strays == []
    where, see = {
        "tensorboard": (story.run / "tensorboard", f"tensorboard --logdir {story.run.parent}"),
        "trackio": (
            story.run.parent / "trackio" / "gptasks.db",
            "trackio show --project gptasks",
        ),
        "mlflow": (
            f"sqlite:///{story.run / 'mlflow' / 'mlflow.db'}",
            f"mlflow ui --backend-store-uri 'sqlite:///{story.run / 'mlflow' / 'mlflow.db'}'",
        ),
    }[story.tool]
    assert story.lines == [f"INFO tracking in {where}; to see it: {see}"] * 3
    kept = {path.name for path in story.run.iterdir()}
    assert kept == ({story.tool} - {"trackio"})


def test_tensorboards_tables_end_where_its_page_grows_slow(tmp_path):
    tracker = TRACKERS["tensorboard"]()
    if tracker.missing():
        pytest.skip("needs pip install 'gptasks[tensorboard]'")
    tracker.start(RunInfo("id", "name", "t", "lora", "tiny", 1, tmp_path, {"seed": 1}))
    tracker.table("long", ["id", "n"], [[f"{n}", n] for n in range(3500)])
    tracker.table("odd", ["id"], [["\ud800"], [None]])
    tracker.finish(0)
    tables = READERS["tensorboard"](tmp_path, tmp_path).tables
    assert tables["long"][:2] == [["id", "n"], ["0", "0"]]
    assert tables["long"][1000:] == [
        ["999", "999"],
        ["2,500 more rows are in the run folder", ""],
    ]
    assert tables["odd"] == [["id"], ["\\ud800"], [""]]


# -- the library is absent ------------------------------------------------------------------


@pytest.mark.parametrize("tool", TOOLS)
def test_an_absent_library_is_told_in_one_line_before_any_work(tool, reviews, monkeypatch, capsys):
    from gptasks import cli

    real = importlib.util.find_spec
    absent = TRACKERS[tool].libraries
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name in absent else real(name)
    )
    line = [f"{key}={value}" for key, value in reviews.items()]
    assert cli.main(["task=sequence_classification", *line, f"tracking={tool}", "run=r"]) == 2
    assert capsys.readouterr().err == (
        f"gptasks: tracking={tool} needs {', '.join(absent)}, not installed here; "
        f"pip install 'gptasks[{tool}]', or choose another tracking=…\n"
    )
    assert not Path("r").exists()


def test_a_folder_of_the_librarys_name_is_not_the_library(tmp_path, monkeypatch):
    (tmp_path / "no_such_tracker").mkdir()
    monkeypatch.syspath_prepend(tmp_path)

    class Odd(TRACKERS["none"]):
        name = "odd"
        libraries = ("no_such_tracker",)

    with pytest.raises(MissingExtraError, match=r"^tracking=odd needs no_such_tracker, not "):
        Odd().check()


@pytest.mark.parametrize("tool", TOOLS)
def test_an_extra_of_the_trackers_name_installs_its_library(tool):
    path = Path(gptasks.__file__).parent.parent / "pyproject.toml"
    project = tomllib.loads(path.read_text(encoding="utf-8"))["project"]
    asked = {text.partition(">=")[0] for text in project["optional-dependencies"][tool]}
    assert asked == {name.replace("mlflow", "mlflow-skinny") for name in TRACKERS[tool].libraries}


@pytest.mark.parametrize("tool", TOOLS)
def test_importing_a_tracker_imports_none_of_its_libraries(tool):
    program = f"import gptasks.tracking, sys; print({TRACKERS[tool].libraries!r}[0] in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("False\n", "")

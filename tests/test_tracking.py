import dataclasses
import json
import logging
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from wandb_reader import records, values

import gptasks
from gptasks.tracking import (
    TRACKERS,
    JsonlTracker,
    NoTracker,
    RunInfo,
    SafeTracker,
    Tracker,
    WandbTracker,
)

CALLS = {
    "log": (10, {"train/loss": 0.5}),
    "table": ("test/predictions", ["id", "prediction"], [["a.csv:1", "pos"]]),
    "confusion": ("test/confusion", ["neg", "pos"], [[3, 1], [0, 4]]),
    "summary": ({"test/accuracy": 0.875},),
    "finish": (0,),
}


def info(folder: Path) -> RunInfo:
    return RunInfo(
        id="1234abcd",
        name="sentiment-1234abcd",
        task="sentiment",
        strategy="lora",
        backbone="tiny",
        seed=1,
        folder=folder,
        config={
            "seed": 1,
            "trainer": {"rate": 0.001},
            "task": {
                "kind": "sequence_classification",
                "data": Path("a.csv"),
                "metrics": ["accuracy", "ece"],
            },
        },
    )


# -- the guard ------------------------------------------------------------------------------


class Broken(NoTracker):
    name = "broken"

    def __init__(self, method, error):
        super().__init__()
        self.calls = []
        for each in ("start", *CALLS):
            setattr(self, each, self.fail(each, error if each == method else None))

    def fail(self, method, error):
        def call(*arguments):
            self.calls.append(method)
            if error:
                raise error

        return call


def call_all(tracker: Tracker, folder: Path) -> None:
    tracker.start(info(folder))
    for method, arguments in CALLS.items():
        getattr(tracker, method)(*arguments)


@pytest.mark.parametrize("method", ["start", *CALLS])
@pytest.mark.parametrize("error", [OSError("no space\nleft"), SystemExit(3)], ids=type)
def test_a_tracker_that_fails_is_named_once_and_left_alone(method, error, tmp_path, caplog):
    broken = Broken(method, error)
    call_all(SafeTracker(broken), tmp_path)
    order = ["start", *CALLS]
    assert broken.calls == order[: order.index(method) + 1]
    cause = "OSError: no space left" if isinstance(error, OSError) else "SystemExit: 3"
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", f"tracker 'broken' failed at {method} ({cause}); the run goes on without it")
    ]


def test_ctrl_c_inside_a_tracker_is_the_users():
    with pytest.raises(KeyboardInterrupt):
        SafeTracker(Broken("log", KeyboardInterrupt())).log(1, {"loss": 1.0})


def test_a_sound_tracker_hears_everything_in_order(tmp_path, caplog):
    sound = Broken("nothing", None)
    call_all(SafeTracker(sound), tmp_path)
    assert sound.calls == ["start", *CALLS]
    assert not caplog.records


def test_whether_texts_are_logged_is_the_inner_trackers_choice():
    assert not SafeTracker(WandbTracker()).log_texts
    assert SafeTracker(WandbTracker(log_texts=True)).log_texts


@pytest.mark.parametrize("cls", [JsonlTracker, WandbTracker])
def test_a_folder_that_can_not_be_written_is_a_warning(cls, tmp_path, caplog):
    (tmp_path / "tracking.jsonl").mkdir()
    folder = tmp_path / "absent" if cls is WandbTracker else tmp_path
    tracker = SafeTracker(cls())
    call_all(tracker, folder)
    (record,) = caplog.records
    cause = "OSError: can't write into" if cls is WandbTracker else "IsADirectoryError"
    assert record.getMessage().startswith(f"tracker '{cls.name}' failed at start ({cause}")
    assert not (tmp_path / "absent").exists()


# -- none and jsonl -------------------------------------------------------------------------


def test_no_tracker_leaves_nothing(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    call_all(NoTracker(), folder)
    assert not list(folder.iterdir())


def test_jsonl_holds_every_event_as_one_line(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    tracker = JsonlTracker()
    call_all(tracker, tmp_path)
    assert [record.getMessage() for record in caplog.records] == [
        f"tracking in {tmp_path / 'tracking.jsonl'}"
    ]
    tracker = JsonlTracker()
    tracker.start(info(tmp_path))
    tracker.log(20, {"loss": float("nan"), "rate": np.float32(0.25), "tokens": np.int64(7)})
    tracker.table("t", ["text", "score"], [["好 \ud800", float("inf")], [None, np.array([1.5])]])
    lines = (tmp_path / "tracking.jsonl").read_text("utf-8").splitlines()
    events = [json.loads(line, parse_constant=pytest.fail) for line in lines]
    assert all(isinstance(event.pop("time"), float) for event in events)
    start = {
        "event": "start",
        "id": "1234abcd",
        "name": "sentiment-1234abcd",
        "task": "sentiment",
        "strategy": "lora",
        "backbone": "tiny",
        "seed": 1,
        "config": {
            "seed": 1,
            "trainer": {"rate": 0.001},
            "task": {
                "kind": "sequence_classification",
                "data": "a.csv",
                "metrics": ["accuracy", "ece"],
            },
        },
    }
    assert events == [
        start,
        {"event": "log", "step": 10, "values": {"train/loss": 0.5}},
        {
            "event": "table",
            "key": "test/predictions",
            "columns": ["id", "prediction"],
            "rows": [["a.csv:1", "pos"]],
        },
        {
            "event": "confusion",
            "key": "test/confusion",
            "labels": ["neg", "pos"],
            "matrix": [[3, 1], [0, 4]],
        },
        {"event": "summary", "values": {"test/accuracy": 0.875}},
        {"event": "finish", "exit_code": 0},
        start,
        {"event": "log", "step": 20, "values": {"loss": None, "rate": 0.25, "tokens": 7}},
        {
            "event": "table",
            "key": "t",
            "columns": ["text", "score"],
            "rows": [["好 \ud800", None], [None, [1.5]]],
        },
    ]


def test_jsonl_goes_on_after_a_line_that_a_killed_run_left_half_written(tmp_path):
    (tmp_path / "tracking.jsonl").write_text('{"event": "log", "st')
    JsonlTracker().start(info(tmp_path))
    half, whole = (tmp_path / "tracking.jsonl").read_text().splitlines()
    assert half == '{"event": "log", "st'
    assert json.loads(whole)["event"] == "start"


# -- W&B, for real --------------------------------------------------------------------------

OFFLINE = """
for points, code in ((200, 0), (1, 3)):  # the run, and the same run going on
    tracker = SafeTracker(WandbTracker(tags=["a", "b"]))
    tracker.start(info(folder))
    for step in range(points):
        tracker.log(step * 10, {"train/loss": 1 / (step + 1), "train/rate": 0.001})
    tracker.summary({"test/accuracy": 0.875, "test/accuracy/low": 0.75})
    tracker.table(*CALLS["table"])
    tracker.confusion(*CALLS["confusion"])
    tracker.finish(code)
"""

UNREACHABLE = """
call_all(SafeTracker(WandbTracker(start_timeout=1.0)), folder)
"""

MODES = """
import os, wandb
key = {"WANDB_API_KEY": "a" * 40}
for env, mode in (
    ({}, "auto"), (key, "auto"), ({"NETRC": str(folder / "netrc")}, "auto"),
    ({**key, "WANDB_MODE": "offline"}, "auto"), ({**key, "WANDB_MODE": "dryrun"}, "auto"),
    ({**key, "WANDB_MODE": "disabled"}, "auto"), ({"WANDB_MODE": "online"}, "auto"),
    ({}, "online"), ({**key, "WANDB_MODE": "offline"}, "online"), (key, "offline"),
    (key, "disabled"),
):
    os.environ.update(env)
    print(WandbTracker(mode=mode)._resolve_mode(wandb), file=sys.stderr)
    wandb.teardown()  # the next one reads the environment anew
    for name in env:
        del os.environ[name]
"""


@dataclasses.dataclass
class Ran:
    folder: Path
    stdout: str
    stderr: list[str]
    strays: list[Path]


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """Three programs that use W&B, run side by side, each in a process and home of its own."""
    head = """
        import logging, sys
        from pathlib import Path
        from test_tracking import *
        logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
        folder = Path(sys.argv[1])
    """
    head = "\n".join(line.strip() for line in head.splitlines())
    closed = socket.socket()
    closed.bind(("127.0.0.1", 0))  # bound but not listening: every connection is refused
    url = f"http://127.0.0.1:{closed.getsockname()[1]}"
    programs = {
        "offline": (OFFLINE, {}),
        "unreachable": (UNREACHABLE, {"WANDB_API_KEY": "a" * 40, "WANDB_BASE_URL": url}),
        "modes": (MODES, {}),
    }
    processes = {}
    for name, (program, env) in programs.items():
        root = tmp_path_factory.mktemp(name)
        for folder in ("home", "cwd", "a run"):
            (root / folder).mkdir()
        (root / "a run" / "netrc").write_text(
            "machine api.wandb.ai login user password " + "a" * 40 + "\n"
        )
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("WANDB_", "XDG_"))}
        paths = [str(Path(gptasks.__file__).parent.parent), str(Path(__file__).parent)]
        env |= {"HOME": str(root / "home"), "PYTHONPATH": os.pathsep.join(paths)}
        processes[name] = (
            root,
            subprocess.Popen(
                [sys.executable, "-c", head + program, str(root / "a run")],
                cwd=root / "cwd",
                env=clean | env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            ),
        )
    results = {}
    for name, (root, process) in processes.items():
        stdout, stderr = process.communicate(timeout=60)
        assert process.returncode == 0, stderr
        strays = [path for part in ("home", "cwd") for path in (root / part).rglob("*")]
        results[name] = Ran(root / "a run", stdout, stderr.splitlines(), strays)
    closed.close()
    return results


@pytest.fixture(scope="module")
def segments(ran):
    """The records of each `.wandb` file of the offline run, oldest first."""
    paths = sorted(ran["offline"].folder.glob("wandb/offline-run-*/run-1234abcd.wandb"))
    return [list(records(path)) for path in sorted(paths, key=lambda path: path.stat().st_mtime)]


def history(segment):
    return [values(record.history.item) for record in segment if record.HasField("history")]


def test_without_a_key_a_run_is_tracked_offline_in_its_folder_only(ran):
    offline = ran["offline"]
    folders = sorted(offline.folder.glob("wandb/offline-run-*-1234abcd*"))
    assert len(folders) == 2  # the run, and the same run going on
    assert offline.strays == []
    assert offline.stdout == ""
    told = f"INFO tracking offline; to upload: python -m gptasks sync '{offline.folder}'"
    assert offline.stderr == [told, told]


def test_the_run_is_filed_under_its_task_and_strategy_with_its_configuration(segments):
    for segment in segments:
        (run,) = (record.run for record in segment if record.HasField("run"))
        assert (run.run_id, run.display_name) == ("1234abcd", "sentiment-1234abcd")
        assert (run.project, run.run_group, run.job_type) == ("gptasks", "sentiment", "lora")
        assert list(run.tags) == ["a", "b"]
        config = values(run.config.update)
        del config["_wandb"]
        assert config == {
            "task": "sentiment",
            "kind": "sequence_classification",
            "backbone": "tiny",
            "strategy": "lora",
            "seed": 1,
            "headline_metric": "accuracy",
            "settings": json.loads(json.dumps(info(Path()).config, default=str)),
        }


def test_nothing_is_recorded_of_the_machine_and_the_code(segments, ran):
    for segment in segments:
        (run,) = (record.run for record in segment if record.HasField("run"))
        assert run.host == ""
        assert not run.HasField("git")
        kinds = {record.WhichOneof("record_type") for record in segment}
        assert kinds <= {
            *("header", "run", "telemetry", "config", "summary", "history"),
            *("artifact", "files", "exit"),
        }
    files = [path.name for path in ran["offline"].folder.glob("wandb/*/files/**/*")]
    assert not {"requirements.txt", "wandb-metadata.json", "output.log", "code"} & set(files)


def test_every_point_is_logged_once_with_its_step(segments):
    points = [
        [(point["_step"], point["train/loss"], point["train/rate"]) for point in history(segment)]
        for segment in segments
    ]
    assert points == [
        [(step * 10, 1 / (step + 1), 0.001) for step in range(200)],
        [(0, 1.0, 0.001)],
    ]


def test_results_stand_in_the_summary_and_the_exit_code_at_the_end(segments):
    for segment, code in zip(segments, (0, 3), strict=True):
        summary = {}
        for record in segment:
            summary |= values(record.summary.update)
        assert summary["test/accuracy"] == 0.875
        assert summary["test/accuracy/low"] == 0.75
        assert [r.exit.exit_code for r in segment if r.HasField("exit")] == [code]


def test_predictions_and_confusion_are_tables_beside_the_last_point(segments, ran):
    last = history(segments[0])[-1]
    assert last["_step"] == 1990
    (folder,) = [path for path in ran["offline"].folder.glob("wandb/*/") if _holds(path, last)]
    predictions = json.loads((folder / "files" / last["test/predictions.path"]).read_text())
    assert predictions == {"columns": ["id", "prediction"], "data": [["a.csv:1", "pos"]]}
    confusion = json.loads((folder / "files" / last["test/confusion_table.path"]).read_text())
    assert confusion == {
        "columns": ["Actual", "Predicted", "nPredictions"],
        "data": [["neg", "neg", 3], ["neg", "pos", 1], ["pos", "neg", 0], ["pos", "pos", 4]],
    }
    panels = {}
    for record in segments[0]:
        panels |= values(record.config.update)
    panel = panels["_wandb.visualize.test/confusion"]
    assert panel["panel_config"]["panelDefId"] == "wandb/confusion_matrix/v1"


def _holds(folder, point):
    return (
        folder.name.startswith("offline-run")
        and (folder / "files" / point["test/predictions.path"]).exists()
    )


def test_a_server_out_of_reach_means_one_warning_and_an_offline_run(ran):
    unreachable = ran["unreachable"]
    (folder,) = unreachable.folder.glob("wandb/offline-run-*-1234abcd")
    ours = [line for line in unreachable.stderr if not line.startswith("wandb:")]
    assert len(ours) == 2, unreachable.stderr
    assert ours[0].startswith("WARNING W&B did not start online, tracking offline: ")
    place = unreachable.folder
    assert ours[1] == f"INFO tracking offline; to upload: python -m gptasks sync '{place}'"
    assert (unreachable.stdout, unreachable.strays) == ("", [])
    (exit_record,) = (
        record for record in records(folder / "run-1234abcd.wandb") if record.HasField("exit")
    )
    assert exit_record.exit.exit_code == 0


def test_an_upload_that_is_not_done_in_time_is_left_to_wandb(tmp_path, caplog):
    class Slow:
        dir = str(tmp_path / "a run" / "files")

        def finish(self, exit_code):
            raise TimeoutError

    tracker = WandbTracker(finish_timeout=2.0)
    tracker._run = Slow()
    tracker.finish(0)
    assert [record.getMessage() for record in caplog.records] == [
        "W&B's upload was not done after 2 s; to finish it: wandb sync --include-online "
        f"'{tmp_path / 'a run'}'"
    ]


def test_online_only_with_a_key_and_where_nothing_says_otherwise(ran):
    no_key = "WARNING no W&B key to be online with, tracking offline; `wandb login` stores one"
    assert ran["modes"].stderr == [
        "offline",  # no key
        "online",  # WANDB_API_KEY
        "online",  # a key in .netrc
        "offline",  # WANDB_MODE=offline
        "offline",  # WANDB_MODE=dryrun, its old name
        "disabled",  # WANDB_MODE=disabled
        no_key,  # WANDB_MODE=online, no key
        "offline",
        no_key,  # mode=online, no key
        "offline",
        "online",  # mode=online over WANDB_MODE=offline
        "offline",  # mode=offline
        "disabled",  # mode=disabled
    ]


# -- the module -----------------------------------------------------------------------------


def test_importing_the_trackers_imports_no_heavy_library():
    program = "import gptasks.tracking, sys; print(*{'wandb', 'torch', 'numpy'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("\n", "")


def test_every_tracker_is_found_by_its_name_and_wandb_comes_first():
    assert list(TRACKERS) == ["wandb", "tensorboard", "trackio", "mlflow", "jsonl", "none"]
    for name, cls in TRACKERS.items():
        assert cls.name == name
        assert not cls().log_texts

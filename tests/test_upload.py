"""`gptasks sync`: what waits for W&B, where it goes, and what is sent, for real, to a stand-in."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from command_line import Result, gptasks
from filelock import FileLock
from wandb_server import KEY, served

from gptasks.runs import LOCK
from gptasks.tracking import RunInfo, WandbTracker
from gptasks.tracking.wandb_upload import FILES, offline_parts

ID = "toy-12345678-aaaaaaaa"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two parts, as one that went on after a stop leaves; copy it before changing it."""
    import wandb

    folder = tmp_path_factory.mktemp("tracked") / "toy"
    folder.mkdir()
    for points, code in ((2, 1), (300, 0)):
        tracker = WandbTracker(mode="offline")
        config = {"task": {"kind": "toy", "metrics": ["accuracy"]}}
        tracker.start(RunInfo(ID, "toy", "toy", "lora", "tiny", 0, folder, config))
        for step in range(points):
            tracker.log(step, {f"train/{n}": step / (n + 1) for n in range(8)})
        tracker.finish(code)
    wandb.teardown()  # its service writes the end of the file a moment after `finish`
    write_config(folder, name="wandb", log_texts=False)
    return folder


@pytest.fixture(autouse=True)
def unsettled(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """wandb reads settings anew, finds no key and no home."""
    import wandb

    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NETRC", str(tmp_path / "home" / "netrc"))
    wandb.teardown()
    yield
    wandb.teardown()


def write_config(folder: Path, **tracking: object) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    config = {"task": {"name": "toy"}, "tracking": tracking}
    (folder / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")


def copied(made: Path, name: str = "runs/toy") -> Path:
    return Path(shutil.copytree(made, name, symlinks=True))


def cut(folder: Path, part: int, size: int) -> None:
    """Leave the first bytes of a part, as a kill does; below 0 all but the last."""
    file = sorted(folder.glob(FILES))[part]
    file.write_bytes(file.read_bytes()[:size])


def synced(monkeypatch: pytest.MonkeyPatch, url: str, *argv: str) -> Result:
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setenv("WANDB_BASE_URL", url)
    return gptasks("sync", *argv)


HEAD = """\
to W&B at {url}
1 run into project gptasks of {who}
with configuration, curves, scores, predictions and labels
without the input texts (tracking.log_texts=false)
"""


# -- sent ---------------------------------------------------------------------------------


def test_all_parts_are_sent_in_order_and_once(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = copied(made)
    monkeypatch.setenv("WANDB_MODE", "offline")  # which was meant for the training
    with served() as server:
        done = synced(monkeypatch, server.url)
        page = f"{server.url}/ada/gptasks/runs/{ID}"
        head = HEAD.format(url=server.url, who="ada")
        assert done == (0, f"{head}runs/toy: uploaded, {page}\n", "")
        assert {(r["name"], r["project"], r["entity"]) for r in server.runs} == {
            (ID, "gptasks", "ada")
        }
        assert server.runs[0]["groupName"] == "toy"
        history = server.lines[f"{ID}/wandb-history.jsonl"]
        assert len(history) == 2 + 300
        assert '"_step":299' in history[-1]
        assert all(part.is_synced for part in offline_parts(run))
        again = gptasks("sync")
        assert again == (0, "nothing to upload: uploaded already: runs/toy\n", "")
    assert not Path("wandb").exists()
    assert not (Path(os.environ["HOME"])).exists()


def test_a_part_that_breaks_off_keeps_no_later_one_back(
    made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = copied(made)
    cut(run, 0, -20)
    with served() as server:
        done = synced(monkeypatch, server.url, "runs/toy")
        assert done.out.endswith(f"runs/toy: uploaded, {server.url}/ada/gptasks/runs/{ID}\n")
        assert [part.is_synced for part in offline_parts(run)] == [False, True]
        # Sent now, the first part would put the old story over the new one.
        assert gptasks("sync").out == "nothing to upload: uploaded already: runs/toy\n"


def test_of_a_killed_run_what_is_there_is_sent(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = copied(made)
    cut(run, 0, 7)  # wandb had written nothing yet
    cut(run, 1, 40_000)
    monkeypatch.setenv("WANDB_ENTITY", "team")
    with served() as server:
        done = synced(monkeypatch, server.url)
        assert done.code == 0
        assert "1 run into project gptasks of team\n" in done.out
        assert "toy: uploaded as far as it goes: it was killed meanwhile, http" in done.out
        assert {run["entity"] for run in server.runs} == {"team"}
        assert server.lines[f"{ID}/wandb-history.jsonl"]
    assert not any(part.is_synced for part in offline_parts(run))


def test_a_run_that_is_refused_keeps_no_other_back(
    made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = copied(made)
    with served(refused=(ID,)) as server:
        done = synced(monkeypatch, server.url)
    assert done.code == 1
    (line,) = [line for line in done.out.splitlines() if line.startswith("runs/toy: ")]
    assert line.startswith("runs/toy: wandb could not upload it: ")
    assert "permission denied" in line
    assert done.err == (
        "gptasks: 1 of 1 run could not be uploaded, as told above; the same command tries again.\n"
    )
    assert not any(part.is_synced for part in offline_parts(run))


# -- not sent -----------------------------------------------------------------------------


def test_a_dry_run_says_what_and_where_to_and_needs_no_key(made: Path) -> None:
    one = copied(made, "runs/one")
    for name, tracking in {
        "runs/two": {"name": "wandb", "log_texts": True}, "runs/three": {"name": "none"},
    }.items():  # fmt: skip
        shutil.copytree(one, name, symlinks=True)
        write_config(Path(name), **tracking)
    sorted(one.glob(FILES))[0].with_suffix(".wandb.synced").touch()
    done = gptasks("sync", "--dry-run")
    assert (done.code, done.err) == (0, "")
    place, *lines = done.out.splitlines()
    assert place.startswith("to W&B at https://")
    sizes = [sum(part.file.stat().st_size for part in offline_parts(one)[n:]) for n in (0, 1)]
    both = f"would be uploaded, 2 parts, {sizes[0] / 1000:,.0f} kB"
    assert lines == [
        "3 runs into project gptasks of the key's own user or team",
        "with configuration, curves, scores, predictions and labels",
        "and with the input texts (tracking.log_texts=true): runs/two",
        "and perhaps with the input texts (the configuration is of another tracker by now): "
        "runs/three",
        "without the input texts (tracking.log_texts=false): runs/one",
        f"runs/one: would be uploaded, {sizes[1] / 1000:,.0f} kB",
        f"runs/three: {both}",
        f"runs/two: {both}",
    ]
    assert not any(part.is_synced for part in offline_parts(Path("runs/two")))


def test_a_run_at_work_is_left_out(made: Path) -> None:
    run = copied(made)
    with FileLock(run / LOCK):
        done = gptasks("sync", "runs")
    told = "it is being trained; repeat this when it is done: runs/toy"
    assert done == (0, f"nothing to upload: {told}\n", "")
    assert gptasks("sync", "runs", "--dry-run").out.splitlines()[-1].startswith("runs/toy: would")


def test_other_trackers_have_nothing_to_upload(made: Path) -> None:
    for n in range(6):
        write_config(Path(f"runs/{n}"), name="jsonl" if n else "none")
    write_config(Path("runs/online"), name="wandb")
    Path("runs/online/wandb/run-20270101_120000-x").mkdir(parents=True)
    write_config(Path("runs/killed"), name="wandb")
    cut(copied(made, "runs/killed/x"), 0, 7)
    shutil.move("runs/killed/x/wandb", "runs/killed/wandb")
    shutil.rmtree("runs/killed/x")
    shutil.rmtree(sorted(Path("runs/killed").glob(FILES))[1].parent)
    (Path("runs/torn")).mkdir()
    Path("runs/torn/config.yaml").write_text("a: [", encoding="utf-8")
    assert gptasks("sync") == (
        0,
        "nothing to upload: nothing of W&B (tracking=none): runs/0; nothing of W&B "
        "(tracking=jsonl): runs/1, runs/2, runs/3, runs/4 and 1 more; it was killed before W&B had "
        "written anything: runs/killed; W&B was told while it ran: runs/online; nothing of W&B: "
        "runs/torn\n",
        "",
    )


# -- faults -------------------------------------------------------------------------------


def test_what_can_not_be_begun_is_one_line_and_marks_nothing(
    made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import wandb

    run = copied(made)
    address = wandb.setup().settings.base_url
    assert gptasks("sync") == (
        2,
        "",
        f"gptasks: there is no key for W&B at {address}; run `wandb login`, or set "
        "WANDB_API_KEY.\n",
    )
    wandb.teardown()
    with served(has_account=False) as server:
        assert synced(monkeypatch, server.url) == (
            1,
            "",
            f"gptasks: W&B at {server.url} did not accept the key: no such key; `wandb login "
            "--relogin` takes another one.\n",
        )
    wandb.teardown()
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound but not listening: every connection is refused
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        done = synced(monkeypatch, url)
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith(f"gptasks: W&B's server {url} can't be reached: ")
    assert done.err.endswith(" Nothing was sent; repeat the command when it can.\n")
    wandb.teardown()
    done = synced(monkeypatch, "nonsense")
    assert (done.code, done.out) == (2, "")
    (line,) = done.faults
    assert line.startswith("gptasks: wandb can't read its settings, WANDB_… among them: ")
    assert not any(part.is_synced for part in offline_parts(run))


@pytest.mark.parametrize(
    ("argv", "fault"),
    [
        ([], "there is no folder runs here; name run folders, or folders of them: gptasks sync "
         "RUN …"),
        (["mine/on"], "run folder mine/on does not exist; did you mean 'one'?"),
        (["mine/file"], "mine/file is a file, not a run folder."),
        (["mine/one"], "mine/one holds no run."),
        (["--dryrun"], "sync has no argument '--dryrun'; did you mean '--dry-run'? See gptasks "
         "sync --help."),
    ],
)  # fmt: skip
def test_what_is_no_run_is_one_line(argv: list[str], fault: str) -> None:
    Path("mine/one").mkdir(parents=True)
    Path("mine/file").touch()
    assert gptasks("sync", *argv) == (2, "", f"gptasks: {fault}\n")

"""task= and backbone= given as a file, a folder or a hub id."""

from __future__ import annotations

import os
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import ClassVar

import pytest

from gptasks import ConfigError
from gptasks.config import compose
from gptasks.options import BackboneOptions
from gptasks.registry import Registry

TASK = "task=sequence_classification"


@pytest.fixture(scope="module")
def registry() -> Registry:
    return Registry()


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_task_file_is_chosen_by_its_path(tmp_path: Path, registry: Registry) -> None:
    folder = tmp_path / "deep" / "my reviews"
    folder.mkdir(parents=True)
    text = "kind: sequence_classification\ntext: 007\ndata: {train: a.csv, test: b.csv}\n"
    (folder / "task.yaml").write_text(text, encoding="utf-8")
    for place in (folder / "task.yaml", folder, Path("deep/my reviews"), "./deep/my reviews/"):
        config = compose([f"task={place}", "task.data.test=c.csv"], registry)
        assert config.task.data.directory == str(folder)
        assert config.task.data.train == "a.csv"  # beside the task file
        assert config.task.data.test == str(tmp_path / "c.csv")  # beside the user
        assert config.task.text == "007"
    assert compose([f"task={folder}"], registry).task_name == "my_reviews"
    assert config.task_name == "my_reviews"


def test_a_name_comes_before_a_folder_of_that_name(tmp_path: Path, registry: Registry) -> None:
    (tmp_path / "tiny").mkdir()
    (tmp_path / "huge").mkdir()
    (tmp_path / "huge" / "config.json").write_text("{}", encoding="utf-8")
    assert compose([TASK, "backbone=tiny"], registry).backbone.source == "random"
    config = compose([TASK, "backbone=huge"], registry)
    assert config.backbone == BackboneOptions(source="folder", path=str(tmp_path / "huge"))
    assert config.backbone_name == "huge"


def test_a_backbone_is_a_folder_a_gguf_file_or_a_hub_id(tmp_path: Path, registry: Registry) -> None:
    (tmp_path / "x.Q4.gguf").write_bytes(b"")
    config = compose([TASK, "backbone=./x.Q4.gguf"], registry)
    assert config.backbone.path == str(tmp_path / "x.Q4.gguf")
    assert config.backbone_name == "x.Q4"
    config = compose(
        [TASK, "backbone=owner/name@v1.0", "backbone.trust_remote_code=true"], registry
    )
    assert config.backbone == BackboneOptions(
        source="hub", hub="owner/name", revision="v1.0", trust_remote_code=True
    )
    assert config.backbone_name == "owner/name"


def test_a_task_of_the_hub_comes_with_the_files_it_names(
    tmp_path: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A cache as huggingface_hub leaves it, read offline by huggingface_hub itself.
    commit = "0123456789012345678901234567890123456789"
    repository = tmp_path / "hub" / "datasets--owner--reviews"
    snapshot = repository / "snapshots" / commit
    (snapshot / "data").mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit, encoding="utf-8")
    (snapshot / "task.yaml").write_text(
        "kind: sequence_classification\ndata: {train: data/a.csv}\n", encoding="utf-8"
    )
    (snapshot / "data" / "a.csv").write_text("text,label\n", encoding="utf-8")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    config = compose(["task=owner/reviews"], registry)
    assert config.task_name == "reviews"
    assert config.task.data.directory == str(snapshot)
    with pytest.raises(ConfigError, match=r"^task=owner/other: no task of that name is installed"):
        compose(["task=owner/other"], registry)
    (snapshot / "data" / "a.csv").unlink()
    with pytest.raises(
        ConfigError,
        match=r"^task=owner/reviews: its task\.yaml names data/a\.csv, which could not be had from "
        r"the hub$",
    ):
        compose(["task=owner/reviews"], registry)


class _Hub(BaseHTTPRequestHandler):
    """A hub with one data set, `owner/reviews`, that has two files."""

    files: ClassVar[dict[str, str]] = {
        "task.yaml": "kind: sequence_classification\ndata: {train: data/a.csv}\n",
        "data/a.csv": "text,label\n",
    }

    def do_HEAD(self) -> None:
        _, prefix, name = self.path.partition("/datasets/owner/reviews/resolve/v1/")
        body = self.files.get(name, "").encode() if prefix else b""
        self.send_response(200 if body else 404)
        if body:
            self.send_header("ETag", f'"{name.replace("/", "-")}"')
            self.send_header("X-Repo-Commit", "0" * 40)
        else:
            self.send_header("X-Error-Code", "EntryNotFound" if prefix else "RepoNotFound")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    do_GET = do_HEAD

    def log_message(self, *args: object) -> None:
        pass


def test_a_task_is_fetched_from_the_hub(tmp_path: Path) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Hub)
    Thread(target=server.serve_forever, daemon=True).start()
    host = f"http://127.0.0.1:{server.server_port}"
    code = (
        "import sys; from gptasks.config import compose; config = compose(sys.argv[1:]);"
        "print(config.task_name, config.task.data.directory)"
    )
    told = {**os.environ, "HF_ENDPOINT": host, "HF_HOME": str(tmp_path), "NO_PROXY": "127.0.0.1"}
    told["HF_HUB_OFFLINE"] = "0"  # the hub is on this machine
    try:
        made = subprocess.run(
            [sys.executable, "-c", code, "task=owner/reviews@v1"],
            check=True, capture_output=True, text=True, env=told,
        )  # fmt: skip
        name, folder = made.stdout.split()
        assert name == "reviews"
        assert (Path(folder) / "data" / "a.csv").read_text(encoding="utf-8") == "text,label\n"
        none = subprocess.run(
            [sys.executable, "-c", code, "task=owner/none"],
            check=False, capture_output=True, text=True, env=told,
        )  # fmt: skip
        assert "neither a model nor a data set of that name holds a task.yaml." in none.stderr
    finally:
        server.shutdown()
        server.server_close()

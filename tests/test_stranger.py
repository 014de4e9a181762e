"""A stranger's wheel beside gptasks' own, away from the clone: used, and taken away again."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from command_line import gptasks
from test_packaging import Installed, environment, pip, surroundings, wheel

__all__ = ["wheel"]

TRAIN = ("task=acme_opinion", "backbone=tiny", "strategy=head", "tracking=none", "bootstrap=50")


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("empty")


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """An environment with the wheels of gptasks and of a plugin that was begun by it."""
    folder = tmp_path_factory.mktemp("stranger")
    begun = ["plugins", "new", "acme-opinion", "--kind", "sequence_classification"]
    assert gptasks(*begun, "--folder", str(folder)).code == 0
    source = str(folder / "acme-opinion")
    pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), source)
    (theirs,) = folder.glob("*.whl")
    return environment(folder / "venv", str(wheel), str(theirs))


def run(installed: Installed, empty: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return installed.run(*words, cwd=empty, program=True)


def test_it_is_used_like_one_of_ours(installed: Installed, empty: Path) -> None:
    tasks = installed.tasks(cwd=empty, program=True)
    assert tasks["acme_opinion"] == "acme-opinion 0.1.0"
    assert "sentiment" in tasks
    shown = run(installed, empty, "--help", "task=acme_opinion").stdout
    assert shown.startswith("task=acme_opinion: Acme Opinion: say here in one line what it is\n")
    shown = run(installed, empty, "task=acme_opinion", "--cfg", "job")
    assert "kind: acme_opinion\n" in shown.stdout

    done = run(installed, empty, *TRAIN, "run=old")
    assert done.returncode == 0, done.stderr
    results = json.loads((empty / "old" / "results.json").read_text(encoding="utf-8"))
    assert results["plugins"] == {"acme-opinion": "0.1.0"}
    done = run(installed, empty, "predict", "old", "the song was lovely")
    assert json.loads(done.stdout)["prediction"] in ("good", "bad")
    done = run(installed, empty, "evaluate", "old", "--json")
    now = json.loads(done.stdout)["accuracy"]["value"]
    assert now == results["metrics"]["test"]["accuracy"]["value"]
    assert {path.name for path in empty.iterdir()} == {"old"}


def test_without_it_its_run_says_what_is_missing(installed: Installed, empty: Path) -> None:
    if not (empty / "old").exists():
        assert run(installed, empty, *TRAIN, "run=old").returncode == 0
    python = str(installed.folder / "bin" / "python")
    pip("--python", python, "uninstall", "--yes", "acme-opinion")
    assert "acme_opinion" not in installed.tasks(cwd=empty, program=True)
    for words in (["predict", "old", "a text"], ["evaluate", "old"]):
        done = run(installed, empty, *words)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == (
            "gptasks: old was made with the plugin acme-opinion 0.1.0, which is not installed; pip "
            "install acme-opinion==0.1.0 brings it back.\n"
        )
    assert "0." in run(installed, empty, "compare", "old").stdout  # scores need no plugin
    code = (
        "from transformers import pipeline\n"
        "print(pipeline('text-classification', model='old/model')('the song was lovely'))"
    )
    done = subprocess.run(
        [python, "-c", code], cwd=empty, env=surroundings(), capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "'label': 'good'" in done.stdout or "'label': 'bad'" in done.stdout

"""The distribution: everything inside the wheel, and at work wherever it is installed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from command_line import OWN, films, write_csv

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
TREES = {"gptasks": "gptasks", "conf": "gptasks/conf", "plugins": "gptasks_plugins"}
"""Folders of the source tree, and where they lie in the wheel."""

TASKS = {
    "conditional_generation", "headline", "ner", "ner_zh", "sentiment", "sentiment_zh",
    "sequence_classification", "token_classification",
}  # fmt: skip


@dataclass
class Installed:
    """A virtual environment with gptasks in it; its libraries are those of the one we run in."""

    folder: Path

    def run(
        self, *words: str, cwd: Path, program: bool = False
    ) -> subprocess.CompletedProcess[str]:
        """`python -m gptasks …` or, as a program, `gptasks …`."""
        place = self.folder / "bin"
        start = [str(place / "gptasks")] if program else [str(place / "python"), "-m", "gptasks"]
        return subprocess.run(
            [*start, *words],
            cwd=cwd,
            env=surroundings(),
            capture_output=True,
            text=True,
            check=False,
        )

    def tasks(self, *, cwd: Path, program: bool = False) -> dict[str, str]:
        """What `tasks` lists: name to origin."""
        done = self.run("tasks", "--json", cwd=cwd, program=program)
        assert (done.returncode, done.stderr) == (0, "")
        listed = json.loads(done.stdout)
        assert len({task["task"] for task in listed}) == len(listed)
        return {task["task"]: task["from"] for task in listed}


def surroundings() -> dict[str, str]:
    """The environment without what would lead to other copies of gptasks or other indexes."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PIP_", "PYTHON"))}
    return {**kept, "PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1"}


def pip(*words: str) -> None:
    command = [sys.executable, "-m", "pip", *words]
    done = subprocess.run(command, env=surroundings(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def copied_tree(target: Path) -> Path:
    """The source tree as a clone has it."""
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info", "build")
    for name in TREES:
        shutil.copytree(ROOT / name, target / name, ignore=ignored)
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, target / name)
    return target


def environment(folder: Path, *what: str) -> Installed:
    """A new virtual environment with `what` installed, without its dependencies."""
    venv.create(folder, with_pip=False)
    site = next((folder / "lib").glob("python*/site-packages"))
    (site / "parent.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    python = str(folder / "bin" / "python")
    pip("--python", python, "install", "--no-deps", "--no-build-isolation", *what)
    return Installed(folder)


SHIPPED = (".py", ".yaml", ".typed", ".html", ".css", ".js")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    tree = copied_tree(folder / "tree")
    (tree / "plugins" / "sentiment" / "test_more.py").touch()
    stale = tree / "build" / "lib" / "gptasks_plugins" / "gone"
    stale.mkdir(parents=True)
    (stale / "__init__.py").touch()
    pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(tree))
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def from_wheel(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return environment(tmp_path_factory.mktemp("installed") / "venv", str(wheel))


def test_the_list_of_packages_is_that_of_the_tree() -> None:
    there = set()
    for name, target in TREES.items():
        for file in (ROOT / name).rglob("*"):
            if file.suffix in (".py", ".yaml") and not file.name.startswith("test_"):
                below = file.parent.relative_to(ROOT / name).parts
                there.add(".".join([target.replace("/", "."), *below]))
    listed = PROJECT["tool"]["setuptools"]["packages"]
    assert listed == sorted(listed)
    assert set(listed) == there


def test_the_wheel_holds_every_module_and_configuration_and_no_test(wheel: Path) -> None:
    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert held == {
        f"{target}/{file.relative_to(ROOT / name).as_posix()}"
        for name, target in TREES.items()
        for file in (ROOT / name).rglob("*")
        if file.suffix in SHIPPED and not file.name.startswith("test_")
    }


def test_the_plugins_of_the_tree_are_entry_points(wheel: Path) -> None:
    points = PROJECT["project"]["entry-points"]["gptasks"]
    folders = {path.parent.name for path in (ROOT / "plugins").glob("*/__init__.py")}
    assert points == {name: f"gptasks_plugins.{name}" for name in folders}


def test_a_wheel_works_in_an_empty_folder(from_wheel: Installed, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    found = from_wheel.tasks(cwd=empty)
    assert found == dict.fromkeys(TASKS, f"gptasks {PROJECT['project']['version']}")
    assert from_wheel.tasks(cwd=empty, program=True) == found
    shown = from_wheel.run("task=sentiment", "--cfg", "job", cwd=empty, program=True)
    assert "distribution: vaderSentiment==3.3.2\n" in shown.stdout
    assert os.listdir(empty) == []


def test_a_wheel_trains_and_predicts(from_wheel: Installed, tmp_path: Path) -> None:
    data = write_csv(tmp_path / "films.csv", films())
    train = [*OWN, "strategy=head", f"task.data.train={data}", "run=here"]
    predict = ["predict", "here", "film 7 is good"]
    code = f"from gptasks.cli import main\nfor argv in {train}, {predict}: assert main(argv) == 0"
    empty = tmp_path / "empty"
    empty.mkdir()
    done = subprocess.run(
        [str(from_wheel.folder / "bin" / "python"), "-c", code],
        cwd=empty, env=surroundings(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "run folder: here\n" in done.stdout
    assert '"prediction": "p"' in done.stdout
    assert os.listdir(empty) == ["here"]


def test_a_wheel_and_a_clone_get_along(from_wheel: Installed, tmp_path: Path) -> None:
    clone = copied_tree(tmp_path / "clone")
    version = f"gptasks {PROJECT['project']['version']}"
    # The program is the installed copy's; `python -m` takes the current folder's.
    assert from_wheel.tasks(cwd=clone, program=True) == dict.fromkeys(TASKS, version)
    assert set(from_wheel.tasks(cwd=clone)) == TASKS
    for program in (True, False):
        shown = from_wheel.run("task=sentiment", "--cfg", "job", cwd=clone, program=program)
        assert (shown.returncode, shown.stderr) == (0, "")


@pytest.mark.parametrize("mode", ["lenient", "strict"])
def test_an_editable_install_lists_the_same_tasks(tmp_path: Path, mode: str) -> None:
    clone, empty = copied_tree(tmp_path / "clone"), tmp_path / "empty"
    empty.mkdir()
    settings = ["--config-settings", f"editable_mode={mode}"]
    installed = environment(tmp_path / "venv", *settings, "--editable", str(clone))
    for folder in (empty, clone):
        assert set(installed.tasks(cwd=folder, program=True)) == TASKS
        assert set(installed.tasks(cwd=folder)) == TASKS
    yaml = clone / "conf" / "strategy" / "head.yaml"
    yaml.write_text("# Mine\n", encoding="utf-8")
    shown = installed.run("--help", "strategy=head", cwd=empty)
    assert shown.stdout.startswith("strategy=head: Mine\n")  # a change of the tree counts at once


def test_constraints_fit_what_is_declared() -> None:
    """Every requirement of gptasks and its tests is pinned, to a version it allows."""
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    pinned = {canonicalize_name(name): version for name, version in pins.items()}
    assert list(pins) == sorted(pins, key=str.lower)
    project = PROJECT["project"]
    asked = [
        *project["dependencies"],
        *project["optional-dependencies"]["test"],
        *PROJECT["build-system"]["requires"],
    ]
    for requirement in map(Requirement, asked):
        version = pinned[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), requirement

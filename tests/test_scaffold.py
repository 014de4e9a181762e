"""`gptasks plugins new`: a distribution that works and passes its own tests at once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from command_line import gptasks
from plugin_folders import package, task_code

from gptasks.scaffold import KINDS
from gptasks.testing import check_task


def test_a_new_plugin_lists_what_it_wrote_and_what_comes_next() -> None:
    done = gptasks("plugins", "new", "acme-headline", "--kind", "conditional_generation")
    assert (done.code, done.err) == (0, "")
    *files, _, after, pip, train, check = done.out.splitlines()
    assert files == [
        "acme-headline/README.md",
        "acme-headline/acme_headline/__init__.py",
        "acme-headline/acme_headline/conf/task/acme_headline.yaml",
        "acme-headline/acme_headline/sample.jsonl",
        "acme-headline/pyproject.toml",
        "acme-headline/tests/test_acme_headline.py",
    ]
    assert [after, pip.strip(), train.strip(), check.strip()] == [
        "next:",
        "pip install -e 'acme-headline[test]'",
        "gptasks task=acme_headline",
        "gptasks plugins check acme_headline",
    ]
    project = tomllib.loads(Path("acme-headline/pyproject.toml").read_text(encoding="utf-8"))
    assert project["project"]["name"] == "acme-headline"
    assert project["project"]["entry-points"] == {"gptasks": {"acme_headline": "acme_headline"}}


# That of a classification is run by its own test, below.
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "sequence_classification"])
def test_it_keeps_the_contract_and_is_found(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert gptasks("plugins", "new", "acme-mine", "--kind", kind).code == 0
    check_task("acme-mine/acme_mine")
    monkeypatch.setenv("GPTASKS_PLUGINS", "acme-mine")
    found = {task["task"]: task for task in json.loads(gptasks("tasks", "--json").out)}
    assert found["acme_mine"]["description"] == "Acme Mine: say here in one line what it is"
    shown = gptasks("data", "task=acme_mine", "backbone=tiny", "--json")
    assert shown.code == 0, shown.err


def test_it_passes_its_own_tests_at_once() -> None:
    gptasks("plugins", "new", "acme-mine", "--kind", "sequence_classification")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd="acme-mine", capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].startswith("24 passed, 3 skipped in ")


def test_its_code_is_clean() -> None:
    for kind in KINDS:
        gptasks("plugins", "new", f"acme-{kind}", "--kind", kind)
    for words in (["check"], ["format", "--check"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *words, "--isolated", "--line-length", "100", "."],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("there", "there exists; nothing was written. Choose another name or folder."),
        ("torch", "'torch' is the name of a distribution that is installed; nothing was written."),
        ("json", "'json' is the name of a module that can be imported; nothing was written."),
        ("Mine", "'Mine' is the name of a plugin; nothing was written. Choose another."),
        ("other-task", "'other-task' is the name of a task; nothing was written. Choose another."),
        ("a b", "'a b' can't be the name of a distribution: it takes letters, digits,"),
        ("../up", "'../up' can't be the name of a distribution"),
        ("-x", "plugins new: NAME is missing."),
        ("1st", "'1st' would be the module '1st', which Python can't import; let it begin with"),
        ("class", "'class' would be the module 'class', which Python can't import"),
    ],
)
def test_a_name_that_is_taken_or_none_is_refused(name: str, told: str) -> None:
    Path("there").mkdir()
    package(Path("plugins"), "mine", task_code("other_task"))
    before = {path for path in Path.cwd().rglob("*") if "__pycache__" not in path.parts}
    done = gptasks("plugins", "new", name, "--kind", "token_classification")
    assert done.code == 2
    assert told in done.faults[0]
    after = {path for path in Path.cwd().rglob("*") if "__pycache__" not in path.parts}
    assert after == before


def test_other_faults_are_one_line() -> None:
    (fault,) = gptasks("plugins", "new", "x", "--kind", "sequence_clasification").faults
    assert fault == (
        "gptasks: no kind 'sequence_clasification' for a new plugin; did you mean "
        "'sequence_classification'?"
    )
    (fault,) = gptasks("plugins", "new", "x").faults
    assert fault == "gptasks: plugins new: --kind is missing. See gptasks plugins new --help."
    Path("file").write_text("", encoding="utf-8")
    kind = ("--kind", "token_classification")
    (fault,) = gptasks("plugins", "new", "zz-top", *kind, "--folder", "file").faults
    assert fault == "gptasks: file/zz-top can't be written: Not a directory"
    (fault,) = gptasks("plugins", "nw").faults
    assert fault == "gptasks: plugins has no 'nw'; did you mean 'new'?"

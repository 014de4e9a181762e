"""Which runs `gptasks verify` takes, and what it says of the others."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from command_line import gptasks

from gptasks.errors import RunError
from gptasks.verification import finished_runs
from gptasks.verification.checks import CHECKS


def test_runs_are_found_in_folders_and_unfinished_ones_are_named(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gptasks.verification.CHECKS", {"labels": CHECKS["labels"]})
    shutil.copytree(run, tmp_path / "half" / "run")
    (tmp_path / "half" / "run" / "results.json").unlink()
    done = gptasks("verify", str(tmp_path), str(run))
    assert done.code == 0
    assert done.out.splitlines() == [
        str(run),
        "  ok           labels             bad, good: those of the data and model/",
        str(tmp_path / "half" / "run"),
        "  left out     the run is not finished",
        "1 run: 1 ok",
    ]


@pytest.mark.parametrize(
    ("argv", "fault"),
    [
        ([], "verify: RUN is missing. See gptasks verify --help."),
        (["nix"], "run folder nix does not exist."),
        (["."], ". is no run folder: it has no config.yaml (it has: half, more, text.txt)."),
        (["text.txt"], "text.txt is a file, not a run folder."),
        (["half"], "the run in half is not finished: it has no results.json. Repeat its command to "
         "go on."),
        (["more"], "more holds no finished run, of 2 that began."),
        (["half", "--strickt"], "verify has no argument '--strickt'; did you mean '--strict'? See "
         "gptasks verify --help."),
    ],
)  # fmt: skip
def test_what_is_no_finished_run_ends_with_2(argv: list[str], fault: str) -> None:
    Path("text.txt").touch()
    for place in ("half", "more/a", "more/b"):
        Path(place).mkdir(parents=True)
        Path(place, "config.yaml").write_text("seed: 1\n", "utf-8")
    if argv == ["."]:
        for place in ("half", "more/a", "more/b"):
            Path(place, "config.yaml").unlink()
    assert gptasks("verify", *argv) == (2, "", f"gptasks: {fault}\n")


def test_a_run_named_twice_counts_once(finished: Path) -> None:
    found, others = finished_runs([finished, finished.parent])
    assert (found, others) == ([finished], [])
    with pytest.raises(RunError, match=r"run folder .* does not exist; did you mean 'run'\?"):
        finished_runs([finished.with_name("runs")])

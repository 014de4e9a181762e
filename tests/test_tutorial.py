"""The tutorial, and how to make a head: every file and command of the pages, run in their order."""

from __future__ import annotations

import fnmatch
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from small_runs import write_reviews

DOCS = Path(__file__).parent.parent / "docs"
TUTORIAL = ["README.md", *sorted(path.name for path in (DOCS / "tutorial").glob("[1-9]-*.md"))]

BLOCK = re.compile(r"^```(\w+)(?: (\w+)=(\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)

pytestmark = pytest.mark.xdist_group("tutorial")


def follow(page: Path, folder: Path) -> int:
    """Do in `folder` what a page says, and compare what it shows; gives the number of commands."""
    shown, count = "", 0
    for language, key, value, text in BLOCK.findall(page.read_text(encoding="utf-8")):
        if key == "file":
            target = folder / value
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
        elif language == "sh":
            shown = ""
            for line in text.splitlines():
                shown += done(line, folder, int(value) if key == "exit" else 0)
                count += 1
        elif language == "text":
            compare(text, shown, f"{page.name}, after {count} commands")
    return count


def done(line: str, folder: Path, code: int) -> str:
    """What a command writes; it must end as the page says."""
    words = line.replace("python ", f"{sys.executable} ", 1)
    env = {
        **os.environ,
        "PIP_NO_INDEX": "1",
        "PIP_NO_BUILD_ISOLATION": "false",  # which turns it off
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    ran = subprocess.run(
        words, shell=True, cwd=folder, env=env, capture_output=True, text=True, check=False
    )
    assert ran.returncode == code, f"{line}\n{ran.stdout}{ran.stderr}"
    return ran.stdout + ran.stderr


def compare(text: str, shown: str, where: str) -> None:
    """Every line of a page must stand in what was shown, in order; … is any text."""
    rest = shown.splitlines()
    for line in text.splitlines():
        pattern = re.sub(r"([\[\]*?])", r"[\1]", line.rstrip()).replace("…", "*")
        if pattern == "*":
            continue
        place = next(
            (n for n, one in enumerate(rest) if fnmatch.fnmatchcase(one.rstrip(), pattern)), None
        )
        assert place is not None, f"{where}: no line {line!r} in\n{shown}"
        rest = rest[place + 1 :]


def test_the_tutorial_is_as_its_pages_say(tmp_path: Path) -> None:
    assert len(TUTORIAL) == 6
    counts = [follow(DOCS / "tutorial" / name, tmp_path) for name in TUTORIAL]
    assert all(counts[1:])


def test_a_head_of_ones_own_is_as_its_page_says(tmp_path: Path) -> None:
    write_reviews(tmp_path / "reviews.csv", 120)
    assert follow(DOCS / "howto" / "head.md", tmp_path) == 2
    checked = done("python -m gptasks plugins check deep --data reviews.csv", tmp_path, 0)
    assert "FAILED" not in checked
    told = done("python -m gptasks task=deep task.data.train=reviews.csv backbone=tiny "
                "tracking=none strategy=head", tmp_path, 2)  # fmt: skip
    assert "gptasks: " in told
    assert "Traceback" not in told

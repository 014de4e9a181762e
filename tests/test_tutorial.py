"""The tutorial, and how to make a head: every file and command of the pages, run in their order."""

from __future__ import annotations

import fnmatch
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

from command_line import gptasks
from small_runs import write_reviews

DOCS = Path(__file__).parent.parent / "docs"
TUTORIAL = ["README.md", *sorted(path.name for path in (DOCS / "tutorial").glob("[1-9]-*.md"))]

BLOCK = re.compile(r"^```(\w+)(?: (\w+)=(\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def follow(page: Path) -> int:
    """Do in the current folder what a page says, and compare what it shows; gives the number of
    commands."""
    shown, count = "", 0
    for language, key, value, text in BLOCK.findall(page.read_text(encoding="utf-8")):
        if key == "file":
            target = Path(value)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
        elif language == "sh":
            shown = ""
            for line in text.splitlines():
                shown += done(line, int(value) if key == "exit" else 0)
                count += 1
        elif language == "text":
            compare(text, shown, f"{page.name}, after {count} commands")
    return count


def done(line: str, code: int) -> str:
    """What a command writes; it must end as the page says.

    gptasks itself is called here, which saves the time that its libraries take to be imported.
    """
    words = shlex.split(line)
    if words[:3] == ["python", "-m", "gptasks"]:
        for name in [name for name in sys.modules if name.startswith("gptasks_dropin_")]:
            del sys.modules[name]  # a new process would read it anew
        ran = gptasks(*words[3:])
        assert ran.code == code, f"{line}\n{ran.out}{ran.err}"
        return ran.out + ran.err
    env = {
        **os.environ,
        "PIP_NO_INDEX": "1",
        "PIP_NO_BUILD_ISOLATION": "false",  # which turns it off
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    process = subprocess.run(
        [sys.executable, *words[1:]], env=env, capture_output=True, text=True, check=False
    )
    assert process.returncode == code, f"{line}\n{process.stdout}{process.stderr}"
    return process.stdout + process.stderr


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


def test_the_tutorial_is_as_its_pages_say() -> None:
    assert len(TUTORIAL) == 6
    counts = [follow(DOCS / "tutorial" / name) for name in TUTORIAL]
    assert all(counts[1:])


def test_a_head_of_ones_own_is_as_its_page_says() -> None:
    write_reviews(Path("reviews.csv"), 120)
    assert follow(DOCS / "howto" / "head.md") == 2
    quick = "loss_is_a_sum padding_changes_nothing predictions_survive_saving"
    checked = done(f"python -m gptasks plugins check deep --data reviews.csv --only {quick}", 0)
    assert checked.count("ok ") == 3
    told = done(
        "python -m gptasks task=deep task.data.train=reviews.csv backbone=tiny tracking=none "
        "strategy=head",
        2,
    )
    assert "gptasks: " in told
    assert "Traceback" not in told

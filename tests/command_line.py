"""The command line called in this process, on streams like a real program's."""

from __future__ import annotations

import contextlib
import csv
import io
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

from gptasks.cli import main

OWN = ("task=sequence_classification", "backbone=tiny", "tracking=none", "bootstrap=0")
"""Training on one's own data, as small as it gets."""


class Result(NamedTuple):
    """What a command left: exit code, results on stdout, the rest on stderr."""

    code: int
    out: str
    err: str

    @property
    def faults(self) -> list[str]:
        """The lines that tell what is wrong."""
        return [line for line in self.err.splitlines() if line.startswith("gptasks: ")]


def gptasks(*argv: str, stdin: bytes = b"") -> Result:
    """Run a command line here."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
    given = io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8")
    with (
        patch.object(sys, "stdin", given),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        code = main(argv)
    return Result(code, *(_text(stream) for stream in (out, err)))


def program(*argv: str, cwd: Path | None = None, **env: str) -> Result:
    """Run a command line in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "gptasks", *argv],
        cwd=cwd,
        env={**os.environ, **env},
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=120,
    )
    return Result(done.returncode, done.stdout, done.stderr)


def write_csv(path: Path, rows: Sequence[Sequence[str]], head: Sequence[str] = ()) -> Path:
    """A csv file with the columns text and label, or those of `head`."""
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([head or ("text", "label"), *rows])
    return path


def films(rows: int = 60) -> list[tuple[str, str]]:
    """Texts whose label shows in one word."""
    return [(f"film {n} is {'good' if n % 2 else 'bad'}", "pn"[n % 2 == 0]) for n in range(rows)]


def train(folder: Path, *overrides: str) -> Path:
    """A small finished run in `folder`/run, trained on `folder`/films.csv."""
    data = write_csv(folder / "films.csv", films())
    run = folder / "run"
    done = gptasks(*OWN, "strategy=head", f"task.data.train={data}", f"run={run}", *overrides)
    assert done.code == 0, done.err
    return run


def _text(stream: io.TextIOWrapper) -> str:
    stream.flush()
    buffer = stream.buffer
    assert isinstance(buffer, io.BytesIO)
    return buffer.getvalue().decode("utf-8")

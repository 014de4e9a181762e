"""Reads and encodes the rows of a task in a process of its own: `python -m gptasks.testing.again`.

On standard input, pickled by the process that starts it: what the caller named, the task's name,
the raw rows. On standard output, as JSON: what `seen` gives of them.
"""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

from gptasks.task import Row
from gptasks.testing.subject import CheckFailed, Subject

SECONDS = 120
"""Longest that the other process may take."""


def seen(subject: Subject) -> dict[str, list[str]]:
    """What a task makes of its rows, as Python writes it: labels, rows, ids, tokens."""
    task = subject.task()
    rows = subject.read(task)
    return {
        "labels": [repr(label) for label in task.labels],
        "rows": [repr(dict(row)) for row in rows],
        "ids": [row.id for row in rows],
        "tokens": [repr(window) for window in subject.windows(task, rows)],
    }


def seen_elsewhere(subject: Subject) -> dict[str, list[str]]:
    """The same in another process, in which strings have other hashes.

    Raises CheckFailed where it ends otherwise than well.
    """
    hashes = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"
    paths = os.pathsep.join(path or os.getcwd() for path in sys.path)
    rows = [(dict(row), row.id) for row in subject.rows]
    try:
        done = subprocess.run(
            [sys.executable, "-m", __name__],
            input=pickle.dumps((subject.name, subject.choice.name, rows)),
            env={**os.environ, "PYTHONHASHSEED": hashes, "PYTHONPATH": paths},
            capture_output=True,
            timeout=SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise CheckFailed(f"in another process it did not end within {SECONDS} s") from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines() or ["no word"]
        raise CheckFailed(f"in another process it ends with {done.returncode}: {said[-1]}")
    found: dict[str, list[str]] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    """What the other process does."""
    from gptasks.testing.finding import found
    from gptasks.testing.network import without_network

    named, name, rows = pickle.load(sys.stdin.buffer)
    registry, choices = found(named)
    choice = next(one for one in choices if one.name == name)
    subject = Subject(choice, registry, [Row(*row) for row in rows], Path(), named)
    with without_network():
        print(json.dumps(seen(subject)))


if __name__ == "__main__":
    main()

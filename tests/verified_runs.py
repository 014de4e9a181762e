"""What the tests of verify change in a run, and how they ask what was found."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gptasks.runs import RunFolder
from gptasks.verification import Check, Verifier
from gptasks.verification.checks import CHECKS

SOUND = dict.fromkeys(CHECKS, "ok")


def seal(run: Path) -> None:
    """Let results.json hold the SHA-256 of the run's files as they are."""
    results(lambda values: values.update(files=RunFolder(run).digests()))(run)


def found(verifier: Verifier, run: Path) -> dict[str, Check]:
    return {check.name: check for check in verifier.checks(run)}


def states(checks: dict[str, Check]) -> dict[str, str]:
    return {name: check.state for name, check in checks.items()}


def results(change: Callable[[dict[str, Any]], Any]) -> Callable[[Path], None]:
    def do(run: Path) -> None:
        path = run / "results.json"
        values = json.loads(path.read_text("utf-8"))
        change(values)
        path.write_text(json.dumps(values), "utf-8")

    return do


def line(number: int, **changes: Any) -> Callable[[Path], None]:
    """Change a line of the test predictions."""

    def do(run: Path) -> None:
        path = run / "predictions" / "test.jsonl"
        lines = path.read_text("utf-8").splitlines()
        lines[number - 1] = json.dumps(json.loads(lines[number - 1]) | changes)
        path.write_text("\n".join(lines) + "\n", "utf-8")

    return do


def file(name: str, change: Callable[[bytes], bytes | None]) -> Callable[[Path], None]:
    """Change the bytes of a file; None removes it."""

    def do(run: Path) -> None:
        path = run / name
        path.parent.mkdir(parents=True, exist_ok=True)
        held = change(path.read_bytes() if path.exists() else b"")
        path.unlink() if held is None else path.write_bytes(held)

    return do


def flipped(run: Path) -> None:
    """Another answer in line 2, of a row that was answered rightly."""
    path = run / "predictions" / "test.jsonl"
    record = json.loads(path.read_text("utf-8").splitlines()[1])
    other = {"good": "bad", "bad": "good"}[record["prediction"]]
    assert record["prediction"] == record["reference"]
    line(2, prediction=other)(run)


def fits(text: str, pattern: str) -> bool:
    """Whether a text is as the pattern says, * being anything."""
    first, *others = pattern.split("*")
    if not text.startswith(first):
        return False
    for part in others:
        _, was_there, text = text.partition(part) if part else ("", True, "")
        if not was_there:
            return False
    return bool(pattern.endswith("*") or not others or not text)

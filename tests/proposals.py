"""Data for `gptasks init`, and what it proposes for them."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from command_line import gptasks


def table(name: str, rows: Sequence[Sequence[Any]], head: Sequence[str] = ()) -> str:
    """A csv or tsv file."""
    with open(name, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter="\t" if name.endswith("tsv") else ",")
        writer.writerows([head, *rows] if head else rows)
    return name


def lines(name: str, rows: Sequence[dict[str, Any]]) -> str:
    """A jsonl file."""
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    Path(name).write_text(text, encoding="utf-8")
    return name


def opinions(count: int = 60) -> list[list[Any]]:
    """Id, text, label."""
    return [
        [n, f"the film number {n} was {'great' if n % 2 else 'awful'}", "pn"[n % 2 == 0]]
        for n in range(count)
    ]


def proposed(*argv: str) -> tuple[dict[str, Any], dict[str, str], str]:
    """The task, the reasons by key, and the notes."""
    done = gptasks("init", *argv, "--output", "-")
    assert done.code == 0, done.err
    text = done.out.partition("# note: ")[0]
    reasons = {line.partition(":")[0]: line.partition("  # ")[2] for line in text.splitlines()[1:]}
    notes = done.out.removeprefix(text).replace("# note: ", "")
    return yaml.safe_load(done.out), reasons, notes

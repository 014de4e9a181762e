"""Scores as a table for the terminal."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gptasks.metrics import Score
from gptasks.progress import counted


def score_table(columns: Mapping[str, Mapping[str, Score]]) -> str:
    """Metrics as rows, systems as columns; each cell a value and its 95% interval."""
    first = next(iter(columns.values()))
    head = ["", *columns]
    body = [
        [_named(name, first[name]), *(_cell(scores.get(name)) for scores in columns.values())]
        for name in first
    ]
    return table([head, *body])


def run_table(results: Mapping[str, Any]) -> str:
    """A finished run's test scores beside its baselines'."""
    columns = {results["strategy"]: results["metrics"]["test"], **results["baselines"]}
    scores = {
        system: {name: Score.from_json(score) for name, score in found.items()}
        for system, found in columns.items()
    }
    title = (
        f"task {results['task']} · backbone {results['backbone']} · "
        f"strategy {results['strategy']} · seed {results['seed']}"
    )
    n = results["data"]["test"]["n"]
    has_intervals = any(not math.isnan(s.low) for found in scores.values() for s in found.values())
    note = "; in brackets 95% bootstrap intervals over them" if has_intervals else ""
    counts = [f"{name} {count:,}" for name, count in results["tally"]["test"].items() if count]
    tally = f" Counted in the predictions: {', '.join(counts)}." if counts else ""
    return f"{title}\n\n{score_table(scores)}\n\n{counted(n, 'test row')}{note}.{tally}"


def table(rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells, aligned on the left."""
    widths = [max(map(width, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell + " " * (w - width(cell)) for cell, w in zip(row, widths, strict=True)
        ).rstrip()
        for row in rows
    )


def _named(name: str, score: Score) -> str:
    return name if score.is_better_higher else f"{name} (lower is better)"


def _cell(score: Score | None) -> str:
    if score is None or math.isnan(score.value):
        return "undefined"
    if math.isnan(score.low):
        return f"{score.value:.4f}"
    return f"{score.value:.4f} [{score.low:.3f}, {score.high:.3f}]"


def filled(parts: Iterable[str], columns: int) -> list[str]:
    """`parts` one behind the other, in lines of at most so many columns of a terminal; only a part
    that is wider than a line is broken."""
    lines, taken = [""], 0
    for part in parts:
        size = width(part)
        for piece, wide in [(part, size)] if size <= columns else [(c, width(c)) for c in part]:
            if taken + wide > columns and lines[-1]:
                lines, taken = [*lines, ""], 0
            lines[-1] += piece
            taken += wide
    return lines


def width(text: str) -> int:
    """Columns on a terminal: East Asian wide characters take two, marks on a letter none."""
    wide = sum(unicodedata.east_asian_width(sign) in "WF" for sign in text)
    return len(text) + wide - sum(map(bool, map(unicodedata.combining, text)))

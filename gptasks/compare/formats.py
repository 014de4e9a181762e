"""A comparison as text: for the terminal, Markdown, LaTeX, CSV, JSON."""

from __future__ import annotations

import csv
import io
import json
import math
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from gptasks.compare.model import Cell, Column, Comparison, System, Test
from gptasks.progress import counted
from gptasks.report import table


@dataclass
class _Grid:
    """The cells as texts."""

    names: list[str]
    """Heads of the columns that name a system."""

    values: list[str]
    """Heads of the columns with scores."""

    lines: list[list[str]]
    """One per system: its names, then its scores."""

    footnotes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Style:
    """What a format makes of texts."""

    escaped: Callable[[str], str]
    best: Callable[[str], str]
    """Marks the value of a best cell."""

    best_is: str
    """The mark, in words."""


def formatted(comparison: Comparison, format: str) -> str:
    """The comparison in one of `FORMATS`."""
    return FORMATS[format](comparison)


# -- for readers --------------------------------------------------------------------------


def _for_terminal(comparison: Comparison) -> str:
    style = _Style(str, lambda text: f"{text}*", "*")
    grid = _grid(comparison, style)
    parts = [
        table([[line[i] for i in shown] for line in ([*grid.names, *grid.values], *grid.lines)])
        for shown in _pages(grid)
    ]
    if comparison.tests:
        parts.append(table(_test_lines(comparison, style)))
    return "\n\n".join([*parts, "\n".join([*grid.footnotes, *_notes(comparison, style)])])


def _pages(grid: _Grid) -> list[list[int]]:
    """Which columns are shown together: as many as the terminal is wide, all where there is none"""
    room = shutil.get_terminal_size((0, 0)).columns or math.inf
    lines = [[*grid.names, *grid.values], *grid.lines]
    widths = [max(len(line[i]) for line in lines) + 2 for i in range(len(lines[0]))]
    names = list(range(len(grid.names)))
    pages: list[list[int]] = [[]]
    for i in range(len(names), len(widths)):
        if pages[-1] and sum(widths[j] for j in (*names, *pages[-1], i)) > room:
            pages.append([])
        pages[-1].append(i)
    return [[*names, *page] for page in pages]


def _as_markdown(comparison: Comparison) -> str:
    style = _Style(_in_markdown, lambda text: f"**{text}**", "Bold")
    grid = _grid(comparison, style)
    parts = [_markdown_table([[*grid.names, *grid.values], *grid.lines])]
    if comparison.tests:
        parts.append(_markdown_table(_test_lines(comparison, style)))
    notes = [*grid.footnotes, *map(_in_markdown, _notes(comparison, style))]
    return "\n\n".join([*parts, "\n".join(f"- {note}" for note in notes)])


def _markdown_table(lines: Sequence[Sequence[str]]) -> str:
    head, *body = lines
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, ["---"] * len(head), *body))


def _in_markdown(text: str) -> str:
    for sign in "\\|*_<`":
        text = text.replace(sign, f"\\{sign}")
    return text


def _as_latex(comparison: Comparison) -> str:
    style = _Style(_in_latex, lambda text: f"\\textbf{{{text}}}", "Bold")
    grid = _grid(comparison, style)
    notes = [*grid.footnotes, *map(_in_latex, _notes(comparison, style))]
    parts = [_latex_table([[*grid.names, *grid.values], *grid.lines], notes)]
    if comparison.tests:
        parts.append(_latex_table(_test_lines(comparison, style), []))
    return "% needs \\usepackage{booktabs}\n" + "\n\n".join(parts)


def _latex_table(lines: Sequence[Sequence[str]], notes: Sequence[str]) -> str:
    head, *body = (" & ".join(line) + r" \\" for line in lines)
    wide = f"\\multicolumn{{{len(lines[0])}}}{{p{{\\linewidth}}}}"
    below = [f"{wide}{{\\footnotesize {note}}} \\\\" for note in notes]
    begin = f"\\begin{{tabular}}{{{'l' * len(lines[0])}}}"
    inside = [r"\toprule", head, r"\midrule", *body, r"\bottomrule", *below]
    return "\n".join([begin, *inside, r"\end{tabular}"])


_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
}


def _in_latex(text: str) -> str:
    return "".join(_LATEX.get(sign, sign) for sign in text)


# -- for programs -------------------------------------------------------------------------


def _as_json(comparison: Comparison) -> str:
    return json.dumps(comparison.as_json(), indent=2, ensure_ascii=False)


def _as_csv(comparison: Comparison) -> str:
    """One line for each cell."""
    keys = [key for key in comparison.by if key != "task"]
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    numbers = ["value", "low", "high", "seed_sd"]
    facts = ["seeds", "rows", "is_best", "flags", "untested", "runs"]
    writer.writerow(["task", "metric", *keys, "baseline", *numbers, *facts])
    for cell in comparison.cells:
        column, system = comparison.columns[cell.column], comparison.systems[cell.system]
        runs = [comparison.runs[i] for i in cell.runs]
        names = [column.task, column.metric, *(system.name[key] for key in keys)]
        found = [getattr(cell, number) for number in numbers]
        writer.writerow(
            [
                *names,
                system.baseline or "",
                *("" if one is None or math.isnan(one) else one for one in found),
                " ".join(str(run.seed) for run in runs),
                cell.rows,
                int(cell.is_best),
                "; ".join(cell.flags),
                cell.untested,
                "; ".join(run.path for run in runs),
            ]
        )
    return file.getvalue().removesuffix("\n")


FORMATS: dict[str, Callable[[Comparison], str]] = {
    "table": _for_terminal,
    "json": _as_json,
    "csv": _as_csv,
    "md": _as_markdown,
    "latex": _as_latex,
}
"""What `--format` can be."""


# -- their parts --------------------------------------------------------------------------


def _grid(comparison: Comparison, style: _Style) -> _Grid:
    heads: dict[str, list[int]] = {}
    for number, column in enumerate(comparison.columns):
        heads.setdefault(_head(comparison, column), []).append(number)
    cells = {(cell.system, cell.column): cell for cell in comparison.cells}
    grid = _Grid(
        [style.escaped(key) for key in comparison.by], [style.escaped(head) for head in heads], []
    )
    letters: dict[str, str] = {}
    for number, system in enumerate(comparison.systems):
        line = [style.escaped(name) for name in _names(system)]
        for columns in heads.values():
            found = [cells[number, column] for column in columns if (number, column) in cells]
            line += [_cell(found[0], letters, style) if found else "–"]
        grid.lines.append(line)
    grid.footnotes = [f"({letter}) {style.escaped(said)}" for said, letter in letters.items()]
    return grid


def _head(comparison: Comparison, column: Column) -> str:
    task = "" if "task" in comparison.by else f"{column.task} "
    return f"{task}{column.metric}" + " (lower is better)" * (not column.is_better_higher)


def _names(system: System) -> list[str]:
    if system.baseline is None:
        return list(system.name.values())
    place = next((key for key in system.name if key != "task"), "task")
    said = " ".join([system.name[place], f"baseline {system.baseline}"]).strip()
    return [said if key == place else name for key, name in system.name.items()]


def _cell(cell: Cell, letters: dict[str, str], style: _Style) -> str:
    if math.isnan(cell.value):
        return "undefined"
    value = f"{cell.value:.4f}"
    parts = [style.best(value) if cell.is_best else value]
    if not math.isnan(cell.low):
        parts.append(f"[{cell.low:.3f}, {cell.high:.3f}]")
    if cell.seed_sd is not None:
        parts.append(f"sd {cell.seed_sd:.4f} of {len(cell.runs)} seeds")
    said = [f"not comparable: {'; '.join(cell.flags)}"] if cell.flags else []
    said += [f"not tested: {cell.untested}"] if cell.untested else []
    for reason in said:
        parts.append(f"({letters.setdefault(reason, _letter(len(letters)))})")
    return " ".join(parts)


def _letter(number: int) -> str:
    """a, b, …, z, aa, ab, …"""
    above, below = divmod(number, 26)
    return (_letter(above - 1) if above else "") + chr(ord("a") + below)


def _test_lines(comparison: Comparison, style: _Style) -> list[list[str]]:
    tests = comparison.tests
    shown: list[tuple[str, Callable[[Test], str]]] = [
        ("test of", lambda test: _head(comparison, comparison.columns[test.column])),
        ("a", lambda test: _called(comparison, test.a)),
        ("b", lambda test: _called(comparison, test.b)),
        ("rows", lambda test: f"{test.rows:,}"),
        ("a - b", lambda test: f"{test.difference:.4f} [{test.low:.4f}, {test.high:.4f}]"),
        ("p bootstrap", lambda test: _p(test.p_bootstrap)),
        ("p randomisation", lambda test: _p(test.p_randomisation)),
    ]
    if any(test.p_mcnemar is not None for test in tests):
        shown.append(("p McNemar", lambda test: _p(test.p_mcnemar)))
    if any(test.p_seeds is not None for test in tests):
        shown.append(("p seeds", lambda test: _p(test.p_seeds)))
    shown += [
        ("p Holm", lambda test: _p(test.p_holm)),
        ("effect", lambda test: "–" if test.effect is None else f"{test.effect:.3f}"),
        ("rows needed", lambda test: needed(test.rows_needed, needs_seeds=test.needs_seeds)),
    ]
    lines = [[name for name, _ in shown]]
    return lines + [[style.escaped(said(test)) for _, said in shown] for test in tests]


def needed(rows: int | None, *, needs_seeds: bool) -> str:
    """What it takes to resolve a difference: so many rows, or more seeds."""
    if needs_seeds:
        return "more seeds"
    return f"{rows:,}" if rows else "–"


def _called(comparison: Comparison, number: int) -> str:
    """A system's names, those left out that all configurations share."""
    every = [system.name for system in comparison.systems if system.baseline is None]
    told = [key for key in comparison.by if len({name[key] for name in every}) > 1]
    name = comparison.systems[number].name
    return " ".join(name[key] for key in told or comparison.by if name[key]) or "–"


def _p(value: float | None) -> str:
    if value is None:
        return "–"
    return "<0.0001" if value < 0.00005 else f"{value:.4f}"


def _notes(comparison: Comparison, style: _Style) -> list[str]:
    notes = []
    rows = {column.task: column.rows for column in comparison.columns}
    notes.append("; ".join(f"{task}: {counted(n, 'test row')}" for task, n in rows.items()) + ".")
    if any(not math.isnan(cell.low) for cell in comparison.cells):
        notes[0] += " In brackets 95% intervals over them."
    if any(cell.seed_sd is not None for cell in comparison.cells):
        notes.append("sd: standard deviation over seeds, on the same test rows.")
    if any(cell.is_best for cell in comparison.cells):
        notes.append(f"{style.best_is}: significantly better than all others of its column.")
    elif comparison.tests:
        notes.append("No system is significantly better than all others of its column.")
    if comparison.tests:
        of = counted(len(comparison.tests), "test")
        notes.append(
            f"p Holm: corrected over {of}; effect: in standard deviations of a row's difference; "
            "rows needed: to find this difference in 80% of all cases."
        )
    notes += comparison.notes
    return [*notes, *(f"left out: {one.said}" for one in comparison.broken)]

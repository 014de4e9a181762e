"""A preview as text, for a terminal of 80 columns or a pipe."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from gptasks.preview import SHARES, SeenRow, SeenWindow, Survey, Token
from gptasks.progress import counted
from gptasks.report import filled, table, width

COLUMNS = 80
MOST_LABELS = 20
"""Labels that are shown; --json has all."""
MOST_LINES = 6
"""Lines of a row's column that are shown; --json has all."""
MOST_CUT = 60
"""Tokens shown of each end of what was cut away."""

ALIKE = """\
repeated: with a text that stands further up in its split; in …: with one that
stands in that split too. Case and white space make no difference."""


def row_page(seen: SeenRow) -> str:
    """A row, its windows token by token, and what was cut away."""
    lines = [f"row {seen.number:,} of {seen.split}: {visible(seen.row.id)}", ""]
    columns = {**seen.row, "(answer)": seen.answer}
    margin = min(20, max(map(width, map(visible, columns)))) + 2
    for name, value in columns.items():
        shown = filled(_words(visible(_text(value))), COLUMNS - margin)
        if len(shown) > MOST_LINES:
            shown = [*shown[: MOST_LINES - 1], f"… ({len(_text(value)):,} characters)"]
        lines += _hung(visible(name), shown, margin)
    for number, window in enumerate(seen.windows, 1):
        lines += ["", *_window(number, len(seen.windows), window)]
    lost = sum(window.lost for window in seen.windows)
    if lost:
        targets = sum(window.lost_targets for window in seen.windows)
        also = f", and {counted(targets, 'target')}" if targets else ""
        lines += ["", f"cut away: {counted(lost, 'token')}{also}"]
        for gap in seen.cut:
            lines += _hung("", _flow(_ends(gap)), 7)
    lines += ["", *_legend(seen)]
    return "\n".join(lines)


def survey_page(survey: Survey) -> str:
    """All rows in numbers."""
    limits = f"task.max_length={survey.max_length}"
    reads = f"reads {counted(survey.context, 'token')} at once"
    parts = [f"task {survey.task} · {limits}\nbackbone {survey.backbone} {reads}"]
    parts.append(f"{table([*_rows(survey)])}\n{ALIKE}")
    if survey.contradicting:
        texts = counted(survey.contradicting, "text stands", "texts stand")
        parts[-1] += f"\n{texts} there with answers that differ"
    parts.append(f"tokens of a window, were nothing cut\n{table([*_lengths(survey)])}")
    parts.append("\n".join(_histogram(survey)))
    parts.append(f"windows, cut to {limits}\n{table([*_cut(survey)])}")
    if any(part.classes for part in survey.parts.values()):
        parts.append(table([*_classes(survey)]) + _more_labels(survey))
    return "\n\n".join(parts)


def visible(text: str) -> str:
    """`text` with signs that can't be seen, or that steer a terminal, written out."""
    return "".join(
        sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text
    )


# -- one row ------------------------------------------------------------------------------


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)


def _words(text: str) -> list[str]:
    return re.findall(r"\s*\S+|\s+$", text)


def _hung(head: str, lines: Sequence[str], margin: int) -> list[str]:
    """Lines that begin `margin` columns in, the first behind `head`."""
    first = head + " " * (margin - width(head))
    if width(head) >= margin:  # too long a name stands on a line of its own
        return [head, *(" " * margin + line for line in lines)]
    return [(first if n == 0 else " " * margin) + line for n, line in enumerate(lines)]


def _window(number: int, of: int, window: SeenWindow) -> Iterator[str]:
    told = [counted(len(window.tokens), "token")]
    if window.shared:
        told.append(f"{window.shared:,} of them in the window before too")
    if any(token.target is not None for token in window.tokens):
        told.append(counted(window.targets, "target"))
    if window.target is not None:
        told.append(f"target {visible(window.target)}")
    if not window.targets:
        told.append("no target")
    told += [f"{key} {visible(str(value))}" for key, value in window.more.items()]
    yield from filled(_words(f"window {number} of {of}: {', '.join(told)}"), COLUMNS)
    learnt = [visible(t.piece) for t in window.tokens if t.target is not None]
    room = min(24, max(map(width, learnt), default=0))
    read: list[str] = []
    start = 0
    for place, token in enumerate(window.tokens):
        if token.target is None:
            start = start if read else place
            read.append(token.piece)
            continue
        yield from _hung(f"{start:>5}", _flow(read), 7) if read else ()
        read = []
        yield _learnt(place, token, room)
    yield from _hung(f"{start:>5}", _flow(read), 7) if read else ()


def _learnt(place: int, token: Token, room: int) -> str:
    piece = visible(token.piece)
    return f"{place:>5}  {piece}{' ' * (room - width(piece))}  -> {visible(token.target or '')}"


def _flow(pieces: Sequence[str]) -> list[str]:
    """Pieces in lines, with a | behind each."""
    return filled([f"{visible(piece)}|" for piece in pieces], COLUMNS - 7)


def _ends(pieces: list[str]) -> list[str]:
    if len(pieces) <= 2 * MOST_CUT:
        return pieces
    left = len(pieces) - 2 * MOST_CUT
    return [*pieces[:MOST_CUT], f" … {left:,} more … ", *pieces[-MOST_CUT:]]


def _legend(seen: SeenRow) -> list[str]:
    tokens = [token for window in seen.windows for token in window.tokens]
    lines = ["| ends a token; before a line stands the place of its first one, from 0"]
    if any(token.target is not None for token in tokens):
        lines.append("-> is what is learnt at a token; the others are read only")
    if any(re.search(r"\\x[89a-f][0-9a-f]", token.piece) for token in tokens):
        lines.append(r"\xe5 and the like are single bytes of a character")
    return lines


# -- all of them --------------------------------------------------------------------------


def _rows(survey: Survey) -> Iterator[list[str]]:
    names = list(survey.parts)
    yield ["", "rows", "unusable", "left out", "repeated", *(f"in {name}" for name in names)]
    for name, part in survey.parts.items():
        numbers = (part.rows, part.bad, part.dropped, part.repeated)
        alike = [f"{part.also_in[other]:,}" if other != name else "" for other in names]
        yield [name, *(f"{number:,}" for number in numbers), *alike]


def _lengths(survey: Survey) -> Iterator[list[str]]:
    yield ["", *SHARES]
    for name, part in survey.parts.items():
        yield [name, *(f"{number:,}" for number in part.percentiles.values())]


def _histogram(survey: Survey) -> Iterator[str]:
    steps = survey.histogram
    limits = {"task.max_length": survey.max_length, "context": survey.context}
    if min(limits.values()) < steps[0][0]:  # else it would be marked nowhere
        steps = [(1, steps[0][0] - 1, 0), *steps]
    most = max(number for _, _, number in steps)
    names = [f"{start}-{end}" if end > start else f"{end}" for start, end, _ in steps]
    room = max(map(len, names))
    for name, (start, end, number) in zip(names, steps, strict=True):
        marks = [f"{key}={limit}" for key, limit in limits.items() if start <= limit <= end]
        bar = "#" * -(-number * 30 // most)
        yield f"{name:>{room}}  {bar:<30}  {number:>9,}  {', '.join(marks)}".rstrip()


def _cut(survey: Survey) -> Iterator[list[str]]:
    lost = any(part.ledger.targets_lost for part in survey.parts.values())
    yield ["", "windows", "tokens", "targets", "rows cut", "tokens lost", "targets lost"][
        : 6 + lost
    ]
    for name, part in survey.parts.items():
        ledger, share = part.ledger, part.ledger.as_json()["share_of_rows_cut"]
        numbers = (part.windows, ledger.tokens, ledger.targets)
        yield [
            name,
            *(f"{number:,}" for number in numbers),
            f"{ledger.rows_cut:,} ({share:.1%})",
            f"{ledger.tokens_lost:,} ({ledger.share_lost:.1%})",
            *([f"{ledger.targets_lost:,}"] if lost else []),
        ]


def _classes(survey: Survey) -> Iterator[list[str]]:
    yield ["label", *survey.parts]
    for label in _labels(survey)[:MOST_LABELS]:
        counts = [(part.classes[label], part.classes.total()) for part in survey.parts.values()]
        cells = [f"{n:,} ({n / total:.1%})" if total else "0" for n, total in counts]
        yield [_short(visible(label)), *cells]


def _more_labels(survey: Survey) -> str:
    more = len(_labels(survey)) - MOST_LABELS
    return f"\nand {counted(more, 'label')} more, less frequent; --json has all" if more > 0 else ""


def _labels(survey: Survey) -> list[str]:
    """The labels in their order, or the most frequent first where they are too many to show."""
    total: Counter[str] = Counter()
    for part in survey.parts.values():
        total.update(part.classes)
    labels = list(dict.fromkeys([*survey.labels, *total]))
    return labels if len(labels) <= MOST_LABELS else sorted(labels, key=lambda x: -total[x])


def _short(name: str) -> str:
    return name if width(name) <= 24 else filled(name, 23)[0] + "…"

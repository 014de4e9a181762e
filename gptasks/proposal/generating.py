"""The text that is read and the one that is written from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gptasks.proposal.columns import MOST_TOKENS, Column
from gptasks.proposal.looking import Look, texts_of
from gptasks.proposal.names import LANGUAGES, WRITTEN
from gptasks.proposal.notes import tell_of_twins
from gptasks.proposal.proposed import Proposal

MOST_EMPTY = 0.1
"""Share of the rows in which a text may be empty and still be thought of as the source."""


ROOM = 64
"""Tokens of a window that the longest target leaves for template and source."""


@dataclass
class Written:
    """A text that is read, the one that is written, and why."""

    source: Column
    target: Column
    why: str
    by_name: bool
    """Whether their names say so, and not only their lengths."""


def written_in(look: Look, text: str | None, label: str | None) -> Written | None:
    """What is written from what; None where it can't be told.

    text, label: the one that is read and the one that is written, as given.
    """
    columns = look.columns
    if text and label:
        return Written(columns[text], columns[label], "as you said", by_name=True)
    lower = {name.lower(): column for name, column in columns.items()}
    spoken = [name for name in lower if name in LANGUAGES]
    pairs = [*WRITTEN, tuple(spoken)] if len(spoken) == 2 else WRITTEN
    for first, second in pairs:
        if first in lower and second in lower:
            source, target = lower[first], lower[second]
            if (
                _is_full(source)
                and _is_full(target)
                and text in (None, source.name)
                and label in (None, target.name)
            ):
                why = f"by their names, {source.name} and {target.name}"
                return Written(source, target, why, by_name=True)
    free = [column for column in texts_of(look) if column.is_free]
    if len(free) == 2 and text in (None, free[0].name) and label in (None, free[1].name):
        source, target = free
        times = source.length / target.length
        if times > 1.5 or text or label:
            why = f"'{source.name}' is {times:.1f} times as long as '{target.name}'"
            return Written(source, target, why, by_name=False)
    return None


def generation(look: Look, found: Written) -> Proposal:
    """The task that writes it."""
    source, target = found.source, found.target
    tokens, longest = target.tokens(), target.tokens(1.0)
    needed = max(64, source.tokens() + 16) + tokens
    held = longest + ROOM  # a source is cut, but a target never
    options: dict[str, Any] = {
        "source": source.name,
        "target": target.name,
        "max_length": max(held, min(MOST_TOKENS, needed)),
        "generation": {"max_new_tokens": tokens},
    }
    reasons = {
        "kind": "both columns are free text, and one is written from the other",
        "source": f"what is read, {found.why}",
        "target": "what is written",
        "max_length": f"95% of the sources have at most {source.long():,} characters",
        "generation": f"95% of the targets have at most {target.long():,} characters",
    }
    if needed > options["max_length"]:
        reasons["max_length"] += ", of which the end is cut off"
    if target.is_chinese:
        options["separator"] = ""
        reasons["separator"] = "nothing stands between cue and target in Chinese"
    proposal = Proposal("conditional_generation", options, reasons)
    if held > MOST_TOKENS:
        proposal.notes.append(
            f"the longest target has {target.long(1.0):,} characters, about {longest:,} tokens, "
            "and a window holds it whole: take a backbone that reads them, or leave such rows out"
        )
    tell_of_twins(look, proposal, [source.name], target.name)
    return proposal


def _is_full(column: Column) -> bool:
    return bool(column.length) and column.empty <= MOST_EMPTY * column.rows

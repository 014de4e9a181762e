"""Sentences of a CoNLL file: a word a line with its tags in columns, an empty line after each.

The form knows no header, no quotes and no escapes. What is no word is left out: lines that begin
with -DOCSTART-, and comments, which stand before a sentence's first word, begin with # and are
shaped unlike a word's line: `# key = value`, or another number of columns than the words have. So
a tweet may begin with a hashtag.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from gptasks.errors import listing

_DOCUMENT = "-DOCSTART-"
_METADATA = re.compile(r"#\s*\S+\s=\s")


@dataclass
class Sentence:
    """The words between two empty lines."""

    line: int
    """Where its first word stands, from 1."""

    columns: dict[str, list[str]] = field(default_factory=dict)
    """Name of a column to its values, one a word; not whole where there is a fault."""

    fault: str = ""
    """What is wrong with it, if anything."""


def sentences(lines: Iterable[str], names: Sequence[str] | None) -> Iterator[Sentence]:
    """The sentences in order.

    names: of the columns. Without them the first line of a word tells how many there are: the
    first is "tokens", the last, if there are two or more, "tags", and those between are "column2",
    "column3", …
    """
    head, lines = [], iter(lines)
    for line in lines:
        head.append(line)
        if _tells_columns(line):
            break
    if not head or (names is None and not _tells_columns(head[-1])):
        return
    wanted = _names(len(_columns(head[-1]))) if names is None else list(names)
    expected = f"expected: {len(wanted)} ({listing(wanted)})"
    expected += f", as in line {len(head)}" if names is None else ""
    sentence: Sentence | None = None
    for number, line in enumerate(itertools.chain(head, lines), start=1):
        found = _columns(line)
        if not line.strip() or found[0] == _DOCUMENT:
            if sentence:
                yield sentence
            sentence = None
            continue
        if sentence is None:
            if _is_comment(line, len(found), len(wanted)):
                continue
            sentence = Sentence(number, {name: [] for name in wanted})
        where = f"line {number}: " if number > sentence.line else ""
        if len(found) != len(wanted):
            sentence.fault = sentence.fault or f"{where}columns: {len(found)}, {expected}"
        elif "" in found:
            sentence.fault = sentence.fault or f"{where}column {found.index('') + 1} is empty"
        else:
            for name, value in zip(wanted, found, strict=True):
                sentence.columns[name].append(value)
    if sentence:
        yield sentence


def _columns(line: str) -> list[str]:
    """Parted by tabs where there is one, so that a word may hold a space; else by spaces. Other
    blanks, such as the no-break space, are part of a word."""
    line = line.rstrip("\r\n\t ")
    if "\t" in line:
        return [part.strip(" ") for part in line.split("\t")]
    return [part for part in line.split(" ") if part] or [""]


def _tells_columns(line: str) -> bool:
    return bool(line.strip()) and not line.startswith(("#", _DOCUMENT))


def _is_comment(line: str, columns: int, expected: int) -> bool:
    return line.startswith("#") and (columns != expected or bool(_METADATA.match(line)))


def _names(count: int) -> list[str]:
    middle = [f"column{number}" for number in range(2, count)]
    return ["tokens", *middle, "tags"] if count > 1 else ["tokens"]

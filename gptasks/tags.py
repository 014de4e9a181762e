"""Tags of words, one a word, and the spans that they say: BIO, and other ways to write the same.

`O` is no entity, `B-label` begins one, `I-label` goes on with it. Taggers, and data too, break
these rules; there are two readings of what breaks them, and they give different scores. conlleval
(Tjong Kim Sang and Buchholz 2000) takes an `I-` that goes on with nothing for a beginning; the
strict reading takes it for nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from gptasks.errors import DataError


class Span(NamedTuple):
    """An entity: its label, and the words it is made of."""

    label: str
    start: int
    """Its first word, from 0."""
    end: int
    """The word after its last."""


def entities(tags: Sequence[str], *, strict: bool = False) -> list[Span]:
    """The entities of BIO tags, in order.

    strict: only `B-` begins one, as in seqeval's `mode="strict", scheme=IOB2`. Otherwise by
    conlleval's rules: an `I-` begins one, too, where it does not go on with one of its own label.
    Raises DataError for a tag that is none of `O`, `B-label` and `I-label`, naming its word.
    """
    spans: list[Span] = []
    label = ""  # of the entity that the word before belongs to; a label is never empty
    for place, tag in enumerate(tags):
        prefix, name = _parts(tag, place, "BI")
        if prefix == "I" and name == label:
            spans[-1] = Span(label, spans[-1].start, place + 1)
        elif prefix == "B" or (prefix == "I" and not strict):
            spans.append(Span(name, place, place + 1))
            label = name
        else:
            label = ""
    return spans


def repaired(tags: Sequence[str]) -> tuple[list[str], int]:
    """These tags as valid BIO by conlleval's rules, and how many of them were changed.

    What changes is an `I-` that begins an entity; it becomes `B-`. Raises as `entities` does.
    """
    valid = tags_of(entities(tags), len(tags))
    return valid, sum(new != old for new, old in zip(valid, tags, strict=True))


def tags_of(spans: Iterable[Span], length: int) -> list[str]:
    """The BIO tags of `length` words with these entities, given in any order.

    Raises DataError, naming the span, if it is empty, reaches beyond the words, has no label, or
    shares a word with another.
    """
    tags = ["O"] * length
    for span in spans:
        label, start, end = span
        if not (label and 0 <= start < end <= length):
            raise DataError(
                f"no span of {length} words: {label!r} from {start} to {end}; a span has a label, "
                f"starts at 0 or later, ends after its start (the end is the word after the last) "
                f"and at {length} at most"
            )
        taken = next((place for place in range(start, end) if tags[place] != "O"), None)
        if taken is not None:
            raise DataError(
                f"two spans share word {taken} (from 0): {label!r} from {start} to {end} and one "
                f"of {tags[taken][2:]!r}; a word has one tag, so keep one of the two"
            )
        tags[start:end] = [f"B-{label}", *[f"I-{label}"] * (end - start - 1)]
    return tags


def as_bio(tags: Sequence[str]) -> list[str]:
    """The BIO tags that say the same as tags written in IOB1, BIO, BIOES (IOBES) or BILOU.

    Each tag says by itself how it is meant: `S-` and `U-` are an entity of one word, `E-` and `L-`
    end one, and `I-` begins one where it goes on with nothing, as IOB1 writes it. Tags that break
    their scheme are read by the same rules. Raises DataError for a tag of none of these schemes,
    naming its word.
    """
    valid: list[str] = []
    label = ""  # of the entity that the next word may go on with
    for place, tag in enumerate(tags):
        prefix, name = _parts(tag, place, "BIESLU")
        if prefix == "O":
            valid.append("O")
        else:
            goes_on = prefix in "IEL" and name == label
            valid.append(f"I-{name}" if goes_on else f"B-{name}")
        label = name if prefix in "BI" else ""
    return valid


def _parts(tag: str, place: int, prefixes: str) -> tuple[str, str]:
    """Prefix and label of the tag of word `place`: ("O", ""), or one of `prefixes` and a label."""
    if tag == "O":
        return "O", ""
    if isinstance(tag, str) and tag[1:2] == "-" and tag[0] in prefixes and len(tag) > 2:
        return tag[0], tag[2:]
    *others, last = (f"{prefix}-label" for prefix in prefixes)
    raise DataError(
        f"word {place} (from 0): the tag {tag!r} is none of O, {', '.join(others)} and {last}"
        + ("; rewrite other schemes with gptasks.tags.as_bio" if prefixes == "BI" else "")
    )

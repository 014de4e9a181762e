"""Whether words or places in texts are marked, and the task that fits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from gptasks.errors import ConfigError, listing
from gptasks.proposal.columns import MOST_CLASSES, Column, is_tag
from gptasks.proposal.looking import Look, texts_of
from gptasks.proposal.proposed import Proposal
from gptasks.tags import repaired

READ = "BIO, IOB1, BIOES or BILOU, such as B-PER, I-PER and O"


def marked_in(look: Look) -> dict[str, str]:
    """The options that say where words or texts are marked; empty where none are.

    Raises ConfigError for tags that are not read, where nothing else looks like an answer.
    """
    worded = {name: words for name, column in look.columns.items() if (words := _words(column))}
    tagged = [name for name, words in worded.items() if _are_tags(words)]
    for tags in sorted(tagged, key=lambda name: name != "tags"):
        is_list = look.columns[tags].is_list
        if not is_list and all(len(words) == 1 for words in worded[tags]):
            raise ConfigError(
                f"column '{tags}' has the tag of one word in each row, where a row is a sentence; "
                "write them as CoNLL, a word a line and an empty line after a sentence, or as "
                "lists of tokens and tags in jsonl"
            )
        for tokens in worded:
            if tokens != tags and _match(worded[tokens], worded[tags]):
                return {"tokens": tokens, "tags": tags}
    for name, column in look.columns.items():
        first = column.values[0][0] if column.is_list else None
        if isinstance(first, Mapping) and {"start", "end", "label"} <= set(first):
            texts = texts_of(look)
            if texts:
                return {"text": texts[0].name, "spans": name}
    if not texts_of(look):
        _refuse_other_tags(look)
    return {}


def tagging(look: Look) -> Proposal:
    """The task for what is marked. Raises ConfigError where nothing is."""
    marked = marked_in(look)
    if not marked:
        raise ConfigError(
            "token_classification needs a column of words and one of tags, lists as long as each "
            "other, or a text with spans {start, end, label}; there are "
            f"{listing(look.columns)}"
        )
    options = {key: name for key, name in marked.items() if key != name}
    if "tags" not in marked:
        why = f"column '{marked['spans']}' marks places in '{marked['text']}'"
        return Proposal("token_classification", options, {"kind": why})
    rows = _words(look.columns[marked["tags"]])
    tags = {tag for row in rows for tag in row}
    names = sorted({tag.partition("-")[2] for tag in tags if "-" in tag})
    scheme, broken = _scheme(rows)
    proposal = Proposal("token_classification", options, {})
    proposal.reasons["kind"] = f"every word has a tag in {scheme}: {listing(names)}"
    if broken:
        proposal.notes.append(
            f"tags that go on with nothing: {broken:,}; each is read as a beginning"
        )
    return proposal


def _words(column: Column) -> list[list[str]]:
    """The entries of each row, of lists or of texts with spaces between them; empty for others."""
    if column.is_list:
        is_flat = not any(isinstance(one, Mapping | list) for one in column.values[0])
        return [[str(one) for one in value] for value in column.values] if is_flat else []
    if all(isinstance(value, str) for value in column.values):
        return [value.split() for value in column.values]
    return []


def _are_tags(rows: list[list[str]]) -> bool:
    tags = {tag for row in rows for tag in row}
    return all(map(is_tag, tags)) and tags != {"O"}


def _match(one: list[list[str]], other: list[list[str]]) -> bool:
    return len(one) == len(other) and all(len(a) == len(b) for a, b in zip(one, other, strict=True))


def _scheme(rows: list[list[str]]) -> tuple[str, int]:
    """The name of the scheme, and how many tags break it by going on with nothing."""
    letters = {tag[0] for row in rows for tag in row}
    if letters & set("ES"):
        return "BIOES", 0
    if letters & set("LU"):
        return "BILOU", 0
    broken = sum(repaired(row)[1] for row in rows)
    touching = (
        after[0] != "B" or before[1:] == after[1:]
        for row in rows
        for before, after in zip(["O", *row], row, strict=False)
    )
    return ("IOB1", 0) if broken and all(touching) else ("BIO", broken)


def _refuse_other_tags(look: Look) -> None:
    """Raise ConfigError for lists beside others that seem to be tags, but are not read."""
    lists = {name: _words(column) for name, column in look.columns.items() if column.is_list}
    for name, rows in lists.items():
        counts = Counter(tag for row in rows for tag in row)
        is_beside = any(other is not rows and _match(other, rows) for other in lists.values())
        if not is_beside or not 2 <= len(counts) <= MOST_CLASSES:
            continue
        if all(tag.isdecimal() for tag in counts):
            raise ConfigError(
                f"column '{name}' holds numbers of tags; write their names, in {READ}"
            )
        if not all(map(is_tag, counts)) and not name.startswith(("token", "word")):
            strange = listing([tag for tag, _ in counts.most_common() if not is_tag(tag)][:3])
            raise ConfigError(
                f"column '{name}' holds tags such as {strange}; what is read is {READ}"
            )

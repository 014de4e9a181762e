"""Whether words or places in texts are marked, and the task that fits."""

from __future__ import annotations

from collections.abc import Mapping

from gptasks.errors import ConfigError, listing
from gptasks.proposal.columns import tags_of
from gptasks.proposal.looking import Look, texts_of
from gptasks.proposal.proposed import Proposal


def marked_in(look: Look) -> dict[str, str]:
    """The options that say where words or texts are marked; empty where none are."""
    lists = {name: column for name, column in look.columns.items() if column.is_list}
    tagged = [name for name, column in lists.items() if tags_of(column)]
    for tags in sorted(tagged, key=lambda name: name != "tags"):
        for tokens in lists:
            lengths = zip(lists[tokens].values, lists[tags].values, strict=False)
            if tokens != tags and all(len(a) == len(b) for a, b in lengths):
                return {"tokens": tokens, "tags": tags}
    for name, column in lists.items():
        first = column.values[0][0]
        if isinstance(first, Mapping) and {"start", "end", "label"} <= set(first):
            texts = texts_of(look)
            if texts:
                return {"text": texts[0].name, "spans": name}
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
    tags = [str(tag) for tags in look.columns[marked["tags"]].values for tag in tags]
    names = sorted({tag.partition("-")[2] for tag in tags if "-" in tag})
    letters = {tag.partition("-")[0] for tag in tags if "-" in tag}
    scheme = "BIOES" if letters & set("ES") else "BILOU" if letters & set("LU") else "BIO"
    why = f"every word has a tag in {scheme}: {listing(names)}"
    return Proposal("token_classification", options, {"kind": why})

"""From what data look like to a task: each choice with its reason, or what to say instead."""

from __future__ import annotations

from gptasks.errors import ConfigError, listing, suggest
from gptasks.proposal.classifying import classification, label_in
from gptasks.proposal.generating import Written, generation, written_in
from gptasks.proposal.looking import Look, texts_of
from gptasks.proposal.names import LABELS, check_columns, is_called
from gptasks.proposal.notes import tell_of_data, tell_of_unread
from gptasks.proposal.proposed import Proposal
from gptasks.proposal.tagging import marked_in, tagging
from gptasks.proposal.trying import KINDS, try_out


def propose(
    look: Look,
    *,
    kind: str | None = None,
    text: str | None = None,
    text_pair: str | None = None,
    label: str | None = None,
) -> Proposal:
    """The task that fits what was seen; what is given overrules.

    text, text_pair, label: columns; for text that is written, text is the source and label the
    target. Raises ConfigError, saying what to give, where it can't be told.
    """
    if kind is not None and kind not in KINDS:
        near = suggest(kind, KINDS) or f"; there are {listing(KINDS)}"
        raise ConfigError(f"no kind '{kind}'{near}")
    check_columns({"--text": text, "--text-pair": text_pair, "--label": label}, look.columns)
    if kind == "token_classification" or (kind is None and not label and marked_in(look)):
        proposal = tagging(look)
    else:
        proposal = _of_texts(look, kind, text, text_pair, label)
    proposal.files = dict(look.files)
    try_out(look, proposal)
    tell_of_data(look, proposal)
    return proposal


def _of_texts(
    look: Look, kind: str | None, text: str | None, text_pair: str | None, label: str | None
) -> Proposal:
    if not texts_of(look) and text is None:
        raise ConfigError(
            f"no column looks like a text: there are {listing(look.columns)}; say which by --text"
        )
    written = None if kind == "sequence_classification" else written_in(look, text, label)
    if kind == "conditional_generation":
        if not written:
            raise ConfigError(
                "conditional_generation needs two columns of text; say which is read and which is "
                "written by --text and --label"
            )
        return generation(look, written)
    if written and not text_pair and label and written.target.is_free:
        return generation(look, written)
    answer, why = label_in(look, text, label)
    is_named = answer is not None and (bool(label) or is_called(answer.name, LABELS))
    if written and not text_pair and (answer is None or _is_surer(written, is_named)):
        proposal = generation(look, written)
        if answer is not None:
            proposal.notes.append(
                f"column '{answer.name}' may be a label ({why}); to tell it, --label {answer.name}"
            )
    elif answer is None:
        raise ConfigError(why)
    else:
        proposal = classification(look, answer, why, text, text_pair)
        if written and written.by_name and written.target.is_free and not label:
            proposal.notes.append(
                f"'{written.target.name}' could be written from '{written.source.name}' instead, "
                "by --kind conditional_generation"
            )
    tell_of_unread(look, proposal)
    return proposal


def _is_surer(written: Written, is_named: bool) -> bool:
    """Whether names tell of a text to be written, and none of a label."""
    return written.by_name and written.target.is_free and not is_named

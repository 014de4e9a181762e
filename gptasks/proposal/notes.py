"""What one should know of data beside the task that is proposed for them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from gptasks.errors import listing
from gptasks.proposal import ways
from gptasks.proposal.looking import Look, is_told, texts_of
from gptasks.proposal.names import SPLITS
from gptasks.proposal.proposed import Proposal


def tell_of_twins(look: Look, proposal: Proposal, inputs: Sequence[str], answer: str) -> None:
    """Warn of texts that stand there several times, and of those whose labels differ."""
    answers: dict[Any, list[str]] = defaultdict(list)
    for row in look.rows:
        if all(is_told(row.get(name)) for name in (*inputs, answer)):
            answers[tuple(str(row[name]) for name in inputs)].append(str(row[answer]))
    twins = sum(len(found) - 1 for found in answers.values())
    torn = sum(len(set(found)) > 1 for found in answers.values())
    if twins:
        proposal.notes.append(
            f"rows that repeat the text of another, and stay in one split with it: {twins:,}"
        )
    if torn and proposal.kind == "sequence_classification":
        proposal.notes.append(f"texts with more than one label: {torn:,}")


def tell_of_data(look: Look, proposal: Proposal) -> None:
    """Give the reason of the splits, and warn of what else was seen."""
    if not look.is_whole:
        proposal.notes.append(f"the first {ways.ROWS:,} rows of each file were looked at")
    if look.passed_over:
        names = listing(path.name for path in look.passed_over)
        proposal.notes.append(f"left out, since their names tell no split: {names}")
    shares = {"test": "a fifth", "validation": "a tenth"}
    cut = [f"{share} for {name}" for name, share in shares.items() if name not in proposal.files]
    proposal.reasons["data"] = "the names of the files tell the splits"
    if cut:
        proposal.reasons["data"] = (
            f"of train {' and '.join(cut)} are cut off, by a hash of the text"
        )
    if any(name.lower() in SPLITS for name in look.columns):
        proposal.notes.append(
            "a column seems to tell the split, which is not read; write a file for each split"
        )
    if any(look.columns[name].is_chinese for name in _read(look, proposal)):
        proposal.notes.append(
            "the texts are Chinese: the default backbone's tokenizer takes about two tokens for a "
            "sign; that of backbone=qwen3-0.6b, from the Hugging Face hub, knows Chinese"
        )


def tell_of_unread(look: Look, proposal: Proposal) -> None:
    """Warn of texts that the task does not read."""
    read = _read(look, proposal)
    unread = [column.name for column in texts_of(look) if column.is_free]
    unread = [name for name in unread if name not in read]
    if unread:
        takes_another = proposal.kind == "sequence_classification" and len(read) == 2
        advice = f"; --text-pair {unread[0]} shows it beside the first" if takes_another else ""
        proposal.notes.append(f"texts that are not read: {listing(unread)}{advice}")


def _read(look: Look, proposal: Proposal) -> list[str]:
    """The columns that the task names."""
    told = [value for value in proposal.options.values() if isinstance(value, str)]
    return [name for name in look.columns if name in told]

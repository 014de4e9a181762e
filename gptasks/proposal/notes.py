"""What one should know of data beside the task that is proposed for them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gptasks.errors import listing
from gptasks.proposal import ways
from gptasks.proposal.columns import share_of_chinese
from gptasks.proposal.looking import Look
from gptasks.proposal.names import SPLITS
from gptasks.proposal.proposed import Proposal


def tell_of_twins(look: Look, proposal: Proposal, inputs: Sequence[str], answer: str) -> None:
    """Warn of texts that stand there several times, and of those whose labels differ."""
    answers: dict[Any, list[str]] = defaultdict(list)
    for row in look.rows:
        answers[tuple(str(row.get(name)) for name in inputs)].append(str(row.get(answer)))
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
    bad = [record for sample in look.samples.values() for record in sample.bad]
    if bad:
        proposal.notes.append(
            f"records that can't be read: {len(bad):,}; the first is {bad[0].id}: {bad[0].reason}"
        )
    if not look.is_whole:
        proposal.notes.append(f"the first {ways.ROWS:,} rows of each file were looked at")
    if look.passed_over:
        names = listing(path.name for path in look.passed_over)
        proposal.notes.append(f"left out, since their names tell no split: {names}")
    data = [f"train: {listing(path.name for path in look.files['train'])}"]
    if "test" not in look.files:
        data.append("a fifth of it is cut off for the test")
    if "validation" not in look.files:
        data.append("a tenth for validation, by a hash of the text")
    proposal.reasons["data"] = "; ".join(data[1:]) or "their names tell the splits"
    if any(name.lower() in SPLITS for name in look.columns):
        proposal.notes.append(
            "a column seems to tell the split, which is not read; write a file for each split"
        )
    options = _names_in(proposal.options, look.columns)
    texts = [str(v) for name in options for v in look.columns[name].values[:200]]
    if share_of_chinese(texts) > 0.3:
        proposal.notes.append(
            "the texts are Chinese: the default backbone's tokenizer takes about two tokens for a "
            "sign; backbone=qwen3-0.6b reads Chinese better"
        )


def _names_in(options: Mapping[str, Any], columns: Iterable[str]) -> list[str]:
    known = set(columns)
    return [value for value in options.values() if isinstance(value, str) and value in known]

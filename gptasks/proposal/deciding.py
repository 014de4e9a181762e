"""From what data look like to a task: each choice with its reason, or what to say instead."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gptasks.errors import ConfigError, listing, suggest
from gptasks.fields import defaults
from gptasks.proposal.columns import MOST_LABELS, Column, share_of_chinese
from gptasks.proposal.looking import Look, texts_of
from gptasks.proposal.names import LABELS, PAIRS, SPLITS, WRITTEN
from gptasks.proposal.notes import tell_of_data, tell_of_twins
from gptasks.proposal.proposed import Proposal
from gptasks.proposal.tagging import marked_in, tagging
from gptasks.tasks.conditional_generation import ConditionalGeneration
from gptasks.tasks.sequence_classification import SequenceClassification

IMBALANCE = 5
"""How many times more rows a class has than another before accuracy says little."""

KINDS = ("sequence_classification", "token_classification", "conditional_generation")


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
    for flag, name in (("--text", text), ("--text-pair", text_pair), ("--label", label)):
        if name is not None and name not in look.columns:
            near = suggest(name, look.columns) or f"; there are {listing(look.columns)}"
            raise ConfigError(f"{flag}: no column '{name}'{near}")
    marked = marked_in(look)
    if kind == "token_classification" or (kind is None and marked and label is None):
        proposal = tagging(look, marked)
    else:
        proposal = _of_texts(look, kind, text, text_pair, label)
    tell_of_data(look, proposal)
    return proposal


# -- texts --------------------------------------------------------------------------------


def _of_texts(
    look: Look, kind: str | None, text: str | None, text_pair: str | None, label: str | None
) -> Proposal:
    texts = texts_of(look)
    if not texts and text is None:
        raise ConfigError(
            f"no column looks like a text: there are {listing(look.columns)}; say which by --text"
        )
    written = _written(look, texts, text, label)
    answer, why = _label(look, texts, text, label)
    if kind == "conditional_generation" or (kind is None and answer is None and written):
        if not written:
            raise ConfigError(
                "conditional_generation needs two columns of text; say which is read and which is "
                "written by --text and --label"
            )
        return _writing(look, *written)
    if answer is None:
        raise ConfigError(why)
    return _classifying(look, texts, answer, why, text, text_pair)


def _label(
    look: Look, texts: Sequence[Column], text: str | None, label: str | None
) -> tuple[Column | None, str]:
    """The column of labels and why, or None and what to say."""
    if label is not None:
        return look.columns[label], "as you said"
    candidates = []
    for column in look.columns.values():
        distinct = len(column.counts)
        is_few = 2 <= distinct <= MOST_LABELS and distinct <= max(2, len(column.values) / 3)
        is_short = column.long(1.0) <= 60 and not column.is_list
        is_other = column.is_identifier or column.name.lower() in SPLITS or column.name == text
        if is_few and is_short and not is_other:
            candidates.append(column)
    named = [column for column in candidates if column.name.lower() in LABELS]
    if named or len(candidates) == 1:
        found = (named or candidates)[0]
        why = f"{len(found.counts)} values in {len(found.values):,} rows"
        return found, why + (f", and it is called {found.name}" if named else "")
    if len(candidates) > 1:
        names = listing(f"{column.name} ({len(column.counts)} values)" for column in candidates)
        return None, f"several columns may be the label: {names}; say which by --label"
    rest = [column for column in look.columns.values() if not column.is_identifier]
    measured = [column.name for column in rest if column.numbers]
    if measured:
        return None, (
            f"column '{measured[0]}' holds many different numbers: to predict a number there is no "
            "kind of task yet; cut it into classes, or say another column by --label"
        )
    return None, (
        f"no column looks like a label: there are {listing(look.columns)}; say which by --label, "
        "or which text is written by --kind conditional_generation --text COLUMN --label COLUMN"
    )


def _classifying(
    look: Look,
    texts: Sequence[Column],
    answer: Column,
    why: str,
    text: str | None,
    text_pair: str | None,
) -> Proposal:
    others = [column.name for column in texts if column.name != answer.name]
    pair = (text, text_pair) if text and text_pair else _pair(others)
    first = text or (pair[0] if pair else others[0] if others else None)
    if first is None:
        raise ConfigError("no column is left for the text; say which by --text")
    counts = answer.counts
    reasons = {
        "kind": f"column '{answer.name}' names a class of each row",
        "label": why,
        "text": "as you said" if text else "the longest text" if not pair else "",
    }
    options: dict[str, Any] = {"text": first}
    second = text_pair or (pair[1] if pair and pair[0] == first else None)
    if second:
        options["text_pair"] = second
        reasons["text_pair"] = "as you said" if text_pair else "judged together with the first"
        del reasons["text"]
    options["label"] = answer.name
    most, least = counts.most_common()[0], counts.most_common()[-1]
    metrics = list(defaults(SequenceClassification)["metrics"])
    if most[1] >= IMBALANCE * least[1]:
        options["metrics"] = ["f1_macro", *(name for name in metrics if name != "f1_macro")]
        reasons["metrics"] = (
            f"'{most[0]}' has {most[1]:,} rows and '{least[0]}' {least[1]:,}: accuracy would be "
            f"{most[1] / len(answer.values):.2f} without learning anything"
        )
    seen = [look.columns[name] for name in (first, second) if name]
    options["max_length"], reasons["max_length"] = _max_length(seen)
    proposal = Proposal("sequence_classification", options, reasons)
    if answer.numbers and 3 <= len(counts) <= 11:
        proposal.notes.append(
            f"column '{answer.name}' holds numbers: they are taken as classes without an order"
        )
    if answer.empty:
        proposal.notes.append(
            f"rows without a label: {answer.empty:,}; they end a run, unless "
            f"data.max_bad={answer.empty} leaves them out"
        )
    tell_of_twins(look, proposal, [c.name for c in seen], answer.name)
    return proposal


def _pair(names: Sequence[str]) -> tuple[str, str] | None:
    lower = {name.lower(): name for name in names}
    for first, second in PAIRS:
        if first in lower and second in lower:
            return lower[first], lower[second]
    return None


def _written(
    look: Look, texts: Sequence[Column], text: str | None, label: str | None
) -> tuple[Column, Column, str] | None:
    """The text that is read, the one that is written, and why; None where there are no two."""
    if text and label:
        return look.columns[text], look.columns[label], "as you said"
    lower = {name.lower(): name for name in look.columns}
    for first, second in WRITTEN:
        if first in lower and second in lower:
            source, target = look.columns[lower[first]], look.columns[lower[second]]
            if source.length and target.length:
                return source, target, f"their names, {source.name} and {target.name}"
    free = [column for column in texts if len(column.counts) > len(column.values) / 2]
    if len(free) == 2 and free[0].length > 1.5 * free[1].length:
        source, target = free
        return (
            source,
            target,
            (
                f"'{source.name}' is {source.length / target.length:.0f} times as long as "
                f"'{target.name}'"
            ),
        )
    return None


def _writing(look: Look, source: Column, target: Column, why: str) -> Proposal:
    written = _tokens(target)
    read, _ = _max_length([source])
    most: int = defaults(ConditionalGeneration)["max_length"] * 2
    options: dict[str, Any] = {
        "source": source.name,
        "target": target.name,
        "max_length": min(most, read + written),
        "generation": {"max_new_tokens": written},
    }
    reasons = {
        "kind": "both columns are free text, and one is written from the other",
        "source": f"what is read, by {why}",
        "target": "what is written",
        "max_length": f"95 of 100 sources have at most {source.long():,} characters",
        "generation": f"95 of 100 targets have at most {target.long():,} characters",
    }
    if share_of_chinese([str(value) for value in target.values]) > 0.3:
        options["separator"] = ""
        reasons["separator"] = "nothing stands between cue and target in Chinese"
    proposal = Proposal("conditional_generation", options, reasons)
    tell_of_twins(look, proposal, [source.name], target.name)
    return proposal


# -- lengths ------------------------------------------------------------------------------


def _tokens(column: Column) -> int:
    """About how many tokens hold 95 of 100 texts, rounded up to a multiple of 16."""
    chinese = share_of_chinese([str(value) for value in column.values])
    tokens = column.long() * (chinese * 2 + (1 - chinese) / 3)
    return max(16, -(-int(tokens * 1.1) // 16) * 16)


def _max_length(columns: Sequence[Column]) -> tuple[int, str]:
    tokens = min(1024, max(64, sum(map(_tokens, columns)) + 16))
    signs = sum(column.long() for column in columns)
    return tokens, f"95 of 100 texts have at most {signs:,} characters"

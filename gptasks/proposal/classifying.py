"""The column of labels and the texts that they are told of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gptasks.errors import ConfigError, listing
from gptasks.fields import defaults
from gptasks.proposal.columns import MOST_GRADES, MOST_TOKENS, Column
from gptasks.proposal.looking import Look, texts_of
from gptasks.proposal.names import LABELS, MEASURES, PAIRS, SURE_LABELS, are_numbered, is_called
from gptasks.proposal.notes import tell_of_twins
from gptasks.proposal.proposed import Proposal
from gptasks.tasks.sequence_classification import SequenceClassification

IMBALANCE = 5
"""How many times more rows a class has than another before accuracy says little."""


def label_in(look: Look, text: str | None, label: str | None) -> tuple[Column | None, str]:
    """The column of labels and why, or None and what to say.

    text, label: columns, as given. Raises ConfigError where the given label is a measure.
    """
    if label is not None:
        if look.columns[label].is_measure:
            raise ConfigError(_measured(look.columns[label]))
        return look.columns[label], "as you said"
    classes = [column for column in look.columns.values() if column.is_class]
    classes = [column for column in classes if column.name != text]
    named = [column for column in classes if is_called(column.name, LABELS)]
    measures = [column for column in look.columns.values() if column.is_measure]
    if not named:
        told = [column for column in measures if is_called(column.name, MEASURES)]
        if told or (measures and not classes):
            return None, _measured((told or measures)[0])
    sure = [column for column in named if column.name.lower() in SURE_LABELS]
    found = (sure or named or classes)[:1]
    if not found:
        return None, _no_label(look)
    same = [column for column in classes if _say_the_same(look, found[0], column)]
    in_words = [column for column in same if not column.numbers]
    answer = in_words[0] if found[0].numbers and in_words else found[0]
    others = [c for c in named or classes if c not in same]
    if others and not sure:
        names = listing(f"{c.name} ({len(c.counts)} values)" for c in (found[0], *others))
        return None, f"several columns may be the label: {names}; say which by --label"
    why = f"{len(answer.counts)} values in {len(answer.values):,} rows"
    if answer is not found[0]:
        why += f", the classes that '{found[0].name}' numbers"
    elif named:
        why += f", and it is called {answer.name}"
    return answer, why


def classification(
    look: Look, answer: Column, why: str, text: str | None, text_pair: str | None
) -> Proposal:
    """The task that tells this label. Raises ConfigError where there is no text."""
    texts = [column.name for column in texts_of(look) if column is not answer]
    pair = _pair([name for name in texts if look.columns[name].is_free])
    first = text or (pair[0] if pair else texts[0] if texts else None)
    if first is None:
        raise ConfigError("no column is left for the text; say which by --text")
    second = text_pair or (pair[1] if pair and pair[0] == first else None)
    options: dict[str, Any] = {"text": first}
    reasons = {
        "kind": f"column '{answer.name}' names a class of each row",
        "text": "as you said" if text else "the longest text",
    }
    if second:
        options["text_pair"] = second
        reasons["text_pair"] = "as you said" if text_pair else "judged together with the first"
        reasons["text"] = "as you said" if text else "the first of two, by their names"
    options["label"] = answer.name
    reasons["label"] = why
    seen = [look.columns[name] for name in (first, second) if name]
    signs = sum(column.long() for column in seen)
    tokens = max(64, sum(column.tokens() for column in seen) + 16)
    options["max_length"] = min(MOST_TOKENS, tokens)
    reasons["max_length"] = f"95% of the texts have at most {signs:,} characters"
    if tokens > MOST_TOKENS:
        reasons["max_length"] += ", of which the end is cut off"
    proposal = Proposal("sequence_classification", options, reasons)
    _weigh(proposal, answer)
    if answer.numbers and 3 <= len(answer.counts) <= MOST_GRADES:
        proposal.notes.append(
            f"column '{answer.name}' holds numbers: they are taken as classes without an order"
        )
    tell_of_twins(look, proposal, [column.name for column in seen], answer.name)
    return proposal


def _weigh(proposal: Proposal, answer: Column) -> None:
    """Another headline metric where a class is much rarer than another."""
    ranked = answer.counts.most_common()
    (most, many), (least, few) = ranked[0], ranked[-1]
    if many < IMBALANCE * few:
        return
    usual = list(defaults(SequenceClassification)["metrics"])
    proposal.options["metrics"] = ["f1_macro", *(name for name in usual if name != "f1_macro")]
    share = many / len(answer.values)
    proposal.reasons["metrics"] = (
        f"'{most}' has {many:,} rows and '{least}' {few:,}: who always says '{most}' has accuracy "
        f"{share:.2f}, but f1_macro {2 * share / (1 + share) / len(ranked):.2f}"
    )


def _pair(names: Sequence[str]) -> tuple[str, str] | None:
    """Two texts whose names say that they are judged together."""
    lower = {name.lower(): name for name in names}
    for first, second in PAIRS:
        if first in lower and second in lower:
            return lower[first], lower[second]
    found = ((one, other) for one in names for other in names if are_numbered(one, other))
    return next(found, None)


def _say_the_same(look: Look, one: Column, other: Column) -> bool:
    """Whether two columns part the rows into the same classes."""
    both = {(str(row.get(one.name)), str(row.get(other.name))) for row in look.rows}
    return len(both) == len({a for a, _ in both}) == len({b for _, b in both})


def _measured(column: Column) -> str:
    low, high = min(column.numbers), max(column.numbers)
    return (
        f"column '{column.name}' holds {len(column.counts):,} different numbers, {low:g} to "
        f"{high:g}: to predict a number there is no kind of task yet; cut it into classes, or say "
        "another column by --label"
    )


def _no_label(look: Look) -> str:
    where = "in all rows" if look.is_whole else "in the rows looked at"
    for column in look.columns.values():
        if len(column.counts) == 1 and is_called(column.name, LABELS):
            only = next(iter(column.counts))
            return (
                f"column '{column.name}' holds '{only}' {where}, and two classes make a label; if "
                f"others follow, --label {column.name}, else say another column by --label"
            )
    free = [column.name for column in texts_of(look) if column.is_free]
    if len(look.columns) == 1:
        advice = (
            "give a column of labels, or a file for each class: python -m gptasks "
            "task=sequence_classification 'task.data.train={good: good.txt, bad: bad.txt}'"
        )
    elif len(free) == 2:
        advice = (
            "say which by --label, or, if one text is written from the other, --kind "
            f"conditional_generation --text {free[0]} --label {free[1]}"
        )
    else:
        advice = (
            "say which by --label, or which text is written by --kind conditional_generation "
            "--text COLUMN --label COLUMN"
        )
    return f"no column looks like a label: there are {listing(look.columns)}; {advice}"

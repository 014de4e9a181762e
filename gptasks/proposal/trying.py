"""Whether the task that is proposed reads the data: what would end a run is told beforehand."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from gptasks.data.files import BadRow
from gptasks.data.splits import SPLITS, load_splits
from gptasks.errors import DataError, GptasksError
from gptasks.progress import counted
from gptasks.proposal.looking import Look, is_told
from gptasks.proposal.proposed import Proposal
from gptasks.proposal.ways import heard
from gptasks.proposal.writing import values_of
from gptasks.schema import build
from gptasks.task import Row, Task
from gptasks.tasks.conditional_generation import ConditionalGeneration
from gptasks.tasks.sequence_classification import SequenceClassification
from gptasks.tasks.token_classification import TokenClassification

KINDS: dict[str, type[Task]] = {
    cls.name: cls for cls in (SequenceClassification, TokenClassification, ConditionalGeneration)
}
"""The kinds that can be proposed."""

RARE = 10
"""Rows below which a class may be missing from a split that is cut off."""

ANY = 10**9
"""A `max_bad` that ends no run."""


def try_out(look: Look, proposal: Proposal) -> None:
    """Leave out files without answers, name rare labels, and note what would end a run."""
    _leave_out_unanswered(look, proposal)
    train = _read(look, proposal, "train")
    samples = [train, *(_read(look, proposal, s) for s in proposal.files if s != "train")]
    if proposal.kind == SequenceClassification.name:
        _name_rare_labels(look, proposal, train[0])
    bad = [row for _, rows in samples for row in rows]
    if bad:
        proposal.notes.append(
            f"rows that can't be used{'' if look.is_whole else ', of those looked at'}: "
            f"{len(bad):,}; the first is {bad[0].id}: {bad[0].reason}. They end a run, unless "
            f"data.max_bad={len(bad)} leaves them out"
        )
    if look.is_whole:
        with heard() as warnings:
            try:
                load_splits(_task(look, proposal))
            except GptasksError as error:
                proposal.notes += [f"as it is, a run would end: {fault}" for fault in error.faults]
        told = [text for text in warnings if "left out" not in text]
        proposal.notes += [text.rstrip(".") for text in told]


def _task(look: Look, proposal: Proposal) -> Any:
    values = values_of(proposal, look, "", Path())
    del values["name"], values["kind"]
    values["data"]["max_bad"] = ANY
    return build(KINDS[proposal.kind], values, "task")


def _read(look: Look, proposal: Proposal, split: str) -> tuple[list[Row], list[BadRow]]:
    """The rows looked at as the task reads them, and those that it can't use."""
    task, sample = _task(look, proposal), look.samples[split]
    rows: list[Row] = []
    bad = list(sample.bad)
    for row in sample.rows:
        try:
            rows += [found] if (found := task.read(row)) is not None else []
        except DataError as error:
            bad.append(BadRow(row.id, str(error)))
    return rows, bad


def _leave_out_unanswered(look: Look, proposal: Proposal) -> None:
    """Take away files that lack what should be predicted: they can't be scored."""
    task = _task(look, proposal)
    answer = next(name for name in ("label", "target", "tags") if hasattr(task, name))
    columns = {getattr(task, answer), getattr(task, "spans", None)}
    for split in [split for split in SPLITS[1:] if split in proposal.files]:
        rows = look.samples[split].rows
        if not any(is_told(row.get(column)) for row in rows for column in columns):
            names = ", ".join(path.name for path in proposal.files.pop(split))
            proposal.notes.append(
                f"{names} has no {answer} and is left out, since it can't be scored; once trained, "
                "gptasks predict RUN --input FILE tells it"
            )


def _name_rare_labels(look: Look, proposal: Proposal, rows: list[Row]) -> None:
    """Name all labels where a cut may part a rare one from the training rows."""
    counts = Counter(str(row[proposal.options["label"]]).strip() for row in rows)
    is_cut = len(proposal.files) < len(SPLITS)
    if not look.samples["train"].is_whole or not is_cut or len(counts) < 2:
        return
    rarest, few = counts.most_common()[-1]
    if few >= RARE:
        return
    task = _task(look, proposal)
    try:
        task.learn_labels(rows)
    except DataError:
        return  # told by trying to read
    proposal.options["labels"] = task.labels
    proposal.reasons["labels"] = (
        f"named, since a split may lack '{rarest}' with its {counted(few, 'row')}"
    )

"""Checks of what a task makes of a row for the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gptasks.data.encoding import IGNORED, targets_of
from gptasks.errors import DataError
from gptasks.task import Row, Task
from gptasks.testing.subject import CheckFailed, Skipped, Subject
from gptasks.testing.trials import ODD, answers_in, longer, text_columns, with_text, without_answer


def windows_have_their_shape(subject: Subject) -> None:
    """`encode` gives windows of token ids that fit max_length and the vocabulary.

    Whatever comes after, batches, ledger, model, relies on it.

    Mend: yield {"input_ids": [int, …]}, with `label` (a number) or `labels` (as many as ids), at
    most max_length long.
    """
    task = subject.task()
    rows = subject.read(task)
    tokenizer = task.tokenizer(subject.bare.tokenizer)
    words = subject.bare.model.config.vocab_size
    for row in rows:
        parts = list(task.encode(row, tokenizer))
        if not parts:
            raise CheckFailed(f"{row.id} gives no window")
        for part in parts:
            ids = part.get("input_ids")
            if not isinstance(ids, list) or not ids or not all(type(id) is int for id in ids):
                raise CheckFailed(f"{row.id}: input_ids is {ids!r}; it must be a list of ints")
            if len(ids) > task.max_length:
                raise CheckFailed(
                    f"{row.id}: a window has {len(ids)} tokens, and task.max_length is "
                    f"{task.max_length}"
                )
            if min(ids) < 0 or max(ids) >= words:
                raise CheckFailed(
                    f"{row.id}: the id {max(ids)} is none of {words} in the vocabulary"
                )
            labels = part.get("labels")
            if labels is not None and len(labels) != len(ids):
                raise CheckFailed(f"{row.id}: {len(labels)} labels for {len(ids)} ids")
            if {"row", "states"} & set(part):
                raise CheckFailed(f"{row.id}: the keys row and states are the framework's own")
        has_target = any(targets_of(part) or part.get("lost_targets") for part in parts)
        if task.reference(row) is not None and not has_target:
            raise CheckFailed(f"{row.id} has an answer, and its windows have no target")


def targets_are_kept_or_counted(subject: Subject) -> None:
    """Cutting a row to max_length keeps its targets, or says how many it took.

    A target that is cut away in silence is neither learnt nor scored, and nobody knows.

    Mend: cut the input and not the answer; where a target has to go, add to `lost_targets`, and to
    `lost` for every token cut away.
    """
    task = subject.task()
    unlimited = replace(task, max_length=1_000_000)
    rows = [*subject.read(task), *longer(subject, task)]
    whole, cut = _counts(subject, unlimited, rows), _counts(subject, task, rows)
    if all(tokens <= task.max_length for tokens, _ in whole.values()):
        raise Skipped("no row could be made too long for a window")
    for id in [id for id in whole if id in cut]:
        for what, there, kept in zip(("tokens", "targets"), whole[id], cut[id], strict=True):
            if kept != there:
                raise CheckFailed(
                    f"{id} has {there} {what}; cut to task.max_length={task.max_length} it keeps, "
                    f"with those reported lost, {kept}"
                )


def the_cue_is_kept(subject: Subject) -> None:
    """What stands after a row's text, such as "Summary:", is still there when the text is cut.

    It is what the head reads, or the first word that is written: without it a long text is answered
    as if nothing had been asked of it.

    Mend: cut the text before words are put around it, and not the whole; `Tokenizer.encode` with a
    template does so.
    """
    task = subject.task()
    row = subject.read(task)[0]
    if not text_columns(subject, row):
        raise Skipped("its rows hold no texts")
    prompts = [_prompts(subject, task, row, text) for text in ("mauve", "number 7", ODD["huge"])]
    if any(len(parts) != 1 for parts in prompts):
        raise Skipped("it reads a long text in several windows")
    one, other, long = (parts[0] for parts in prompts)
    pairs = zip(reversed(one), reversed(other), strict=False)
    cue = next((n for n, (a, b) in enumerate(pairs) if a != b), 0)
    if not cue:
        raise Skipped("nothing stands after its text")
    if long[-cue:] != one[-cue:]:
        pieces = "".join(subject.bare.tokenizer.pieces(one[-cue:]))
        raise CheckFailed(
            f"a short text ends with the {cue} tokens {pieces!r}; one that was cut to "
            f"task.max_length={task.max_length} does not"
        )


def training_reads_what_use_reads(subject: Subject) -> None:
    """A row without its answer is encoded as it was in training, up to the answer.

    A model that is asked otherwise than it was taught, by a space or a sign, answers worse, and
    nothing tells why.

    Mend: build the input by one function for both, and add the answer's ids after it; tokens of the
    whole are not those of its parts, so make them apart.
    """
    task = subject.task()
    rows = subject.read(task)[:8]
    if not answers_in(task, rows[0]):
        raise Skipped("no column can be told that holds the answer")
    tokenizer = task.tokenizer(subject.bare.tokenizer)
    compared = 0
    for row in rows:
        taught = list(task.encode(row, tokenizer))
        asked = list(task.encode(task.read_input(without_answer(task, row)), tokenizer))
        if any(part.get("lost") for part in (*taught, *asked)):
            continue  # an answer of another length may leave another room
        compared += 1
        for one, other in zip(taught, asked, strict=False):
            ids, bare = one["input_ids"], other["input_ids"]
            same = ids[: len(bare)] if task.answer == "text" else ids
            if same != bare or len(taught) != len(asked):
                pieces = subject.bare.tokenizer.pieces
                raise CheckFailed(
                    f"{row.id} is {_end(pieces(same))} in training, and {_end(pieces(bare))} "
                    "without its answer"
                )
            if task.answer == "text" and IGNORED in one.get("labels", [])[len(bare) :]:
                raise CheckFailed(f"{row.id}: a token after the prompt is no target")
            if any(label != IGNORED for label in one.get("labels", [])[: len(bare)]) and (
                task.answer == "text"
            ):
                raise CheckFailed(f"{row.id}: a token of the prompt is a target")
    if not compared:
        raise Skipped("all its rows are longer than a window")


def the_end_is_a_target(subject: Subject) -> None:
    """The end of a text that is written is learnt: its last target is the end-of-text token.

    A model that never learnt to end writes on until it is stopped.

    Mend: append tokenizer.end_id to the answer's ids, and take it as a target even where the pad
    token is the same one.
    """
    task = subject.task()
    if task.answer != "text":
        raise Skipped("it writes no text")
    tokenizer = task.tokenizer(subject.bare.tokenizer)
    for row in subject.read(task)[:8]:
        for window in task.encode(row, tokenizer):
            targets = [label for label in window.get("labels", []) if label != IGNORED]
            if targets and targets[-1] != tokenizer.end_id and not window.get("lost_targets"):
                raise CheckFailed(f"{row.id}: its last target is the token {targets[-1]}")


def _counts(subject: Subject, task: Task, rows: Sequence[Row]) -> dict[str, tuple[int, int]]:
    """Tokens and targets of each row, those included that are reported lost."""
    tokenizer = task.tokenizer(subject.bare.tokenizer)
    counts = {}
    for row in rows:
        try:
            parts = list(task.encode(row, tokenizer))
        except DataError:  # it says so, which is as good
            continue
        tokens = sum(
            len(part["input_ids"]) - part.get("shared", 0) + part.get("lost", 0) for part in parts
        )
        targets = sum(targets_of(part) + part.get("lost_targets", 0) for part in parts)
        counts[row.id] = (tokens, targets)
    return counts


def _prompts(subject: Subject, task: Task, row: Row, text: str) -> list[list[int]]:
    """The ids of the windows of a row that was read, with that text and without its answer."""
    other = with_text(subject, row, text, "made up")
    read = task.read_input(without_answer(task, other))
    return [window["input_ids"] for window in subject.windows(task, [read])]


def _end(pieces: Sequence[str]) -> str:
    text = "".join(pieces)
    return repr(text if len(text) < 40 else "…" + text[-37:])

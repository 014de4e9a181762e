"""Checks of what a task makes of a row for the model, and of the model's output."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from gptasks.data.encoding import IGNORED, targets_of
from gptasks.errors import DataError
from gptasks.task import Layout, Prediction, Row, Task
from gptasks.testing.rows import answers_in, with_another_answer, without_answer
from gptasks.testing.subject import CheckFailed, Skipped, Subject

NEAR = 1e-4
"""Largest difference between two numbers that are computed alike, in fp32."""


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


def loss_is_a_sum(subject: Subject) -> None:
    """`loss` is the sum over the targets of a batch, with their number, and can be learnt from.

    The trainer divides by the number of targets of all batches and processes. A mean would let a
    target weigh more in a small batch, and a gradient of accumulated batches would be wrong.

    Mend: use reduction="sum", and return (loss, number of targets).
    """
    task, model, rows = _made(subject)
    model.requires_grad_(True)
    windows = subject.windows(task, rows[:8])
    found = task.loss(model(subject.batch(windows)), subject.batch(windows))
    if not isinstance(found, tuple) or len(found) != 2:
        raise CheckFailed(f"it gives {type(found).__name__}, and not a loss with a count")
    total, count = found
    if getattr(total, "ndim", None) != 0 or isinstance(count, bool) or not isinstance(count, int):
        raise CheckFailed(
            f"it gives a {type(total).__name__} of {getattr(total, 'ndim', '?')} dimensions and a "
            f"{type(count).__name__}; it must be a tensor of none, and an int"
        )
    if not math.isfinite(total.item()):
        raise CheckFailed(f"it is {total.item()} on a new model")
    if count != sum(map(targets_of, windows)):
        raise CheckFailed(
            f"it counts {count} targets, and the windows have {sum(map(targets_of, windows))}"
        )
    if not total.requires_grad:
        raise CheckFailed("it has no gradient")
    twice = subject.batch([*windows, *windows])
    double, doubled = task.loss(model(twice), twice)
    if not math.isclose(double.item(), 2 * total.item(), rel_tol=1e-3, abs_tol=1e-4) or (
        doubled != 2 * count
    ):
        raise CheckFailed(
            f"of a batch it is {total.item():.4f} with {count} targets, and of that batch twice "
            f"{double.item():.4f} with {doubled}; twice as much was expected"
        )


def predictions_have_their_shape(subject: Subject) -> None:
    """`predict` gives one Prediction a window, its value of the kind that `reference` gives.

    Metrics compare the two; a value of another type is never right.

    Mend: return [Prediction(value, scores), …], the value as `reference` has it, the scores numbers
    by name; a classifier's are probabilities of every label.
    """
    task, model, rows = _made(subject)
    windows = subject.windows(task, rows[:8])
    said = _predict(task, model, subject.batch(windows))
    if not isinstance(said, list) or len(said) != len(windows):
        raise CheckFailed(f"{len(windows)} windows give {_counted(said)}")
    merged = subject.predict(task, model, rows[:8])
    for row, one in zip(rows[:8], merged, strict=True):
        if not isinstance(one, Prediction):
            raise CheckFailed(f"{row.id} gives {one!r}, which is no gptasks.Prediction")
        reference = task.reference(row)
        if reference is not None and type(one.value) is not type(reference):
            raise CheckFailed(
                f"{row.id}: the value is the {type(one.value).__name__} {one.value!r}, the "
                f"reference the {type(reference).__name__} {reference!r}"
            )
        if not all(isinstance(score, int | float) for score in one.scores.values()):
            raise CheckFailed(f"{row.id}: the scores are no numbers: {dict(one.scores)!r}")
        if task.answer == "label" and task.labels:
            _check_probabilities(row, one, task.labels)
        try:
            same = json.loads(json.dumps(one.value)) == one.value
            json.dumps(dict(one.details), allow_nan=False)
        except (TypeError, ValueError) as error:
            raise CheckFailed(f"{row.id}: {error}; JSON must hold value and details") from error
        if not same:
            raise CheckFailed(f"{row.id}: {one.value!r} is another value after JSON")
    if not isinstance(task.layout(), Layout | None):
        raise CheckFailed(f"layout gives {task.layout()!r}, which is no gptasks.Layout")


def targets_are_kept_or_counted(subject: Subject) -> None:
    """Cutting a row to max_length keeps its targets, or says how many it took.

    A target that is cut away in silence is neither learnt nor scored, and nobody knows.

    Mend: cut the input and not the answer; where a target has to go, add to `lost_targets`, and to
    `lost` for every token cut away.
    """
    task = subject.task()
    unlimited = replace(task, max_length=1_000_000)
    rows = [*subject.read(task), *_longer(subject, task)]
    whole, cut = _counts(subject, unlimited, rows), _counts(subject, task, rows)
    for id in [id for id in whole if id in cut]:
        for what, there, kept in zip(("tokens", "targets"), whole[id], cut[id], strict=True):
            if kept != there:
                raise CheckFailed(
                    f"{id} has {there} {what}; cut to task.max_length={task.max_length} it keeps, "
                    f"with those reported lost, {kept}"
                )


def padding_changes_nothing(subject: Subject) -> None:
    """A window's loss is the same alone and beside a longer one.

    Batches pad shorter windows, so without that the loss of a row depends on its neighbours.

    Mend: take places from attention_mask or from lengths, never from the last column or from ids
    (the pad token may be a real one), and leave out targets of -100.
    """
    task, model, rows = _made(subject)
    windows = sorted(subject.windows(task, rows[:16]), key=lambda one: len(one["input_ids"]))
    short, long = windows[0], windows[-1]
    if len(short["input_ids"]) == len(long["input_ids"]):
        long = _lengthened(long, task)
    alone = [_loss(task, model, subject.batch([one])) for one in (short, long)]
    together = _loss(task, model, subject.batch([short, long]))
    if abs(together - sum(alone)) > NEAR * max(1.0, abs(together)):
        raise CheckFailed(
            f"alone their losses are {alone[0]:.5f} and {alone[1]:.5f}, together {together:.5f}"
        )


def a_batch_predicts_like_single_rows(subject: Subject) -> None:
    """Rows predicted together and one by one get the same answers with the same scores.

    Else a score depends on the size of the batch, and so on the machine.

    Mend: as for padding_changes_nothing; in `predict` keep to the windows' order.
    """
    task, model, rows = _made(subject)
    rows = rows[:8]
    alone = [subject.predict(task, model, [row])[0] for row in rows]
    windows = subject.windows(task, rows)
    said = _predict(task, model, subject.batch(windows))
    together = [
        task.merge(row, [said[i] for i, window in enumerate(windows) if window["row"] == number])
        for number, row in enumerate(rows)
    ]
    for row, one, other in zip(rows, alone, together, strict=True):
        check_same(row, one, other, "alone", "in a batch")


def the_answer_is_not_in_the_input(subject: Subject) -> None:
    """A prediction is the same whatever the row's own answer says, and without one.

    What a model could copy in the test, it lacks in use.

    Mend: build what the model reads from `read_input`'s columns; targets belong in `label` or
    `labels`, and in input_ids only after the place where they are predicted, where `predict` does
    not read them.
    """
    task, model, rows = _made(subject)
    if not answers_in(task, rows[0]):
        raise Skipped("no column can be told that holds the answer")
    for row in rows[:4]:
        said = subject.predict(task, model, [row])[0]
        trials = {
            "with another answer": with_another_answer(task, row, rows),
            "without one": task.read_input(without_answer(task, row)),
        }
        for what, trial in trials.items():
            if trial is not None:
                one = subject.predict(task, model, [trial])[0]
                check_same(row, said, one, "with its answer", what)


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


def _made(subject: Subject) -> tuple[Task, Any, list[Row]]:
    task = subject.task()
    return task, subject.model(task), subject.read(task)


def _predict(task: Task, model: Any, batch: dict[str, Any]) -> list[Prediction]:
    import torch

    with torch.inference_mode():
        return task.predict(model, batch)


def _loss(task: Task, model: Any, batch: dict[str, Any]) -> float:
    import torch

    with torch.inference_mode():
        return float(task.loss(model(batch), batch)[0])


def _lengthened(window: dict[str, Any], task: Task) -> dict[str, Any]:
    """The window with more tokens in front, which no target has."""
    more = min(7, task.max_length)
    ids = window["input_ids"]
    longer = {**window, "input_ids": [ids[0]] * more + ids}
    if "labels" in window:
        longer["labels"] = [IGNORED] * more + list(window["labels"])
    return longer


def _longer(subject: Subject, task: Task) -> Iterator[Row]:
    """Rows too long for a window: one of longer input, and one whose answer is longer, too."""
    raw = next(row for row in subject.rows if task.read(Row(dict(row), row.id)) is not None)
    answers = answers_in(task, raw)
    for what, is_longer in (
        ("input", lambda name: name not in answers or isinstance(raw[name], list)),
        ("answer", lambda name: name not in answers or task.answer != "label"),
    ):
        longer = {
            name: _repeated(raw[name], task) if is_longer(name) else raw[name] for name in raw
        }
        try:
            row = task.read(Row(longer, f"a row with a longer {what}"))
        except DataError:
            continue
        if row is not None:
            yield row


def _repeated(value: Any, task: Task) -> Any:
    """A text or a list repeated until no window has room for it."""
    if isinstance(value, str) and " " in value:
        return " ".join([value] * (3 * task.max_length // len(value) + 1))
    if isinstance(value, list) and value:
        return value * (3 * task.max_length // len(value) + 1)
    return value


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


def _check_probabilities(row: Row, one: Prediction, labels: Sequence[str]) -> None:
    if set(one.scores) != set(labels):
        raise CheckFailed(f"{row.id}: scores for {sorted(one.scores)}, labels are {list(labels)}")
    if abs(sum(one.scores.values()) - 1) > 1e-3:
        raise CheckFailed(f"{row.id}: the probabilities add up to {sum(one.scores.values()):.4f}")


def check_same(row: Row, one: Prediction, other: Prediction, when: str, then: str) -> None:
    """Raise CheckFailed where two predictions of a row, made `when` and `then`, differ."""
    if one.value != other.value:
        raise CheckFailed(f"{row.id}: {when} {one.value!r}, {then} {other.value!r}")
    for name, score in one.scores.items():
        if abs(score - other.scores.get(name, math.inf)) > NEAR * max(1.0, abs(score)):
            raise CheckFailed(
                f"{row.id}: the score {name} is {score:.6f} {when}, and "
                f"{other.scores.get(name, math.nan):.6f} {then}"
            )


def _counted(said: object) -> str:
    return f"{len(said)} predictions" if isinstance(said, list) else f"a {type(said).__name__}"

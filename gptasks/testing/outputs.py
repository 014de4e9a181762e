"""Checks of what the model makes of a task's windows: its loss and its predictions."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Sequence
from typing import Any

import numpy as np

from gptasks.data.encoding import IGNORED, targets_of
from gptasks.errors import listing
from gptasks.task import Layout, Prediction, Row, Task
from gptasks.testing.subject import CheckFailed, Skipped, Subject
from gptasks.testing.trials import answers_in, longer, with_another_answer, without_answer

NEAR = 1e-4
"""Largest difference between two numbers that are computed alike, in fp32."""

SAME = 1e-7
"""Largest difference between two that are meant to be computed from the same states."""


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
        if task.answer == "tags" and (odd := set(one.value) - set(task.labels)):
            raise CheckFailed(
                f"{row.id}: {listing(sorted(odd))} is none of the task's labels "
                f"({listing(task.labels)})"
            )
        try:
            same = json.loads(json.dumps(one.value)) == one.value
            json.dumps(dict(one.details), allow_nan=False)
        except (TypeError, ValueError) as error:
            raise CheckFailed(f"{row.id}: {error}; JSON must hold value and details") from error
        if not same:
            raise CheckFailed(f"{row.id}: {one.value!r} is another value after JSON")
    if not isinstance(task.layout(), Layout | None):
        raise CheckFailed(f"layout gives {task.layout()!r}, which is no gptasks.Layout")


def padding_changes_nothing(subject: Subject) -> None:
    """A window's loss is the same alone and beside a longer one.

    Batches pad shorter windows, so without that the loss of a row depends on its neighbours.

    Mend: take places from attention_mask or from lengths, never from the last column or from ids
    (the pad token may be a real one), and leave out targets of -100.
    """
    for shaped in subject.shapes():
        _check_padding(shaped)


def the_whole_text_is_read(subject: Subject) -> None:
    """Another last token of a text changes what the head says, be it the pad token or another.

    A head on a state that stands before the end has not seen the whole text; and where the pad
    token also ends texts, a text that ends with it is not padded.

    Mend: pool the last token that attention_mask shows, or the mean of all those; never the first
    one, and never by comparing ids with the pad token.
    """
    for shaped in subject.shapes():
        task, model, rows = _made(shaped)
        windows = [one for one in shaped.windows(task, rows[:4]) if "label" in one]
        if not windows:
            raise Skipped("its targets stand in the text")
        window, pad = windows[0], shaped.bare.tokenizer.pad_id
        ids = window["input_ids"][: task.max_length - 1]
        bare = _logits(shaped, model, {**window, "input_ids": ids})
        for what, id in (("a token", ids[0]), ("the pad token", pad)):
            more = _logits(shaped, model, {**window, "input_ids": [*ids, id]})
            if (more - bare).abs().max() <= SAME * bare.abs().max():
                raise CheckFailed(f"{what} more at the end of a text changes nothing")


def predicting_twice_is_the_same(subject: Subject) -> None:
    """The same rows, predicted again, get the same answers with the same scores.

    A score that can't be had again can't be compared, and `gptasks verify` and `reproduce` call the
    run damaged.

    Mend: draw no random numbers in `predict`, or from a generator with a seed of its own
    (model.generate takes seed=…); leave the model in eval mode.
    """
    import torch

    task, model, rows = _made(subject)
    found = []
    for seed in (1, 2):
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)
        found.append(subject.predict(task, model, rows[:8]))
    for row, one, other in zip(rows, *found, strict=False):
        check_same(row, one, other, "at first", "then")


def every_word_is_answered(subject: Subject) -> None:
    """A row with a tag for each word gets as many tags, however long it is.

    Words that fall out of a window would vanish from the score, as if there had been no more.

    Mend: read a long row in windows that overlap (`shared` counts what both hold), and put their
    tags together in `merge`.
    """
    task, model, rows = _made(subject)
    if task.answer != "tags":
        raise Skipped("it gives no tags")
    rows = [*rows[:4], *longer(subject, task)]
    for row, one in zip(rows, subject.predict(task, model, rows), strict=True):
        words = len(task.reference(row))
        if len(one.value) != words:
            raise CheckFailed(f"{row.id} has {words} words, and gets {len(one.value)} tags")


def a_batch_predicts_like_single_rows(subject: Subject) -> None:
    """Rows predicted together and one by one get the same answers with the same scores.

    Else a score depends on the size of the batch, and so on the machine.

    Mend: as for padding_changes_nothing; in `predict` keep to the windows' order. Prompts to write
    from go to model.generate, which pads them on the left.
    """
    for shaped in subject.shapes():
        _check_batch(shaped)


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


def _check_padding(subject: Subject) -> None:
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


def _check_batch(subject: Subject) -> None:
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


def _logits(subject: Subject, model: Any, window: dict[str, Any]) -> Any:
    import torch

    with torch.inference_mode():
        return model(subject.batch([window]))


def _lengthened(window: dict[str, Any], task: Task) -> dict[str, Any]:
    """The window with more tokens in front, which no target has."""
    more = min(7, task.max_length)
    ids = window["input_ids"]
    longer = {**window, "input_ids": [ids[0]] * more + ids}
    if "labels" in window:
        longer["labels"] = [IGNORED] * more + list(window["labels"])
    return longer


def _check_probabilities(row: Row, one: Prediction, labels: Sequence[str]) -> None:
    if set(one.scores) != set(labels):
        raise CheckFailed(f"{row.id}: scores for {sorted(one.scores)}, labels are {list(labels)}")
    if abs(sum(one.scores.values()) - 1) > 1e-3:
        raise CheckFailed(f"{row.id}: the probabilities add up to {sum(one.scores.values()):.4f}")


def _counted(said: object) -> str:
    return f"{len(said)} predictions" if isinstance(said, list) else f"a {type(said).__name__}"

import math

import pytest
import tiny_models
import torch

from gptasks.data.encoding import encode_rows
from gptasks.errors import DataError
from gptasks.evaluation import (
    confusion,
    full_scores,
    predict_windows,
    quick_scores,
    references_of,
    warn_if_constant,
)
from gptasks.model import Model
from gptasks.room import Room
from gptasks.task import Prediction, Row
from gptasks.tasks.sequence_classification import SequenceClassification

LABELS = ["bad", "good"]
TEXTS = ["great", "an awful long evening in the rain", "so so", "lovely", "a", "dull dull dull"]


class InParts(SequenceClassification):
    """One window a word; the row says what its last word says."""

    def encode(self, row, tokenizer):
        for word in row["text"].split():
            yield from super().encode(Row({**row, "text": word}, id=row.id), tokenizer)

    def merge(self, row, parts):
        return parts[-1]


def rows(texts=TEXTS) -> list[Row]:
    return [Row({"text": text, "label": LABELS[n % 2]}, id=f"r{n}") for n, text in enumerate(texts)]


def predicted(task, *, batch_tokens: int = 10_000, made=None) -> list[Prediction]:
    backbone = tiny_models.backbone()
    torch.manual_seed(0)
    head = task.head(backbone)
    head.weight.data.mul_(20.0)
    model = Model(task, backbone, head).eval()
    made = made or rows()
    windows = encode_rows(task, made, backbone.tokenizer).windows
    device = torch.device("cpu")
    return predict_windows(
        task, model, windows, made, pad_id=0, room=Room(batch_tokens), device=device
    )


def task(kind=SequenceClassification, **options):
    return kind(labels=list(LABELS), **options)


def said(value: str, good: float) -> Prediction:
    return Prediction(value, {"bad": 1 - good, "good": good})


SAID = [said("good", 0.9), said("bad", 0.2), said("good", 0.6), said("bad", 0.4)]
TRUE = ["good", "bad", "bad", "bad"]


# -- predicting ---------------------------------------------------------------------------


@pytest.mark.parametrize("batch_tokens", [1, 20, 10_000])
def test_predictions_come_in_the_order_of_the_rows_whatever_the_batches(batch_tokens):
    found = predicted(task(), batch_tokens=batch_tokens)
    alone = [predicted(task(), made=[row])[0] for row in rows()]
    assert [p.value for p in found] == [p.value for p in alone]
    for one, other in zip(found, alone, strict=True):
        assert one.scores == pytest.approx(other.scores, abs=1e-5)
    assert len({round(p.scores["good"], 6) for p in found}) == len(TEXTS)  # all different


def test_windows_of_a_row_are_merged_in_their_order():
    whole = predicted(task(InParts))
    words = [text.split() for text in TEXTS]
    parts = predicted(task(), made=rows([word for text in words for word in text]))
    assert len(whole) == len(TEXTS)
    for n, prediction in enumerate(whole):
        last = parts[sum(map(len, words[: n + 1])) - 1]
        assert prediction.value == last.value
        assert prediction.scores == pytest.approx(last.scores, abs=1e-5)


def test_predicting_keeps_no_gradient():
    class Watched(SequenceClassification):
        def predict(self, model, batch):
            assert not model(batch).requires_grad
            assert torch.is_inference_mode_enabled()
            return super().predict(model, batch)

    assert len(predicted(task(Watched))) == len(TEXTS)


# -- scoring ------------------------------------------------------------------------------


def test_quick_scores_are_the_selecting_metric_and_the_headline():
    found = quick_scores(task(), SAID, TRUE, {})
    log_loss = -(math.log(0.9) + math.log(0.8) + math.log(0.4) + math.log(0.6)) / 4
    assert found == pytest.approx({"log_loss": log_loss, "accuracy": 0.75})
    assert list(found) == ["log_loss", "accuracy"]
    assert list(quick_scores(task(select="accuracy"), SAID, TRUE, {})) == ["accuracy"]


def test_quick_and_full_scores_agree():
    full = full_scores(task(), SAID, TRUE, {}, seed=0, resamples=20)
    for name, value in quick_scores(task(), SAID, TRUE, {}).items():
        assert full[name].value == value
    assert list(full) == task().metrics


def test_no_resamples_give_no_interval():
    score = full_scores(task(), SAID, TRUE, {}, seed=0, resamples=0)["accuracy"]
    assert (score.value, score.n) == (0.75, 4)
    assert math.isnan(score.low)
    assert math.isnan(score.high)


def test_confusion_counts_references_down_and_predictions_across():
    assert confusion(task(), SAID, TRUE) == [[2, 1], [0, 1]]
    assert confusion(SequenceClassification(labels=["good", "bad"]), SAID, TRUE) == [[1, 0], [1, 2]]


def test_a_row_without_its_answer_can_not_be_scored():
    made = [*rows()[:2], Row({"text": "fine"}, id="more.csv:4")]
    with pytest.raises(
        DataError, match=r"more\.csv:4 has no label, so it can't be scored; predict needs none\."
    ):
        references_of(task(), made)
    assert references_of(task(), made[:2]) == ["bad", "good"]


def test_a_model_that_says_the_same_of_all_rows_is_told_of(caplog):
    same = [said("good", 0.9)] * 3
    assert warn_if_constant(task(), same, ["good", "bad", "bad"])
    assert caplog.messages == [
        'the model answers "good" to all 3 rows: it has learnt nothing. Train longer or with a '
        "higher trainer.learning_rate, and look at the balance of the labels."
    ]


@pytest.mark.parametrize(
    ("predictions", "references"),
    [(SAID, TRUE), ([said("good", 0.9)] * 2, ["good", "good"]), ([said("good", 0.9)], ["bad"])],
    ids=["answers differ", "all are right", "a single row"],
)
def test_nothing_is_said_where_nothing_is_wrong(predictions, references, caplog):
    assert not warn_if_constant(task(), predictions, references)
    assert not caplog.messages

"""Rows, labels, windows, loss and predictions of sequence classification."""

from __future__ import annotations

import logging
import math
from typing import Any

import numpy as np
import pytest
import torch
from tiny_models import backbone

from gptasks.errors import ConfigError, DataError
from gptasks.task import Prediction, Row
from gptasks.tasks.logistic import LogisticProbe
from gptasks.tasks.sequence_classification import METRICS, SequenceClassification


def task(**options: Any) -> SequenceClassification:
    return SequenceClassification(**options)


def row(text: Any = "a text", label: Any = "good", n: int = 1, **more: Any) -> Row:
    return Row({"text": text, "label": label, **more}, id=f"a.csv:{n}")


def rows(*labels: Any) -> list[Row]:
    return [row(f"text {n}", label, n) for n, label in enumerate(labels, 2)]


def learnt(*labels: Any, **options: Any) -> list[str]:
    kind = task(**options)
    kind.learn_labels(rows(*labels))
    return kind.labels


# -- rows ---------------------------------------------------------------------------------


def test_a_whole_row_is_taken_as_it_is():
    given = row(extra=1)
    assert task().read(given) is given


@pytest.mark.parametrize("text", ["", "  \t\n", None, math.nan])
def test_an_empty_text_is_unusable(text: Any):
    for read in (task().read, task().read_input):
        with pytest.raises(DataError, match=r"^column 'text' is empty$"):
            read(row(text))


@pytest.mark.parametrize("label", ["", " ", None, math.nan])
def test_a_row_without_a_label_is_unusable_for_training_and_fine_for_prediction(label: Any):
    with pytest.raises(DataError, match=r"^column 'label' has no label$"):
        task().read(row(label=label))
    assert task().read_input(row(label=label)) == row(label=label) or math.isnan(label)
    assert task().reference(row(label=label)) is None
    assert task().read_input(Row({"text": "a"}, "r")) == {"text": "a"}
    assert task().reference(Row({"text": "a"}, "r")) is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"text": "texts"}, r"column 'texts' is not there; did you mean 'text'\? \(it has: text, "),
        ({"label": "stars"}, r"column 'stars' is not there \(it has: .*\); set task\.label=COLUMN"),
        ({"text_pair": "b"}, r"column 'b' is not there .*; set task\.text_pair=COLUMN"),
    ],
)
def test_a_missing_column_is_named_with_those_there_are(options: dict[str, str], message: str):
    with pytest.raises(DataError, match=message):
        task(**options).read(row())


@pytest.mark.parametrize("value", [["a"], {"a": 1}, b"a"])
def test_a_cell_that_is_neither_text_nor_number_is_unusable(value: Any):
    kind = type(value).__name__
    with pytest.raises(DataError, match=f"column 'text' holds a {kind}, where a text or a number"):
        task().read(row(value))
    with pytest.raises(DataError, match=f"column 'label' holds a {kind}, where a text or a number"):
        task().read(row(label=value))


def test_half_a_character_is_unusable():
    """What a terminal passes on of bytes that are no UTF-8."""
    with pytest.raises(
        DataError, match=r"'text' holds half a character \(lone surrogate \\udce9\)"
    ):
        task().read_input(row("caf\udce9"))
    with pytest.raises(DataError, match="'label' holds half a character"):
        task().read(row(label="\ud800"))


def test_a_pair_needs_both_texts():
    kind = task(text="first", text_pair="second")
    whole = Row({"first": "a", "second": "b", "label": "x"}, "r")
    assert kind.read(whole) is whole
    with pytest.raises(DataError, match="column 'second' is empty"):
        kind.read_input(Row({"first": "a", "second": " "}, "r"))


@pytest.mark.parametrize(
    ("value", "label"),
    [
        ("good", "good"),
        (" good ", "good"),
        (1, "1"),
        (1.0, "1"),
        (0.5, "0.5"),
        (-2.0, "-2"),
        (True, "true"),
        (False, "false"),
        (0, "0"),
        (np.float64(3.0), "3"),
        ("1.0", "1.0"),
        ("nan", "nan"),
        ("好", "好"),
    ],
)
def test_labels_of_any_type_become_texts(value: Any, label: str):
    assert task().reference(row(label=value)) == label


def test_the_key_of_a_row_is_its_texts():
    assert task().key(row("a")) == "a"
    assert task(text_pair="b", template="{text}|{text_pair}").key(row("a", b="c")) == "a\nc"
    assert task().key(row(3)) == "3"


def test_what_is_shown_of_a_row():
    assert task().shown(row("a")) == "a"
    assert task(text_pair="b").shown(row("a", b="c")) == {"text": "a", "text_pair": "c"}


def test_a_typed_text_becomes_a_row():
    made = task(text="review").row_of("nice", "text 1")
    assert (made, made.id) == ({"review": "nice"}, "text 1")
    with pytest.raises(
        DataError, match=r"reads pairs of texts; give a file with columns 'text' and"
    ):
        task(text_pair="b").row_of("nice", "text 1")


# -- labels -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("found", "order"),
    [
        (["pos", "neg", "pos"], ["neg", "pos"]),
        (["10", "9", "-1", "2"], ["-1", "2", "9", "10"]),
        ([10, 9, 1.0, 0.5], ["0.5", "1", "9", "10"]),
        (["b", "2", "a", "10"], ["2", "10", "a", "b"]),
        (["nan", "b", "inf", "a", "1"], ["1", "a", "b", "inf", "nan"]),
        ([True, False], ["false", "true"]),
        (["坏", "好"], ["坏", "好"]),
    ],
)
def test_labels_are_numbers_by_value_then_words_by_letter(found: list[Any], order: list[str]):
    assert learnt(*found) == order
    assert learnt(*reversed(found)) == order


def test_labels_that_are_given_stay_in_their_order():
    assert learnt("a", "b", labels=["b", "c", "a"]) == ["b", "c", "a"]


def test_a_column_of_ids_or_texts_is_no_column_of_labels():
    with pytest.raises(
        DataError,
        match=r"column 'label' holds 40 different values in 40 training rows, which looks like "
        r"text or ids rather than labels; set task\.label",
    ):
        learnt(*[f"id{n}" for n in range(40)])


def test_many_labels_are_fine_where_they_repeat():
    assert len(learnt(*[n % 150 for n in range(600)])) == 150
    assert len(learnt(*range(20))) == 20


@pytest.mark.parametrize("labels", [[], ["good", "bad"]], ids=["learnt", "given"])
def test_one_label_in_train_is_refused(labels: list[str]):
    kind = task(labels=labels)
    kind.learn_labels(rows("good", "good"))
    with pytest.raises(
        DataError, match=r"one label only \('good'\); a classifier needs two or more"
    ):
        kind.check_rows("train", rows("good", "good"))


def test_one_label_in_test_is_no_fault():
    task(labels=["bad", "good"]).check_rows("test", rows("good", "good"))


def test_a_label_unseen_in_train_is_named_with_its_place():
    kind = task(labels=["negative", "positive"])
    with pytest.raises(
        DataError,
        match=r"label 'postive' of test \(a\.csv:3\) is not among the labels of train; did you "
        r"mean 'positive'\? Labels there: negative, positive; not among them: postive, zero "
        r"\(3 rows\)\. Correct the rows, or name all labels by task\.labels",
    ):
        kind.check_rows("test", rows("positive", "postive", "zero", "zero"))


# -- tokens -------------------------------------------------------------------------------


def windows(kind: SequenceClassification, given: Row) -> list[dict[str, Any]]:
    return list(kind.encode(given, kind.tokenizer(backbone().tokenizer)))


def test_a_row_becomes_one_window_with_the_number_of_its_label():
    kind = task(labels=["bad", "good"])
    assert windows(kind, row("ab", "good")) == [
        {"input_ids": [65, 66], "source": 2, "lost": 0, "label": 1}
    ]


@pytest.mark.parametrize("label", [None, "", "neither"])
def test_a_row_without_a_known_label_is_encoded_without(label: Any):
    kind = task(labels=["bad", "good"])
    assert windows(kind, row("ab", label)) == [{"input_ids": [65, 66], "source": 2, "lost": 0}]


@pytest.mark.parametrize(("side", "ids"), [("right", [65, 66]), ("left", [67, 68])])
def test_long_texts_are_cut_and_what_is_lost_is_counted(side: str, ids: list[int]):
    kind = task(labels=["bad", "good"], max_length=2, truncation_side=side)
    assert windows(kind, row("abcd", "bad")) == [
        {"input_ids": ids, "source": 2, "lost": 2, "label": 0}
    ]


def test_a_pair_is_encoded_in_its_template():
    kind = task(labels=["x", "y"], text_pair="b", template="{text}!{text_pair}", max_length=4)
    assert windows(kind, row("abcdef", "x", b="g")) == [
        {"input_ids": [65, 66, 1, 71], "source": 3, "lost": 4, "label": 0}
    ]


# -- model --------------------------------------------------------------------------------


def test_the_head_is_linear_without_bias():
    head = task(labels=["a", "b", "c"]).head(backbone())
    assert list(head.state_dict()) == ["weight"]
    assert head.weight.shape == (3, 32)
    assert head.weight.dtype == torch.float32


def test_the_loss_is_a_sum_and_a_count():
    """Two logits 0, 0 cost ln 2; logits 0, ln 3 cost ln 4 or ln 4/3."""
    logits = torch.tensor([[0.0, 0.0], [0.0, math.log(3)], [0.0, math.log(3)]])
    loss, count = task().loss(logits, {"label": torch.tensor([0, 0, 1])})
    assert loss.item() == pytest.approx(math.log(2) + math.log(4) + math.log(4 / 3))
    assert count == 3


def test_predictions_are_the_likeliest_labels_with_all_probabilities():
    logits = torch.tensor([[0.0, math.log(3), math.log(4)], [5.0, 5.0, 5.0]])
    kind = task(labels=["a", "b", "c"])
    first, second = kind.predict(lambda batch: logits, {})
    assert first.value == "c"
    assert first.scores == pytest.approx({"a": 1 / 8, "b": 3 / 8, "c": 4 / 8})
    assert second.value == "a"
    for prediction in (first, second):
        assert math.fsum(prediction.scores.values()) == pytest.approx(1, abs=1e-12)


def test_probabilities_of_extreme_logits_still_sum_to_one():
    logits = torch.tensor([[1e4, -1e4, 3.0], [-80.0, -80.0, -81.0]])
    for prediction in task(labels=["a", "b", "c"]).predict(lambda batch: logits, {}):
        assert math.fsum(prediction.scores.values()) == pytest.approx(1, abs=1e-12)
        assert all(0 <= score <= 1 for score in prediction.scores.values())


def test_one_window_a_row_is_its_prediction():
    only = Prediction("a", {"a": 1.0})
    assert task().merge(row(), [only]) is only


def test_the_layout_names_the_labels_for_plain_transformers():
    layout = task(labels=["1", "2", "10"]).layout()
    assert layout is not None
    assert layout.auto_class == "AutoModelForSequenceClassification"
    assert layout.head_names == ("score",)
    assert layout.config["id2label"] == {0: "1", 1: "2", 2: "10"}
    assert layout.config["label2id"] == {"1": 0, "2": 1, "10": 2}
    assert task(labels=["a", "b"], pooling="mean").layout() is None


def test_the_probe_reads_what_the_head_reads():
    kind = task(labels=["a", "b", "c"], pooling="mean")
    probe = kind.probe()
    assert isinstance(probe, LogisticProbe)
    hidden = torch.randn(2, 3, 4).bfloat16()
    batch = {"attention_mask": torch.tensor([[1, 1, 0], [1, 1, 1]]), "label": torch.tensor([2, 0])}
    assert torch.equal(probe.features(hidden, batch), kind.pool(hidden, batch).float())
    assert probe.targets(batch).tolist() == [2, 0]
    assert probe.classes == 3


def test_the_metrics_are_those_of_the_kind():
    assert tuple(task().metrics) == METRICS
    assert task().select == "log_loss"
    assert METRICS[0] == "accuracy"


# -- baselines ----------------------------------------------------------------------------


class Blind(Row):
    """A row whose label nobody may look at."""

    def get(self, key: Any, default: Any = None) -> Any:
        assert key != "label", "the label of a test row was looked at"
        return super().get(key, default)

    def __getitem__(self, key: Any) -> Any:
        assert key != "label", "the label of a test row was looked at"
        return super().__getitem__(key)


def test_baselines_never_look_at_the_labels_of_the_test(caplog: pytest.LogCaptureFixture):
    kind = task(labels=["bad", "good"])
    train = [row(f"{word} film {n}", label) for n in range(20) for word, label in
             (("great", "good"), ("awful", "bad"))] + [row("great", "good")]  # fmt: skip
    test = [Blind({"text": text, "label": "?"}, "t") for text in ("a great book", "an awful book")]
    with caplog.at_level(logging.WARNING):
        found = kind.baselines(train, train[:10], test)
    assert list(found) == ["majority", "tfidf"]
    assert [p.value for p in found["majority"]] == ["good", "good"]
    assert [p.value for p in found["tfidf"]] == ["good", "bad"]
    assert found["majority"][0].scores == {"bad": 20 / 41, "good": 21 / 41}
    assert not caplog.records


# -- template -----------------------------------------------------------------------------


def test_the_template_stands_around_the_text_and_outlasts_truncation():
    kind = task(labels=["x", "y"], template="<{text}=>", max_length=6)
    assert windows(kind, row("abcdef", "x")) == [
        {"input_ids": [28, 65, 66, 67, 29, 30], "source": 3, "lost": 3, "label": 0}
    ]


@pytest.mark.parametrize(
    ("template", "pair", "parts"),
    [
        (None, None, ("", "", "")),
        (None, "b", ("", "\n", "")),
        ("{text}", None, ("", "", "")),
        ("Review: {text} It is", None, ("Review: ", "", " It is")),
        ("{{{text}}}", None, ("{", "", "}")),
        ("1 {text} 2 {text_pair} 3", "b", ("1 ", " 2 ", " 3")),
    ],
)
def test_the_parts_of_a_template(template: str | None, pair: str | None, parts: tuple[str, ...]):
    assert task(template=template, text_pair=pair)._template() == parts


@pytest.mark.parametrize(
    ("template", "pair", "message"),
    [
        ("{txt} is", None, r"task\.template has no text \{txt\} .*; did you mean 'text'\?"),
        ("{0}", None, r"has no text \{0\} to fill in; it has \{text\}"),
        ("is", None, r"must hold \{text\}, once; got 'is'"),
        ("", None, r"must hold \{text\}, once; got ''"),
        ("{text} {text}", None, r"must hold \{text\}, once; got"),
        ("{text}", "b", r"must hold \{text\} \{text_pair\}, once and in that order; got"),
        ("{text_pair} {text}", "b", r"once and in that order; got"),
        ("{text_pair} {text}", None, r"has no text \{text_pair\} to fill in"),
        ("{text", None, r"task\.template can't be read: .*; write a brace .* twice"),
        ("{text:>3}", None, r"task\.template: \{text\} takes no format; got"),
        (r"{text}\n so", None, r"a backslash and an n, where a line break may be meant"),
        ("{text!r}", None, r"task\.template: \{text\} takes no format; got"),
    ],
)
def test_a_template_that_can_not_be_filled_is_refused(
    template: str, pair: str | None, message: str
):
    with pytest.raises(ConfigError, match=message):
        task(template=template, text_pair=pair)


def test_a_template_that_leaves_no_token_for_the_text_is_refused():
    kind = task(template="{text} is it", max_length=6)
    with pytest.raises(ConfigError, match=r"takes 6 tokens, and task\.max_length=6 leaves none"):
        kind.tokenizer(backbone().tokenizer)

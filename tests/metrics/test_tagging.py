"""Metrics of tagged words: those of seqeval, conlleval's rules, worked by hand, at the edges."""

import math

import evaluate
import numpy as np
import pytest
import seqeval.metrics
from hypothesis import given, settings
from hypothesis import strategies as st
from metric_families import CONLL, OF_TAGS, STRICT
from seqeval.scheme import IOB2

from gptasks.errors import DataError
from gptasks.metrics import metric_class, point, score_all
from gptasks.tags import repaired
from gptasks.task import Prediction

TAGS = ["O", "B-PER", "I-PER", "B-a-b", "I-a-b", "B-LOC", "I-LOC"]
PAIRS = st.lists(st.lists(st.tuples(*[st.sampled_from(TAGS)] * 2), max_size=8), min_size=1)
"""Rows of (predicted, expected) tags, mostly no valid BIO."""


def columns(pairs):
    predictions = [[said for said, _ in row] for row in pairs]
    return predictions, [[meant for _, meant in row] for row in pairs]


def value(name, predictions, references):
    return point(name, [Prediction(tags) for tags in predictions], references, [])


def of_seqeval(predictions, references, **reading):
    return [
        float(score(references, predictions, zero_division=0, **reading))
        for score in (
            seqeval.metrics.precision_score,
            seqeval.metrics.recall_score,
            seqeval.metrics.f1_score,
        )
    ]


def counts_of_conlleval(predictions, references):
    """Entities found, predicted and expected, by the rules of the CoNLL-2000 script: one pass over
    all words, an O between the sentences, chunks opened and closed in both columns at once."""

    def ends(before, now):
        (tag, label), (next_tag, next_label) = before, now
        return tag != "O" and (next_tag in "BO" or label != next_label)

    def starts(before, now):
        (tag, label), (next_tag, next_label) = before, now
        return next_tag != "O" and (next_tag == "B" or tag == "O" or label != next_label)

    def split(tag):
        prefix, _, label = tag.partition("-")
        return prefix, label

    found = predicted = expected = 0
    together = False  # whether a chunk is open that began at one word, of one label, in both
    outside = ("O", "")
    said_before = meant_before = outside
    for said_row, meant_row in zip(predictions, references, strict=True):
        said_words, meant_words = map(split, said_row), map(split, meant_row)
        words = [*zip(said_words, meant_words, strict=True), (outside, outside)]
        for said, meant in words:
            said_ends, meant_ends = ends(said_before, said), ends(meant_before, meant)
            if together and said_ends and meant_ends:
                found, together = found + 1, False
            elif together and (said_ends != meant_ends or said[1] != meant[1]):
                together = False
            said_starts, meant_starts = starts(said_before, said), starts(meant_before, meant)
            together |= said_starts and meant_starts and said[1] == meant[1]
            predicted, expected = predicted + said_starts, expected + meant_starts
            said_before, meant_before = said, meant
    return found, predicted, expected


@settings(deadline=None)
@given(PAIRS)
def test_strict_is_seqevals_to_the_last_digit(pairs):
    wanted = of_seqeval(*columns(pairs), mode="strict", scheme=IOB2)
    assert [value(name, *columns(pairs)) for name in STRICT] == wanted


@settings(deadline=None)
@given(PAIRS)
def test_conlls_is_seqevals_default_to_the_last_digit(pairs):
    assert [value(name, *columns(pairs)) for name in CONLL] == of_seqeval(*columns(pairs))


@settings(deadline=None)
@given(PAIRS)
def test_conlls_is_conllevals_to_the_last_digit(pairs):
    found, predicted, expected = counts_of_conlleval(*columns(pairs))
    precision = found / predicted if predicted else 0.0
    recall = found / expected if expected else 0.0
    f1 = 2 * precision * recall / (precision + recall) if found else 0.0
    assert [value(name, *columns(pairs)) for name in CONLL] == [precision, recall, f1]


@settings(deadline=None)
@given(PAIRS)
def test_the_readings_agree_on_valid_tags(pairs):
    predictions, references = ([repaired(tags)[0] for tags in side] for side in columns(pairs))
    for strict, conll in zip(STRICT, CONLL, strict=True):
        assert value(strict, predictions, references) == value(conll, predictions, references)


@settings(deadline=None)
@given(PAIRS.filter(any))
def test_token_accuracy_is_seqevals(pairs):
    predictions, references = columns(pairs)
    wanted = seqeval.metrics.accuracy_score(references, predictions)
    assert value("token_accuracy", predictions, references) == wanted


def test_by_hand():
    references = [
        ["B-PER", "I-PER", "O", "B-LOC", "O"],
        ["O", "B-ORG", "I-ORG", "O"],
        ["B-PER", "B-PER"],
    ]
    predictions = [
        ["B-PER", "I-PER", "O", "I-LOC", "O"],  # LOC has no B-: conlleval's reading alone finds it
        ["O", "B-ORG", "O", "I-ORG"],  # its end is wrong; the second ORG is conlleval's alone
        ["B-PER", "I-PER"],  # one for two
    ]
    # Expected 5. Strict: 3 predicted, 1 found. conlleval: 5 predicted, 2 found. 7 of 11 words.
    wanted = (1 / 3, 1 / 5, 1 / 4, 2 / 5, 2 / 5, 2 / 5, 7 / 11)
    found = {name: value(name, predictions, references) for name in OF_TAGS}
    assert found == pytest.approx(dict(zip(OF_TAGS, wanted, strict=True)), abs=1e-15)
    assert counts_of_conlleval(predictions, references) == (2, 5, 5)


def test_an_entity_never_goes_on_in_the_next_row():
    rows = [["B-a"], ["I-a"]]
    assert value("entity_recall_conll", [["B-a"], ["O"]], rows) == 1 / 2


def test_the_label_counts_and_so_do_both_ends():
    expected = [["O", "B-a", "I-a", "O"]]
    for said in (["O", "B-b", "I-b", "O"], ["B-a", "I-a", "I-a", "O"], ["O", "B-a", "I-a", "I-a"]):
        assert value("entity_f1", [said], expected) == 0.0


def test_rows_weigh_by_their_entities():
    references = [["B-a"] * 9, ["B-a"]]
    assert value("entity_recall", [["B-a"] * 9, ["O"]], references) == 9 / 10


@pytest.mark.parametrize("name", [*STRICT, *CONLL])
def test_no_entities_score_0_as_in_seqeval(name):
    assert value(name, [["O", "O"]], [["O", "O"]]) == 0.0
    assert value(name, [["O"]], [["B-a"]]) == 0.0
    assert value(name, [["B-a"]], [["O"]]) == 0.0


def test_a_resample_without_entities_counts_as_0():
    score = score_all(["entity_f1"], [Prediction(["B-a"]), Prediction(["O"])], [["B-a"], ["O"]], [])
    assert (score["entity_f1"].value, score["entity_f1"].low, score["entity_f1"].high) == (1, 0, 1)


def test_no_words_have_no_token_accuracy_and_drop_out_of_resamples():
    assert math.isnan(value("token_accuracy", [[]], [[]]))
    predictions = [Prediction(["B-a"]), Prediction([])]
    score = score_all(["token_accuracy"], predictions, [["B-a"], []], [])["token_accuracy"]
    assert (score.value, score.low, score.high) == (1, 1, 1)


def test_token_accuracy_takes_tags_of_any_scheme():
    assert value("token_accuracy", [["NN", "VB"]], [["NN", "NNS"]]) == 1 / 2


def test_a_resample_is_what_the_metric_gives_of_the_drawn_rows():
    generator = np.random.default_rng(4)
    rows = [generator.choice(TAGS, (length, 2)).tolist() for length in generator.integers(0, 9, 30)]
    predictions, references = columns(rows)
    drawn = generator.integers(0, 30, 30)
    weights = np.bincount(drawn, minlength=30).astype(float)[:, None]
    for name in OF_TAGS:
        measured = metric_class(name)().prepare(predictions, references)(weights)
        wanted = value(name, [predictions[k] for k in drawn], [references[k] for k in drawn])
        assert measured.tolist() == [wanted], name


# -- as metrics of evaluate -----------------------------------------------------------------------


@pytest.mark.parametrize("name", OF_TAGS)
def test_lists_tuples_and_arrays_are_taken_in_every_way(name):
    predictions, references = [["B-a", "O"], [], ["I-a"]], [["B-a", "B-a"], [], ["B-a"]]
    wanted = value(name, predictions, references)
    metric = metric_class(name)()
    arrays = [np.array(tags, dtype=str) for tags in references]
    for said, meant in (
        (predictions, references),
        ([tuple(tags) for tags in predictions], arrays),
        (predictions[::-1], references[::-1]),
    ):
        assert metric.compute(predictions=said, references=meant, resamples=0) == {name: wanted}
    metric.add_batch(predictions=predictions[1:2], references=references[1:2])
    metric.add_batch(predictions=predictions[:1], references=references[:1])
    metric.add(prediction=predictions[2], reference=references[2])
    assert metric.compute(resamples=0) == {name: wanted}


def test_they_combine():
    found = evaluate.combine([metric_class(name)() for name in OF_TAGS]).compute(
        predictions=[["B-a", "I-a"]], references=[["B-a", "I-a"]], resamples=0
    )
    assert found == dict.fromkeys(OF_TAGS, 1.0)


def test_signatures_tell_the_readings_apart():
    assert metric_class("entity_f1")().signature() == "entity_f1|reading:strict|average:micro|v:1"
    assert (
        metric_class("entity_f1_conll")().signature()
        == "entity_f1_conll|reading:conlleval|average:micro|v:1"
    )
    assert metric_class("token_accuracy")().signature(labels=["a"]) == "token_accuracy|v:1"


@pytest.mark.parametrize("name", OF_TAGS)
def test_rows_of_unequal_length_are_named(name):
    message = r"row 1 \(from 0\): 1 predicted tags for 2 expected; give one of each per word"
    with pytest.raises(DataError, match=message):
        value(name, [["O"], ["O"]], [["O"], ["O", "O"]])
    with pytest.raises(DataError, match=message):
        metric_class(name)().compute(predictions=[["O"], ["O"]], references=[["O"], ["O", "O"]])


@pytest.mark.parametrize("row", ["B-a", None, 3, {"B-a": 1}])
def test_a_row_that_is_no_list_is_named(row):
    for side, columns in (("predictions", ([row], [["O"]])), ("references", ([["O"]], [row]))):
        message = rf"row 0 \(from 0\), {side}: a row is a list of tags, one a word; got"
        with pytest.raises(DataError, match=message):
            value("token_accuracy", *columns)
        with pytest.raises(DataError, match=message):
            metric_class("entity_f1")().add_batch(predictions=columns[0], references=columns[1])


@pytest.mark.parametrize("name", [*STRICT, *CONLL])
def test_a_tag_that_is_no_bio_is_named(name):
    message = r"row 1 \(from 0\), references: word 0 \(from 0\): the tag 'S-a' is none of O, B-la"
    with pytest.raises(DataError, match=message):
        value(name, [["O"], ["O"]], [["O"], ["S-a"]])

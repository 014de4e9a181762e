"""Majority by count; TF-IDF by words, or by characters where words are not spaced."""

from __future__ import annotations

import math
import random

import pytest

from gptasks.tasks.baselines import majority, tfidf

pytestmark = pytest.mark.filterwarnings("error")  # nothing of scikit-learn's reaches the user
LABELS = ("bad", "good")


def reviews(
    good: list[str], bad: list[str], pattern: str, n: int = 40
) -> tuple[list[str], list[str]]:
    """`n` texts that differ in a number and say one word of their label."""
    generator = random.Random(0)
    labels = ["good" if i % 2 else "bad" for i in range(n)]
    texts = [
        pattern.format(i, generator.choice(good if label == "good" else bad))
        for i, label in enumerate(labels)
    ]
    return texts, labels


def test_the_majority_is_the_most_frequent_label_with_all_shares():
    found = majority(["a", "b", "b", "c"], 3, ["a", "b", "c", "d"])
    assert len(found) == 3
    assert {p.value for p in found} == {"b"}
    assert found[0].scores == {"a": 0.25, "b": 0.5, "c": 0.25, "d": 0.0}


def test_a_tie_goes_to_the_first_label():
    assert majority(["z", "a", "a", "z"], 1, ["a", "z"])[0].value == "a"
    assert majority(["z", "a", "a", "z"], 1, ["z", "a"])[0].value == "z"


def test_no_rows_to_answer_give_no_answers():
    assert majority(["a"], 0, ["a", "b"]) == []


def test_english_is_learnt_by_words():
    train = reviews(["great", "lovely"], ["awful", "dull"], "film number {} was {}")
    texts = ["a great evening", "so dull", "LOVELY", "awful, awful"]
    found = tfidf(train, train, texts, LABELS)
    assert [p.value for p in found] == ["good", "bad", "good", "bad"]
    for prediction in found:
        assert list(prediction.scores) == list(LABELS)
        assert math.fsum(prediction.scores.values()) == pytest.approx(1)
        assert prediction.scores[prediction.value] == max(prediction.scores.values())


@pytest.mark.parametrize(
    ("good", "bad", "pattern", "texts"),
    [
        (["喜欢", "很棒"], ["讨厌", "糟糕"], "这部电影{}我觉得{}极了", ["我很喜欢它", "真糟糕啊"]),
        (["楽しい"], ["ひどい"], "この{}番の映画はとても{}です", ["楽しい本", "ひどい本"]),
        (["สนุก"], ["แย่"], "หนังเรื่องที่{}นี้{}มาก", ["เกมสนุก", "เกมแย่"]),
    ],
    ids=["Chinese", "Japanese", "Thai"],
)
def test_scripts_without_spaces_are_learnt_by_characters(
    good: list[str], bad: list[str], pattern: str, texts: list[str]
):
    """By words every one of these texts would be a single unknown word."""
    train = reviews(good, bad, pattern)
    assert [p.value for p in tfidf(train, train, texts, LABELS)] == ["good", "bad"]


def test_a_class_without_a_training_row_has_the_probability_0():
    train = reviews(["great"], ["awful"], "film {} was {}")
    (found,) = tfidf(train, train, ["a great one"], ["bad", "fair", "good"])
    assert found.value == "good"
    assert found.scores["fair"] == 0.0
    assert math.fsum(found.scores.values()) == pytest.approx(1)


def test_three_classes_keep_the_order_of_the_labels():
    texts = [f"{word} {n}" for n in range(10) for word in ("one", "two", "ten")]
    train = (texts, ["1", "2", "10"] * 10)
    found = tfidf(train, train, ["one", "two", "ten"], ["1", "2", "10"])
    assert [p.value for p in found] == ["1", "2", "10"]
    assert [list(p.scores) for p in found] == [["1", "2", "10"]] * 3


@pytest.mark.parametrize(
    ("texts", "labels"),
    [(["!!", "??", "..", "--"], ["good", "bad", "good", "good"]), (["a", "b"], ["good", "good"])],
    ids=["no word at all", "one class only"],
)
def test_nothing_to_tell_apart_by_falls_back_to_the_majority(texts: list[str], labels: list[str]):
    found = tfidf((texts, labels), (texts, labels), ["new", "text"], LABELS)
    assert found == majority(labels, 2, LABELS)


def test_a_text_of_unknown_words_gets_an_answer():
    train = reviews(["great"], ["awful"], "film {} was {}")
    (found,) = tfidf(train, train, ["qwertz"], LABELS)
    assert math.fsum(found.scores.values()) == pytest.approx(1)

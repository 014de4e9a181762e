"""ROUGE: the library's numbers for English, and right ones for all other scripts."""

import unicodedata

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from metric_families import OF_TEXTS
from rouge_score.rouge_scorer import RougeScorer
from rouge_score.tokenizers import DefaultTokenizer

from gptasks.errors import DataError
from gptasks.metrics import metric_class, point, score_all
from gptasks.metrics.overlap import tokens
from gptasks.task import Prediction
from gptasks.words import words

TEXTS = {
    "English": "The naïve model's 2nd answer\nwas no better, was it?",
    "Chinese": "中国队在2024年奥运会上夺得金牌。\n观众人山人海,欢呼声不断!",
    "Japanese": "東京タワーは333メートルです。\n人々はコーヒーを飲む。",
    "Korean": "서울은 대한민국의 수도이다.",
    "Thai": "กรุงเทพมหานครเป็นเมืองหลวงของไทย ๒๕๖๗",
    "Burmese": "မြန်မာနိုင်ငံ၏ မြို့တော်",
    "Russian": "Москва — столица России.\nЁлка зелёная.",
    "Greek": "Η Αθήνα είναι η πρωτεύουσα.",
    "Hindi": "नई दिल्ली भारत की राजधानी है।",
    "Arabic": "القاهرة هي عاصمة مصر، أليس كذلك؟",
    "Hebrew": "יְרוּשָׁלַיִם עיר הבירה",
    "German": "Größe und Fußgängerübergänge",
    "mixed": "OpenAI发布了GPT-4o,Москва и café за 5€",
}

ASCII = st.characters(max_codepoint=127)
SIGNS = st.characters(categories=["P", "S", "Z", "Cc", "Cf"])
"""Quotation marks, dashes, currencies, emoji and the like: no letters, digits or marks."""
ENGLISH = st.text(st.sampled_from("aAbBcC zZ019 .,'-_\n\t’“”…—€©🙂\u200b"), max_size=40)
ANY_SCRIPT = st.text(st.sampled_from(sorted(set("".join(TEXTS.values())))), max_size=30)


def value(name, prediction, reference):
    return point(name, [Prediction(prediction)], [reference], [])


@given(st.text(ASCII | SIGNS))
def test_tokens_of_english_are_those_of_the_library(text):
    assert tokens(text) == DefaultTokenizer().tokenize(text)


@pytest.mark.parametrize("name", OF_TEXTS)
def test_english_scores_are_those_of_the_library_to_the_last_digit(name):
    @settings(deadline=None)
    @given(ENGLISH, ENGLISH)
    def check(prediction, reference):
        wanted = RougeScorer([name]).score(reference, prediction)[name].fmeasure
        assert value(name, prediction, reference) == wanted

    check()


@pytest.mark.parametrize("name", OF_TEXTS)
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_a_text_scores_1_against_itself_in_any_script(name, text):
    assert value(name, text, text) == 1.0
    assert value(name, unicodedata.normalize("NFD", text), text) == 1.0


@settings(deadline=None)
@given(ANY_SCRIPT)
def test_no_letter_and_no_digit_is_dropped(text):
    kept = unicodedata.normalize("NFC", text.lower())
    assert [c for c in kept if c.isalnum()] == [c for c in "".join(tokens(text)) if c.isalnum()]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("中国队2024年", ["中", "国", "队", "2024", "年"]),
        ("GPT-4o很好", ["gpt", "4o", "很", "好"]),
        ("人々はABC", ["人", "々", "は", "abc"]),
        ("コーヒー、です・ます", ["コ", "ー", "ヒ", "ー", "で", "す", "ま", "す"]),
        ("𠮷野家 豈", ["𠮷", "野", "家", "豈"]),  # beyond 16 bits; a compatibility character, NFC
        ("กิน น้ำ", ["กิ", "น", "น้", "ำ"]),  # a letter with its vowel and tone
        ("दिल्ली है", ["दिल्ली", "है"]),
        ("한국어 책", ["한국어", "책"]),
        ("Ёлка, ёлка", ["ёлка", "ёлка"]),
        ("cafe\u0301 café", ["café", "café"]),
        ("don't snake_case", ["don", "t", "snake", "case"]),
        ("❤️ I ❤️", ["i"]),  # the selector that follows a heart is a mark on no letter
        ("\u0301 …。!", []),
    ],
)
def test_tokens_by_hand(text, wanted):
    assert tokens(text) == wanted


def test_words_keep_their_case():
    assert words("Größe: 12 km/h") == ["Größe", "12", "km", "h"]


def test_chinese_by_hand():
    prediction, reference = "我爱北京", "我爱上海。"
    assert value("rouge1", prediction, reference) == 1 / 2  # 我, 爱 of 4 and 4
    assert value("rouge2", prediction, reference) == pytest.approx(1 / 3)  # 我爱 of 3 and 3
    assert value("rougeL", "北京我爱", reference) == 1 / 2  # 我爱 in order
    assert value("rougeL", "海上爱我", reference) == 1 / 4  # all in common, one in order


def test_sentences_are_lines():
    reference = "我爱北京\n他爱上海"
    turned = "他爱上海\n我爱北京"
    assert value("rougeLsum", turned, reference) == 1.0
    assert value("rougeL", turned, reference) < 1.0
    assert value("rougeLsum", turned.replace("\n", "。"), reference) == pytest.approx(1.0)


@pytest.mark.parametrize("name", OF_TEXTS)
def test_what_has_no_words_scores_0(name):
    for prediction, reference in (("", "a b"), ("a b", ""), ("", ""), ("。!", "。!")):
        assert value(name, prediction, reference) == 0.0


def test_one_word_has_no_pairs():
    assert [value(name, "雪", "雪") for name in OF_TEXTS] == [1.0, 0.0, 1.0, 1.0]


def test_a_score_is_the_mean_over_rows_with_its_interval():
    predictions, references = ["我爱北京", "yes", ""], ["我爱上海", "yes", "no"]
    rows = [value("rouge1", *pair) for pair in zip(predictions, references, strict=True)]
    assert rows == [0.5, 1.0, 0.0]
    given = [Prediction(text) for text in predictions]
    score = score_all(["rouge1"], given, references, [], resamples=500)["rouge1"]
    assert score.value == 0.5
    draws = np.random.default_rng(0).integers(0, 3, (500, 3))
    wanted = np.quantile(np.array(rows)[draws].mean(axis=1), [0.025, 0.975])
    assert [score.low, score.high] == pytest.approx(wanted)


def test_signatures_hold_the_choices():
    choices = "f-measure|average:rows|case:lower|tokens:words+unspaced-letters|stemmer:no"
    assert [metric_class(name)().signature(labels=["a"]) for name in OF_TEXTS] == [
        f"rouge1|{choices}|v:1",
        f"rouge2|{choices}|v:1",
        f"rougeL|{choices}|v:1",
        f"rougeLsum|{choices}|sentences:lines|v:1",
    ]


def test_what_is_no_text_is_named():
    message = r"row 1 \(from 0\): metric 'rougeL' compares texts; the prediction is None"
    with pytest.raises(DataError, match=message):
        metric_class("rougeL")().compute(predictions=["a", None], references=["a", "b"])
    message = r"row 0 \(from 0\): metric 'rouge1' compares texts; the reference is \['a'\]"
    with pytest.raises(DataError, match=message):
        value("rouge1", "a", ["a"])

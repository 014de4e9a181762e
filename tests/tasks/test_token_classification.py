"""Words, tags, windows, loss and predictions of token classification."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny_models import MIXED, backbone, merged

from gptasks.data.encoding import IGNORED
from gptasks.errors import ConfigError, DataError
from gptasks.task import Prediction, Row
from gptasks.tasks.token_classification import TokenClassification
from gptasks.tasks.windows import windows as windows_of
from gptasks.words import units

TAGS = ["O", "B-CITY", "I-CITY", "B-DAY", "I-DAY"]


def task(**options: Any) -> TokenClassification:
    return TokenClassification(**{"labels": list(TAGS), **options})


def row(tokens: Any = ("to", "Bonn"), tags: Any = ("O", "B-CITY"), **more: Any) -> Row:
    held = {name: list(v) if isinstance(v, tuple) else v for name, v in more.items()}
    given = {"tokens": tokens, "tags": tags}
    lists = {name: list(v) if isinstance(v, tuple) else v for name, v in given.items()}
    return Row({**lists, **held}, "a.conll:1")


def marked(text: Any, *spans: tuple[int, int, str]) -> Row:
    listed = [{"start": start, "end": end, "label": label} for start, end, label in spans]
    return Row({"text": text, "spans": listed}, "a.jsonl:1")


# -- rows ---------------------------------------------------------------------------------


def test_tags_of_other_schemes_become_bio():
    read = task().read(row(("New", "York", "Rome"), ("B-CITY", "E-CITY", "S-CITY")))
    assert read is not None
    assert read["tags"] == ["B-CITY", "I-CITY", "B-CITY"]
    assert read.id == "a.conll:1"


def test_words_and_tags_may_be_texts_with_spaces():
    read = task().read(row("to  Bonn", "O B-CITY"))
    assert read is not None
    assert task().reference(read) == ["O", "B-CITY"]
    assert task().key(read) == "to Bonn"


def test_the_words_of_scripts_without_spaces_are_joined_without_them():
    assert task().key(row(("在", "北京", "AI", "和", "AI"), ("O",) * 5)) == "在北京 AI 和 AI"


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("他 说 ： “ 去 北京 ” 。 AI ， 好 ！", "他说：“去北京”。AI，好！"),
        ("我 用 GPT - 2 （ 英文 ）", "我用 GPT - 2（英文）"),
        ("a ( b ) 北 / 京", "a ( b )北/京"),
        ("東京 タワー ・ 駅", "東京タワー・駅"),
    ],
)
def test_signs_beside_scripts_without_spaces_have_none_either(words: str, text: str):
    kind, given = task(), Row({"tokens": words}, "r")
    assert kind.key(given) == text
    assert kind._texts(given) == words.split()


def test_spans_of_characters_become_tags_of_words():
    text = "Ab Köln, am 3. Mai ins 北京站"
    kind, given = task(), marked(text, (3, 7, "CITY"), (12, 18, "DAY"), (23, 25, "CITY"))
    assert kind.read(given) is given
    words = [text[start:end] for start, end in kind._words(given)[1]]
    assert words == ["Ab", "Köln", ",", "am", "3", ".", "Mai", "ins", "北", "京", "站"]
    tags = dict(zip(words, kind.reference(given) or [], strict=True))
    assert {word: tag for word, tag in tags.items() if tag != "O"} == {
        "Köln": "B-CITY", "3": "B-DAY", ".": "I-DAY", "Mai": "I-DAY", "北": "B-CITY",
        "京": "I-CITY",
    }  # fmt: skip


def test_spaces_at_the_ends_of_a_span_do_not_count():
    assert task().reference(marked("to Bonn now", (2, 8, "CITY"))) == ["O", "B-CITY", "O"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (row(("a", "b"), ("O",)), r"^column 'tags' has 1 tags for the 2 words of 'tokens'; give"),
        (row(("a",), ("X",)), r"^word 0 \(from 0\): the tag 'X' is none of O, B-label"),
        (row((), ()), r"^column 'tokens' has no words$"),
        (row(("a", " "), ("O", "O")), r"^column 'tokens': word 1 \(from 0\) is empty$"),
        (row(("a\ud800",), ("O",)), r"^column 'tokens' holds half a character .*\\ud800"),
        (row({"a": 1}), r"^column 'tokens' holds a dict, where a list or a text with spaces is"),
        (row((["a"],), ("O",)), r"^column 'tokens' holds a list, where a text or a number is r"),
        (Row({"tokens": ["a"], "tag": ["O"]}, "r"), r"^column 'tags' is not there; did you mean"),
        (Row({"words": ["a"]}, "r"), r"^neither column 'tokens' nor column 'text' is there"),
        (marked("  "), r"^column 'text' has no words$"),
        (Row({"text": "a"}, "r"), r"^column 'spans' is not there .*; set task\.spans=COLUMN, or "
         r"task\.data\.format=conll where each line is a word with its tag$"),
        (marked("to Bonn", (3, 8, "CITY")), r"CITY from 3 to 8 is not within the 7 characters"),
        (marked("to Bonn", (3, 5, "CITY")), r"CITY from 3 to 5, 'Bo', does not begin and end with"),
        (marked("to Bonn", (3, 3, "CITY")), r"CITY from 3 to 3 is not within"),
        (marked("Bonn", (0, 4, "CITY"), (0, 4, "DAY")), r"two spans share word 0 \(from 0\)"),
        (Row({"text": "a", "spans": "x"}, "r"), r"^column 'spans' holds a str, where a list"),
        (Row({"text": "a", "spans": "x"}, "r"), r"a list is read, as jsonl and parquet files"),
        (Row({"text": "a", "spans": None}, "r"), r"^column 'spans' is empty; where nothing is m"),
        (row(("a",), None), r"^column 'tags' is empty$"),
        *((Row({"text": "a", "spans": [span]}, "r"), r"^column 'spans' holds .*, where {\"st")
          for span in (
              [0, 1], {"start": 0, "end": 1}, {"start": 0.5, "end": 1, "label": "X"},
              {"start": False, "end": 1, "label": "X"}, {"start": 0, "end": math.inf, "label": "X"},
              {"start": 0, "end": 1, "label": None}, {"start": 0, "end": 1, "label": [1]},
              {"start": 0, "end": 1, "label": " "}, {"start": "0", "end": 1, "label": "X"},
          )),
    ],
)  # fmt: skip
def test_an_unusable_row_says_why(given: Row, message: str):
    with pytest.raises(DataError, match=message):
        task().read(given)


def test_offsets_and_labels_that_a_table_made_floats_of_or_spaced_are_what_was_meant():
    given = Row(
        {
            "text": "a b",
            "spans": [
                {"start": 2.0, "end": 3.0, "label": 7.0},
                {"start": 0, "end": 1, "label": " X "},
            ],
        },
        "r",
    )
    assert task().reference(given) == ["B-X", "B-7"]


@pytest.mark.parametrize("none", [None, ""])
def test_where_a_row_has_no_words_its_text_is_read(none: Any):
    given = Row({"tokens": none, "text": "to Bonn", "spans": [], "tags": none}, "r")
    assert task().read(given) is given
    assert (task().key(given), task().reference(given)) == ("to Bonn", ["O", "O"])


def test_a_row_to_predict_needs_no_tags():
    for unlabelled in (Row({"tokens": ["a"]}, "r"), Row({"text": "a"}, "r")):
        assert task().read_input(unlabelled) is unlabelled
        assert task().reference(unlabelled) is None
    assert task().row_of("to Bonn", "text 1") == {"text": "to Bonn"}


def test_labels_are_outside_then_both_tags_of_each_entity():
    kind = task(labels=[])
    kind.learn_labels([row(("a", "b"), ("I-DAY", "O")), row(("a",), ("B-CITY",))])
    assert kind.labels == TAGS
    assert task(labels=["CITY", "DAY"]).labels == TAGS


@pytest.mark.parametrize(
    ("labels", "fault"),
    [
        (["O", "PER", "LOC"], "task.labels names 'PER', which is neither O nor begins with B- or"),
        (["O", "B-PER", "I-PER", "FOO"], "task.labels names 'FOO', which is neither"),
        (["B-PER", "I-PER"], "task.labels names tags and lacks O; add what is missing, or name "
         "the entities alone, as [PER]."),
        (["O", "B-PER", "I-LOC"], "lacks I-PER, B-LOC; add"),
        (["PER", " "], "task.labels names an entity without a name"),
        (["O", "B-", "I-"], "task.labels names an entity without a name"),
    ],
)  # fmt: skip
def test_labels_are_all_tags_or_entities_alone(labels: list[str], fault: str):
    with pytest.raises(ConfigError, match=re.escape(fault)):
        task(labels=labels)


def test_unknown_tags_and_a_train_split_without_entities_are_refused():
    with pytest.raises(DataError, match=r"a\.conll:1: the tag 'B-CTY' of word 0 \(from 0\) of test "
                       r"is not among the tags that are learnt; did you mean 'B-CITY'\? Entities "
                       r"learnt: CITY, DAY\. Correct the row, or name all by task"):  # fmt: skip
        task().check_rows("test", [row(("a",), ("B-CTY",))])
    with pytest.raises(DataError, match=r"no word of the training rows has a tag other than O"):
        task(labels=["O"]).check_rows("train", [row(("a",), ("O",))])
    task(labels=["O"]).check_rows("test", [row(("a",), ("O",))])


# -- windows ------------------------------------------------------------------------------


def encoded(kind: TokenClassification, given: Row) -> list[dict[str, Any]]:
    return list(kind.encode(given, kind.tokenizer(backbone().tokenizer)))


def test_the_tag_stands_at_the_last_token_of_its_word():
    (window,) = encoded(task(), row(("to", "Köln"), ("O", "B-CITY")))
    assert len(window["input_ids"]) == len("to Köln".encode())  # the tiny tokenizer's are bytes
    assert window["words"] == [1, 7]
    assert window["labels"] == [IGNORED, 0, *[IGNORED] * 5, 1]


@pytest.mark.parametrize("text", MIXED)
def test_every_word_has_a_token_and_a_target_of_its_own(text: str):
    """Also where the backbone's tokenizer has tokens of several words, such as 北京 and "'t"."""
    ends = [end for _, end in units(text)]
    kind, given = task(), marked(text, (*units(text)[0], "DAY"), (*units(text)[-1], "CITY"))
    tokenizer = kind.tokenizer(merged())
    (window,) = kind.encode(given, tokenizer)
    assert len(set(window["words"])) == len(ends)
    tags = kind.reference(given)
    assert [TAGS[window["labels"][place]] for place in window["words"]] == tags
    places = tokenizer.placed(text)[1]
    assert [places[place][1] for place in window["words"]] == ends  # and it is the word's last


def test_a_row_without_tags_has_no_targets():
    (window,) = encoded(task(), Row({"text": "to Bonn"}, "r"))
    assert "labels" not in window
    assert window["words"] == [1, 6]


@given(
    lengths=st.lists(st.integers(1, 9), min_size=1, max_size=40),
    room=st.integers(2, 12),
    overlap=st.integers(0, 11),
)
def test_every_word_is_tagged_once_and_where_most_is_shown(
    lengths: list[int], room: int, overlap: int
):
    overlap = min(overlap, room - 1)
    last = [sum(lengths[: n + 1]) - 1 for n in range(len(lengths))]
    tokens = last[-1] + 1
    found = list(windows_of(last, tokens, room, overlap))
    assert sum(count for _, _, count in found) == len(lengths)
    start = 0
    for begin, end, count in found:
        assert end - begin <= room
        assert all(begin <= place < end for place in last[start : start + count])
        start += count
    if overlap % 2 == 0 and len(found) > 1:  # inside, half of the overlap is shown on either side
        start = 0
        for begin, end, count in found:
            for place in last[start : start + count]:
                assert begin == 0 or place - begin >= overlap // 2 - 1
                assert end == tokens or end - 1 - place >= overlap // 2 - 1
            start += count


def test_the_windows_of_a_long_row_hold_all_its_words_and_targets():
    words = tuple(f"w{n}" for n in range(40))
    tags = tuple("B-DAY" if n % 7 == 0 else "O" for n in range(40))
    windows = encoded(task(max_length=20, overlap=6), row(words, tags))
    assert len(windows) > 5
    assert all(len(window["input_ids"]) <= 20 for window in windows)
    said = [w["labels"][position] for w in windows for position in w["words"]]
    assert said == [TAGS.index(tag) for tag in tags]
    assert sum(label != IGNORED for w in windows for label in w["labels"]) == 40


def test_windows_that_would_not_move_on_are_refused():
    with pytest.raises(ConfigError, match=r"task\.overlap=8 must be less than task\.max_length=8"):
        task(max_length=8, overlap=8)


# -- model --------------------------------------------------------------------------------


def test_the_loss_is_summed_over_the_words_alone():
    logits = torch.randn(1, 3, 5)
    batch = {"labels": torch.tensor([[IGNORED, 2, 4]])}
    loss, targets = task().loss(logits, batch)
    one_by_one = -logits.log_softmax(-1)
    assert targets == 2
    assert float(loss) == pytest.approx(float(one_by_one[0, 1, 2] + one_by_one[0, 2, 4]))


def test_a_prediction_reads_the_last_token_of_each_word():
    logits = torch.zeros(1, 7, 5)
    logits[0, 1, 0], logits[0, 6, 1] = 9.0, 9.0
    (part,) = task().predict(lambda batch: logits, {"words": [[1, 6]]})
    merged = task().merge(Row({"text": "to Bonn"}, "r"), [part])
    sure = pytest.approx(0.9995, abs=1e-4)
    assert merged.value == ["O", "B-CITY"]
    assert merged.details["entities"] == [
        {"text": "Bonn", "start": 3, "end": 7, "label": "CITY", "score": sure}
    ]
    assert [word["tag"] for word in merged.details["words"]] == merged.value
    assert merged.scores["probability"] == sure


def test_an_inside_without_a_beginning_begins_there_and_is_counted():
    part = Prediction(["I-CITY", "I-CITY", "I-DAY"], details={"sure": [0.5, 0.7, 0.9]})
    merged = task().merge(Row({"text": "São Paulo today"}, "r"), [part])
    assert merged.value == ["I-CITY", "I-CITY", "I-DAY"]  # as the model gave them
    assert [(e["text"], e["label"], e["score"]) for e in merged.details["entities"]] == [
        ("São Paulo", "CITY", pytest.approx(0.6)),
        ("today", "DAY", 0.9),
    ]
    assert merged.details["repaired"] == 2
    assert task().tally([merged, merged]) == {"repaired_tags": 4}


def test_an_entity_that_spans_two_windows_is_one():
    parts = [Prediction(["B-CITY"], details={"sure": [1.0]}),
             Prediction(["I-CITY"], details={"sure": [0.5]})]  # fmt: skip
    merged = task().merge(row(("New", "York"), ("O", "O")), parts)
    assert [(e["text"], e["start"], e["end"]) for e in merged.details["entities"]] == [
        ("New York", 0, 8)
    ]


def test_the_probe_fits_the_words_and_their_bias():
    probe = task().probe()
    hidden = torch.randn(2, 3, 4)
    batch = {"labels": torch.tensor([[0, IGNORED, 1], [IGNORED, IGNORED, 3]])}
    assert torch.equal(probe.features(hidden, batch), hidden[[0, 0, 1], [0, 2, 2]])
    assert probe.targets(batch).tolist() == [0, 1, 3]
    features = torch.randn(300, 4).numpy()
    targets = (features[:, 0] > 0.5).astype(int)  # tags 0 and 1 alone occur
    fit = probe.fit(features, targets, features, targets)
    head = task().head(_Width(4)).requires_grad_(False)
    head.load_state_dict({k: torch.from_numpy(v) for k, v in fit.parameters.items()})
    logits = head(torch.from_numpy(features))
    assert (logits.argmax(-1).numpy() == targets).mean() > 0.97
    assert float(logits.softmax(-1)[:, 2:].max()) < 1e-4  # what no row shows is never said


class _Width:
    def __init__(self, hidden_size: int) -> None:
        self.hidden_size = hidden_size


def test_the_baseline_says_each_words_most_frequent_tag():
    train = [row(("Bonn", "May", "x"), ("B-CITY", "B-DAY", "O")), row(("May", "May"), ("O", "O"))]
    found = task().baselines(train, [], [row(("May", "Bonn", "new"), ("O", "O", "O"))])
    assert [p.value for p in found["frequent_tag"]] == [["O", "B-CITY", "B-CITY"]]

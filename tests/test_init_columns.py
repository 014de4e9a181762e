"""`gptasks init`: what columns are taken for, and why: labels, texts, pairs, tags."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from command_line import gptasks
from proposals import lines, proposed, table

from gptasks.proposal import ways


def test_marked_words_in_lists_and_places_in_texts() -> None:
    rows = [
        {"words": ["Ada", "saw", "Bonn"], "ner": ["S-PER", "O", "S-LOC"], "n": n} for n in range(9)
    ]
    task, reasons, _ = proposed(lines("a.jsonl", rows))
    assert (task["kind"], task["tokens"], task["tags"]) == ("token_classification", "words", "ner")
    assert "BIOES" in reasons["kind"]
    spans = [
        {"body": f"Ada saw Bonn on day {n}", "spans": [{"start": 0, "end": 3, "label": "PER"}]}
        for n in range(9)
    ]
    task, reasons, _ = proposed(lines("b.jsonl", spans))
    assert (task["kind"], task["text"]) == ("token_classification", "body")
    assert reasons["kind"] == "column 'spans' marks places in 'body'"


def sentences(name: str, rows: Sequence[str]) -> str:
    """A jsonl of sentences, each written as word/TAG word/TAG, with their number at the end."""
    parted = [[one.split("/") for one in row.split()] for row in rows]
    return lines(
        name,
        [
            {"tokens": [*(w for w, _ in row), str(n)], "tags": [*(t for _, t in row), "O"]}
            for n, row in enumerate(parted)
        ],
    )


@pytest.mark.parametrize(
    ("sentence", "scheme", "note"),
    [
        ("Ada/B-PER Byron/I-PER saw/O Bonn/B-LOC", "BIO", ""),
        ("Ada/I-PER Byron/I-PER saw/O Bonn/I-LOC", "IOB1", ""),
        ("Ada/I-PER Bob/B-PER saw/O Bonn/I-LOC", "IOB1", ""),
        ("Ada/B-PER Byron/I-PER saw/O Bonn/I-LOC", "BIO",
         "tags that go on with nothing: 40; each is read as a beginning\n"),
        ("Ada/B-PER Byron/E-PER saw/O Bonn/S-LOC", "BIOES", ""),
        ("Ada/B-PER Byron/L-PER saw/O Bonn/U-LOC", "BILOU", ""),
    ],
)  # fmt: skip
def test_the_scheme_of_tags_is_told(sentence: str, scheme: str, note: str) -> None:
    task, reasons, notes = proposed(sentences("a.jsonl", [sentence] * 40))
    assert task["kind"] == "token_classification"
    assert reasons["kind"] == f"every word has a tag in {scheme}: LOC, PER"
    assert notes == note


def test_words_and_tags_in_one_text_each() -> None:
    rows = [[f"Ada saw Bonn {n}", "B-PER O B-LOC O"] for n in range(40)]
    task, _, _ = proposed(table("a.tsv", rows, ["words", "tags"]))
    assert (task["kind"], task["tokens"]) == ("token_classification", "words")
    assert "tags" not in task
    assert gptasks("init", "a.tsv").code == 0
    assert gptasks("data", "task=./a.yaml", "backbone=tiny").code == 0


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([{"tokens": ["a", "dog", "ran"], "upos": ["DET", "NOUN", "VERB"]}] * 30,
         "column 'upos' holds tags such as DET, NOUN, VERB; what is read is BIO, IOB1, BIOES or "
         "BILOU, such as B-PER, I-PER and O"),
        ([{"tokens": ["北", "京"], "tags": ["B-NR", "M-NR"]}] * 30,
         "column 'tags' holds tags such as M-NR; what is read is BIO,"),
        ([{"tokens": ["Ada", "saw", "Bonn"], "ner_tags": [1, 0, 3]}] * 30,
         "column 'ner_tags' holds numbers of tags; write their names, in BIO, IOB1,"),
        ([{"word": "Ada", "tag": "B-PER"}, {"word": "saw", "tag": "O"}] * 30,
         "column 'tag' has the tag of one word in each row, where a row is a sentence; write them "
         "as CoNLL, a word a line and an empty line after a sentence, or as lists of tokens"),
    ],
)  # fmt: skip
def test_tags_that_are_not_read_are_told_of(rows: list[dict[str, Any]], told: str) -> None:
    done = gptasks("init", lines("a.jsonl", rows))
    assert done.code == 2
    (fault,) = done.faults
    assert fault.startswith(f"gptasks: {told}")


def test_chinese_is_noticed() -> None:
    rows = [
        {"正文": f"第{n}天北京下了一整天的雨，没有人出门。" * 3, "标题": f"北京大雨{n}"}
        for n in range(40)
    ]
    task, reasons, notes = proposed(lines("zh.jsonl", rows))
    assert (task["kind"], task["source"], task["target"]) == (
        "conditional_generation", "正文", "标题",
    )  # fmt: skip
    assert task["separator"] == ""
    assert "Chinese" in reasons["separator"]
    assert "takes about two tokens for a sign" in notes
    rows = [{"内容": f"第{n}天的菜很{'好' if n % 2 else '坏'}吃", "标签": n % 2} for n in range(40)]
    task, _, _ = proposed(lines("zh2.jsonl", rows))
    assert (task["kind"], task["text"], task["label"]) == (
        "sequence_classification",
        "内容",
        "标签",
    )


def test_two_texts_that_are_judged_together() -> None:
    rows = [[f"it rains in place {n}", f"place {n} is wet", n % 2] for n in range(40)]
    task, reasons, _ = proposed(table("nli.tsv", rows, ["premise", "hypothesis", "label"]))
    assert (task["text"], task["text_pair"], task["label"]) == ("premise", "hypothesis", "label")
    assert reasons["text_pair"] == "judged together with the first"


@pytest.mark.parametrize(
    ("first", "second"), [("sentence1", "sentence2"), ("text_a", "text_b"), ("前提", "假设")]
)
def test_names_that_make_a_pair(first: str, second: str) -> None:
    """In whatever order the columns stand."""
    rows = [
        {second: f"place {n} is wet, they say", "label": n % 2, first: f"it rains in {n}"}
        for n in range(40)
    ]
    task, _, notes = proposed(lines("pairs.jsonl", rows))
    assert (task["text"], task["text_pair"]) == (first, second)
    assert "not read" not in notes


def test_a_second_text_that_no_name_tells_of_is_noted() -> None:
    rows = [[f"it rains in place {n}", f"wet is {n}", n % 2] for n in range(40)]
    task, _, notes = proposed(table("a.csv", rows, ["one", "other", "label"]))
    assert "text_pair" not in task
    assert notes == (
        "texts that are not read: other; --text-pair other shows it beside the first\n"
    )


def test_few_of_a_class_change_the_headline_metric() -> None:
    rows = [
        [f"the message number {n} says hello", "spam" if n % 10 == 0 else "ham"] for n in range(60)
    ]
    task, reasons, _ = proposed(table("sms.csv", rows, ["text", "label"]))
    assert task["metrics"][0] == "f1_macro"
    # Always ham: precision 0.9 and recall 1, so F1 = 1.8/1.9 = 0.947; that of spam is 0.
    assert reasons["metrics"] == (
        "'ham' has 54 rows and 'spam' 6: who always says 'ham' has accuracy 0.90, but f1_macro 0.47"
    )


# -- labels -------------------------------------------------------------------------------


def labelled(**columns: Any) -> str:
    """A jsonl of 120 texts with these columns, each a function of the row's number."""
    return lines(
        "rows.jsonl",
        [
            {"text": f"the film number {n} was long", **{k: f(n) for k, f in columns.items()}}
            for n in range(120)
        ],
    )


def test_labels_in_words_are_taken_before_their_numbers() -> None:
    data = labelled(label=lambda n: n % 3, label_text=lambda n: ("bad", "good", "fair")[n % 3])
    task, reasons, notes = proposed(data)
    assert task["label"] == "label_text"
    assert reasons["label"] == "3 values in 120 rows, the classes that 'label' numbers"
    assert notes == ""


def test_a_column_called_label_is_it_whatever_else_there_is() -> None:
    task, _, _ = proposed(labelled(topic=lambda n: n % 3, label=lambda n: "ab"[n % 2]))
    assert task["label"] == "label"
    task, reasons, _ = proposed(labelled(part=lambda n: n % 3, gold_label=lambda n: "ab"[n % 2]))
    assert reasons["label"] == "2 values in 120 rows, and it is called gold_label"


def test_many_classes_are_believed_where_the_name_says_so() -> None:
    rows = [{"text": f"the question number {n} is", "intent": n % 77} for n in range(400)]
    task, _, _ = proposed(lines("banking.jsonl", rows))
    assert task["label"] == "intent"
    (fault,) = gptasks("init", labelled(amount=lambda n: n % 30)).faults
    assert "column 'amount' holds 30 different numbers, 0 to 29: to predict a number" in fault


def test_ids_dates_constants_links_and_measures_are_neither_label_nor_text() -> None:
    task, _, notes = proposed(
        labelled(
            user_id=lambda n: f"user-{n % 5}",
            date=lambda n: f"2024年{n % 12 + 1}月3日",
            link=lambda n: f"https://example.org/a/very/long/path/indeed/that/no/one/reads/{n}",
            version=lambda n: "v1",
            price=lambda n: n * 0.37,
            mood=lambda n: "ab"[n % 2],
        )
    )
    assert (task["text"], task["label"]) == ("text", "mood")
    assert notes == ""


def test_a_number_to_be_predicted_is_told_of_though_something_else_has_classes() -> None:
    data = labelled(genre=lambda n: "ab"[n % 2], score=lambda n: n * 0.037)
    done = gptasks("init", data)
    assert (done.code, done.faults) == (
        2,
        [
            "gptasks: column 'score' holds 120 different numbers, 0 to 4.403: to predict a number "
            "there is no kind of task yet; cut it into classes, or say another column by --label"
        ],
    )
    assert gptasks("init", data, "--label", "score").faults == done.faults
    task, _, _ = proposed(data, "--label", "genre")
    assert task["label"] == "genre"


def test_a_label_that_does_not_vary_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    (fault,) = gptasks("init", labelled(label=lambda n: "a")).faults
    assert fault == (
        "gptasks: column 'label' holds 'a' in all rows, and two classes make a label; if others "
        "follow, --label label, else say another column by --label"
    )
    monkeypatch.setattr(ways, "ROWS", 50)
    data = labelled(label=lambda n: "a" if n < 60 else "b")
    assert "holds 'a' in the rows looked at" in gptasks("init", data).faults[0]
    task, _, _ = proposed(data, "--label", "label")
    assert task["label"] == "label"


# -- texts that are written ---------------------------------------------------------------


def instructions(**more: Any) -> str:
    """Instructions and answers, whose input is mostly empty."""
    return lines(
        "alpaca.jsonl",
        [
            {
                "instruction": f"Say what number {n} is about.",
                "input": "" if n % 3 else f"The poem {n}.",
                "output": f"It is about {n}.",
                **{key: make(n) for key, make in more.items()},
            }
            for n in range(60)
        ],
    )


def test_a_text_that_is_mostly_empty_is_no_source() -> None:
    task, reasons, notes = proposed(instructions())
    assert (task["source"], task["target"]) == ("instruction", "output")
    assert reasons["source"] == "what is read, by their names, instruction and output"
    assert "texts that are not read: input" in notes


def test_names_of_what_is_written_count_more_than_a_nameless_label() -> None:
    task, _, notes = proposed(instructions(part=lambda n: n % 3))
    assert task["kind"] == "conditional_generation"
    assert "column 'part' may be a label (3 values in 60 rows); to tell it, --label part" in notes
    task, _, notes = proposed(instructions(category=lambda n: n % 3))
    assert (task["kind"], task["label"]) == ("sequence_classification", "category")
    assert (
        "'output' could be written from 'instruction' instead, by --kind conditional_generation"
    ) in notes


def test_a_label_that_is_free_text_is_written() -> None:
    task, _, _ = proposed(instructions(category=lambda n: n % 3), "--label", "output")
    assert (task["kind"], task["source"]) == ("conditional_generation", "instruction")
    task, _, _ = proposed(
        instructions(category=lambda n: n % 3), "--kind", "conditional_generation"
    )
    assert task["target"] == "output"


def test_languages_are_written_from_each_other_in_the_order_of_the_columns() -> None:
    rows = [[f"the house number {n} is red", f"das Haus Nummer {n} ist rot"] for n in range(40)]
    task, _, _ = proposed(table("a.tsv", rows, ["EN", "de"]))
    assert (task["source"], task["target"]) == ("EN", "de")


def test_windows_are_no_longer_than_the_smallest_backbone_reads() -> None:
    rows = [[f"word {n} " * 900, "ab"[n % 2]] for n in range(40)]
    task, reasons, _ = proposed(table("long.csv", rows, ["text", "label"]))
    assert task["max_length"] == 512
    assert reasons["max_length"] == (
        "95% of the texts have at most 7,200 characters, of which the end is cut off"
    )


def test_a_window_holds_the_longest_target() -> None:
    rows = [[f"word {n} " * 900, f"other {n} " * 400] for n in range(10, 50)]
    task, _, notes = proposed(table("long.csv", rows, ["source", "target"]))
    # 3,600 characters, three a token, and a tenth more: 1,320, rounded up to 16 times 83.
    assert (task["max_length"], task["generation"]) == (1328 + 64, {"max_new_tokens": 1328})
    assert notes == (
        "the longest target has 3,600 characters, about 1,328 tokens, and a window holds it whole: "
        "take a backbone that reads them, or leave such rows out\n"
    )

"""`gptasks init`: what is proposed for data, with what reasons, and that it runs."""

from __future__ import annotations

import csv
import gzip
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from command_line import OWN, gptasks
from small_runs import write_names

from gptasks.data.splits import text_digest
from gptasks.proposal import ways


def table(name: str, rows: Sequence[Sequence[Any]], head: Sequence[str] = ()) -> str:
    """A csv or tsv file."""
    with open(name, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter="\t" if name.endswith("tsv") else ",")
        writer.writerows([head, *rows] if head else rows)
    return name


def lines(name: str, rows: Sequence[dict[str, Any]]) -> str:
    """A jsonl file."""
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    Path(name).write_text(text, encoding="utf-8")
    return name


def opinions(count: int = 60) -> list[list[Any]]:
    """Id, text, label."""
    return [
        [n, f"the film number {n} was {'great' if n % 2 else 'awful'}", "pn"[n % 2 == 0]]
        for n in range(count)
    ]


def proposed(*argv: str) -> tuple[dict[str, Any], dict[str, str], str]:
    """The task, the reasons by key, and the notes."""
    done = gptasks("init", *argv, "--output", "-")
    assert done.code == 0, done.err
    text = done.out.partition("# note: ")[0]
    reasons = {line.partition(":")[0]: line.partition("  # ")[2] for line in text.splitlines()[1:]}
    notes = done.out.removeprefix(text).replace("# note: ", "")
    return yaml.safe_load(done.out), reasons, notes


def test_a_label_and_a_text_are_told_with_reasons() -> None:
    task, reasons, notes = proposed(table("Films 1.csv", opinions(), ["id", "text", "label"]))
    assert task == {
        "name": "films_1", "kind": "sequence_classification", "data": {"train": "Films 1.csv"},
        "text": "text", "label": "label", "max_length": 64,
    }  # fmt: skip
    assert reasons["kind"] == "column 'label' names a class of each row"
    assert reasons["label"] == "2 values in 60 rows, and it is called label"
    assert reasons["text"] == "the longest text"
    assert reasons["max_length"] == "95 of 100 texts have at most 28 characters"
    assert reasons["data"] == (
        "of train a fifth for test and a tenth for validation are cut off, by a hash of the text"
    )
    assert notes == ""


def test_what_was_proposed_is_written_and_runs() -> None:
    table("films.csv", opinions(), ["id", "text", "label"])
    done = gptasks("init", "films.csv")
    assert done.code == 0, done.err
    *_, written, data, train = done.out.splitlines()
    assert written == "films.yaml is written. Next:"
    assert [data.strip(), train.strip()] == [
        "gptasks data task=./films.yaml",
        "gptasks task=./films.yaml",
    ]
    usual = ("backbone=tiny", "strategy=head", "tracking=none", "bootstrap=0", "run=run")
    done = gptasks("task=./films.yaml", *usual)
    assert done.code == 0, done.err
    before = Path("films.yaml").read_text(encoding="utf-8")
    done = gptasks("init", "films.csv")
    assert done.code == 2
    assert done.faults == [
        "gptasks: films.yaml exists; choose another --output, or add --force to replace it."
    ]
    assert Path("films.yaml").read_text(encoding="utf-8") == before
    assert gptasks("init", "films.csv", "--force", "--name", "kino").code == 0
    assert Path("kino.yaml").exists()
    (fault,) = gptasks("init", "films.csv", "--output", "films.csv").faults
    assert fault == "gptasks: --output films.csv: a task is a file that ends in .yaml"


def test_paths_are_those_from_the_file() -> None:
    Path("data").mkdir()
    table("data/train.csv", opinions(), ["id", "text", "label"])
    table("data/dev.csv", opinions(20), ["id", "text", "label"])
    Path("tasks").mkdir()
    assert gptasks("init", "data", "--output", "tasks/films.yaml").code == 0
    task = yaml.safe_load(Path("tasks/films.yaml").read_text(encoding="utf-8"))
    assert task["name"] == "data"
    assert task["data"] == {"train": "../data/train.csv", "validation": "../data/dev.csv"}
    assert gptasks("data", "task=tasks/films.yaml", "backbone=tiny").code == 0


def test_marked_words_in_columns() -> None:
    write_names(Path("train.txt"))
    write_names(Path("test.txt"), rows=20)
    task, reasons, _ = proposed("train.txt", "test.txt")
    assert task == {
        "name": "train", "kind": "token_classification",
        "data": {"train": "train.txt", "test": "test.txt", "format": "conll"},
    }  # fmt: skip
    assert reasons["kind"] == "every word has a tag in BIO: LOC, PER"
    assert gptasks("init", "train.txt", "test.txt").code == 0
    done = gptasks(
        "task=./train.yaml", "backbone=tiny", "strategy=head", "tracking=none", "bootstrap=0"
    )
    assert done.code == 0, done.err


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


def test_texts_that_are_written_from_others() -> None:
    rows = [
        {
            "id": f"x{n}",
            "article": f"all through day {n} it rained in Bonn " * 9,
            "title": f"Rain {n}",
        }
        for n in range(40)
    ]
    task, reasons, _ = proposed(lines("news.jsonl", rows))
    assert task == {
        "name": "news", "kind": "conditional_generation", "data": {"train": "news.jsonl"},
        "source": "article", "target": "title", "max_length": 160,
        "generation": {"max_new_tokens": 16},
    }  # fmt: skip
    assert reasons["source"] == "what is read, by their names, article and title"
    renamed = [{"one": row["article"], "other": row["title"]} for row in rows]
    task, reasons, _ = proposed(lines("more.jsonl", renamed))
    assert (task["source"], task["target"]) == ("one", "other")
    assert reasons["source"].startswith("what is read, 'one' is ")
    gptasks("init", "news.jsonl")
    done = gptasks(
        "task=./news.yaml", "backbone=tiny", "tracking=none", "bootstrap=0", "trainer.epochs=0.5",
    )  # fmt: skip
    assert done.code == 0, done.err


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
        "95 of 100 texts have at most 7,200 characters, of which the end is cut off"
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


def test_what_one_should_know_is_noted() -> None:
    rows = [[text, label] for _, text, label in opinions()]
    rows += [rows[0], [rows[1][0], "n"], ["no label here at all", ""], ["", "p"]]
    _, _, notes = proposed(table("films.csv", rows, ["text", "label"]))
    assert notes.splitlines() == [
        "rows that repeat the text of another, and stay in one split with it: 2",
        "texts with more than one label: 1",
        "rows that can't be used: 2; the first is films.csv:64: column 'label' has no label. They "
        "end a run, unless data.max_bad=2 leaves them out",
    ]
    rows = [[text, n % 5 + 1, "train"] for n, (_, text, _) in enumerate(opinions())]
    _, _, notes = proposed(table("stars.csv", rows, ["text", "stars", "split"]))
    assert "column 'stars' holds numbers: they are taken as classes without an order" in notes
    assert "a column seems to tell the split, which is not read" in notes


def test_a_test_file_without_labels_is_left_out() -> None:
    Path("data").mkdir()
    table("data/train.csv", opinions(), ["id", "text", "label"])
    table("data/test.csv", [row[:2] for row in opinions(20)], ["id", "text"])
    task, reasons, notes = proposed("data")
    assert task["data"] == {"train": "data/train.csv"}
    assert reasons["data"].startswith("of train a fifth for test and a tenth for validation")
    assert notes == (
        "test.csv has no label and is left out, since it can't be scored; once trained, "
        "gptasks predict RUN --input FILE tells it\n"
    )


def test_what_would_end_a_run_is_told_beforehand() -> None:
    table("train.csv", opinions(), ["id", "text", "label"])
    table("dev.csv", [*opinions(20), [20, "it was neither", "x"]], ["id", "text", "label"])
    _, _, notes = proposed("train.csv", "dev.csv")
    assert "as it is, a run would end: label 'x' of validation (dev.csv:22) is not among" in notes
    assert " of 21 validation rows also stand in train (same text)" in notes


def test_rare_labels_are_named_so_that_a_split_may_lack_them() -> None:
    rows = [[text, label] for _, text, label in opinions()]
    rare = next(n for n in range(99) if _falls_into_test(f"this one is rare {n}"))
    table("films.csv", [*rows, [f"this one is rare {rare}", "rare"]], ["text", "label"])
    task, reasons, notes = proposed("films.csv")
    assert task["labels"] == ["n", "p", "rare"]
    assert reasons["labels"] == "named, since a split may lack 'rare' with its 1 row"
    assert notes == ""
    assert gptasks("init", "films.csv").code == 0
    usual = ("backbone=tiny", "strategy=head", "tracking=none", "bootstrap=0")
    done = gptasks("task=./films.yaml", *usual)
    assert done.code == 0, done.err
    done = gptasks("task=./films.yaml", *usual, "task.labels=[]")
    assert "label 'rare' of test (films.csv:62) is not among the labels of train" in done.err


def _falls_into_test(text: str) -> bool:
    return int.from_bytes(text_digest(text), "big") / 2**256 < 0.2


def test_nothing_heavy_is_loaded() -> None:
    table("films.csv", opinions(), ["id", "text", "label"])
    code = (
        "import sys; from gptasks.cli import main\n"
        "assert main(['init', 'films.csv']) == 0\n"
        "heavy = {'torch', 'transformers', 'datasets', 'evaluate', 'sklearn', 'hydra', 'peft'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_file_without_a_header_gets_names() -> None:
    rows = [[text, label] for _, text, label in opinions()]
    rows[0][0] = "a first line that no column would ever be called by anybody"
    task, _, _ = proposed(table("films.tsv", rows))
    assert task["data"]["columns"] == ["column1", "column2"]
    assert (task["text"], task["label"]) == ("column1", "column2")


def test_quotation_marks_that_are_plain_text_are_noticed() -> None:
    text = "text\tlabel\n" + "".join(
        f'"so to say, number {n}\t{"yn"[n % 2]}\n'
        if n % 3 == 0
        else f"number {n} it is\t{'yn'[n % 2]}\n"
        for n in range(40)
    )
    Path("a.tsv").write_text(text, encoding="utf-8")
    task, _, _ = proposed("a.tsv")
    assert task["data"]["quoting"] is False
    gptasks("init", "a.tsv")
    assert gptasks("data", "task=./a.yaml", "backbone=tiny").code == 0


def test_a_name_in_the_first_line_is_told_from_a_value() -> None:
    """A value stands in its column again; a name ends no sentence and is no number."""
    short = [[f"movie {n}", ("good", "bad")[n % 2]] for n in range(40)]
    task, _, _ = proposed(table("short.csv", short))
    assert task["data"]["columns"] == ["column1", "column2"]
    chinese = [[f"第{n}天下雨。", f"雨{n % 3}"] for n in range(1, 40)]
    task, _, _ = proposed(table("zh.csv", chinese, ["句子", "类别"]))
    assert "columns" not in task["data"]
    task, _, _ = proposed(table("zh.csv", chinese))
    assert task["data"]["columns"] == ["column1", "column2"]


def test_the_index_of_pandas_is_told_of() -> None:
    (fault,) = gptasks("init", table("a.csv", opinions(), ["", "text", "label"])).faults
    assert fault == (
        "gptasks: the header line of a.csv has no name for column 1; give it one. (pandas leaves "
        "its index without a name, unless a table is written by to_csv(index=False).)"
    )


def test_a_delimiter_that_the_ending_does_not_tell() -> None:
    rows = [[text, label] for _, text, label in opinions()]
    Path(table("films.tsv", rows, ["text", "label"])).rename("films.csv")
    task, _, _ = proposed("films.csv")
    assert task["data"] == {"train": "films.csv", "format": "tsv"}
    assert (task["text"], task["label"]) == ("text", "label")
    lines = ["text;label", *(f"{text};{label}" for text, label in rows)]
    Path("semicolons.csv").write_text("\n".join(lines), encoding="utf-8")
    (fault,) = gptasks("init", "semicolons.csv").faults
    assert fault == (
        "gptasks: semicolons.csv seems to be parted by ';', which is not read; write it with "
        "commas, or with tabs as .tsv."
    )


def test_an_encoding_is_asked_for_and_taken() -> None:
    text = "文本,标签\n" + "".join(
        f"第{n}天的菜很{'坏好'[n % 2]}吃,{'坏好'[n % 2]}\n" for n in range(40)
    )
    Path("gbk.csv").write_text(text, encoding="gb18030")
    (fault,) = gptasks("init", "gbk.csv").faults
    assert fault.startswith("gptasks: gbk.csv is not utf-8: byte 0xce at offset 0, line 1;")
    assert fault.endswith("or to guess. Here that is --encoding NAME.")
    task, _, _ = proposed("gbk.csv", "--encoding", "gb18030")
    assert task["data"] == {"train": "gbk.csv", "encoding": "gb18030"}
    assert (task["text"], task["label"]) == ("文本", "标签")


def test_looking_hushes_no_later_warning() -> None:
    """A way that is not taken warns of nothing, and what is read later still does."""
    data = table("a.csv", opinions(), ["id", "text", "label"])
    proposed(data)
    done = gptasks("data", *OWN, f"task.data.train={data}", f"task.data.test={data}")
    assert " test rows also stand in train (same text)" in done.err


def test_a_packed_file_and_lines_of_json_in_a_json_file() -> None:
    rows = [{"text": text, "label": label} for _, text, label in opinions()]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    with gzip.open("films.json.gz", "wt", encoding="utf-8") as file:
        file.write(text)
    task, _, _ = proposed("films.json.gz")
    assert task["data"] == {"train": "films.json.gz", "format": "jsonl"}


def test_a_long_file_is_not_read_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ways, "ROWS", 50)
    _, _, notes = proposed(table("films.csv", opinions(80), ["id", "text", "label"]))
    assert "the first 50 rows of each file were looked at" in notes


def test_flags_overrule() -> None:
    rows = [[text, label, text[::-1], n % 3] for n, text, label in opinions()]
    file = table("films.csv", rows, ["text", "label", "other", "kind"])
    task, reasons, _ = proposed(file, "--text", "other", "--label", "kind", "--name", "mine")
    assert (task["name"], task["text"], task["label"]) == ("mine", "other", "kind")
    assert reasons["text"] == reasons["label"] == "as you said"
    task, _, _ = proposed(
        file, "--kind", "conditional_generation", "--text", "text", "--label", "other"
    )
    assert (task["source"], task["target"]) == ("text", "other")
    said = json.loads(gptasks("init", file, "--json", "--text-pair", "other").out)
    assert said["task"]["data"] == {"train": "films.csv"}
    assert (said["task"]["text"], said["task"]["text_pair"]) == ("text", "other")
    assert said["reasons"]["text_pair"] == "as you said"
    assert said["notes"] == []
    assert not Path("films.yaml").exists()


NUMBERS = [[f"the house number {n} is nice", n * 1.37] for n in range(60)]


@pytest.mark.parametrize(
    ("head", "rows", "flags", "told"),
    [
        (["text", "price"], NUMBERS, [],
         "column 'price' holds 60 different numbers, 0 to 80.83: to predict a number there is no "
         "kind of task yet; cut it into classes, or say another column by --label"),
        (["text", "a", "b"], [[f"a text number {n}", n % 2, n % 3] for n in range(30)], [],
         "several columns may be the label: a (2 values), b (3 values); say which by --label"),
        (["text"], [[f"a text number {n}"] for n in range(30)], [],
         "no column looks like a label: there are text; give a column of labels, or a file for "
         "each class: python -m gptasks task=sequence_classification 'task.data.train={good: "
         "good.txt, bad: bad.txt}'"),
        (["a", "b"], [[f"a text number {n}", f"text {n} is so"] for n in range(30)], [],
         "say which by --label, or, if one text is written from the other, --kind "
         "conditional_generation --text a --label b"),
        (["a", "b", "c"], [[f"a text number {n}", f"text {n} is so", f"{n} is it so"]
                           for n in range(30)], [],
         "no column looks like a label: there are a, b, c; say which by --label, or which text is "
         "written by --kind conditional_generation --text COLUMN --label COLUMN"),
        (["id", "date"], [[n, f"2024-01-{n:02}"] for n in range(1, 29)], [],
         "no column looks like a text: there are id, date; say which by --text"),
        (["text", "label"], [["one text", "a"], ["two texts", "b"]], ["--label", "lable"],
         "--label: no column 'lable'; did you mean 'label'?"),
        (["text", "label"], [["one text", "a"], ["two texts", "b"]], ["--label", "text"],
         "no column is left for the text; say which by --text"),
        (["text", "label"], [["one text", "a"], ["two texts", "b"]], ["--kind", "tagging"],
         "no kind 'tagging'; there are sequence_classification, token_classification, "
         "conditional_generation"),
        (["text", "label"], [["one text", "a"], ["two texts", "b"]],
         ["--kind", "token_classification"], "token_classification needs a column of words and"),
        (["text", "label"], [["one text", "a"], ["two texts", "b"]],
         ["--kind", "conditional_generation"], "conditional_generation needs two columns of text"),
    ],
)  # fmt: skip
def test_what_can_not_be_told_is_asked_for(
    head: list[str], rows: list[list[Any]], flags: list[str], told: str
) -> None:
    done = gptasks("init", table("a.csv", rows, head), *flags)
    assert done.code == 2
    (fault,) = done.faults
    assert told in fault
    assert not Path("a.yaml").exists()


def test_files_that_can_not_be_told_apart() -> None:
    one = table("one.csv", opinions(), ["id", "text", "label"])
    two = table("two.csv", opinions(), ["id", "text", "label"])
    (fault,) = gptasks("init", one, two).faults
    assert fault == (
        "gptasks: the name of one.csv tells no split; let it hold train, dev or test, or give one "
        "file"
    )
    Path(one).rename("dev.csv")
    Path(two).rename("test.csv")
    (fault,) = gptasks("init", "dev.csv", "test.csv").faults
    assert fault == "gptasks: none of dev.csv, test.csv is called train"
    (fault,) = gptasks("init", "none.csv").faults
    assert fault == "gptasks: there is no file or folder none.csv; did you mean 'dev.csv'?"
    (fault,) = gptasks("init", "dev.csv", "--name", "my films").faults
    assert fault == (
        "gptasks: --name 'my films' may hold letters, digits, '_', '-' and '.' only, since run "
        "folders are named after it"
    )
    Path("empty").mkdir()
    assert gptasks("init", "empty").faults == ["gptasks: the folder empty holds no data file"]
    Path("void.csv").write_text("text,label\n", encoding="utf-8")
    (fault,) = gptasks("init", "void.csv").faults
    assert fault == "gptasks: void.csv holds no row that can be read."


def test_files_of_a_folder_that_tell_no_split_are_left_out() -> None:
    Path("data").mkdir()
    table("data/train.csv", opinions(), ["id", "text", "label"])
    table("data/test.csv", opinions(20), ["id", "text", "label"])
    Path("data/README.txt").write_text("films", encoding="utf-8")
    Path("data/words.txt").write_text("film", encoding="utf-8")
    task, _, notes = proposed("data")
    assert task["data"] == {"train": "data/train.csv", "test": "data/test.csv"}
    assert "left out, since their names tell no split: words.txt" in notes


def test_names_of_columns_with_any_signs() -> None:
    rows = [{"te\nxt": text, "la#bel: x\n": label} for _, text, label in opinions()]
    lines("a.jsonl", rows)
    assert gptasks("init", "a.jsonl").code == 0
    done = gptasks("data", "task=./a.yaml", "backbone=tiny")
    assert done.code == 0, done.err

"""`gptasks init`: how files are read, and which split they are."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from command_line import OWN, gptasks
from proposals import lines, opinions, proposed, table

from gptasks.proposal import ways


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


def test_the_index_of_pandas_is_no_text_and_no_label() -> None:
    task, _, _ = proposed(table("a.csv", opinions(), ["", "text", "label"]))
    assert task["data"] == {"train": "a.csv"}
    assert (task["text"], task["label"]) == ("text", "label")


def test_a_delimiter_that_the_ending_does_not_tell() -> None:
    rows = [[text, label] for _, text, label in opinions()]
    Path(table("films.tsv", rows, ["text", "label"])).rename("films.csv")
    task, _, _ = proposed("films.csv")
    assert task["data"] == {"train": "films.csv", "format": "tsv"}
    assert (task["text"], task["label"]) == ("text", "label")
    lines = ["text;label", *(f"{text};{label}" for text, label in rows)]
    Path("semicolons.csv").write_text("\n".join(lines), encoding="utf-8")
    task, _, _ = proposed("semicolons.csv")
    assert task["data"] == {"train": "semicolons.csv", "delimiter": ";"}
    assert (task["text"], task["label"]) == ("text", "label")


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

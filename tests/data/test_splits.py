"""Splits: what is read and left out, how train is cut, and what is warned of or refused."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gptasks.data.splits import Split, content_hash, load_splits
from gptasks.errors import ConfigError, DataError
from gptasks.task import DataOptions, Prediction, Row, Task

TOGETHER = {"validation_share": 0.0, "test_share": 0.0}


@dataclass
class Toy(Task):
    """Reads a text and a label; leaves out the label "skip", and refuses empty texts."""

    label: str = "label"
    checked: list[tuple[str, int]] = field(default_factory=list)

    def read(self, row: Row) -> Row | None:
        if not row["text"].strip():
            raise DataError("the text is empty.")
        return None if row.get(self.label) == "skip" else row

    def key(self, row: Row) -> str:
        return row["text"]

    def reference(self, row: Row) -> Any:
        return row.get(self.label)

    def learn_labels(self, rows: Sequence[Row]) -> None:
        self.labels = sorted({str(row.get(self.label)) for row in rows})

    def check_rows(self, split: str, rows: Sequence[Row]) -> None:
        self.checked.append((split, len(rows)))
        if self.labels and any(str(row.get(self.label)) not in self.labels for row in rows):
            raise DataError(f"{split} has a label that train lacks.")

    def encode(self, row: Row, tokenizer: Any) -> Iterator[dict[str, Any]]:
        yield {"input_ids": list(row["text"].encode())}

    def head(self, backbone: Any) -> Any:
        return None

    def pool(self, hidden: Any, batch: Mapping[str, Any]) -> Any:
        return hidden

    def loss(self, logits: Any, batch: Mapping[str, Any]) -> tuple[Any, int]:
        return logits, 1

    def predict(self, model: Any, batch: Mapping[str, Any]) -> list[Prediction]:
        return []


def jsonl(path: Path, rows: Sequence[tuple[str, str]]) -> str:
    """Write rows of text and label; gives the path for the options."""
    lines = [json.dumps({"text": text, "label": label}) for text, label in rows]
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return str(path)


def texts(split: Split) -> list[str]:
    return [row["text"] for row in split.rows]


def numbered(count: int, start: int = 0) -> list[tuple[str, str]]:
    return [(f"text {number}", str(number % 2)) for number in range(start, start + count)]


# -- reading ------------------------------------------------------------------------------


def test_given_splits_are_read_as_they_are(tmp_path: Path):
    task = Toy(
        data=DataOptions(
            train=jsonl(tmp_path / "a.jsonl", [("one", "x"), ("two", "y"), ("no", "skip")]),
            validation=jsonl(tmp_path / "b.jsonl", [("three", "x")]),
            test=jsonl(tmp_path / "c.jsonl", [("four", "y")]),
        )
    )
    splits = load_splits(task)
    assert list(splits) == ["train", "validation", "test"]
    assert [texts(split) for split in splits.values()] == [["one", "two"], ["three"], ["four"]]
    assert [split.dropped for split in splits.values()] == [1, 0, 0]
    assert [row.id for row in splits["train"].rows] == ["a.jsonl:1", "a.jsonl:2"]
    assert task.labels == ["x", "y"]
    assert task.checked == [("train", 2), ("validation", 1), ("test", 1)]


def test_the_task_may_refuse_a_split(tmp_path: Path):
    train = jsonl(tmp_path / "a.jsonl", [("one", "x")])
    test = jsonl(tmp_path / "b.jsonl", [("two", "z")])
    task = Toy(data=DataOptions(train=train, validation=train, test=test))
    with pytest.raises(DataError, match="test has a label that train lacks"):
        load_splits(task)


def test_a_file_for_each_label_gives_the_tasks_label_column(tmp_path: Path):
    for name in ("good", "bad"):
        (tmp_path / f"{name}.txt").write_text(f"{name} one\n{name} two\n", "utf-8")
    data = DataOptions(
        train={"+": "good.txt", "-": ["bad.txt"]}, directory=str(tmp_path), **TOGETHER
    )
    rows = load_splits(Toy(data=data, label="mood"), names=["train"])["train"].rows
    assert [(row["text"], row["mood"], row.id) for row in rows] == [
        ("good one", "+", "good.txt:1"),
        ("good two", "+", "good.txt:2"),
        ("bad one", "-", "bad.txt:1"),
        ("bad two", "-", "bad.txt:2"),
    ]


def test_a_files_label_must_not_contradict_its_rows(tmp_path: Path):
    path = jsonl(tmp_path / "a.jsonl", [("one", "x"), ("two", "y")])
    task = Toy(data=DataOptions(train={"x": path}, **TOGETHER))
    with pytest.raises(
        DataError, match=r"a\.jsonl:2: column 'label' says 'y', .* the label 'x'; set"
    ):
        load_splits(task, names=["train"])


def test_test_alone_needs_no_train(tmp_path: Path):
    test = jsonl(tmp_path / "b.jsonl", [("two", "y")])
    task = Toy(data=DataOptions(train=str(tmp_path / "gone.jsonl"), test=test), labels=["x", "y"])
    assert texts(load_splits(task, names=["test"])["test"]) == ["two"]
    assert task.labels == ["x", "y"]


def test_unusable_rows_are_fatal_above_the_number_allowed(tmp_path: Path):
    path = tmp_path / "a.csv"
    path.write_text("text,label\n,x\none,x\n,x\ntwo\n  ,x\n", "utf-8")
    task = Toy(data=DataOptions(train=str(path), **TOGETHER))
    message = (
        r"^4 unusable rows, where task\.data\.max_bad=0 may be left out: a\.csv:2: the text is"
        r" empty; a\.csv:4: the text is empty; a\.csv:5: fields: 1, expected: 2 \(text, label\);"
        r" and 1 more\. Mend them, or leave them out with task\.data\.max_bad=4\.$"
    )
    with pytest.raises(DataError, match=message):
        load_splits(task, names=["train"])


def test_unusable_rows_of_all_splits_count_together(tmp_path: Path):
    data = DataOptions(
        train=jsonl(tmp_path / "a.jsonl", [("", "x"), ("one", "x")]),
        validation=jsonl(tmp_path / "b.jsonl", [("two", "x")]),
        test=jsonl(tmp_path / "c.jsonl", [("", "x"), ("three", "x")]),
        max_bad=1,
    )
    with pytest.raises(DataError, match=r"^2 unusable rows, .*a\.jsonl:1: .*; c\.jsonl:1: "):
        load_splits(Toy(data=data))


def test_unusable_rows_that_are_allowed_are_left_out_and_shown(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    path = jsonl(tmp_path / "a.jsonl", [("one", "x"), ("", "x")])
    task = Toy(data=DataOptions(train=path, max_bad=1, **TOGETHER))
    with caplog.at_level(logging.WARNING):
        split = load_splits(task, names=["train"])["train"]
    assert texts(split) == ["one"]
    assert [(bad.id, bad.reason) for bad in split.bad] == [("a.jsonl:2", "the text is empty.")]
    assert "1 unusable row left out: a.jsonl:2: the text is empty." in caplog.text


def test_documents_in_another_encoding_count_as_unusable_rows(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    for name, content in {"good/1": b"fine", "good/2": b"\xa3 5", "bad/1": b"poor"}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    data = DataOptions(train=f"{tmp_path}/*/?", format="documents", **TOGETHER)
    with pytest.raises(
        DataError, match=r"^1 unusable row, .* left out: 2:1: the file is not utf-8"
    ):
        load_splits(Toy(data=data, label="folder"), names=["train"])
    data.max_bad = 1
    task = Toy(data=data, label="folder")
    assert texts(load_splits(task, names=["train"])["train"]) == ["poor", "fine"]
    assert task.labels == ["bad", "good"]
    assert "1 unusable row left out: 2:1: the file is not utf-8: byte 0xa3" in caplog.text


@pytest.mark.parametrize("content", ["", "text,label\n"])
def test_an_empty_split_names_its_file(tmp_path: Path, content: str):
    path = tmp_path / "b.csv"
    path.write_text(content, "utf-8")
    train = jsonl(tmp_path / "a.jsonl", [("one", "x")])
    task = Toy(data=DataOptions(train=train, validation=train, test=str(path)))
    message = r"no test rows in .*b\.csv: read 0, dropped 0, unusable 0; give a file with rows"
    with pytest.raises(DataError, match=message):
        load_splits(task)


def test_a_split_emptied_by_the_task_says_so(tmp_path: Path):
    path = jsonl(tmp_path / "a.jsonl", [("one", "skip"), ("", "x")])
    task = Toy(data=DataOptions(train=path, max_bad=1))
    message = r"no train rows in .*a\.jsonl: read 2, dropped 1, unusable 1"
    with pytest.raises(DataError, match=message):
        load_splits(task)


def test_a_cut_that_leaves_a_split_empty_says_how_to_fill_it(tmp_path: Path):
    path = jsonl(tmp_path / "a.jsonl", [("one", "x")])
    task = Toy(data=DataOptions(train=path, test=path, validation_share=0.001))
    with pytest.raises(
        DataError,
        match=r"no validation rows left of .*a\.jsonl: read 1, .*, cut by task\.data\."
        r"validation_share=0\.001; give more rows, other shares, or task\.data\.validation=FILE",
    ):
        load_splits(task)


# -- cutting ------------------------------------------------------------------------------


def place(key: str) -> float:
    """SHA-256 of the key, which must be in its normal form here, as a share of the whole."""
    return int(hashlib.sha256(key.encode()).hexdigest(), 16) / 2**256


def test_missing_splits_are_cut_by_the_hash_of_the_text(tmp_path: Path):
    task = Toy(data=DataOptions(train=jsonl(tmp_path / "a.jsonl", numbered(1000))))
    splits = load_splits(task)
    expected: dict[str, list[str]] = {"train": [], "validation": [], "test": []}
    for text, _ in numbered(1000):
        u = place(text)
        expected["test" if u < 0.2 else "validation" if u < 0.3 else "train"].append(text)
    assert {name: texts(split) for name, split in splits.items()} == expected
    assert {name: len(split.rows) for name, split in splits.items()} == {
        "train": 734,
        "validation": 98,
        "test": 168,
    }


def test_a_given_test_leaves_its_share_in_train(tmp_path: Path):
    train = jsonl(tmp_path / "a.jsonl", numbered(1000))
    test = jsonl(tmp_path / "b.jsonl", numbered(10, start=5000))
    splits = load_splits(Toy(data=DataOptions(train=train, test=test)))
    assert texts(splits["validation"]) == [t for t, _ in numbered(1000) if place(t) < 0.1]
    assert len(splits["train"].rows) + len(splits["validation"].rows) == 1000
    assert len(splits["test"].rows) == 10


def test_one_split_alone_is_cut_as_with_the_others(tmp_path: Path):
    task = Toy(data=DataOptions(train=jsonl(tmp_path / "a.jsonl", numbered(200))))
    together = load_splits(task)
    for name in together:
        assert load_splits(task, names=[name])[name] == together[name]


def test_texts_that_look_alike_fall_together(tmp_path: Path):
    alike = ["Caf\u00e9  au\tlait", " cafe\u0301 AU LAIT", "CAF\u00c9 au\nlait "]
    path = jsonl(tmp_path / "a.jsonl", [(text, "x") for text in alike] + numbered(50))
    splits = load_splits(Toy(data=DataOptions(train=path)))
    assert sorted(len(set(alike) & set(texts(split))) for split in splits.values()) == [0, 0, 3]


@settings(deadline=None, max_examples=50)
@given(
    words=st.lists(st.text("abcAB é\u0301", min_size=1, max_size=4), min_size=1, max_size=30),
    more=st.lists(st.text("abcAB", min_size=1, max_size=4), max_size=10),
    order=st.randoms(use_true_random=False),
)
def test_a_cut_moves_neither_with_the_order_nor_with_more_rows(
    tmp_path_factory: pytest.TempPathFactory, words: list[str], more: list[str], order: Any
):
    folder = tmp_path_factory.mktemp("cut")
    # Rows that are known to fall into each split, so that none is empty.
    words = [word for word in words if word.strip()] + [text for text, _ in numbered(20)]

    def parts(rows: list[str]) -> dict[str, set[str]]:
        data = DataOptions(train=jsonl(folder / "a.jsonl", [(text, "x") for text in rows]))
        splits = load_splits(Toy(data=data))
        assert sorted(t for split in splits.values() for t in texts(split)) == sorted(rows)
        return {name: set(texts(split)) for name, split in splits.items()}

    before = parts(words)
    assert sum(len(part) for part in before.values()) == len(set(words))
    longer = words + more
    order.shuffle(longer)
    after = parts(longer)
    assert {name: part & set(words) for name, part in after.items()} == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, r"^no train rows: give the data, task\.data\.train=FILE\.$"),
        (
            {"train": "a.jsonl", "test_share": 0.0},
            r"no test rows: .*test is not given and task\.data\.test_share=0\.0; give task\.data\."
            r"test=FILE, or a share of train between 0 and 1",
        ),
        (
            {"train": "a.jsonl", "test": "a.jsonl", "validation_share": 0.0},
            r"no validation rows: .* give task\.data\.validation=FILE, or a share",
        ),
        (
            {"train": "a.jsonl", "test_share": 0.5, "validation_share": 0.5},
            r"test_share=0\.5 and task\.data\.validation_share=0\.5 leave nothing of train",
        ),
        ({"train": 7}, r"task\.data\.train is 7; give a file"),
    ],
)
def test_splits_that_cannot_be_had_are_refused(options: dict[str, Any], message: str):
    with pytest.raises(ConfigError, match=message):
        load_splits(Toy(data=DataOptions(**options)))


def test_a_request_that_makes_no_sense_is_refused(tmp_path: Path):
    task = Toy(data=DataOptions(train=jsonl(tmp_path / "a.jsonl", numbered(20))))
    with pytest.raises(ConfigError, match=r"no split 'tset'; did you mean 'test'\? \(train, "):
        load_splits(task, names=["tset"])
    with pytest.raises(ConfigError, match=r"limit=0 leaves no rows; give 1 or more"):
        load_splits(task, limit=0)
    nothing = Toy(data=DataOptions())
    with pytest.raises(
        ConfigError, match=r"no test rows: .*train=FILE \(or task\.data\.test=FILE\)"
    ):
        load_splits(nothing, names=["test"])


# -- overlap, limit, hash -----------------------------------------------------------------


def test_rows_that_stand_in_two_splits_are_counted_in_a_warning_and_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    data = DataOptions(
        train=jsonl(tmp_path / "a.jsonl", [("one", "x"), ("two", "x"), ("three", "x")]),
        validation=jsonl(tmp_path / "b.jsonl", [("four", "x")]),
        test=jsonl(tmp_path / "c.jsonl", [("ONE", "x"), (" two ", "x"), ("Four", "x"), ("5", "x")]),
    )
    with caplog.at_level(logging.WARNING):
        splits = load_splits(Toy(data=data))
    assert texts(splits["test"]) == ["ONE", " two ", "Four", "5"]
    assert [record.getMessage() for record in caplog.records] == [
        "2 of 4 test rows also stand in train (same text): the test score may be too good.",
        "1 of 4 test rows also stand in validation (same text): the test score may be too good.",
    ]


def test_a_cut_alone_gives_no_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    path = jsonl(tmp_path / "a.jsonl", numbered(100) + numbered(100))
    with caplog.at_level(logging.WARNING):
        load_splits(Toy(data=DataOptions(train=path)))
    assert not caplog.records


def test_a_limit_draws_from_the_whole_file_and_keeps_the_order(tmp_path: Path):
    rows = [(f"text {number}", "x" if number < 500 else "y") for number in range(1000)]
    task = Toy(data=DataOptions(train=jsonl(tmp_path / "a.jsonl", rows)))
    splits = load_splits(task, limit=20)
    whole = load_splits(task)
    for name, split in splits.items():
        numbers = [int(text.split()[1]) for text in texts(split)]
        assert len(numbers) == 20
        assert numbers == sorted(numbers)
        assert {row["label"] for row in split.rows} == {"x", "y"}
        assert set(texts(split)) < set(texts(whole[name]))
    # Another salt than the cut's: the rows drawn are not those at the lower end of the cut.
    lowest = sorted(texts(whole["test"]), key=place)[:20]
    assert set(texts(splits["test"])) != set(lowest)
    smaller = load_splits(task, limit=10)["train"]
    assert set(texts(smaller)) < set(texts(splits["train"]))


def test_a_limit_counts_duplicates_and_may_exceed_the_rows(tmp_path: Path):
    path = jsonl(tmp_path / "a.jsonl", [("same", "x")] * 5)
    task = Toy(data=DataOptions(train=path, **TOGETHER))
    assert len(load_splits(task, limit=3, names=["train"])["train"].rows) == 3
    assert len(load_splits(task, limit=9, names=["train"])["train"].rows) == 5


def test_the_hash_is_of_content_and_order_and_not_of_place():
    rows = [Row({"text": "é", "label": 1}, id="a:1"), Row({"text": "b"}, id="a:2")]
    lines = b'{"label": 1, "text": "\\u00e9"}\n{"text": "b"}\n'
    assert content_hash(rows) == hashlib.sha256(lines).hexdigest()
    moved = [Row({"label": 1, "text": "é"}, id="b:7"), Row({"text": "b"}, id="b:9")]
    assert content_hash(moved) == content_hash(rows)
    assert content_hash(rows[::-1]) != content_hash(rows)
    # Values that parquet has and JSON lacks.
    assert content_hash([Row({"n": b"\x01"}, id="a")]) == content_hash([Row({"n": "01"}, id="b")])

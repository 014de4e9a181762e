"""Which slices the test rows are cut into."""

from __future__ import annotations

from typing import Any

import pytest

from gptasks.compare.reading import Stored
from gptasks.dashboard.rows import Answers, lengths_of, slices_of, source_of
from gptasks.task import Prediction


def answers(n: int = 24, **more: Any) -> Answers:
    ids = [f"{'a' if i < n // 2 else 'b'}.csv:{i}" for i in range(n)]
    meant = ["good" if i % 2 else "bad" for i in range(n)]
    stored = Stored(ids, [Prediction(one) for one in meant], meant)
    inputs = more.pop("inputs", ["word " * (1 + i) for i in range(n)])
    return Answers(stored, inputs, [{}] * n, more)


def cut(found: Answers, labels: tuple[str, ...] = ("bad", "good")) -> dict[str, dict[str, int]]:
    shown: dict[str, dict[str, int]] = {}
    for one in slices_of(found, labels, lengths_of(found.inputs)):
        shown.setdefault(one.by, {})[one.value] = len(one.places)
    return shown


def test_rows_are_cut_by_label_length_and_source() -> None:
    assert cut(answers()) == {
        "label": {"bad": 12, "good": 12},
        "words of input": {"1 to 6": 6, "7 to 12": 6, "13 to 18": 6, "19 to 24": 6},
        "source": {"a.csv": 12, "b.csv": 12},
    }


def test_chinese_is_as_long_as_it_has_characters() -> None:
    found = answers(inputs=["好" * (1 + i % 2) for i in range(24)])
    assert cut(found)["words of input"] == {"1": 12, "2": 12}


def test_a_pair_is_as_long_as_both() -> None:
    pair = [{"text": "a b", "text_pair": "c" if i % 2 else "c d"} for i in range(24)]
    assert cut(answers(inputs=pair))["words of input"] == {"3": 12, "4": 12}


def test_columns_are_cut_by_value_the_rare_ones_together() -> None:
    many = [chr(97 + i % 14) if i < 56 else "a" for i in range(60)]
    found = answers(60, genre=["x"] * 59 + [None], letter=many, year=list(range(1950, 2010)))
    shown = cut(found)
    assert shown["genre"] == {"no value": 1, "x": 59}
    assert shown["letter"]["other values"] == 8
    assert len(shown["letter"]) == 13
    assert list(shown["year"]) == [
        "1950 to 1964", "1965 to 1979", "1980 to 1994", "1995 to 2009",
    ]  # fmt: skip


def test_numbers_that_a_csv_writes_as_texts_are_cut_in_quarters_what_is_missing_apart() -> None:
    years = ["" if i < 4 else str(1990 + i) for i in range(44)]
    shown = cut(answers(44, year=years, month=[str(1 + i % 11) for i in range(44)]))
    assert list(shown["year"].items()) == [
        ("1994 to 2003", 10), ("2004 to 2013", 10), ("2014 to 2023", 10), ("2024 to 2033", 10),
        ("no value", 4),
    ]  # fmt: skip
    assert list(shown["month"]) == [str(1 + n) for n in range(11)]


def test_a_column_with_one_value_or_one_a_row_is_no_slice() -> None:
    shown = cut(answers(same=["x"] * 24, names=[f"n{i}" for i in range(24)]))
    assert {"same", "names"}.isdisjoint(shown)


def test_tasks_without_labels_have_no_slice_by_label() -> None:
    assert "label" not in cut(answers(), labels=())


@pytest.mark.parametrize(
    ("id", "source"),
    [
        ("data/test.csv:17", "data/test.csv"),
        ("glue/train:17", "glue/train"),
        ("notes.txt", "notes.txt"),
        ("a:b", "a:b"),
    ],
)
def test_the_source_is_what_stands_before_the_line(id: str, source: str) -> None:
    assert source_of(id) == source

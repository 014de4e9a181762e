"""Rows packed away: each comes out as it went in, from memory and from the disk."""

from __future__ import annotations

import datetime
import gc
import os
import resource
import tracemalloc
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gptasks.cache import cache_dir
from gptasks.data import rows as module
from gptasks.data.rows import Rows
from gptasks.data.splits import load_splits
from gptasks.errors import DataError
from gptasks.task import DataOptions, Row
from gptasks.tasks.sequence_classification import SequenceClassification


@pytest.fixture(params=["memory", "disk"])
def place(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Where the rows are; on the disk the blocks are of a few rows."""
    if request.param == "disk":
        monkeypatch.setattr(module, "IN_MEMORY", 0)
        monkeypatch.setattr(module, "_BLOCK", 200)
    return str(request.param)


def numbered(count: int) -> list[Row]:
    return [Row({"text": f"text {n}", "n": n}, f"a.csv:{n}") for n in range(count)]


def same(found: Sequence[Row], expected: Sequence[Row]) -> bool:
    return [(type(row), dict(row), row.id) for row in found] == [
        (Row, dict(row), row.id) for row in expected
    ]


def test_rows_come_out_as_they_went_in(place: str):
    odd = Row(
        {
            "text": "中\0\n" + "x" * 3000,
            "list": [1, 2.5, None, True, {"a": []}],
            "day": datetime.date(2020, 1, 2),
            "bytes": b"\xff",
            "nan": float("inf"),
        },
        "b.parquet:1",
    )
    expected = [*numbered(50), odd, *numbered(3)]
    rows = Rows(expected)
    assert len(rows) == 54
    assert same(rows, expected)
    assert same([rows[index] for index in range(-54, 54)], expected * 2)
    assert rows == expected
    assert rows != expected[:-1]
    assert rows != [*expected[:-1], odd]
    with pytest.raises(IndexError):
        rows[54]


def test_rows_may_be_added_after_a_look(place: str):
    rows = Rows(numbered(5))
    assert same(rows, numbered(5))
    for row in numbered(20)[5:]:
        rows.append(row)
        assert rows[-1] == row
    assert same(rows, numbered(20))


@settings(deadline=None, max_examples=50)
@given(
    indices=st.lists(st.integers(0, 29)), start=st.integers(-40, 40), step=st.sampled_from([1, -2])
)
def test_chosen_rows_and_slices_are_those_of_a_list(indices: list[int], start: int, step: int):
    expected = numbered(30)
    rows = Rows(expected)
    assert same(rows.chosen(indices), [expected[index] for index in indices])
    assert same(rows[start::step], expected[start::step])
    assert same(rows.chosen(indices)[1:], [expected[index] for index in indices][1:])


def test_chosen_rows_stay_when_the_others_are_gone(place: str):
    chosen = Rows(numbered(30)).chosen([7, 3, 4, 5])
    gc.collect()
    assert [row["n"] for row in chosen] == [7, 3, 4, 5]


def test_to_change_a_row_changes_nothing(place: str):
    rows = Rows(numbered(1))
    rows[0]["text"] = "other"
    assert rows[0]["text"] == "text 0"


def test_the_file_has_no_name_and_is_closed_with_its_rows(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "IN_MEMORY", 0)
    before = set(os.listdir("/dev/fd"))
    rows = Rows(numbered(5))
    assert list(cache_dir().iterdir()) == []
    del rows
    gc.collect()
    assert set(os.listdir("/dev/fd")) == before


def test_a_file_that_can_not_grow_is_told(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "IN_MEMORY", 0)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, hard))
    try:
        with pytest.raises(
            DataError,
            match=r"^the rows are too many for the memory, and can't be put into a file in .*cache"
            r" \(File too large\); set GPTASKS_CACHE to a folder with more room\.$",
        ):
            Rows([Row({"text": "x" * 9000}, "a:1")])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_memory_does_not_grow_with_the_rows(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "IN_MEMORY", 1 << 20)

    def peak(count: int) -> int:
        tracemalloc.start()
        try:
            rows = Rows(Row({"text": "x" * 2000}, f"a:{n}") for n in range(count))
            assert sum(len(row["text"]) for row in rows) == 2000 * count
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    few, many = peak(2000), peak(20_000)
    assert many < few + 18_000 * 16  # 12 bytes a row, and what an array keeps free to grow
    assert many < 20_000 * 2000 / 5


def write_rows(path: Path, count: int) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write("text,label\n")
        file.writelines(
            f"{'a text, now ' * 20}{n},{n % 2}\n".replace(", ", " ") for n in range(count)
        )


def test_splits_of_rows_on_the_disk_are_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write_rows(tmp_path / "a.csv", 300)
    task = SequenceClassification(data=DataOptions(train=str(tmp_path / "a.csv")))
    plain, few = load_splits(task), load_splits(task, limit=20)
    assert [len(split.rows) for split in few.values()] == [20, 20, 20]
    assert [row.id for row in few["train"].rows] == sorted(
        (row.id for row in few["train"].rows), key=lambda id: int(id.partition(":")[2])
    )
    monkeypatch.setattr(module, "IN_MEMORY", 0)
    monkeypatch.setattr(module, "_BLOCK", 1000)
    assert load_splits(task) == plain
    assert load_splits(task, limit=20) == few

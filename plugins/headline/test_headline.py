"""Articles are parted into headline and body."""

from __future__ import annotations

from pathlib import Path

import pytest

from gptasks import DataError, DataOptions, Row
from gptasks.data.splits import load_splits
from gptasks.fields import columns_of
from gptasks.registry import Registry
from plugins.headline import Headline, register_tasks


def article(text: object, **more: object) -> Row:
    return Row({"text": text, **more}, "sport/001.txt:1")


def test_the_first_line_is_the_headline():
    read = Headline().read(article("\nRain stops play\n\nIt rained.\n\nYes.\n", folder="s"))
    assert read == {
        "folder": "s",
        "source": "It rained.\n\nYes.",
        "target": "Rain stops play",
    }
    assert read.id == "sport/001.txt:1"
    assert Headline().reference(read) == "Rain stops play"
    assert Headline().key(read) == "It rained.\n\nYes."


@pytest.mark.parametrize("text", ["Rain stops play", "Rain stops play\n \n", ""])
def test_an_article_without_a_body_is_unusable(text: str):
    with pytest.raises(
        DataError, match=r"^column 'text' has one line only: a headline and no body$"
    ):
        Headline().read(article(text))


def test_a_row_with_both_columns_is_taken_as_it_is():
    given = Row({"source": "It rained.", "target": "Rain", "text": "x"}, "a.csv:2")
    assert Headline().read(given) is given


def test_a_row_with_neither_names_what_it_has():
    told = (
        r"^columns 'target' \(task\.target\) and 'source' \(task\.source\) are not there \(it has: "
        r"body\)"
    )
    with pytest.raises(DataError, match=told):
        Headline().read(Row({"body": "It rained."}, "a.csv:2"))


def test_a_typed_text_is_a_body():
    kind = Headline()
    assert kind.read_input(kind.row_of("It rained.", "text 1")) == {"source": "It rained."}


def test_articles_are_read_from_files_of_their_own(tmp_path: Path):
    for n in range(40):
        (tmp_path / f"{n:03}.txt").write_text(
            f"Title {n}\n\nBody of number {n}, in \xa3.", "latin-1"
        )
    data = DataOptions(train=str(tmp_path / "*.txt"), format="documents", encoding="latin-1")
    splits = load_splits(Headline(data=data))
    rows = [row for split in splits.values() for row in split.rows]
    assert len(rows) == 40
    assert {Headline().reference(row) for row in rows} == {f"Title {n}" for n in range(40)}
    assert all("\xa3" in row["source"] for row in rows)


def test_the_plugin_offers_the_task():
    assert register_tasks() == [Headline]
    (found,) = [task for task in Registry().tasks() if task.name == "headline"]
    assert found.error is None
    assert "headline" in found.description


def test_evaluate_and_predict_can_be_told_all_its_columns():
    assert columns_of(Headline) == ["source", "target", "article"]

"""Ratings become labels by their sign; the data set is read as its authors wrote it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from gptasks import DataError, DataOptions, Row
from gptasks.data.splits import load_splits
from gptasks.registry import Registry
from plugins.sentiment import Sentiment, register_tasks

CHOSEN = yaml.safe_load((Path(__file__).parent / "conf/task/sentiment.yaml").read_text("utf-8"))


def row(rating: Any = 1, **values: Any) -> Row:
    return Row({"text": "a film", "rating": rating, **values}, "a.csv:2")


@pytest.mark.parametrize(
    ("rating", "label"),
    [
        ("2.4", "positive"),
        ("-0.05", "negative"),
        (3, "positive"),
        (-1.5, "negative"),
        (" 1 ", "positive"),
    ],
)
def test_the_sign_of_the_rating_is_the_label(rating: Any, label: str):
    read = Sentiment().read(row(rating))
    assert read is not None
    assert Sentiment().reference(read) == label
    assert (read["text"], read.id) == ("a film", "a.csv:2")


@pytest.mark.parametrize("rating", ["0", "0.0", "-0.0", 0, 0.0])
def test_a_rating_of_zero_leaves_the_row_out(rating: Any):
    assert Sentiment().read(row(rating)) is None


@pytest.mark.parametrize("rating", ["good", "", None, "1,5", "nan", float("inf"), [1]])
def test_a_rating_that_is_no_number_is_unusable(rating: Any):
    with pytest.raises(DataError, match=r"^column 'rating' holds .*, which is no number$"):
        Sentiment().read(row(rating))


def test_a_rated_row_needs_its_text():
    with pytest.raises(DataError, match=r"^column 'text' is empty$"):
        Sentiment().read(row(1, text=" "))
    with pytest.raises(DataError, match=r"column 'text' is not there \(it has: rating, label\)"):
        Sentiment().read(Row({"rating": 1}, "a.csv:2"))


def test_a_row_with_a_label_and_no_rating_is_read_by_its_label():
    kind = Sentiment(labels=["negative", "positive"])
    labelled = Row({"text": "a film", "label": "negative"}, "b.csv:2")
    assert kind.read(labelled) == labelled
    assert kind.reference(labelled) == "negative"
    with pytest.raises(DataError, match="column 'label' has no label"):
        kind.read(Row({"text": "a film", "label": ""}, "b.csv:3"))


def test_the_rating_goes_before_the_label():
    assert Sentiment().read(row(-1, label="positive"))["label"] == "negative"
    assert Sentiment(rating=None).read(row(-1, label="positive"))["label"] == "positive"


def test_a_row_with_neither_names_both():
    with pytest.raises(
        DataError,
        match=r"neither column 'rating' nor column 'label' is there \(it has: text, stars\); set "
        r"task\.rating=COLUMN or task\.label=COLUMN",
    ):
        Sentiment().read(Row({"text": "a film", "stars": 3}, "a.csv:2"))


def test_a_row_to_predict_needs_neither():
    assert Sentiment().read_input(Row({"text": "a film"}, "text 1")) == {"text": "a film"}


def test_one_unusable_row_is_named_with_its_line_and_fatal(tmp_path: Path):
    file = tmp_path / "a.csv"
    file.write_text("text,rating\nfine,1\nbad,x\nawful,-1\nso so,0\n")
    data = DataOptions(train=str(file))
    with pytest.raises(DataError, match=r"a\.csv:3: column 'rating' holds 'x', which is no number"):
        load_splits(Sentiment(data=data))


def test_a_file_of_labels_scores_a_model_of_ratings(tmp_path: Path):
    file = tmp_path / "a.csv"
    file.write_text("text,label\nfine,positive\nawful,negative\n")
    kind = Sentiment(labels=["negative", "positive"], data=DataOptions(test=str(file)))
    rows = load_splits(kind, names=("test",))["test"].rows
    assert [kind.reference(row) for row in rows] == ["positive", "negative"]


def test_the_data_set_is_read_as_its_authors_wrote_it(tmp_path: Path):
    """Tabs, Latin-1, quotation marks that mean nothing, an id first, zeros between the rest."""
    lines = ['1\t2.3\tCaf\xe9 "lights', "2\t-1.2\tIt's dull\t", "3\t0.0\tSo so"]
    lines[1] = lines[1].rstrip("\t")
    lines += [f"{n}\t{(-1) ** n}\ttext {n}" for n in range(4, 60)]
    (tmp_path / "ratings.txt").write_bytes("\n".join(lines).encode("latin-1"))
    chosen = {**CHOSEN["data"], "source": "files", "train": str(tmp_path / "ratings.txt")}
    del chosen["distribution"], chosen["sha256"]
    splits = load_splits(Sentiment(data=DataOptions(**chosen)))
    rows = {row.id: row for split in splits.values() for row in split.rows}
    assert len(rows) == 58
    assert splits["train"].dropped == 1
    assert rows["ratings.txt:1"]["text"] == 'Café "lights'
    assert rows["ratings.txt:1"]["label"] == "positive"
    assert rows["ratings.txt:2"]["label"] == "negative"


def test_the_configuration_pins_the_data():
    assert CHOSEN["data"]["distribution"] == "vaderSentiment==3.3.2"
    assert len(CHOSEN["data"]["sha256"]) == 64


def test_the_plugin_offers_the_task():
    assert register_tasks() == [Sentiment]
    (found,) = [task for task in Registry().tasks() if task.name == "sentiment"]
    assert found.error is None
    assert "Movie snippets" in found.description

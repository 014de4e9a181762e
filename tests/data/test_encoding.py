"""Rows become windows in their order, and the ledger tells what truncation took."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from tiny_models import backbone

from gptasks.data.encoding import Ledger, encode_rows
from gptasks.errors import DataError
from gptasks.task import Row
from gptasks.tasks.sequence_classification import SequenceClassification


def rows(*texts: str, **more: str) -> list[Row]:
    return [
        Row({"text": text, "label": "a", **more}, f"a.csv:{n}") for n, text in enumerate(texts, 2)
    ]


def encoded(kind: SequenceClassification, given: list[Row]) -> Any:
    return encode_rows(kind, given, kind.tokenizer(backbone().tokenizer))


def task(**options: Any) -> SequenceClassification:
    return SequenceClassification(labels=["a", "b"], **options)


def test_windows_know_their_row_and_carry_no_ledger():
    found = encoded(task(), rows("ab", "c"))
    assert found.windows == [
        {"input_ids": [65, 66], "label": 0, "row": 0},
        {"input_ids": [67], "label": 0, "row": 1},
    ]
    assert found.lengths == [2, 1]
    assert found.ledger == Ledger(
        rows=2, rows_cut=0, tokens=3, tokens_lost=0, targets=2, source_tokens=3
    )


@pytest.mark.parametrize("side", ["right", "left"])
def test_the_ledger_counts_rows_and_tokens_cut_on_either_side(side: str):
    found = encoded(task(max_length=3, truncation_side=side), rows("abcdef", "abc", "abcd"))
    assert found.ledger == Ledger(
        rows=3, rows_cut=2, tokens=9, tokens_lost=4, targets=3, source_tokens=9
    )
    assert found.ledger.as_json() == {
        "rows": 3,
        "rows_cut": 2,
        "share_of_rows_cut": 2 / 3,
        "tokens": 9,
        "source_tokens": 9,
        "tokens_lost": 4,
        "share_of_tokens_lost": 4 / 13,
        "targets": 3,
        "targets_lost": 0,
    }
    assert found.ledger.shown() == "2 of 3 rows (30.8% of the tokens)"


def test_the_ledger_counts_what_a_pair_loses():
    kind = task(text_pair="second", max_length=5, template="{text}|{text_pair}")
    found = encoded(kind, rows("abcdef", second="xyz"))  # 6 + 1 + 3 tokens
    assert found.ledger == Ledger(1, 1, tokens=5, tokens_lost=5, targets=1, source_tokens=4)
    assert found.ledger.share_lost == 5 / 9  # the sign of the template is never cut


def test_no_rows_have_shares_of_nothing():
    found = encoded(task(), [])
    assert found.windows == []
    assert found.ledger.as_json()["share_of_rows_cut"] == 0.0
    assert found.ledger.as_json()["share_of_tokens_lost"] == 0.0


def test_a_row_without_a_label_has_a_window_without_a_label():
    found = encoded(task(), [Row({"text": "ab"}, "text 1")])
    assert found.windows == [{"input_ids": [65, 66], "row": 0}]


def test_a_text_without_a_token_is_named():
    tokenizer = backbone().tokenizer
    from tokenizers import normalizers

    tokenizer.hf.backend_tokenizer.normalizer = normalizers.Replace("\u200b", "")
    with pytest.raises(DataError, match=r"^a\.csv:3: the text has no token in this backbone's"):
        encode_rows(task(), rows("ab", "\u200b"), tokenizer)


def test_rows_that_can_not_be_read_are_named_together():
    tokenizer = backbone().tokenizer
    from tokenizers import normalizers

    tokenizer.hf.backend_tokenizer.normalizer = normalizers.Replace("\u200b", "")
    with pytest.raises(DataError) as fault:
        encode_rows(task(), rows("\u200b", "ab", *["\u200b"] * 4), tokenizer)
    *three, last = fault.value.faults
    assert [one.partition(": ")[0] for one in three] == ["a.csv:2", "a.csv:4", "a.csv:5"]
    assert last == "… and 2 such rows more"


@dataclass
class Windowed(SequenceClassification):
    """Two windows a row, of which the second lost a token; what it yields is used again."""

    def encode(self, row: Row, tokenizer: Any) -> Iterator[dict[str, Any]]:
        yield {"input_ids": [1, 2], "start": 0}
        yield SECOND


SECOND = {"input_ids": [3], "lost": 1, "shared": 1, "start": 2}


def test_windows_of_a_row_are_one_row_of_the_ledger():
    kind = Windowed(labels=["a", "b"])
    found = encode_rows(kind, rows("x", "y"), backbone().tokenizer)
    assert [window["row"] for window in found.windows] == [0, 0, 1, 1]
    assert [window["start"] for window in found.windows] == [0, 2, 0, 2]
    assert found.ledger == Ledger(rows=2, rows_cut=2, tokens=6, tokens_lost=2, source_tokens=6)
    assert SECOND == {"input_ids": [3], "lost": 1, "shared": 1, "start": 2}
    assert "shared" not in found.windows[1]


@dataclass
class Windowless(SequenceClassification):
    """A task that yields nothing."""

    def encode(self, row: Row, tokenizer: Any) -> Iterator[dict[str, Any]]:
        return iter(())


def test_a_row_without_a_window_is_named():
    with pytest.raises(DataError, match=r"^a\.csv:2: the text has no token"):
        encode_rows(Windowless(labels=["a", "b"]), rows("x"), backbone().tokenizer)

"""What cutting takes is told of each split, on the screen and in results.json; it can end a run."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import Result, gptasks, write_csv
from plugin_folders import package
from small_runs import results_of

LONG, SHORT = "good good good good", "bad"

TAGGING = """
from dataclasses import dataclass
from typing import ClassVar

from gptasks import Prediction, TokenClassification, hookimpl


@dataclass
class Cut(TokenClassification):
    '''Reads the first window of a text alone; the words behind it are O.'''

    name: ClassVar[str] = "cut"

    def encode(self, row, tokenizer):
        first, *rest = super().encode(row, tokenizer)
        tokens = sum(len(window["input_ids"]) - window["shared"] for window in rest)
        yield {**first, "lost": tokens, "lost_targets": sum(len(w["words"]) for w in rest)}

    def merge(self, row, parts):
        tags = parts[0].value
        return Prediction(tags + ["O"] * (len(self.reference(row)) - len(tags)))


@hookimpl
def register_tasks():
    return [Cut]
"""


def trained(*more: str) -> Result:
    """A run on texts of 19 and 3 tokens; of train half are long, of the others a quarter."""
    files = []
    for split, long, short in (("train", 8, 8), ("validation", 2, 6), ("test", 1, 3)):
        rows = [(LONG, "p")] * long + [(SHORT, "n")] * short
        files.append(f"task.data.{split}={write_csv(Path(f'{split}.csv'), rows)}")
    own = ["task=sequence_classification", "backbone=tiny", "tracking=none", "strategy=head"]
    return gptasks(*own, "bootstrap=0", "precision=fp32", "device=cpu", *files, "run=r", *more)


SHOWN = (
    "cut to task.max_length=10: train 8 of 16 rows (40.9% of the tokens); "
    "validation 2 of 8 rows (32.1% of the tokens); test 1 of 4 rows (32.1% of the tokens)"
)


def test_each_split_has_its_share_on_the_screen_and_in_the_results() -> None:
    done = trained("task.max_length=10")
    assert done.code == 0, done.err
    assert f"tokens; {SHOWN}\n" in done.err
    told = results_of(Path("r"))["truncation"]
    assert list(told) == ["train", "validation", "test"]
    assert told["train"] == {
        "rows": 16,
        "rows_cut": 8,
        "share_of_rows_cut": 0.5,
        "tokens": 8 * 10 + 8 * 3,
        "source_tokens": 8 * 10 + 8 * 3,
        "tokens_lost": 8 * 9,
        "share_of_tokens_lost": 72 / 176,
        "targets": 16,
        "targets_lost": 0,
    }
    assert told["validation"]["share_of_rows_cut"] == 0.25
    assert told["test"]["share_of_tokens_lost"] == 9 / 28


def test_where_nothing_is_cut_the_screen_says_so() -> None:
    done = trained("task.max_length=19", "task.max_lost=0")
    assert done.code == 0, done.err
    assert "tokens; nothing was cut to task.max_length=19\n" in done.err
    assert {one["tokens_lost"] for one in results_of(Path("r"))["truncation"].values()} == {0}


@pytest.mark.parametrize("limit", [0, 0.4])
def test_more_than_may_be_lost_ends_the_run(limit: float) -> None:
    done = trained("task.max_length=10", f"task.max_lost={limit}")
    assert (done.code, done.out) == (2, "")
    assert done.faults == [
        f"gptasks: task.max_length=10 cuts 40.9% of the tokens of train, more than "
        f"task.max_lost={float(limit)} allows ({SHOWN.partition(': ')[2]}); raise task.max_length, "
        "or allow more."
    ]
    assert not Path("r/results.json").exists()
    assert not Path("r/model").exists()


def test_the_limit_itself_is_allowed() -> None:
    assert trained("task.max_length=10", f"task.max_lost={72 / 176}").code == 0


def test_a_limit_beyond_all_is_refused() -> None:
    (fault,) = trained("task.max_lost=1.5").faults
    assert fault == "gptasks: task.max_lost must be at least 0 and at most 1; got 1.5"


def test_targets_that_a_kind_loses_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    package(Path("dropped"), "cut", TAGGING)
    monkeypatch.setenv("GPTASKS_PLUGINS", "dropped")
    lines = ["Ann\tB-PER\nmet\tO\nBob\tB-PER\n"] * 8 + ["Ann\tB-PER\n"] * 8
    for split, some in (("train", lines), ("validation", lines[4:12]), ("test", lines[7:])):
        Path(f"{split}.conll").write_text("\n".join(some), encoding="utf-8")
    files = [f"task.data.{split}={split}.conll" for split in ("train", "validation", "test")]
    own = ["task=cut", "backbone=tiny", "tracking=none", "strategy=head", "bootstrap=0"]
    keys = ["task.max_length=7", "task.overlap=0", "precision=fp32", "device=cpu", "run=r"]
    done = gptasks(*own, *files, *keys)
    assert done.code == 0, done.err
    # "Ann met" is the first window and " met Bob" the second, which tags both of its words and has
    # 4 tokens that the first has not.
    told = results_of(Path("r"))["truncation"]
    assert (told["train"]["tokens_lost"], told["train"]["targets_lost"]) == (32, 16)
    assert told["train"]["targets"] == 8 + 8
    assert (told["test"]["rows_cut"], told["test"]["targets_lost"]) == (1, 2)
    shown = (
        "cut to task.max_length=7: train 8 of 16 rows (28.6% of the tokens), 16 targets; "
        "validation 4 of 8 rows (28.6% of the tokens), 8 targets; "
        "test 1 of 9 rows (11.4% of the tokens), 2 targets\n"
    )
    assert shown in done.err

"""`gptasks init`: that what is proposed is written, runs, and says what one should know."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from command_line import gptasks
from proposals import lines, opinions, proposed, table
from small_runs import write_names

from gptasks.data.splits import text_digest


def test_a_label_and_a_text_are_told_with_reasons() -> None:
    task, reasons, notes = proposed(table("Films 1.csv", opinions(), ["id", "text", "label"]))
    assert task == {
        "name": "films_1", "kind": "sequence_classification", "data": {"train": "Films 1.csv"},
        "text": "text", "label": "label", "max_length": 64,
    }  # fmt: skip
    assert reasons["kind"] == "column 'label' names a class of each row"
    assert reasons["label"] == "2 values in 60 rows, and it is called label"
    assert reasons["text"] == "the longest text"
    assert reasons["max_length"] == "95% of the texts have at most 28 characters"
    assert reasons["data"] == (
        "of train a fifth for test and a tenth for validation are cut off, by a hash of the text"
    )
    assert notes == ""


def test_what_was_proposed_is_written_and_runs() -> None:
    table("films.csv", opinions(), ["id", "text", "label"])
    done = gptasks("init", "films.csv")
    assert done.code == 0, done.err
    *_, written, data, train = done.out.splitlines()
    assert written == "films.yaml is written. Next:"
    assert [data.strip(), train.strip()] == [
        "gptasks data task=./films.yaml",
        "gptasks task=./films.yaml",
    ]
    usual = ("backbone=tiny", "strategy=head", "tracking=none", "bootstrap=0", "run=run")
    done = gptasks("task=./films.yaml", *usual)
    assert done.code == 0, done.err
    before = Path("films.yaml").read_text(encoding="utf-8")
    done = gptasks("init", "films.csv")
    assert done.code == 2
    assert done.faults == [
        "gptasks: films.yaml exists; choose another --output, or add --force to replace it."
    ]
    assert Path("films.yaml").read_text(encoding="utf-8") == before
    assert gptasks("init", "films.csv", "--force", "--name", "kino").code == 0
    assert Path("kino.yaml").exists()
    (fault,) = gptasks("init", "films.csv", "--output", "films.csv").faults
    assert fault == "gptasks: --output films.csv: a task is a file that ends in .yaml"


def test_paths_are_those_from_the_file() -> None:
    Path("data").mkdir()
    table("data/train.csv", opinions(), ["id", "text", "label"])
    table("data/dev.csv", opinions(20), ["id", "text", "label"])
    Path("tasks").mkdir()
    assert gptasks("init", "data", "--output", "tasks/films.yaml").code == 0
    task = yaml.safe_load(Path("tasks/films.yaml").read_text(encoding="utf-8"))
    assert task["name"] == "data"
    assert task["data"] == {"train": "../data/train.csv", "validation": "../data/dev.csv"}
    assert gptasks("data", "task=tasks/films.yaml", "backbone=tiny").code == 0


def test_marked_words_in_columns() -> None:
    write_names(Path("train.txt"))
    write_names(Path("test.txt"), rows=20)
    task, reasons, _ = proposed("train.txt", "test.txt")
    assert task == {
        "name": "train", "kind": "token_classification",
        "data": {"train": "train.txt", "test": "test.txt", "format": "conll"},
    }  # fmt: skip
    assert reasons["kind"] == "every word has a tag in BIO: LOC, PER"
    assert gptasks("init", "train.txt", "test.txt").code == 0
    done = gptasks(
        "task=./train.yaml", "backbone=tiny", "strategy=head", "tracking=none", "bootstrap=0"
    )
    assert done.code == 0, done.err


def test_texts_that_are_written_from_others() -> None:
    rows = [
        {
            "id": f"x{n}",
            "article": f"all through day {n} it rained in Bonn " * 9,
            "title": f"Rain {n}",
        }
        for n in range(40)
    ]
    task, reasons, _ = proposed(lines("news.jsonl", rows))
    assert task == {
        "name": "news", "kind": "conditional_generation", "data": {"train": "news.jsonl"},
        "source": "article", "target": "title", "max_length": 160,
        "generation": {"max_new_tokens": 16},
    }  # fmt: skip
    assert reasons["source"] == "what is read, by their names, article and title"
    renamed = [{"one": row["article"], "other": row["title"]} for row in rows]
    task, reasons, _ = proposed(lines("more.jsonl", renamed))
    assert (task["source"], task["target"]) == ("one", "other")
    assert reasons["source"].startswith("what is read, 'one' is ")
    gptasks("init", "news.jsonl")
    done = gptasks(
        "task=./news.yaml", "backbone=tiny", "tracking=none", "bootstrap=0", "trainer.epochs=0.5",
    )  # fmt: skip
    assert done.code == 0, done.err


def test_what_one_should_know_is_noted() -> None:
    rows = [[text, label] for _, text, label in opinions()]
    rows += [rows[0], [rows[1][0], "n"], ["no label here at all", ""], ["", "p"]]
    _, _, notes = proposed(table("films.csv", rows, ["text", "label"]))
    assert notes.splitlines() == [
        "rows that repeat the text of another, and stay in one split with it: 2",
        "texts with more than one label: 1",
        "rows that can't be used: 2; the first is films.csv:64: column 'label' has no label. They "
        "end a run, unless data.max_bad=2 leaves them out",
    ]
    rows = [[text, n % 5 + 1, "train"] for n, (_, text, _) in enumerate(opinions())]
    _, _, notes = proposed(table("stars.csv", rows, ["text", "stars", "split"]))
    assert "column 'stars' holds numbers: they are taken as classes without an order" in notes
    assert "a column seems to tell the split, which is not read" in notes


def test_a_test_file_without_labels_is_left_out() -> None:
    Path("data").mkdir()
    table("data/train.csv", opinions(), ["id", "text", "label"])
    table("data/test.csv", [row[:2] for row in opinions(20)], ["id", "text"])
    task, reasons, notes = proposed("data")
    assert task["data"] == {"train": "data/train.csv"}
    assert reasons["data"].startswith("of train a fifth for test and a tenth for validation")
    assert notes == (
        "test.csv has no label and is left out, since it can't be scored; once trained, "
        "gptasks predict RUN --input FILE tells it\n"
    )


def test_what_would_end_a_run_is_told_beforehand() -> None:
    table("train.csv", opinions(), ["id", "text", "label"])
    table("dev.csv", [*opinions(20), [20, "it was neither", "x"]], ["id", "text", "label"])
    _, _, notes = proposed("train.csv", "dev.csv")
    assert "as it is, a run would end: label 'x' of validation (dev.csv:22) is not among" in notes
    assert " of 21 validation rows also stand in train (same text)" in notes


def test_rare_labels_are_named_so_that_a_split_may_lack_them() -> None:
    rows = [[text, label] for _, text, label in opinions()]
    rare = next(n for n in range(99) if _falls_into_test(f"this one is rare {n}"))
    table("films.csv", [*rows, [f"this one is rare {rare}", "rare"]], ["text", "label"])
    task, reasons, notes = proposed("films.csv")
    assert task["labels"] == ["n", "p", "rare"]
    assert reasons["labels"] == "named, since a split may lack 'rare' with its 1 row"
    assert notes == ""
    assert gptasks("init", "films.csv").code == 0
    usual = ("backbone=tiny", "strategy=head", "tracking=none", "bootstrap=0")
    done = gptasks("task=./films.yaml", *usual)
    assert done.code == 0, done.err
    done = gptasks("task=./films.yaml", *usual, "task.labels=[]")
    assert "label 'rare' of test (films.csv:62) is not among the labels of train" in done.err


def _falls_into_test(text: str) -> bool:
    return int.from_bytes(text_digest(text), "big") / 2**256 < 0.2


def test_nothing_heavy_is_loaded() -> None:
    table("films.csv", opinions(), ["id", "text", "label"])
    code = (
        "import sys; from gptasks.cli import main\n"
        "assert main(['init', 'films.csv']) == 0\n"
        "heavy = {'torch', 'transformers', 'datasets', 'evaluate', 'sklearn', 'hydra', 'peft'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_flags_overrule() -> None:
    rows = [[text, label, text[::-1], n % 3] for n, text, label in opinions()]
    file = table("films.csv", rows, ["text", "label", "other", "kind"])
    task, reasons, _ = proposed(file, "--text", "other", "--label", "kind", "--name", "mine")
    assert (task["name"], task["text"], task["label"]) == ("mine", "other", "kind")
    assert reasons["text"] == reasons["label"] == "as you said"
    task, _, _ = proposed(
        file, "--kind", "conditional_generation", "--text", "text", "--label", "other"
    )
    assert (task["source"], task["target"]) == ("text", "other")
    said = json.loads(gptasks("init", file, "--json", "--text-pair", "other").out)
    assert said["task"]["data"] == {"train": "films.csv"}
    assert (said["task"]["text"], said["task"]["text_pair"]) == ("text", "other")
    assert said["reasons"]["text_pair"] == "as you said"
    assert said["notes"] == []
    assert not Path("films.yaml").exists()


NUMBERS = [[f"the house number {n} is nice", n * 1.37] for n in range(60)]


@pytest.mark.parametrize(
    ("head", "rows", "flags", "told"),
    [
        (["text", "price"], NUMBERS, [],
         "column 'price' holds 60 different numbers, 0 to 80.83: to predict a number there is no "
         "kind of task yet; cut it into classes, or say another column by --label"),
        (["text", "a", "b"], [[f"a text number {n}", n % 2, n % 3] for n in range(30)], [],
         "several columns may be the label: a (2 values), b (3 values); say which by --label"),
        (["text"], [[f"a text number {n}"] for n in range(30)], [],
         "no column looks like a label: there are text; give a column of labels, or a file for "
         "each class: python -m gptasks task=sequence_classification 'task.data.train={good: "
         "good.txt, bad: bad.txt}'"),
        (["a", "b"], [[f"a text number {n}", f"text {n} is so"] for n in range(30)], [],
         "say which by --label, or, if one text is written from the other, --kind "
         "conditional_generation --text a --label b"),
        (["a", "b", "c"], [[f"a text number {n}", f"text {n} is so", f"{n} is it so"]
                           for n in range(30)], [],
         "no column looks like a label: there are a, b, c; say which by --label, or which text is "
         "written by --kind conditional_generation --text COLUMN --label COLUMN"),
        (["id", "date"], [[n, f"2024-01-{n:02}"] for n in range(1, 29)], [],
         "no column looks like a text: there are id, date; say which by --text"),
        (["text", "label"], [["one text", "a"], ["two texts", "b"]], ["--label", "lable"],
         "--label: no column 'lable'; did you mean 'label'?"),
        (["text", "label"], [["one text", "a"], ["two texts", "b"]], ["--label", "text"],
         "no column is left for the text; say which by --text"),
        (["text", "label"], [["one text", "a"], ["two texts", "b"]], ["--kind", "tagging"],
         "no kind 'tagging'; there are sequence_classification, token_classification, "
         "conditional_generation"),
        (["text", "label"], [["one text", "a"], ["two texts", "b"]],
         ["--kind", "token_classification"], "token_classification needs a column of words and"),
        (["text", "label"], [["one text", "a"], ["two texts", "b"]],
         ["--kind", "conditional_generation"], "conditional_generation needs two columns of text"),
    ],
)  # fmt: skip
def test_what_can_not_be_told_is_asked_for(
    head: list[str], rows: list[list[Any]], flags: list[str], told: str
) -> None:
    done = gptasks("init", table("a.csv", rows, head), *flags)
    assert done.code == 2
    (fault,) = done.faults
    assert told in fault
    assert not Path("a.yaml").exists()

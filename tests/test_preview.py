"""`gptasks data`: what is shown is what a training would see, in numbers and token by token."""

from __future__ import annotations

import ast
import contextlib
import inspect
import io
import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from command_line import gptasks, write_csv
from hypothesis import given
from hypothesis import strategies as st
from plugin_folders import package
from small_runs import results_of, small
from tiny_models import CPU, backbone

from gptasks import preview, preview_page
from gptasks.cli import main
from gptasks.config import compose
from gptasks.data.encoding import encode_rows
from gptasks.options import BackboneOptions
from gptasks.pretrained import load_backbone
from gptasks.preview import Preview, gaps
from gptasks.report import width

OWN = ("task=sequence_classification", "backbone=tiny")

TEMPLATE = 'task.template="Say: {text} It is"'

WORDS = ["Ann", "met", "张伟", "in", "New", "York", "on", "a", "very", "long", "day"]
TAGS = ["B-PER", "O", "B-PER", "O", "B-LOC", "I-LOC", "O", "O", "O", "O", "O"]

WRITING = """
from dataclasses import dataclass
from typing import ClassVar

from gptasks import SequenceClassification, hookimpl


@dataclass
class Writing(SequenceClassification):
    '''Writes its label: a kind whose targets are tokens, and one target is cut away.'''

    name: ClassVar[str] = "writing"

    def learn_labels(self, rows):
        '''It has no classes.'''

    def check_rows(self, split, rows):
        '''Any text will do.'''

    def encode(self, row, tokenizer):
        source, target = tokenizer.plain(row["text"]), tokenizer.plain(row["label"])
        ids = [*source, *target[:-2]]
        labels = [-100] * (len(source) - 1) + target[:-1]
        yield {"input_ids": ids, "labels": labels, "prompt": len(source), "lost": 2,
               "lost_targets": 1}


@hookimpl
def register_tasks():
    return [Writing]
"""


@pytest.fixture
def six() -> list[str]:
    """Six rows of training; validation and test, of which some texts stand elsewhere too."""
    write_csv(
        Path("train.csv"),
        [("a b", "x"), ("c", "y"), ("A  B", "y"), ("d" * 9, "x"), ("e", "x"), ("c", "y")],
    )
    write_csv(Path("validation.csv"), [("f", "y"), ("c", "y"), ("c", "y")])
    write_csv(Path("test.csv"), [("f", "x"), ("", "x"), ("g", "x")])
    files = [f"task.data.{name}={name}.csv" for name in ("train", "validation", "test")]
    return [*OWN, *files, "task.data.max_bad=1", "task.max_length=6"]


@pytest.fixture
def long() -> list[str]:
    """One long row of Chinese and English, and short ones."""
    rows = [("很好 and so on\n\tto the end", "good"), ("short", "bad"), ("brief", "good")]
    data = write_csv(Path("long.csv"), rows)
    files = [f"task.data.{name}={data}" for name in ("train", "validation", "test")]
    return [*OWN, *files, "task.max_length=20", TEMPLATE]


@pytest.fixture
def names() -> list[str]:
    """Rows of words with tags, longer than a window."""
    rows = [{"tokens": [*WORDS, str(n)], "tags": [*TAGS, "O"]} for n in range(12)]
    Path("names.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    files = [f"task.data.{name}=names.jsonl" for name in ("train", "validation", "test")]
    keys = ["task.max_length=20", "task.overlap=6"]
    return ["task=token_classification", "backbone=tiny", *files, *keys]


@pytest.fixture
def writing(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A kind that nobody but this test knows."""
    package(Path("dropped"), "writing", WRITING)
    monkeypatch.setenv("GPTASKS_PLUGINS", "dropped")
    data = write_csv(Path("w.csv"), [(f"say {n}", f"yes {n}") for n in range(40)])
    return ["task=writing", f"task.data.train={data}", "backbone=tiny"]


def shown(*argv: str) -> str:
    done = gptasks("data", *argv)
    assert done.code == 0, done.err
    return done.out


def told(*argv: str) -> Any:
    return json.loads(shown(*argv, "--json"))


# -- one row ------------------------------------------------------------------------------


def test_a_row_is_shown_token_by_token_with_what_was_cut(long: list[str]) -> None:
    """5 tokens of "Say: ", 6 of " It is", 9 for the text; Chinese characters have 3 bytes each."""
    assert shown(*long, "--row", "1") == (
        "row 1 of train: long.csv:2\n"
        "\n"
        "text      很好 and so on\\n\\tto the end\n"
        "label     good\n"
        "(answer)  good\n"
        "\n"
        "window 1 of 1: 20 tokens, target good\n"
        "    0  S|a|y|:| |\\xe5|\\xbe|\\x88|\\xe5|\\xa5|\\xbd| |a|n| |I|t| |i|s|\n"
        "\n"
        "cut away: 19 tokens\n"
        "       d| |s|o| |o|n|\\n|\\t|t|o| |t|h|e| |e|n|d|\n"
        "\n"
        "| ends a token; before a line stands the place of its first one, from 0\n"
        "\\xe5 and the like are single bytes of a character\n"
    )


def test_a_row_cut_on_the_left_shows_what_went_there(long: list[str]) -> None:
    (gap,) = told(*long, "task.truncation_side=left", "--row", "1")["cut"]
    assert "".join(gap) == "\\xe5\\xbe\\x88\\xe5\\xa5\\xbd and so on\n\tt"


def test_both_texts_of_a_pair_may_lose_some() -> None:
    rows = [("abcdefghij", "0123456789", "x"), ("a", "1", "y")]
    data = write_csv(Path("pairs.csv"), rows, ("text", "second", "label"))
    files = [f"task.data.{name}={data}" for name in ("train", "validation", "test")]
    keys = ["task.text_pair=second", "task.max_length=10", "task.template={text}/{text_pair}."]
    seen = told(*OWN, *files, *keys, "--row", "1")
    assert "".join(token["piece"] for token in seen["windows"][0]["tokens"]) == "abcd/0123."
    assert ["".join(gap) for gap in seen["cut"]] == ["efghij", "456789"]
    assert seen["windows"][0]["lost"] == 12


def test_every_word_has_its_tag_at_its_last_token(names: list[str]) -> None:
    page = shown(*names, "--row", "names.jsonl:3")
    assert page.splitlines()[0].endswith(": names.jsonl:3")
    assert '(answer)  ["B-PER", "O", "B-PER", "O", "B-LOC", "I-LOC", ' in page
    tagged = [line.split()[-1] for line in page.splitlines() if " -> " in line]
    assert tagged == [*TAGS, "O"]
    assert "   13  \\x9f  -> B-PER\n" in page
    assert "window 1 of 3: 20 tokens, 4 targets\n    0  A|n|\n    2  n     -> B-PER\n" in page
    assert "window 2 of 3: 20 tokens, 6 of them in the window before too, 4 targets\n" in page


def test_what_windows_share_is_what_both_hold(names: list[str]) -> None:
    windows = told(*names, "--row", "1", "--split", "train")["windows"]
    ids = [[token["id"] for token in window["tokens"]] for window in windows]
    assert [window["shared"] for window in windows] == [0, 6, 7]
    for before, after, window in zip(ids, ids[1:], windows[1:], strict=False):
        assert before[-window["shared"] :] == after[: window["shared"]]
    fresh = sum(len(tokens) - window["shared"] for tokens, window in zip(ids, windows, strict=True))
    assert fresh == len(" ".join([*WORDS, "0"]).encode())


def test_a_kind_it_never_heard_of_is_shown_with_its_own_targets(writing: list[str]) -> None:
    seen = told(*writing, "--row", "1")
    text, label = seen["row"]["text"], seen["row"]["label"]
    (window,) = seen["windows"]
    assert "".join(token["piece"] for token in window["tokens"]) == text + label[:-2]
    learnt = [token["target"] for token in window["tokens"]]
    assert learnt == [None] * (len(text) - 1) + list(label[:-1])
    assert (window["prompt"], window["lost"], window["lost_targets"]) == (len(text), 2, 1)
    page = shown(*writing, "--row", "1")
    assert f"tokens, {len(label) - 1} targets, prompt {len(text)}\n" in page
    assert f"{len(text) - 1:>5}  {text[-1]}  -> y\n" in page
    assert "cut away: 2 tokens, and 1 target\n" in page
    assert "-> is what is learnt at a token; the others are read only\n" in page


@pytest.mark.parametrize("which", ["long", "names", "six"])
def test_what_is_shown_is_what_training_encodes(which: str, request: Any) -> None:
    """By the backbone itself, and not only its tokenizer."""
    argv = request.getfixturevalue(which)
    config = compose(argv)
    view = Preview(config)
    tiny = load_backbone(BackboneOptions(source="random"), "tiny", dtype=None, device=CPU)
    task = config.task
    rows = view.splits["train"].rows
    encoded = encode_rows(task, rows, task.tokenizer(tiny.tokenizer)).windows
    for index in range(len(rows)):
        seen = view.row(str(index + 1))
        ids = [[token.id for token in window.tokens] for window in seen.windows]
        assert ids == [window["input_ids"] for window in encoded if window["row"] == index]


@pytest.mark.parametrize("which", ["long", "names", "six", "writing"])
def test_no_line_is_wider_than_a_terminal(which: str, request: Any) -> None:
    argv = request.getfixturevalue(which)
    for page in (shown(*argv, "--row", "1"), shown(*argv)):
        assert max(width(line) for line in page.splitlines()) <= 80
        assert all(line.isprintable() for line in page.splitlines())


def test_a_long_column_and_a_long_cut_are_shortened(long: list[str]) -> None:
    data = write_csv(Path("wide.csv"), [("好字" * 500, "good"), ("b", "bad")])
    files = [f"task.data.{name}={data}" for name in ("train", "validation", "test")]
    page = shown(*OWN, *files, "--row", "1", "task.max_length=100")
    assert page.count("… (1,000 characters)") == 1
    assert "cut away: 2900 tokens" not in page
    assert "cut away: 2,900 tokens\n" in page
    assert " … 2,780 more … |" in page
    assert max(width(line) for line in page.splitlines()) <= 80
    assert len(page.splitlines()) < 40


def test_a_terminal_without_chinese_is_no_fault(long: list[str]) -> None:
    out = io.TextIOWrapper(io.BytesIO(), encoding="latin-1")
    with contextlib.redirect_stdout(out):
        assert main(["data", *long, "--row", "1"]) == 0
    out.flush()
    assert b"\\u5f88\\u597d and so on" in out.buffer.getvalue()


@given(
    kept=st.lists(st.integers(0, 3), max_size=12),
    lost=st.lists(st.integers(0, 3), min_size=1, max_size=9),
    place=st.integers(0, 12),
)
def test_one_gap_is_found_and_fills_up_what_was_kept(
    kept: list[int], lost: list[int], place: int
) -> None:
    whole = kept[:place] + lost + kept[place:]
    (found,) = gaps(whole, kept)
    assert len(found) == len(lost)
    places = range(len(kept) + 1)
    assert any(kept[:at] + found + kept[at:] == whole for at in places)


def test_what_is_no_part_has_no_gaps() -> None:
    assert gaps([1, 2, 3], [1, 9, 8, 7, 3]) == []
    assert gaps([1, 2, 3], [1, 2, 3]) == []


def test_where_words_touch_the_text_tokens_at_the_cut_may_be_others() -> None:
    assert gaps([1, 2, 3, 4, 5], [1, 2, 9, 5]) == [[3, 4]]


# -- all of them --------------------------------------------------------------------------


def test_all_rows_are_counted(six: list[str]) -> None:
    found = told(*six)
    assert (found["task"], found["backbone"]) == ("sequence_classification", "tiny")
    assert (found["context"], found["max_length"], found["labels"]) == (512, 6, ["x", "y"])
    train, validation, test = (found["splits"][n] for n in ("train", "validation", "test"))
    assert [part["rows"] for part in (train, validation, test)] == [6, 3, 2]
    assert [part["bad"] for part in (train, validation, test)] == [0, 0, 1]
    # "A  B" is "a b" but for case and white space; "c" stands twice.
    assert [part["repeated"] for part in (train, validation, test)] == [2, 1, 0]
    assert train["also_in"] == {"validation": 2, "test": 0}
    assert validation["also_in"] == {"train": 2, "test": 1}
    assert test["also_in"] == {"train": 0, "validation": 1}
    assert found["contradicting"] == 2  # "a b" within train, "f" from validation to test
    assert train["classes"] == {"x": 3, "y": 3}
    assert test["classes"] == {"x": 2}
    # In tokens, which are bytes: 1, 1, 1, 3, 4 and 9, of which 3 are cut away.
    lengths = {"least": 1, "median": 3, "90%": 9, "99%": 9, "most": 9}
    assert train["lengths"] == lengths
    assert train["truncation"]["tokens_lost"] == 3
    assert train["truncation"]["rows_cut"] == 1
    steps = [(step["from"], step["to"], step["windows"]) for step in found["histogram"]]
    assert steps == [(1, 1, 8), (2, 2, 0), (3, 3, 1), (4, 4, 1), (5, 6, 0), (7, 8, 0), (9, 12, 1)]
    assert found["refusal"] is None


def test_the_page_says_it_in_tables(six: list[str]) -> None:
    page = shown(*six)
    assert page.startswith(
        "task sequence_classification · task.max_length=6\n"
        "backbone tiny reads 512 tokens at once\n"
        "\n"
        "            rows  unusable  left out  repeated  in train  in validation  in test\n"
        "train       6     0         0         2                   2              0\n"
        "validation  3     0         0         1         2                        1\n"
        "test        2     1         0         0         0         1\n"
    )
    assert "\n2 texts stand there with answers that differ\n" in page
    assert "\n            least  median  90%  99%  most\ntrain       1      3       9 " in page
    assert "\n   1  ##############################          8\n" in page
    assert "\n 5-6                                          0  task.max_length=6\n" in page
    assert "\n9-12  ####                                    1\n" in page
    assert "\ntrain       6        16      6        1 (16.7%)  3 (15.8%)\n" in page
    assert page.endswith(
        "label  train      validation  test\n"
        "x      3 (50.0%)  0 (0.0%)    2 (100.0%)\n"
        "y      3 (50.0%)  3 (100.0%)  0 (0.0%)\n"
    )


def test_the_context_is_marked_where_it_is_reached() -> None:
    data = write_csv(Path("a.csv"), [("a" * 600, "x"), ("b" * 512, "y")])
    files = [f"task.data.{name}={data}" for name in ("train", "validation", "test")]
    page = shown(*OWN, *files)
    assert (
        "\n385-512  ##############################          3  task.max_length=512, context=512\n"
        in page
    )
    assert "\n513-768  ##############################          3\n" in page
    page = shown(*OWN, *files, "task.max_length=24")  # below all lengths
    assert f"\n  1-384{'0':>43}  task.max_length=24\n" in page


def test_rows_that_can_not_be_encoded_are_told_together() -> None:
    rows = [("ab", "x" * (99 if n % 2 else 3)) for n in range(24)]
    path = Path("long.csv")
    path.write_text("source,target\n" + "".join(f"{a} {n},{b}\n" for n, (a, b) in enumerate(rows)))
    argv = ["task=conditional_generation", f"task.data.train={path}", "backbone=tiny"]
    done = gptasks("data", *argv, "task.max_length=80", "task.generation.max_new_tokens=16")
    assert done.code == 2
    *named, last = done.faults
    assert len(named) == 3
    told = re.compile(r"gptasks: long\.csv:\d+: the target takes 10[01] tokens")
    assert all(map(told.match, named))
    assert re.fullmatch(r"gptasks: … and \d such rows more", last)


def test_the_ledger_is_that_of_the_run(tmp_path: Path, reviews: dict[str, str]) -> None:
    argv = small(reviews["task.data.train"], "task.max_length=24", "strategy=head", "limit=40")
    assert gptasks(*argv, "run=r").code == 0
    results, found = results_of(Path("r")), told(*argv)
    for name, part in found["splits"].items():
        assert part["truncation"] == results["truncation"][name]
        assert part["rows"] == results["data"][name]["n"]
    assert found["labels"] == results["labels"]
    assert found["splits"]["train"]["truncation"]["tokens_lost"] > 0


def test_overrides_are_those_of_training(six: list[str]) -> None:
    assert told(*six, "limit=4")["splits"]["train"]["rows"] == 4
    assert told(*six, "trainer.epochs=3", "seed=1") == told(*six)
    swapped = [word.replace("train.csv", "test.csv") for word in six if "max_bad" not in word]
    done = gptasks("data", *swapped)
    assert (done.code, done.out) == (2, "")
    assert "test.csv:3: column 'text' is empty" in done.err


def test_targets_that_were_cut_are_counted(writing: list[str]) -> None:
    found = told(*writing)
    for part in found["splits"].values():
        assert part["truncation"]["targets_lost"] == part["rows"]
        assert part["classes"] == {}
    page = shown(*writing)
    assert "targets lost\n" in page
    assert "label" not in page


def test_what_training_would_refuse_is_told_and_shown(six: list[str]) -> None:
    done = gptasks("data", *six, "task.max_lost=0.1", "--json")
    refusal = (
        "task.max_length=6 cuts 15.8% of the tokens of train, more than task.max_lost=0.1 allows "
        "(train 1 of 6 rows (15.8% of the tokens)); raise task.max_length, or allow more."
    )
    assert json.loads(done.out)["refusal"] == refusal
    assert done.code == 0
    assert f"warning: training refuses this: {refusal}\n" in done.err
    assert gptasks(*six, "task.max_lost=0.1", "tracking=none").faults == [f"gptasks: {refusal}"]


def test_many_labels_and_long_ones_are_shortened() -> None:
    rows = [(f"text {n} {k}", f"label {n:02}") for n in range(24) for k in range(n % 5 + 2)]
    data = write_csv(Path("many.csv"), [*rows, *(("z" * n, "x" * 60) for n in range(1, 9))])
    files = [f"task.data.{name}={data}" for name in ("train", "validation", "test")]
    page = shown(*OWN, *files)
    table = page.split("\n\n")[-1].splitlines()
    assert len(table) == 1 + preview_page.MOST_LABELS + 1
    assert table[1].startswith("x" * 23 + "…  8 (")
    assert table[-1] == "and 5 labels more, less frequent; --json has all"
    assert len(told(*OWN, *files)["splits"]["train"]["classes"]) == 25


# -- without weights, without kinds ---------------------------------------------------------


def test_a_backbone_needs_no_weights(six: list[str], tmp_path: Path) -> None:
    folder = tmp_path / "sound"
    tiny = backbone()
    tiny.model.save_pretrained(folder)
    tiny.tokenizer.save(folder)
    (folder / "model.safetensors").unlink()
    argv = [word for word in six if not word.startswith("backbone=")]
    of_folder = told(*argv, f"backbone={folder}")
    assert of_folder["splits"] == told(*six)["splits"]
    assert of_folder["context"] == 512
    shutil.rmtree(folder)
    (fault,) = gptasks("data", *argv, f"backbone={folder}").faults
    assert "sound" in fault


def test_it_leaves_nothing_behind(six: list[str]) -> None:
    before = sorted(os.listdir())
    shown(*six)
    shown(*six, "--row", "1")
    assert sorted(os.listdir()) == before


@pytest.mark.parametrize("module", [preview, preview_page])
def test_it_asks_for_no_kind(module: Any) -> None:
    tree = ast.parse(inspect.getsource(module))
    imported = {n.module or "" for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    assert not [name for name in imported if name.startswith("gptasks.tasks")]
    asked = [
        ast.unparse(call)
        for call in ast.walk(tree)
        if isinstance(call, ast.Call)
        and ast.unparse(call.func) in ("isinstance", "hasattr", "getattr")
        and "task" in ast.unparse(call.args[0])
    ]
    assert asked == []


# -- faults -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "fault"),
    [
        (["--row", "0"], "train has 6 rows, and --row 0 is none of them; give 1 to 6, or a row's "
         "id."),
        (["--row", "3", "--split", "test"], "test has 2 rows, and --row 3 is none of them; give 1 "
         "to 2, or a row's id."),
        (["--row", "train.csv:99"], "no row of any split has the id 'train.csv:99'; ids are such "
         "as 'train.csv:2'. A row may be unusable, left out by the task, or beyond limit."),
        (["--row", "trian.csv:2"], "no row of any split has the id 'trian.csv:2'; did you mean "
         "'train.csv:2'? Ids are such as 'train.csv:2'. A row may be unusable, left out by the "
         "task, or beyond limit."),
        (["--row", "train.csv:2", "--split", "test"], "no row of test has the id 'train.csv:2'; "
         "ids are such as 'test.csv:2'. A row may be unusable, left out by the task, or beyond "
         "limit."),
        (["--row", "1", "--split", "tset"], "--split must be one of train, validation, test; got "
         "'tset'; did you mean 'test'?"),
        (["--split", "test"], "data --split NAME says which split --row N is of; give --row too."),
        (["--row"], "data: argument --row: expected one argument. See gptasks data --help."),
        (["-m"], "data has no argument '-m'. See gptasks data --help."),
        (["--jsno"], "data has no argument '--jsno'; did you mean '--json'? See gptasks data "
         "--help."),
        (["task.max_lenght=3"], "task 'sequence_classification' (gptasks 0.1.0) has no option "
         "'max_lenght'; did you mean 'max_length'?"),
        (["task.max_length=600"], "task.max_length=600 is more than backbone 'tiny' can read at "
         "once (512 tokens); set task.max_length=512 or less."),
        (["task.label=labl"], "train.csv, validation.csv, test.csv, all 12 rows: column 'labl' is "
         "not there; did you mean 'label'? (it has: text, label); set task.label=COLUMN."),
        (["backbone=./nowhere"], "backbone=./nowhere: there is no such file or folder"),
        (["task=sequence_classificaton"], "no task 'sequence_classificaton'; did you mean "
         "'sequence_classification'?*"),
    ],
)  # fmt: skip
def test_a_fault_is_one_line(six: list[str], more: list[str], fault: str) -> None:
    keys = {word.partition("=")[0] for word in more}
    given = [word for word in six if word.partition("=")[0] not in keys]
    done = gptasks("data", *given, *more)
    assert (done.code, done.out) == (2, "")
    said = done.faults[-1].removeprefix("gptasks: ")
    assert said.startswith(fault[:-1]) if fault.endswith("*") else said == fault


def test_without_a_task_it_says_so() -> None:
    (fault,) = gptasks("data").faults
    assert fault.startswith("gptasks: task=… is missing; `gptasks tasks` lists the ")

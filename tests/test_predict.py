"""`gptasks predict` and `evaluate`: what each reads, prints and writes."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import os
import re
import sys
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
from command_line import films, gptasks, train, write_csv

import gptasks as package_of_gptasks
from gptasks.cli import main


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(train(tmp_path_factory.mktemp("finished")))


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(train(tmp_path_factory.mktemp("pairs"), "task.text_pair=label"))


def records(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize("content", ["", "text\n"], ids=["empty", "only a header"])
def test_a_file_without_rows_is_no_input_to_predict(run: str, tmp_path: Path, content: str) -> None:
    path = tmp_path / "none.csv"
    path.write_text(content)
    done = gptasks("predict", run, "--input", str(path), "--output", str(tmp_path / "out.jsonl"))
    assert (done.code, done.out) == (2, "")
    assert done.err.count("\n") == 1
    assert f"gptasks: {path}" in done.err or "gptasks: none.csv" in done.err
    assert not (tmp_path / "out.jsonl").exists()


NASTY = [
    "a, b; c",
    'he said "good"',
    "it's good",
    "很好的電影，值得看",
    "two\nlines",
    "--input",
    "-bad",
    "key=value",
    "😀 é",
    "[a,b] {c:d} $x *",
]


# -- predict ------------------------------------------------------------------------------


def test_predict_gives_every_text_back_with_its_probabilities(run: str) -> None:
    done = gptasks("predict", run, "--", *NASTY)
    assert (done.code, done.err) == (0, "")
    found = records(done.out)
    assert [record["input"] for record in found] == NASTY
    assert [record["id"] for record in found] == [f"text {n}" for n in range(1, len(NASTY) + 1)]
    for record in found:
        assert list(record) == ["id", "input", "prediction", "scores"]
        assert list(record["scores"]) == ["n", "p"]
        assert sum(record["scores"].values()) == pytest.approx(1)
        assert record["prediction"] == max(record["scores"], key=record["scores"].__getitem__)
    learnt = records(gptasks("predict", run, "film 3 is good", "film 4 is bad").out)
    assert [record["prediction"] for record in learnt] == ["p", "n"]


def test_the_command_line_says_what_the_programming_interface_says(run: str) -> None:
    (record,) = records(gptasks("predict", run, "film 1 is good").out)
    (prediction,) = package_of_gptasks.load(run).predict(["film 1 is good"])
    assert (record["prediction"], record["scores"]) == (prediction.value, prediction.scores)


def test_flags_of_predict_may_stand_anywhere(run: str, tmp_path: Path) -> None:
    out = str(tmp_path / "out.jsonl")
    for argv in (
        ["--output", out, run, "a"],
        [run, "--output", out, "a"],
        [run, "a", "--output", out],
    ):
        done = gptasks("predict", *argv)
        assert (done.code, done.out, done.err) == (0, "", f"{out}: predictions of 1 row\n")
        os.remove(out)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.txt", b"one, 1\r\n\r\n\xe5\xa5\xbd\n"),
        ("a.txt.gz", gzip.compress(b"one, 1\n\n\xe5\xa5\xbd\n", mtime=0)),
        ("a.csv", 'text,x\n"one, 1",2\n好,3\n'.encode()),
        ("a.tsv", "x\ttext\n2\tone, 1\n3\t好\n".encode()),
        ("a.jsonl", b'{"text": "one, 1"}\n\n{"text": "\\u597d"}\n'),
        ("a.json", '[{"text": "one, 1"}, {"text": "好"}]'.encode()),
    ],
)
def test_predict_reads_every_format_and_writes_jsonl(
    run: str, tmp_path: Path, name: str, content: bytes
) -> None:
    path, out = tmp_path / name, tmp_path / "out.jsonl"
    path.write_bytes(content)
    done = gptasks("predict", run, "--input", str(path), "--output", str(out))
    assert (done.code, done.out, done.err) == (0, "", f"{out}: predictions of 2 rows\n")
    text = out.read_text(encoding="utf-8")
    assert [record["input"] for record in records(text)] == ["one, 1", "好"]
    assert "好" in text  # as it is, not as \u597d
    assert all(record["id"].startswith(f"{name}:") for record in records(text))


def test_predict_reads_the_files_that_a_pattern_fits(run: str, tmp_path: Path) -> None:
    (tmp_path / "b.txt").write_text("one\n", encoding="utf-8")
    write_csv(tmp_path / "a.csv", [("two", "p")])
    done = gptasks("predict", run, "--input", str(tmp_path / "?.*"))
    assert [(record["id"], record["input"]) for record in records(done.out)] == [
        ("a.csv:2", "two"),
        ("b.txt:1", "one"),
    ]
    fault = "gptasks: no file fits the pattern '*.tsv' in * (it has: a.csv, b.txt, *)."
    assert fnmatch(gptasks("predict", run, "--input", f"{tmp_path}/*.tsv").faults[0], fault)


def test_predict_reads_whole_files(run: str, tmp_path: Path) -> None:
    for name in ("b.txt", "a.txt"):
        (tmp_path / name).write_text(f"{name}\n\nmore\n", encoding="utf-8")
    done = gptasks("predict", run, "--input", f"{tmp_path}/*.txt", "--format", "documents")
    assert [(record["id"], record["input"]) for record in records(done.out)] == [
        ("a.txt:1", "a.txt\n\nmore\n"),
        ("b.txt:1", "b.txt\n\nmore\n"),
    ]
    flags = ["--format", "documents"]
    typed = ("predict", run, "--input", "-")
    folders = gptasks(*typed, "--column=text=folder", *flags, stdin=b"a\nb\n")
    assert folders.faults == ["gptasks: stdin:1: column 'folder' is empty"]
    files = gptasks(*typed, "--column=text=file", *flags, stdin=b"a\nb\n")
    assert [record["input"] for record in records(files.out)] == ["stdin"]
    (tmp_path / "a.txt").write_bytes(b"caf\xe9\n")
    done = gptasks("predict", run, "--input", str(tmp_path / "a.txt"), *flags)
    assert fnmatch(
        done.faults[0], "gptasks: a.txt:1: the file is not utf-8: byte 0xe9 at offset 3,*"
    )


def test_predict_reads_other_columns_encodings_and_files_without_a_header(
    run: str, tmp_path: Path
) -> None:
    path = tmp_path / "reviews.dat"
    path.write_bytes('1\tcafé "x\n'.encode("latin-1"))
    flags = ["--format=tsv", "--columns=id,review", "--column=text=review", "--encoding=latin-1"]
    done = gptasks("predict", run, "--input", str(path), "--no-quoting", *flags)
    assert [record["input"] for record in records(done.out)] == ['café "x']


@pytest.mark.parametrize(
    ("stdin", "flags"),
    [
        ("\ufeffone, 1\r\n\n好\n".encode(), []),
        ("one, 1\n好".encode("utf-16"), ["--encoding", "utf-16"]),
        ('text\n"one, 1"\n好\n'.encode(), ["--format", "csv"]),
        ('{"text": "one, 1"}\n{"text": "好"}\n'.encode(), ["--format", "jsonl"]),
    ],
)
def test_predict_reads_stdin_in_every_format(run: str, stdin: bytes, flags: list[str]) -> None:
    done = gptasks("predict", run, "--input", "-", *flags, stdin=stdin)
    assert (done.code, done.err) == (0, "")
    assert [record["input"] for record in records(done.out)] == ["one, 1", "好"]
    assert all(record["id"].startswith("stdin:") for record in records(done.out))


def test_predict_on_pairs_wants_a_file(pairs: str, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "pairs.csv", [("film 1 is good", "p")])
    (record,) = records(gptasks("predict", pairs, "--input", str(path)).out)
    assert record["input"] == {"text": "film 1 is good", "text_pair": "p"}


def test_predict_never_replaces_a_file_unasked(run: str, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    out.write_text("mine\n", encoding="utf-8")
    argv = ("predict", run, "a", "--output", str(out))
    done = gptasks(*argv)
    assert done.code == 2
    assert done.err == (
        f"gptasks: {out} exists; choose another --output, or add --force to replace it.\n"
    )
    assert out.read_text(encoding="utf-8") == "mine\n"
    assert gptasks(*argv, "--force").code == 0
    assert records(out.read_text(encoding="utf-8"))[0]["input"] == "a"


def test_a_failed_predict_leaves_its_output_as_it_was(run: str, tmp_path: Path) -> None:
    out, path = tmp_path / "out.jsonl", tmp_path / "in.jsonl"
    out.write_text("mine\n", encoding="utf-8")
    path.write_text('{"text": "a"}\n{"text": ""}\n', encoding="utf-8")
    done = gptasks("predict", run, "--input", str(path), "--output", str(out), "--force")
    assert done.code == 2
    assert done.err == "gptasks: in.jsonl:2: column 'text' is empty\n"
    assert out.read_text(encoding="utf-8") == "mine\n"
    assert {file.name for file in tmp_path.iterdir() if file.is_file()} == {out.name, path.name}


def test_predict_may_write_over_its_own_input(run: str, tmp_path: Path) -> None:
    path = tmp_path / "texts.jsonl"
    path.write_text('{"text": "a"}\n', encoding="utf-8")
    assert gptasks("predict", run, "--input", str(path), "--output", str(path), "--force").code == 0
    assert records(path.read_text(encoding="utf-8"))[0]["input"] == "a"


def test_predict_writes_through_a_link(run: str, tmp_path: Path) -> None:
    out, link = tmp_path / "out.jsonl", tmp_path / "link.jsonl"
    link.symlink_to(out)
    assert gptasks("predict", run, "a", "--output", str(link)).code == 0
    assert link.is_symlink()
    assert out.is_file()


def test_predict_writes_into_a_pipe_or_device_and_never_replaces_it(
    run: str, tmp_path: Path
) -> None:
    pipe = tmp_path / "pipe"  # never a device of this machine: a test may run as root, and fail
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        assert gptasks("predict", run, "a", "--output", str(pipe), "--force").code == 0
        assert pipe.is_fifo()
        assert json.loads(os.read(reader, 65536))["input"] == "a"
    finally:
        os.close(reader)


def test_predict_writes_ascii_where_the_terminal_has_no_more(run: str) -> None:
    out = io.TextIOWrapper(io.BytesIO(), encoding="latin-1")
    with contextlib.redirect_stdout(out):
        assert main(["predict", run, "好 é 😀"]) == 0
    written = out.buffer.getvalue()
    assert json.loads(written.decode("ascii"))["input"] == "好 é 😀"


@pytest.mark.parametrize(
    ("argv", "fault"),
    [
        (["predict"], "predict: RUN is missing. See gptasks predict --help."),
        (["predict", "RUN"], "predict takes either texts or --input FILE: gptasks predict RUN 'a "
         "text', or gptasks predict RUN --input texts.txt."),
        (["predict", "RUN", "a", "--input", "x"], "predict takes either texts or --input FILE: *"),
        (["predict", "RUN", "a", "--ouput", "x"], "predict has no argument '--ouput'; did you mean "
         "'--output'? See gptasks predict --help."),
        (["predict", "RUN", "-quite-bad"], "predict has no argument '-quite-bad'; a text that "
         "begins with a dash goes after --. See gptasks predict --help."),
        (["predict", "RUN", "a", "--output"], "predict: argument --output: expected one argument. "
         "See gptasks predict --help."),
        (["predict", "RUN", ""], "text 1: column 'text' is empty"),
        (["predict", "RUN", "a", " \n"], "text 2: column 'text' is empty"),
        (["predict", "RUN", "caf\udce9"], "text 1 holds bytes that are no UTF-8."),
        (["predict", "RUN", "a", "--output", "no/such/out"], "--output no/such/out can't be "
         "written: No such file or directory."),
        (["predict", "RUN", "a", "--output", "."], "--output . is a folder; give a file."),
        (["predict", "RUN", "a", "--device=gpu"], "--device must be one of auto, cpu, cuda, mps; "
         "got 'gpu'; did you mean 'cpu'?"),
        (["predict", "RUN", "--input", "no.txt"], "no file 'no.txt' in *"),
        (["predict", "RUN", "--input", "films.dat"], "the ending of films.dat tells no format; it "
         "may end in .csv, .tsv, .json, .jsonl, .parquet, .txt, .conll, .bio, .iob, each also with "
         ".gz, or give --format=csv|tsv|json|jsonl|parquet|txt|conll|documents."),
        (["predict", "RUN", "--input", "films.csv", "--column", "text=txet"], "films.csv:2: column "
         "'txet' is not there; did you mean 'text'? (it has: text, label); give --column "
         "text=COLUMN"),
        (["predict", "RUN", "--input", "films.csv", "--format", "cvs"], "--format must be one of "
         "csv, tsv, json, jsonl, parquet, txt, conll, documents; got 'cvs'; did you mean 'csv'?"),
        (["predict", "RUN", "--input", "films.csv", "--encoding", "utf9"], "--encoding=utf9: "
         "unknown encoding: utf9; did you mean 'utf-8'?"),
        (["predict", "RUN", "--input", "torn.jsonl"], "torn.jsonl:2: no JSON: *"),
        (["predict", "RUN", "--input", "latin.csv"], "latin.csv is not utf-8: byte 0xe9 at offset "
         "8, line 2; give --encoding to what it was written in, such as latin-1 or "
              "gb18030, or to guess."),
        (["predict", "RUN", "--input", "open.csv"], "open.csv, line 2: a quotation mark opened "
         "here is never closed; if quotation marks are plain text here, give --no-quoting."),
        (["predict", "RUN", "--input", "-"], "stdin:2 is not utf-8: byte 0xe9; say what it is by "
         "--encoding=…"),
        (["predict", "RUN", "a", "--output", "found.csv"], "--output found.csv: a JSON object a "
         "line is written; name it found.jsonl."),
        (["evaluate", "RUN", "--column", "labl=a"], "--column labl=a: a task of kind "
         "'sequence_classification' has no column 'labl'; did you mean 'label'? It has text, "
         "text_pair, label."),
        (["evaluate", "RUN", "--column", "label"], "--column label: give it as OPTION=NAME, such "
         "as text=review."),
        (["evaluate", "RUN", "--column", "label=a", "--column", "label=b"], "--column names label "
         "twice, as a and b."),
        (["evaluate"], "evaluate: RUN is missing. See gptasks evaluate --help."),
        (["evaluate", "RUN", "x"], "evaluate has no argument 'x'. See gptasks evaluate --help."),
        (["evaluate", "RUN", "--data", "no.csv"], "no file 'no.csv' in *"),
        (["evaluate", "RUN", "--data", "films.csv", "--column", "label=labl"], "films.csv, all 4 "
         "rows: column 'labl' is not there; did you mean 'label'? (it has: text, label); give "
         "--column label=COLUMN."),
        (["evaluate", "RUN", "--data", "films.csv", "--columns", "a,a"], "--columns has the name "
         "'a' twice; give each column a name of its own."),
        (["export"], "export: RUN is missing. See gptasks export --help."),
        (["export", "RUN"], "export: DIR is missing. See gptasks export --help."),
        (["export", "RUN", "given", "--adaptr"], "export has no argument '--adaptr'; did you mean "
         "'--adapter'? See gptasks export --help."),
        (["data", "--split", "test"], "data --split NAME says which split --row N is of; give "
         "--row too."),
        (["tasks", "x"], "tasks has no argument 'x'. See gptasks tasks --help."),
        (["plugins"], "plugins: list|check|new is missing. See gptasks plugins --help."),
        (["plugins", "lst"], "plugins has no 'lst'; did you mean 'list'?"),
        (["cache"], "cache: list|clean is missing. See gptasks cache --help."),
        (["cache", "clear"], "cache has no 'clear'; did you mean 'clean'?"),
        (["cache", "zzz"], "cache has no 'zzz': it is list or clean."),
        (["cache", "list", "x"], "cache list takes no names; gptasks cache clean NAME removes "
         "one."),
        (["cache", "clean", "x"], "the cache has no entry 'x'; it is empty."),
        (["version", "x"], "version has no argument 'x'. See gptasks version --help."),
    ],
)  # fmt: skip
def test_a_wrong_argument_is_one_line(run: str, argv: list[str], fault: str) -> None:
    write_csv(Path("films.csv"), films(4))
    Path("films.dat").write_text("a", encoding="utf-8")
    Path("latin.csv").write_bytes(b"text\ncaf\xe9\n")
    Path("open.csv").write_text('text\n"a\n', encoding="utf-8")
    Path("torn.jsonl").write_text('{"text": "a"}\n{"text": \n', encoding="utf-8")
    before = sorted(os.listdir())
    done = gptasks(*(run if word == "RUN" else word for word in argv), stdin=b"one\ncaf\xe9\n")
    assert (done.code, done.out) == (2, "")
    (line,) = done.err.splitlines()
    said = line.removeprefix("gptasks: ")
    assert said.startswith(fault[:-1]) if fault.endswith("*") else said == fault
    assert sorted(os.listdir()) == before


@pytest.mark.parametrize(
    ("stream", "argv", "fault"),
    [
        ("stdin", ["--input", "-"], "--input - reads the standard input, which is closed."),
        ("stdout", ["a"], "there is no standard output to write to; give --output FILE."),
    ],
)
def test_a_stream_that_is_closed_is_told(
    run: str,
    stream: str,
    argv: list[str],
    fault: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, stream, None)
    assert main(["predict", run, *argv]) == 2
    assert capsys.readouterr().err == f"gptasks: {fault}\n"


def test_predict_on_pairs_refuses_a_lone_text(pairs: str) -> None:
    fault = (
        "gptasks: this task reads pairs of texts; give a file with columns 'text' and 'label': "
        "gptasks predict RUN --input FILE."
    )
    assert gptasks("predict", pairs, "a").faults == [fault]
    Path("a.txt").write_text("a\n", encoding="utf-8")
    assert gptasks("predict", pairs, "--input", "a.txt").faults == [fault]


# -- evaluate -----------------------------------------------------------------------------


def test_evaluate_repeats_the_stored_scores(run: str) -> None:
    done = gptasks("evaluate", run)
    assert (done.code, done.err) == (0, "")
    first, _, head, *rows = done.out.splitlines()
    assert first == f"11 rows of {run}'s test split"
    assert head.split() == ["now", "stored"]
    stored = json.loads((Path(run) / "results.json").read_text(encoding="utf-8"))
    metrics = stored["metrics"]["test"]
    assert [row.split()[0] for row in rows] == list(metrics)
    for row in rows:
        name, *_, now, then = row.split()
        assert now == then == f"{metrics[name]['value']:.4f}"


def test_evaluate_scores_another_file(run: str, tmp_path: Path) -> None:
    path = write_csv(
        tmp_path / "new.csv",
        [("film 1 is good", "p"), ("film 2 is bad", "n"), ("film 3 is good", "n")],
        ["review", "verdict"],
    )
    out = tmp_path / "out.jsonl"
    flags = ["--column=text=review", "--column=label=verdict"]
    done = gptasks("evaluate", run, "--data", str(path), *flags, f"--output={out}", "--json")
    assert (done.code, done.err) == (0, "")
    scores = json.loads(done.out)
    assert scores["accuracy"]["value"] == pytest.approx(2 / 3)
    assert scores["accuracy"]["n"] == 3
    found = records(out.read_text(encoding="utf-8"))
    assert [record["reference"] for record in found] == ["p", "n", "n"]
    assert [record["id"] for record in found] == ["new.csv:2", "new.csv:3", "new.csv:4"]
    shown = gptasks("evaluate", run, "--data", str(path), *flags).out
    assert re.search(r"^3 rows of .*new\.csv$", shown, re.MULTILINE)
    assert re.search(r"^accuracy +0\.6667$", shown, re.MULTILINE)
    assert gptasks("evaluate", run, "--data", str(path), *flags, f"--output={out}").code == 2


def test_evaluate_needs_labels_the_model_knows(run: str) -> None:
    write_csv(Path("new.csv"), [("a", "p"), ("b", "x")])
    done = gptasks("evaluate", run, "--data", "new.csv")
    assert done.code == 2
    (fault,) = done.faults
    assert fault.startswith("gptasks: label 'x' of test (new.csv:3) is not among the labels of ")
    assert "task.labels" not in fault  # what is trained learns no new label
    Path("holes.csv").write_text("text,label\na,p\n,p\nb,p\n", "utf-8")
    (fault,) = gptasks("evaluate", run, "--data", "holes.csv").faults
    assert fault == ("gptasks: 1 unusable row: holes.csv:3: column 'text' is empty. Mend them.")


def test_what_was_cut_of_longer_texts_is_told(run: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gptasks.api.CHUNK", 2)
    long = "good " * 200
    done = gptasks("predict", run, long, "short", long)
    assert done.err.startswith("warning: cut to task.max_length=512: 2 of 3 rows (")
    write_csv(Path("long.csv"), [(long, "p"), ("b", "n")])
    assert (
        "cut to task.max_length=512: 1 of 2 rows ("
        in gptasks("evaluate", run, "--data", "long.csv").err
    )
    assert gptasks("predict", run, "short").err == ""

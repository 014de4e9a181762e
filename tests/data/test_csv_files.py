"""csv and tsv files: headers, delimiters, quotes, lines, and what is said of broken ones."""

from __future__ import annotations

import csv
import logging
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from read_files import read, seen, write

from gptasks.errors import ConfigError, DataError
from gptasks.task import Row

# -- csv and tsv --------------------------------------------------------------------------


def test_a_quoted_field_may_hold_line_breaks_and_the_id_is_its_first_line(tmp_path: Path):
    path = write(tmp_path / "a.csv", 'text,label\r\n"one\r\ntwo, ""quoted""",1\r\n\r\nlast,0\r\n')
    assert seen(path) == [
        ("a.csv:2", {"text": 'one\r\ntwo, "quoted"', "label": "1"}),
        ("a.csv:5", {"text": "last", "label": "0"}),
    ]


def test_another_delimiter_is_told(tmp_path: Path):
    path = write(tmp_path / "a.csv", 'text;label\n"one; two, three";1\n')
    assert seen(path, delimiter=";") == [("a.csv:2", {"text": "one; two, three", "label": "1"})]
    tabs = write(tmp_path / "b.csv", "text\tlabel\none, two\t1\n")
    assert seen(tabs, delimiter="\\t") == [("b.csv:2", {"text": "one, two", "label": "1"})]


@pytest.mark.parametrize("sign", ["", ";;", '"', "\n", " "])
def test_a_delimiter_is_one_sign(tmp_path: Path, sign: str):
    path = write(tmp_path / "a.csv", "text;label\nfine;1\n")
    with pytest.raises(ConfigError) as caught:
        seen(path, delimiter=sign)
    assert str(caught.value) == (
        f"task.data.delimiter must be one sign such as ';' or '|', or a tab; got {sign!r}"
    )


def test_a_header_in_one_piece_is_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    path = write(tmp_path / "a.csv", "text;label\nfine;1\n")
    seen(path)
    assert caplog.messages == [
        f"{path} has one column, 'text;label'; if ';' parts its fields, set task.data.delimiter"
    ]


def test_quotation_marks_are_plain_text_with_quoting_off(tmp_path: Path):
    path = write(tmp_path / "a.tsv", 'text\tlabel\n"Never" again\t0\n"open\t1\n')
    assert seen(path, quoting=False) == [
        ("a.tsv:2", {"text": '"Never" again', "label": "0"}),
        ("a.tsv:3", {"text": '"open', "label": "1"}),
    ]


def test_a_stray_quotation_mark_makes_a_bad_row_and_not_another_text(tmp_path: Path):
    path = write(tmp_path / "a.tsv", 'text\tlabel\n"Never" again\t0\nfine\t1\n')
    assert seen(path) == [
        (
            "a.tsv:2",
            "'\t' expected after '\"'; if quotation marks are plain text here, set"
            " task.data.quoting=false",
        ),
        ("a.tsv:3", {"text": "fine", "label": "1"}),
    ]


def test_a_quotation_mark_never_closed_is_an_error_with_its_line(tmp_path: Path):
    path = write(tmp_path / "a.csv", 'text,label\nfine,1\n"open,0\nswallowed,1\n')
    with pytest.raises(
        DataError, match=r"a\.csv, line 3: a quotation mark .* never closed; .*false"
    ):
        read(path)
    header = write(tmp_path / "b.csv", '"te"xt,label\nfine,1\n')
    with pytest.raises(DataError, match=r"b\.csv, line 1: ',' expected after '\"'"):
        read(header)


def test_a_tsv_record_over_several_lines_is_reported(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    path = write(tmp_path / "a.tsv", 'text\tlabel\n"Great\t1\nBad"\t0\n')
    with caplog.at_level(logging.WARNING):
        assert seen(path) == [("a.tsv:2", {"text": "Great\t1\nBad", "label": "0"})]
    assert "one record of a.tsv, lines 2 to 3; if quotation marks are plain" in caplog.text


def test_a_wrong_number_of_fields_is_a_bad_row_with_both_numbers(tmp_path: Path):
    path = write(tmp_path / "a.csv", 'text,label\nno label\nfine,1\na,b,0\n"x\ny"\n')
    assert seen(path) == [
        ("a.csv:2", "fields: 1, expected: 2 (text, label)"),
        ("a.csv:3", {"text": "fine", "label": "1"}),
        ("a.csv:4", "fields: 3, expected: 2 (text, label)"),
        (
            "a.csv:5",
            "lines 5 to 6: fields: 1, expected: 2 (text, label); if quotation marks are plain"
            " text here, set task.data.quoting=false",
        ),
    ]


def test_columns_name_the_fields_of_a_file_without_header(tmp_path: Path):
    path = write(tmp_path / "a.csv", "1,good\n0,bad\n")
    options = {"columns": ["label", "text"]}
    assert seen(path, **options) == [
        ("a.csv:1", {"label": "1", "text": "good"}),
        ("a.csv:2", {"label": "0", "text": "bad"}),
    ]


def test_a_column_without_a_name_is_called_by_its_number(tmp_path: Path):
    path = write(tmp_path / "b.csv", ",text,\n0,good,1\n")
    assert seen(path) == [("b.csv:2", {"column1": "0", "text": "good", "column3": "1"})]
    with pytest.raises(DataError, match=r"task\.data\.columns has no name for column 1; give each"):
        read(path, columns=["", "a", "b"])


def test_headers_with_equal_names_are_errors(tmp_path: Path):
    twice = write(tmp_path / "a.csv", "good, good\nbad,0\n")
    with pytest.raises(
        DataError, match=r"a\.csv has the name 'good' twice; .*columns=\[text,label"
    ):
        read(twice)
    with pytest.raises(DataError, match=r"task\.data\.columns has the name 'a' twice; give each"):
        read(twice, columns=["a", "a"])


def test_header_names_lose_the_blanks_around_them(tmp_path: Path):
    assert seen(write(tmp_path / "a.csv", "text, label\ngood, 1\n")) == [
        ("a.csv:2", {"text": "good", "label": " 1"})
    ]


def test_long_fields_and_nul_bytes_are_read(tmp_path: Path):
    long = "x" * 1_000_000
    path = write(tmp_path / "a.csv", f"text,label\n{long},1\na\0b,0\n")
    assert [row["text"] for row in read(path) if isinstance(row, Row)] == [long, "a\0b"]


FIELD = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


@settings(deadline=None, max_examples=50)
@given(rows=st.lists(st.tuples(FIELD, FIELD), max_size=6), tabs=st.booleans())
def test_what_csv_writes_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]], tabs: bool
):
    path = tmp_path_factory.mktemp("csv") / ("a.tsv" if tabs else "a.csv")
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, delimiter="\t" if tabs else ",")
        writer.writerows([("a", "b"), *rows])
    assert [(row["a"], row["b"]) for row in read(path) if isinstance(row, Row)] == rows

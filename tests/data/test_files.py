"""Data files of every format: what is read, where it came from, and what is said of broken ones."""

from __future__ import annotations

import csv
import gzip
import io
import json
import logging
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gptasks.data.files import BadRow, read_file
from gptasks.data.opening import check_file
from gptasks.errors import ConfigError, DataError
from gptasks.task import DataOptions, Row


def write(path: Path, content: str | bytes, encoding: str = "utf-8") -> Path:
    content = content if isinstance(content, bytes) else content.encode(encoding)
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def read(path: Path, **options: Any) -> list[Row | BadRow]:
    return list(read_file(path, DataOptions(**options), origin=path.name))


def seen(path: Path, **options: Any) -> list[Any]:
    """Each record as (id, columns) or (id, reason)."""
    records = read(path, **options)
    return [(r.id, dict(r)) if isinstance(r, Row) else (r.id, r.reason) for r in records]


def parquet(path: Path, **columns: list[Any]) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    return write(path, buffer.getvalue())


# -- every format -------------------------------------------------------------------------

CONTENTS = {
    "csv": "text,label\ngood,1\nbad,0\n",
    "tsv": "text\tlabel\ngood\t1\nbad\t0\n",
    "jsonl": '{"text": "good", "label": "1"}\n{"text": "bad", "label": "0"}\n',
    "json": '[{"text": "good", "label": "1"},\n {"text": "bad", "label": "0"}]',
}


@pytest.mark.parametrize("packed", ["", ".gz"])
@pytest.mark.parametrize("kind", [*CONTENTS, "parquet"])
def test_every_format_gives_the_same_rows(tmp_path: Path, kind: str, packed: str):
    path = tmp_path / f"a.{kind}{packed}"
    if kind == "parquet":
        parquet(path, text=["good", "bad"], label=["1", "0"])
    else:
        write(path, CONTENTS[kind])
    first = 2 if kind in ("csv", "tsv") else 1
    assert seen(path) == [
        (f"{path.name}:{first}", {"text": "good", "label": "1"}),
        (f"{path.name}:{first + 1}", {"text": "bad", "label": "0"}),
    ]


def test_a_text_file_has_one_text_a_line_and_skips_blank_ones(tmp_path: Path):
    path = write(tmp_path / "a.txt", " one\r\n\n \ntwo\u2028still two\rand still\nthree")
    assert seen(path) == [
        ("a.txt:1", {"text": " one"}),
        ("a.txt:4", {"text": "two\u2028still two\rand still"}),
        ("a.txt:5", {"text": "three"}),
    ]


@pytest.mark.parametrize("kind", [*CONTENTS, "txt", "conll", "parquet"])
@pytest.mark.parametrize("packed", ["", ".gz"])
def test_an_empty_file_has_no_rows(tmp_path: Path, kind: str, packed: str):
    path = tmp_path / f"a.{kind}{packed}"
    path.write_bytes(b"")
    assert read(path) == []


@pytest.mark.parametrize("content", ["text,label", "text,label\n", "\ufefftext,label\n\n"])
def test_a_header_alone_has_no_rows(tmp_path: Path, content: str):
    assert read(write(tmp_path / "a.csv", content)) == []


def test_the_format_option_outweighs_the_ending(tmp_path: Path):
    path = write(tmp_path / "reviews.data.gz", CONTENTS["tsv"])
    assert [row["label"] for row in read(path, format="tsv") if isinstance(row, Row)] == ["1", "0"]


def test_an_unknown_ending_names_those_there_are(tmp_path: Path):
    path = write(tmp_path / "reviews.xlsx", "x")
    with pytest.raises(
        DataError, match=r"reviews\.xlsx tells no format; it may end in \.csv, \.tsv"
    ):
        read(path)
    with pytest.raises(DataError, match=r"set task\.data\.format=csv\|tsv\|json\|jsonl\|parquet"):
        read(write(tmp_path / "csv", "x"))
    with pytest.raises(ConfigError, match=r"format=jsnl is none of .*did you mean 'json"):
        read(path, format="jsnl")


def test_the_ids_begin_with_the_origin(tmp_path: Path):
    path = write(tmp_path / "a.csv", CONTENTS["csv"])
    rows = read_file(path, DataOptions(), origin="train/a.csv")
    assert [row.id for row in rows] == ["train/a.csv:2", "train/a.csv:3"]


def test_reading_streams(tmp_path: Path):
    path = write(tmp_path / "a.jsonl", b'{"text": "fine"}\n' * 50_000 + b"\xff")
    assert next(read_file(path, DataOptions(), origin="a")) == {"text": "fine"}


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


# -- json ---------------------------------------------------------------------------------


def test_a_line_that_is_no_object_is_a_bad_row(tmp_path: Path):
    lines = ['{"text": "fine"}', "", '{"text": ', "3", '["a"]', "null", "\0", '{"text": "end"}']
    path = write(tmp_path / "a.jsonl", "\n".join(lines))
    assert seen(path) == [
        ("a.jsonl:1", {"text": "fine"}),
        ("a.jsonl:3", "no JSON: Expecting value at column 10"),
        ("a.jsonl:4", "a number where an object is expected"),
        ("a.jsonl:5", "an array where an object is expected"),
        ("a.jsonl:6", "null where an object is expected"),
        ("a.jsonl:7", "no JSON: Expecting value at column 1"),
        ("a.jsonl:8", {"text": "end"}),
    ]


def test_half_a_character_is_a_bad_row_and_a_whole_pair_is_not(tmp_path: Path):
    content = '{"text": "a\\ud800"}\n{"text": "\\ud83d\\ude00"}\n{"deep": [{"\\udc00": 1}]}\n'
    assert seen(write(tmp_path / "a.jsonl", content)) == [
        ("a.jsonl:1", "half a character (lone surrogate \\ud800)"),
        ("a.jsonl:2", {"text": "😀"}),
        ("a.jsonl:3", "half a character (lone surrogate \\udc00)"),
    ]
    array = write(tmp_path / "a.json", '[{"text": "\\ud800"}, 7, {"text": "b"}]')
    assert seen(array) == [
        ("a.json:1", "half a character (lone surrogate \\ud800)"),
        ("a.json:2", "a number where an object is expected"),
        ("a.json:3", {"text": "b"}),
    ]


def test_json_too_deep_or_with_too_long_a_number_is_a_bad_row(tmp_path: Path):
    path = write(tmp_path / "a.jsonl", "[" * 100_000 + "\n" + '{"n": ' + "1" * 5000 + "}\n")
    assert [(id, reason[:23]) for id, reason in seen(path)] == [
        ("a.jsonl:1", "unreadable JSON: maximu"),
        ("a.jsonl:2", "unreadable JSON: Exceed"),
    ]


def test_a_name_that_is_too_long_is_one_line():
    with pytest.raises(DataError, match=r"^a+ can't be read: File name too long\.$"):
        check_file(Path("a" * 300))


def test_a_key_given_twice_is_not_read_as_its_last_value(tmp_path: Path):
    lines = ['{"text": "a", "label": 1, "text": "b"}', '{"text": "a", "x": [{"y": 1, "y": 1}]}']
    path = write(tmp_path / "a.jsonl", "\n".join(lines))
    assert seen(path) == [
        ("a.jsonl:1", "unreadable JSON: the key 'text' is given twice"),
        ("a.jsonl:2", "unreadable JSON: the key 'y' is given twice"),
    ]
    path = write(tmp_path / "a.json", f"[{','.join(lines)}]")
    with pytest.raises(DataError, match=r"a\.json is no JSON: the key 'text' is given twice\.$"):
        read(path)


def test_json_may_be_an_object_with_one_array_of_objects(tmp_path: Path):
    content = {"version": "1", "tags": ["a"], "data": [{"text": "good"}]}
    path = write(tmp_path / "a.json", json.dumps(content))
    assert seen(path) == [("a.json:1", {"text": "good"})]
    assert read(write(tmp_path / "b.json", '{"data": []}')) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"a": [{}], "b": [{}]}', r"exactly one array of objects, and holds 2 \(a, b\)"),
        ('{"text": "good"}', r"exactly one array of objects, and holds none \(keys: text\)"),
        ('"good"', r"a\.json holds a string; it must hold an array of objects"),
        ('[{"text": ', r"a\.json is no JSON: Expecting value: line 1 column 11"),
        ('{"a": 1}\n{"a": 2}', r"is no JSON: Extra data.*; for one .* task\.data\.format=jsonl"),
    ],
)
def test_json_of_another_shape_is_an_error(tmp_path: Path, content: str, message: str):
    with pytest.raises(DataError, match=message):
        read(write(tmp_path / "a.json", content))


# -- encodings ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("utf-8", "utf-8"),
        ("utf-8-sig", "utf-8"),
        ("utf-8-sig", "UTF8"),
        ("utf-16", "utf-16"),
        ("latin-1", "latin-1"),
    ],
)
@pytest.mark.parametrize("kind", ["csv", "jsonl", "json", "txt"])
def test_encodings_and_byte_order_marks_are_understood(
    tmp_path: Path, kind: str, written: str, told: str
):
    contents = {
        "csv": "text\ncafé\n",
        "jsonl": '{"text": "café"}\n',
        "json": '[{"text": "café"}]',
        "txt": "café\n",
    }
    path = write(tmp_path / f"a.{kind}", contents[kind], written)
    assert [dict(row) for row in read(path, encoding=told) if isinstance(row, Row)] == [
        {"text": "café"}
    ]


def test_a_mark_is_taken_off_where_the_byte_order_is_told(tmp_path: Path):
    path = write(tmp_path / "a.csv", "\ufefftext\n中文\n", "utf-16-le")
    assert seen(path, encoding="utf-16-le") == [("a.csv:2", {"text": "中文"})]


def test_undecodable_bytes_are_named_with_offset_and_line(tmp_path: Path):
    content = b"text,label\n" + b"fine,1\n" * 20_000 + b"caf\xe9,0\n"
    message = (
        r"a\.csv is not utf-8: byte 0xe9 at offset 140014, line 20002; set task\.data\.encoding to"
        r" what it was written in, such as latin-1 or gb18030, or to guess\.$"
    )
    for name in ("a.csv", "a.csv.gz"):
        with pytest.raises(DataError, match=message.replace(r"a\.csv", name)):
            read(write(tmp_path / name, content))


def test_a_character_cut_off_at_a_chunks_end_is_placed_right(tmp_path: Path):
    # 中 is e4 b8 ad; its first byte ends the first 64 KiB read, and an x follows.
    path = write(tmp_path / "a.txt", b"\n" * 65_535 + b"\xe4x")
    with pytest.raises(DataError, match="byte 0xe4 at offset 65535, line 65536"):
        read(path)
    with pytest.raises(DataError, match="byte 0xe4 at offset 1, line 1"):
        read(write(tmp_path / "b.txt", b"x\xe4"))


def test_utf_16_read_as_utf_8_says_so(tmp_path: Path):
    path = write(tmp_path / "a.csv", "text\ngood\n", "utf-16")
    with pytest.raises(
        DataError, match=r"it begins as utf-16 does; set task\.data\.encoding=utf-16"
    ):
        read(path)
    without = write(tmp_path / "b.csv", "text\ngood\n", "utf-16-le")
    with pytest.raises(DataError, match=r"b\.csv is not utf-16: .*does not start with BOM; set"):
        read(without, encoding="utf-16")


GUESSED = {
    "utf-8": "Le café était fermé. 中文",
    "utf-8-sig": "Le café était fermé. 中文",
    "utf-16": "Le café était fermé. 中文",
    "utf-32": "Le café était fermé. 中文",
    "utf-16-le": "a good film, a bad film",
    "cp1252": "Le café était fermé à Noël, et l’élève a préféré rentrer – “bien sûr”.",
    "gb18030": "这部电影很好看，值得推荐给大家。",
    "big5": "這部電影很好看，值得推薦給大家。",
    "cp932": "この映画はとても面白いです。",
    "cp1251": "Фильм очень хороший, рекомендую.",
}


@pytest.mark.parametrize("packed", ["", ".gz"])
@pytest.mark.parametrize("encoding", GUESSED)
def test_the_encoding_is_guessed_when_told_to(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, encoding: str, packed: str
):
    text = GUESSED[encoding]
    lines = "plain letters\n" * 30_000 + f"{text}\n" * 5  # what tells comes late
    path = write(tmp_path / f"a.txt{packed}", lines, encoding)
    assert read(path, encoding="guess")[-1] == {"text": text}
    if encoding.startswith("utf") and encoding != "utf-16-le":
        assert caplog.text == ""
    else:
        name = encoding.replace("-", "_")
        assert f"a.txt{packed} is not utf-8 and is read as {name}, which is a guess" in caplog.text
        assert f"set task.data.encoding={name}." in caplog.text


def test_a_guess_may_fail_and_is_made_only_when_told_to(tmp_path: Path):
    noise = write(tmp_path / "noise.txt", bytes(range(128, 256)) * 40)
    with pytest.raises(DataError, match=r"noise\.txt is text in no encoding that could be guessed"):
        read(noise, encoding="guess")
    with pytest.raises(DataError, match=r"is not utf-8: byte 0xe9 at offset 0, line 1"):
        read(write(tmp_path / "a.txt", "élève".encode("cp1252")))
    assert read(write(tmp_path / "b.txt", "a\0b\n"), encoding="guess") == [{"text": "a\0b"}]
    with pytest.raises(ConfigError, match=r"encoding=gues: .*; did you mean 'guess'\?"):
        read(noise, encoding="gues")


# -- odd texts ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "json", "txt", "conll", "parquet"])
@pytest.mark.parametrize(
    "text",
    [
        "x" * (1 << 20),
        "a\0b",
        "it's “so” 'so'",
        "\u2028a\u0085b\u00a0",
        "e\u0301 👩‍👩‍👧 \ufeffx \uffff",
    ],
    ids=["a megabyte", "a zero", "quotes", "odd breaks", "odd letters"],
)
def test_odd_texts_come_out_as_they_went_in(tmp_path: Path, kind: str, text: str):
    path = tmp_path / f"a.{kind}"
    column = "tokens" if kind == "conll" else "text"
    if kind == "parquet":
        parquet(path, text=[text])
    else:
        json_text = json.dumps({"text": text}, ensure_ascii=False)
        table = text.replace('"', '""')
        contents = {"csv": f'text\n"{table}"\n', "tsv": f"text\n{text}\n", "jsonl": json_text}
        contents |= {"json": f"[{json_text}]", "txt": text, "conll": f"{text}\tO\n"}
        write(path, contents[kind])
    expected = [text] if kind == "conll" else text
    assert [row[column] for row in read(path) if isinstance(row, Row)] == [expected]


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "json", "txt", "conll"])
def test_the_ends_of_lines_are_no_part_of_a_text(tmp_path: Path, kind: str):
    contents = {
        "csv": "text,label\ngood,1\n",
        "tsv": "text\tlabel\ngood\t1\n",
        "jsonl": '{"text": "good"}\n',
        "json": '[\n{"text": "good"}\n]\n',
        "txt": "good\n",
        "conll": "good\tO\n",
    }
    unix = read(write(tmp_path / f"a.{kind}", contents[kind]))
    assert read(write(tmp_path / f"b.{kind}", contents[kind].replace("\n", "\r\n"))) == unix
    assert len(unix) == 1
    if kind in ("csv", "tsv"):  # as old Macs ended them
        assert read(write(tmp_path / f"c.{kind}", contents[kind].replace("\n", "\r"))) == unix


@pytest.mark.parametrize("kind", ["csv", "jsonl", "json", "txt", "conll"])
def test_half_a_character_in_bytes_is_an_error_with_its_place(tmp_path: Path, kind: str):
    with pytest.raises(DataError, match=r"is not utf-8: byte 0xed at offset 5, line 2; set"):
        read(write(tmp_path / f"a.{kind}", b"text\n\xed\xa0\x80\n"))
    half = "text\na".encode("utf-16-le") + b"\x00\xd8\x0a\x00"
    with pytest.raises(DataError, match=r"is not utf-16-le: byte 0x00 at offset 12, line 2; set"):
        read(write(tmp_path / f"b.{kind}", half), encoding="utf-16-le")


def test_parquet_with_bytes_that_are_no_text_is_an_error(tmp_path: Path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    texts = pa.array([b"fine", b"\xff\xfe"]).view(pa.string())
    pq.write_table(pa.table({"text": texts}), tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"a\.parquet holds a text that is not utf-8: .* 0xff"):
        read(tmp_path / "a.parquet")


def test_an_unknown_encoding_names_the_nearest(tmp_path: Path):
    path = write(tmp_path / "a.csv", CONTENTS["csv"])
    with pytest.raises(ConfigError, match=r"task\.data\.encoding=latn-1: .*did you mean 'latin-1'"):
        read(path, encoding="latn-1")
    with pytest.raises(
        ConfigError, match=r"task\.data\.encoding=hex: 'hex' is not a text encoding"
    ):
        read(path, encoding="hex")
    with pytest.raises(DataError, match=r"a\.csv is not punycode: .+; set task\.data\.encoding to"):
        read(write(tmp_path / "a.csv", b"t\xffext,label\ngood,1\n"), encoding="punycode")
    with pytest.raises(
        ConfigError, match=r"encoding=a\0b: embedded null character; such are utf-8"
    ):
        read(path, encoding="a\0b")


# -- broken and missing files -------------------------------------------------------------


def test_a_broken_gzip_file_is_an_error(tmp_path: Path):
    whole = gzip.compress(b"text,label\n" + b"good,1\n" * 1000)
    path = tmp_path / "a.csv.gz"
    for content in (whole[:-20], b"text,label\n", whole[:40] + b"\xff" * 20 + whole[60:]):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"a\.csv\.gz is no whole gzip file: "):
            read(path)


def test_a_parquet_column_that_python_can_not_hold_is_named(tmp_path: Path):
    import pyarrow as pa

    ages_ago = pa.array([0, -(2**62)], pa.int64()).view(pa.timestamp("us"))
    path = parquet(tmp_path / "a.parquet", text=["a", "b"], when=ages_ago)
    with pytest.raises(
        DataError,
        match=r"a\.parquet, column 'when', of type timestamp\[us\], can't be read: date value out "
        r"of range; write it as text, or leave it out\.$",
    ):
        read(path)


def test_a_broken_parquet_file_is_an_error(tmp_path: Path):
    path = parquet(tmp_path / "a.parquet", text=["good"] * 100)
    whole = path.read_bytes()
    for content in (whole[:-20], b"text,label\n", whole[:4] + b"\xff" * 30 + whole[34:]):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"a\.parquet is no whole parquet file: .+\.$"):
            read(path)


def test_parquet_keeps_types_and_refuses_equal_names(tmp_path: Path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = parquet(tmp_path / "a.parquet", n=[1, None], words=[["a"], []])
    assert seen(path) == [
        ("a.parquet:1", {"n": 1, "words": ["a"]}),
        ("a.parquet:2", {"n": None, "words": []}),
    ]
    pq.write_table(pa.Table.from_arrays([pa.array([1]), pa.array([2])], ["n", "n"]), path)
    with pytest.raises(DataError, match=r"a\.parquet has the column 'n' twice"):
        read(path)


def test_a_missing_file_names_the_nearest_or_those_there_are(tmp_path: Path):
    with pytest.raises(DataError, match=r"no file 'a\.csv' in .* \(which has no files\)\.$"):
        check_file(tmp_path / "a.csv")
    write(tmp_path / "train.csv", "x")
    with pytest.raises(
        DataError,
        match=r"no file 'trian\.csv' in .* \(it has: train\.csv\); did you mean 'train\.csv'\?$",
    ):
        check_file(tmp_path / "trian.csv")
    with pytest.raises(DataError, match=r"no file 'q\.parquet' in .* \(it has: train\.csv\)\.$"):
        check_file(tmp_path / "q.parquet")
    with pytest.raises(DataError, match=r"no file .*: there is no folder .*nowhere\.$"):
        check_file(tmp_path / "nowhere" / "train.csv")


def test_a_folder_in_place_of_a_file_is_an_error(tmp_path: Path):
    write(tmp_path / "a.csv", "x")
    with pytest.raises(
        DataError,
        match=r"is a folder where a file is asked for \(it has: a\.csv\); name .*/\*\.$",
    ):
        read(tmp_path)


def test_a_name_too_long_for_a_file_is_an_error(tmp_path: Path):
    with pytest.raises(DataError, match=r"can't be read: File name too long"):
        check_file(tmp_path / ("x" * 5000))


# -- documents ----------------------------------------------------------------------------


@pytest.mark.parametrize("packed", ["", ".gz"])
def test_a_document_is_one_row_with_its_file_and_folder(tmp_path: Path, packed: str):
    folder = tmp_path / "sport"
    folder.mkdir()
    path = write(folder / f"001.txt{packed}", "Title\r\n\r\n \u2028Body: £5\rmore\n\n")
    assert seen(path, format="documents") == [
        (
            f"{path.name}:1",
            {
                "text": "Title\n\n \u2028Body: £5\nmore\n\n",
                "file": path.name,
                "folder": "sport",
            },
        )
    ]


def test_a_document_is_named_by_its_address(tmp_path: Path):
    path = write(tmp_path / "odd", "text")
    rows = read_file(path, DataOptions(format="documents"), origin="d/1.txt", address="top/d/1.txt")
    assert [(row.id, dict(row)) for row in rows] == [
        ("d/1.txt:1", {"text": "text", "file": "1.txt", "folder": "d"})
    ]


def test_an_empty_document_is_a_row_and_a_byte_order_mark_is_none_of_its_text(tmp_path: Path):
    assert [row["text"] for row in read(write(tmp_path / "a", ""), format="documents")] == [""]
    marked = write(tmp_path / "b", "\ufeffone\n", "utf-8")
    assert [row["text"] for row in read(marked, format="documents")] == ["one\n"]


def test_a_document_in_another_encoding_is_an_unusable_row(tmp_path: Path):
    path = write(tmp_path / "199.txt", "Title\n\nfor £5\n", "latin-1")
    assert seen(path, format="documents") == [
        (
            "199.txt:1",
            "the file is not utf-8: byte 0xa3 at offset 11, line 3; set task.data.encoding to what"
            " it was written in, such as latin-1 or gb18030, or to guess.",
        )
    ]
    assert [row["text"] for row in read(path, format="documents", encoding="latin-1")] == [
        "Title\n\nfor £5\n"
    ]
    with pytest.raises(
        DataError, match=r"199\.txt is not utf-8: byte 0xa3 at offset 11, line 3; s"
    ):
        read(path, format="txt")


def test_a_document_that_cannot_be_unpacked_ends_the_reading(tmp_path: Path):
    path = tmp_path / "a.txt.gz"
    path.write_bytes(gzip.compress(b"text" * 99)[:-9])
    with pytest.raises(DataError, match=r"a\.txt\.gz is no whole gzip file: "):
        read(path, format="documents")


def test_no_ending_tells_documents(tmp_path: Path):
    with pytest.raises(DataError, match=r"\.iob, each also with .*\|conll\|documents\.$"):
        read(write(tmp_path / "a.documents", "x"))
    with pytest.raises(ConfigError, match=r"format=document is none .* did you mean 'documents'\?"):
        read(tmp_path / "a.documents", format="document")


def zipped(path: Path) -> zipfile.Path:
    with zipfile.ZipFile(path.with_suffix(".zip"), "w") as opened:
        opened.write(path, f"d/{path.name}")
    return zipfile.Path(path.with_suffix(".zip"), f"d/{path.name}")


@pytest.mark.parametrize("packed", ["", ".gz"])
@pytest.mark.parametrize("kind", [*CONTENTS, "parquet"])
def test_a_file_in_a_zip_gives_the_same_rows(tmp_path: Path, kind: str, packed: str):
    path = tmp_path / f"a.{kind}{packed}"
    if kind == "parquet":
        parquet(path, text=["good", "bad"], label=["1", "0"])
    else:
        write(path, CONTENTS[kind])
    expected = read(path)
    assert len(expected) == 2
    assert list(read_file(zipped(path), DataOptions(), origin=path.name)) == expected


def test_faults_of_a_file_in_a_zip_are_one_line(tmp_path: Path):
    inside = zipped(write(tmp_path / "a.csv", b"text\n\xff\n"))
    with pytest.raises(DataError, match=r"a\.zip/d/a\.csv is not utf-8: byte 0xff at offset 5, li"):
        list(read_file(inside, DataOptions(), origin="a.csv"))
    inside = zipped(write(tmp_path / "b.csv", b"text\nfine\n"))
    content = bytearray((tmp_path / "b.zip").read_bytes())
    content[content.index(b"fine")] ^= 1
    (tmp_path / "b.zip").write_bytes(content)
    with pytest.raises(DataError, match=r"b\.zip/d/b\.csv can't be read: Bad CRC-32 for file"):
        list(read_file(inside, DataOptions(), origin="b.csv"))
    empty = zipped(write(tmp_path / "c.parquet", b""))
    assert list(read_file(empty, DataOptions(), origin="c.parquet")) == []

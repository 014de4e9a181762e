"""Data files of every format: what is read, where it came from, and what is said of broken ones."""

from __future__ import annotations

import gzip
import json
import zipfile
from pathlib import Path

import pytest
from read_files import parquet, read, seen, write

from gptasks.data.files import read_file
from gptasks.data.opening import check_file
from gptasks.errors import ConfigError, DataError
from gptasks.task import DataOptions, Row

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

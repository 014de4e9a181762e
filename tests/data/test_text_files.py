"""The texts of data files: encodings, and the odd signs that they hold."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from read_files import parquet, read, seen, write

from gptasks.errors import ConfigError, DataError
from gptasks.task import Row

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
    path = write(tmp_path / "a.csv", "text\na\n")
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

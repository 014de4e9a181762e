"""Whatever a data file holds: each record is a row as written, or a line says what is wrong."""

from __future__ import annotations

import csv
import gzip
import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import tiny_models
from fuzzing import CONTROL, fuzz, refusal, torn
from hypothesis import given
from hypothesis import strategies as st

from gptasks.data.encoding import encode_rows
from gptasks.data.files import FORMATS
from gptasks.data.splits import Split, load_splits
from gptasks.task import DataOptions
from gptasks.tasks.sequence_classification import SequenceClassification

TOKENIZER = tiny_models.backbone().tokenizer

ODD = ("good", "bad", "", " ", "1", "1.0", "no", '"', '"a', 'a"b', "a,b", "a\tb", "a\nb", "a\r\nb",
       "a\rb", "\ufeffa", "\ud800", "a\udfff", "好", "e\u0301", "<|endoftext|>", "\\", "[]", "text",
       "NaN", "x" * 70_000, "=1+1")  # fmt: skip
texts = st.sampled_from(ODD) | st.text(
    st.sampled_from("ab 01,;\t\n\r\"'\\{}[]:\u00a0\u2028é好\U0001f600\ud800" + CONTROL), max_size=8
)
numbers = st.booleans() | st.integers() | st.floats() | st.sampled_from((10**400, 1e300, -0.0))
cells = st.recursive(
    st.none() | numbers | texts,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(texts, inner, max_size=2),
    max_leaves=3,
)
names = st.sampled_from(("text", "text", "label", "label", "Text", "", "id", "a.b"))
objects = st.fixed_dictionaries(
    {"text": texts | cells, "label": texts | cells}, optional={"x": cells}
)
records = st.lists(
    objects | objects | st.dictionaries(names, cells, max_size=3) | cells, max_size=5
)


def loaded(path: Path, max_bad: int = 100, **options: Any) -> Split | None:
    """The rows of a file, encoded too; None where it was refused."""
    data = DataOptions(
        train=str(path), test_share=0, validation_share=0, max_bad=max_bad, **options
    )
    task = SequenceClassification(data=data)
    with refusal():
        split = load_splits(task, names=("train",))["train"]
        encoding = encode_rows(task, split.rows, task.tokenizer(TOKENIZER))
        assert len(encoding.windows) == len(split.rows)
        assert all(task.reference(row) in task.labels for row in split.rows)
        "".join(task.labels).encode()  # they will be written into files
        return split
    return None


def check(split: Split | None, written: list[Any]) -> None:
    """Every record is a row with its cells, or counted among the bad ones."""
    if split is None:
        return
    rows = list(split.rows)
    assert len(rows) + len(split.bad) == len(written)
    bad = {int(record.id.rpartition(":")[2]) for record in split.bad}
    for n, record in enumerate(written, 1):
        if n not in bad:
            assert repr(dict(rows.pop(0))) == repr(record)  # NaN equals nothing
    assert not rows


NAME = "rows"
TWO = [{"text": "fine", "label": "1"}, {"text": "poor", "label": "0"}]
"""Rows that let most files be read: a classifier needs two labels."""


@fuzz(150)
@given(records, st.booleans(), st.sampled_from(("json", "jsonl")), st.booleans())
def test_json_is_read_as_written_or_refused(
    written: list[Any], ascii: bool, kind: str, packed: bool
) -> None:
    written = [*TWO, *written]
    lines = [json.dumps(record, ensure_ascii=ascii) for record in written]
    text = "\n".join(lines) if kind == "jsonl" else f"[{','.join(lines)}]"
    content = text.encode("utf-8", "surrogatepass")
    path = Path(NAME + ".gz" * packed)
    path.write_bytes(gzip.compress(content) if packed else content)
    check(loaded(path, format=kind), written)


@fuzz(100)
@given(st.lists(st.lists(texts, min_size=2, max_size=2), max_size=4), st.booleans())
def test_tables_are_read_as_written_or_refused(written: list[list[str]], tabs: bool) -> None:
    file = io.StringIO(newline="")
    writer = csv.writer(file, delimiter="\t" if tabs else ",")
    written = [*(list(row.values()) for row in TWO), *written]
    writer.writerows([["text", "label"], *written])
    path = Path(NAME)
    path.write_bytes(file.getvalue().encode("utf-8", "surrogatepass"))
    split = loaded(path, format="tsv" if tabs else "csv")
    if split is not None:
        kept = [dict(zip(("text", "label"), row, strict=True)) for row in written]
        assert len(split.rows) + len(split.bad) == len(kept)
        rows = [dict(row) for row in split.rows]
        assert [row for row in kept if row in rows] == rows


COLUMNS: dict[str, tuple[pa.DataType, st.SearchStrategy[Any]]] = {
    "words": (pa.string(), st.sampled_from(("a", "b", "c d"))),
    "text": (pa.string(), st.text(max_size=5)),
    "large text": (pa.large_string(), st.text(max_size=5)),
    "whole": (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    "real": (pa.float64(), st.floats()),
    "half": (pa.float16(), st.floats(width=16)),
    "truth": (pa.bool_(), st.booleans()),
    "bytes": (pa.binary(), st.binary(max_size=5)),
    "none": (pa.null(), st.none()),
    "decimal": (pa.decimal128(20, 3), st.decimals(-(10**9), 10**9, places=3)),
    "day": (pa.date32(), st.integers(-(2**31), 2**31 - 1)),
    "moment": (pa.timestamp("us"), st.integers(-(2**63), 2**63 - 1)),
    "instant": (pa.timestamp("ns"), st.integers(-(2**63), 2**63 - 1)),
    "zoned": (pa.timestamp("s", "Asia/Tokyo"), st.integers(-(2**40), 2**40)),
    "lost zone": (pa.timestamp("s", "Not/AZone"), st.integers(0, 2**20)),
    "span": (pa.duration("ns"), st.integers(-(2**63), 2**63 - 1)),
    "clock": (pa.time64("ns"), st.integers(0, 86399 * 10**9)),
    "list": (pa.list_(pa.int8()), st.lists(st.integers(-128, 127), max_size=2)),
    "object": (pa.struct([("a", pa.string())]), st.fixed_dictionaries({"a": st.text(max_size=2)})),
    "map": (pa.map_(pa.string(), pa.int8()), st.just([("a", 1)])),
}


@st.composite
def tables(draw: Any) -> pa.Table:
    """Two or three rows: mostly a text and a label, and a column of any type beside them."""
    rows = draw(st.integers(2, 3))
    columns = {}
    for name in ("text", "label", "x"):
        is_free = name == "x" or draw(st.booleans())
        kind, values = COLUMNS[draw(st.sampled_from(list(COLUMNS))) if is_free else "words"]
        values = values | st.none() if is_free else values
        drawn = draw(st.lists(values, min_size=rows, max_size=rows))
        if pa.types.is_temporal(kind):  # as numbers, for Python's own types hold less
            array = pa.array(drawn, pa.int32() if kind.bit_width == 32 else pa.int64()).view(kind)
        else:
            array = pa.array(drawn, kind)
        columns[name] = array
    return pa.table(columns)


@fuzz(150)
@given(tables(), st.booleans())
def test_parquet_is_read_as_written_or_refused(table: pa.Table, packed: bool) -> None:
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    path = Path(NAME + ".gz" * packed)
    path.write_bytes(gzip.compress(buffer.getvalue()) if packed else buffer.getvalue())
    split = loaded(path, format="parquet")
    if split is not None:
        check(split, table.to_pylist())


FILES: tuple[tuple[str, bytes], ...] = (
    ("csv", b"text,label\ngood,1\nbad,0\n"),
    ("csv", b'text,label\n"a\nb",1\nc,2\n'),
    ("csv", b"text,label\na\0b,\0\nc,d\n"),
    ("csv", b"text,label\na,+2AA-\nb,c\n"),  # half a character, as utf-7 has it
    ("csv", b"text,label\n\\ud800,a\nb,\\ud800\nc,d\n"),  # as unicode_escape has it
    ("csv", b"text,text\na,b\n"),
    ("csv", b"text,\na,b\n"),
    ("csv", b"\xef\xbb\xbftext,label\na,b\nc,d\n"),
    ("csv", b'"'),
    ("csv", b""),
    ("csv", b"\0" * 20),
    ("tsv", b"text\tlabel\ngood\t1\nbad\t0\n"),
    ("jsonl", b'{"text": "good", "label": 1}\n{"text": "bad", "label": 0}\n'),
    ("jsonl", b'{"text": "a", "text": "b", "label": 1}\n{"text": "c", "label": 2}'),
    ("jsonl", b'{"text": 1e999, "label": 2e999}\n{"text": "a", "label": NaN}\n'),
    ("jsonl", b'{"text": "a", "label": "b", "x": ' + b"[" * 985 + b"]" * 985 + b"}"),
    ("jsonl", b'{"text": ' + b"9" * 5000 + b"}"),
    ("json", b'[{"text": "good", "label": "1"}, {"text": "bad", "label": "0"}]'),
    ("json", b'{"data": [{"text": "a", "label": 1}, {"text": "b", "label": 2}], "n": 2}'),
    ("json", b'[{"text": "a", "label": 1, "label": 2}]'),
    ("json", b"[" * 2000),
    ("conll", b"Li B-PER\nsaw O\n\nhim\tO\textra\n"),
    ("documents", b"one\ntext\n\nanother\n"),
    ("parquet", b"PAR1"),
    ("csv", b"\x1f\x8b\x08"),
)
ENCODINGS = (
    "guess", "utf-8-sig", "utf-16", "utf-7", "utf-32", "latin-1", "ascii", "gb18030",
    "unicode_escape", "raw_unicode_escape", "idna", "punycode", "undefined", "hex", "rot13", "zlib",
    "charmap", "mbcs", "shift_jis", "utf9", "", "a\0b", "\ud800", "a" * 300,
)  # fmt: skip
encodings = (
    st.just("utf-8") | st.sampled_from(("utf-7", "unicode_escape")) | st.sampled_from(ENCODINGS)
)


@fuzz(300)
@given(st.sampled_from(FILES), st.data(), encodings, st.booleans())
def test_any_bytes_are_rows_or_refused(
    file: tuple[str, bytes], data: st.DataObject, encoding: str, quoting: bool
) -> None:
    text = st.just(file[1].decode("latin-1"))
    content = data.draw(text | torn(text, ',"\t\n\r{}[]:\0\xff')).encode("latin-1")
    kind = data.draw(st.just(file[0]) | st.sampled_from(FORMATS))
    packed = data.draw(st.sampled_from(("", "", ".gz")))
    max_bad = data.draw(st.sampled_from((0, 100)))
    path = Path(NAME + packed)
    path.write_bytes(gzip.compress(content) if packed and max_bad else content)
    loaded(path, max_bad, format=kind, encoding=encoding, quoting=quoting)

"""CoNLL files: which lines are words, which are none, and what the columns are called."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gptasks.data.conll import sentences
from gptasks.data.files import read_file
from gptasks.errors import DataError
from gptasks.task import DataOptions, Row


def seen(path: Path, content: str, **options: Any) -> list[Any]:
    """Each record as (id, columns) or (id, reason)."""
    path.write_bytes(content.encode())
    records = read_file(path, DataOptions(**options), origin=path.name)
    return [(r.id, dict(r)) if isinstance(r, Row) else (r.id, r.reason) for r in records]


TWO = [
    ("a.conll:1", {"tokens": ["EU", "rejects"], "tags": ["B-ORG", "O"]}),
    ("a.conll:4", {"tokens": ["Peter"], "tags": ["B-PER"]}),
]


@pytest.mark.parametrize(
    "content",
    [
        "EU B-ORG\nrejects O\n\nPeter B-PER\n",
        "EU\tB-ORG\nrejects\tO\n\nPeter\tB-PER",
        "\ufeffEU  B-ORG \r\nrejects O\r\n \t\r\nPeter \t B-PER\t\r\n\r\n\r\n",
    ],
)
def test_a_sentence_is_a_row_with_the_id_of_its_first_word(tmp_path: Path, content: str):
    assert seen(tmp_path / "a.conll", content) == TWO


@pytest.mark.parametrize("ending", ["bio", "iob", "conll", "BIO"])
def test_endings_tell_the_format(tmp_path: Path, ending: str):
    assert seen(tmp_path / f"a.{ending}", "EU B-ORG\n") == [
        (f"a.{ending}:1", {"tokens": ["EU"], "tags": ["B-ORG"]})
    ]
    assert len(seen(tmp_path / "a.txt", "EU B-ORG\n\nEU O\n", format="conll")) == 2
    with pytest.raises(DataError, match=r"a\.conllu tells no format; it may end .*\.conll, \.bio"):
        seen(tmp_path / "a.conllu", "EU B-ORG\n")


def test_the_middle_columns_are_numbered_and_may_be_named(tmp_path: Path):
    content = "EU NNP B-NP B-ORG\nrejects VBZ B-VP O\n"
    (row,) = seen(tmp_path / "a.conll", content)
    assert row[1] == {
        "tokens": ["EU", "rejects"],
        "column2": ["NNP", "VBZ"],
        "column3": ["B-NP", "B-VP"],
        "tags": ["B-ORG", "O"],
    }
    (named,) = seen(tmp_path / "a.conll", content, columns=["word", "pos", "chunk", "ner"])
    assert list(named[1]) == ["word", "pos", "chunk", "ner"]
    assert seen(tmp_path / "a.conll", "EU\nrejects\n") == [
        ("a.conll:1", {"tokens": ["EU", "rejects"]})
    ]
    with pytest.raises(DataError, match=r"task\.data\.columns has the name 'a' twice; give each"):
        seen(tmp_path / "a.conll", content, columns=["a", "a"])


def test_lines_between_documents_are_left_out_and_end_a_sentence(tmp_path: Path):
    content = "-DOCSTART- -X- -X- O\n\nEU NNP O O\n-DOCSTART- O\nPeter NNP O B-PER\n"
    rows = seen(tmp_path / "a.conll", content)
    assert [(id, row["tokens"]) for id, row in rows] == [
        ("a.conll:3", ["EU"]),
        ("a.conll:5", ["Peter"]),
    ]


def test_comments_are_left_out_and_words_that_begin_with_a_hash_are_not(tmp_path: Path):
    content = (
        "# made by hand, with care\n"
        "# global.columns = FORM NER\n"
        "\n"
        "# sent_id = 1\n"
        "#\tO\n"
        "#london\tB-LOC\n"
        "\n"
        "#newdoc\n"
        "fine\tO\n"
        "# = 1\tO\n"
    )
    assert seen(tmp_path / "a.conll", content) == [
        ("a.conll:5", {"tokens": ["#", "#london"], "tags": ["O", "B-LOC"]}),
        ("a.conll:9", {"tokens": ["fine", "# = 1"], "tags": ["O", "O"]}),
    ]
    assert seen(tmp_path / "a.conll", "# id = 1\nEU NNP B-NP O\n")[0][0] == "a.conll:2"
    assert seen(tmp_path / "a.conll", "# nothing else\n\n") == []


def test_a_sentence_with_another_number_of_columns_is_unusable(tmp_path: Path):
    content = "EU B-ORG\nrejects\na b c\n\nfine O\n\n\tO\n\nlast\tO\n"
    assert seen(tmp_path / "a.conll", content) == [
        ("a.conll:1", "line 2: columns: 1, expected: 2 (tokens, tags), as in line 1"),
        ("a.conll:5", {"tokens": ["fine"], "tags": ["O"]}),
        ("a.conll:7", "column 1 is empty"),
        ("a.conll:9", {"tokens": ["last"], "tags": ["O"]}),
    ]
    assert seen(tmp_path / "a.conll", "EU O\n", columns=["tokens", "pos", "tags"]) == [
        ("a.conll:1", "columns: 2, expected: 3 (tokens, pos, tags)")
    ]


def test_a_word_keeps_blanks_that_are_no_separators_and_its_odd_signs(tmp_path: Path):
    content = 'New York\tB-LOC\na\u00a0b\tO\n"\tO\na\0b\tO\n'
    (row,) = seen(tmp_path / "a.conll", content)
    assert row[1]["tokens"] == ["New York", "a\u00a0b", '"', "a\0b"]


WORD = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Zs", "Zl", "Zp"]), min_size=1, max_size=4
)


@settings(deadline=None, max_examples=100)
@given(
    written=st.lists(
        st.lists(st.tuples(WORD, st.sampled_from(["O", "B-X"])), min_size=1, max_size=4),
        max_size=4,
    ),
    separator=st.sampled_from([" ", "\t"]),
)
def test_what_is_written_is_read_back(written: list[list[tuple[str, str]]], separator: str):
    lines = ["first" + separator + "O\n", "\n"]
    for sentence in written:
        lines += [f"{word}{separator}{tag}\n" for word, tag in sentence] + ["\n"]
    read = [
        list(zip(s.columns["tokens"], s.columns["tags"], strict=True))
        for s in sentences(lines, None)
    ]
    assert read == [[("first", "O")], *written]

"""gptasks.yamlfile: option files, and texts that YAML would take for something else."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from gptasks.errors import ConfigError
from gptasks.yamlfile import YamlFile, read_yaml


@dataclass
class Inner:
    """Nested options."""

    text: str | None = None
    anything: Any = None


@dataclass
class Options:
    """Options whose texts YAML would misread."""

    text: str = ""
    texts: list[str] = field(default_factory=list)
    table: dict[str, str] = field(default_factory=dict)
    count: int = 0
    inner: Inner = field(default_factory=Inner)


BOMB = "a: &a1 [a]\n" + "".join(
    f"a{n}: &a{n + 1} [{', '.join([f'*a{n}'] * 9)}]\n" for n in range(1, 10)
)
"""Nine to the ninth values in ten lines."""


def read(tmp_path: Path, text: str) -> YamlFile:
    path = tmp_path / "x.yaml"
    path.write_text(text, encoding="utf-8")
    return read_yaml(path)


def test_texts_stay_as_written(tmp_path: Path) -> None:
    file = read(
        tmp_path,
        """
        text: 007
        texts: [no, yes, 1e3, 2024-01-01, 'null', 好]
        table: {on: 0x10}
        count: 7
        inner: {text: off, anything: 007}
        """,
    )
    assert file.values(Options) == {
        "text": "007",
        "texts": ["no", "yes", "1e3", "2024-01-01", "null", "好"],
        "table": {"on": "0x10"},
        "count": 7,
        "inner": {"text": "off", "anything": 7},
    }


def test_names_in_a_map_are_texts_even_where_the_type_is_open(tmp_path: Path) -> None:
    file = read(tmp_path, "inner: {anything: {no: a.txt, 1: b.txt}}")
    assert file.values(Options) == {"inner": {"anything": {"no": "a.txt", "1": "b.txt"}}}


def test_null_is_null_for_a_text_too(tmp_path: Path) -> None:
    assert read(tmp_path, "inner: {text: null}").values(Options) == {"inner": {"text": None}}


def test_the_first_comment_describes_the_file(tmp_path: Path) -> None:
    assert read(tmp_path, "\n# What it is\n# more\ncount: 1  # no\n").comment == "What it is"
    assert read(tmp_path, "count: 1\n# late\n").comment == ""
    assert read(tmp_path, "# alone\n").values(Options) == {}


def test_a_key_can_be_taken_out(tmp_path: Path) -> None:
    file = read(tmp_path, "kind: 007\ncount: 1\n")
    assert file.pop("kind") == "007"
    assert file.pop("name") is None
    assert file.values(Options) == {"count": 1}


def test_merge_keys_are_followed(tmp_path: Path) -> None:
    file = read(tmp_path, "inner: &a {text: no}\ntable: {<<: *a, b: c}\n")
    assert file.values(Options)["table"] == {"text": "no", "b": "c"}


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("- a\n", "must hold keys and values"),
        ("just words", "must hold keys and values"),
        ("count: 1\ncount: 2\n", r"line 2: the key 'count' is given a second time"),
        ("inner: {text: a, text: b}\n", r"line 1: the key 'text' is given a second time"),
        ("inner: {<<: {text: a}, <<: {text: b}}\n", r"line 1: the key '<<' is given a second time"),
        ("inner: {<<: {text: a, text: b}}\n", r"line 1: the key 'text' is given a second time"),
        ("inner:\n  <<: a\n", r"line 2: << takes a map, or a list of maps"),
        ("count: [1\nb: 2\n", r"is no valid YAML: line 2"),
        ("count: 1\n  b: 2\n", r"is no valid YAML: line 2"),
        ("\tcount: 1\n", "is no valid YAML: line 1"),
        ("a: {b: ${c}/d}\n", r"line 1"),
        (
            "a: 1\ncount: !!python/name:os.system ''\n",
            r"line 2: the tag !!python/name:os.system has "
            r"no meaning here; leave it out",
        ),
        ("texts: !!python/tuple [a]\n", "line 1: the tag !!python/tuple has no meaning here"),
        ("table: !mine {a: b}\n", "line 1: the tag !mine has no meaning here"),
        ("text: !!binary aGk=\n", "line 1: the tag !!binary has no meaning here"),
        ("count: !!int ''\n", r"line 1: '' can't be read as int"),
        ("count: !!int abc\n", r"line 1: 'abc' can't be read as int"),
        ("count: !!float ''\n", r"line 1: '' can't be read as float"),
        ("count: !!bool x\n", r"line 1: 'x' can't be read as bool"),
        ("count: " + "9" * 5000, r"line 1: '9{40}' can't be read as int"),
        ("count: 0x" + "f" * 5000, r"line 1: '0xf{38}' can't be read as int"),
        ("count: &a [*a]\n", r"line 1: holds itself through an alias \(\*\), or 20 others"),
        ("inner: &a {<<: *a}\n", "line 1: holds itself through an alias"),
        ("a:\n  " + "[" * 20 + "b" + "]" * 20, "line 2: values nest more than 20 deep"),
        ("a: " + "[" * 100_000 + "]" * 100_000, "line 1: values nest more than 20 deep"),
        (BOMB, r"its aliases \(\*\) stand for more than 100,000 values"),
        (BOMB.replace("[", "{<<: [").replace("]", "]}").replace("[a", "[{a: b}"), "100,000 values"),
        ("kind: [a]\n", "kind must be a text"),
    ],
)
def test_a_broken_file_is_one_line_with_its_name(tmp_path: Path, text: str, fault: str) -> None:
    with pytest.raises(ConfigError, match=fault) as caught:
        read(tmp_path, text).pop("kind")
    assert str(tmp_path / "x.yaml") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_looks_like_a_date_is_a_text(tmp_path: Path) -> None:
    file = read(tmp_path, "text: 2024-99-99\ninner: {anything: 2024-01-01}\n")
    assert file.values(Options) == {"text": "2024-99-99", "inner": {"anything": "2024-01-01"}}


def test_of_several_merged_maps_the_first_counts_most(tmp_path: Path) -> None:
    file = read(tmp_path, "table: {b: own, <<: [{a: one, b: one}, {a: two, c: two}]}\n")
    assert file.values(Options)["table"] == {"a": "one", "b": "own", "c": "two"}
    assert read(tmp_path, "table: {'<<': a}").values(Options)["table"] == {"<<": "a"}


def test_an_unreadable_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="can't be read: No such file"):
        read_yaml(tmp_path / "none.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"a: \xe9\n")
    with pytest.raises(ConfigError, match="can't be read: 'utf-8' codec"):
        read_yaml(tmp_path / "latin.yaml")


def test_every_key_is_known_with_its_line(tmp_path: Path) -> None:
    file = read(
        tmp_path,
        "text: a\nbase: &base\n  anything: 1\n  text: x\ninner:\n  text: b\n  <<: *base\n",
    )
    assert file.lines == {
        "text": 1, "base": 2, "base.anything": 3, "base.text": 4, "inner": 5, "inner.text": 6,
        "inner.anything": 3,
    }  # fmt: skip
    assert file.place("inner.text[0]") == f"{file.path} line 6"
    assert file.place("inner.none.deep") == f"{file.path} line 5"
    assert file.place("none") == str(file.path)
    inner = file.below("inner")
    assert (inner.values(Inner), inner.place("text")) == (
        {"anything": 1, "text": "b"}, f"{file.path} line 6",
    )  # fmt: skip

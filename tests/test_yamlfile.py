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
        ("count: 1\ncount: 2\n", r"line 2 gives the key 'count' a second time"),
        ("inner: {text: a, text: b}\n", r"line 1 gives the key 'text' a second time"),
        ("count: [1\nb: 2\n", r"is no valid YAML: line 2"),
        ("count: 1\n  b: 2\n", r"is no valid YAML: line 2"),
        ("\tcount: 1\n", "is no valid YAML: line 1"),
        ("a: {b: ${c}/d}\n", r"line 1"),
        ("count: !!python/name:os.system ''\n", "is no valid YAML: line 1: could not determine"),
        ("count: &a [*a]\n", "holds itself"),
        ("kind: [a]\n", "kind must be a text"),
    ],
)
def test_a_broken_file_is_one_line_with_its_name(tmp_path: Path, text: str, fault: str) -> None:
    with pytest.raises(ConfigError, match=fault) as caught:
        read(tmp_path, text).pop("kind")
    assert str(tmp_path / "x.yaml") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unreadable_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="can't be read: No such file"):
        read_yaml(tmp_path / "none.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"a: \xe9\n")
    with pytest.raises(ConfigError, match="can't be read: 'utf-8' codec"):
        read_yaml(tmp_path / "latin.yaml")

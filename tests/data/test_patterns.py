"""A pattern fits names in an archive as `glob` fits files on this machine."""

from __future__ import annotations

import glob
from pathlib import Path

import pytest

from gptasks.data.patterns import fits, is_pattern

FILES = (
    *("x.txt", "y.csv", ".x.txt", "a/x.txt", "a/y.txt", "a/.y.txt", "a/b/x.txt", "a/b/c/x.txt"),
    *(".h/x.txt", "a/.h/x.txt", "ab/x.txt", "ab/b.txt/x.txt", "b/c", "中文/文.txt"),
)

PATTERNS = (
    *(
        "*",
        "*.txt",
        "?.txt",
        "[xz].*",
        "[!x].*",
        "*/*.txt",
        "a/*",
        "a/**",
        "**",
        "**/*",
        "**/x.txt",
    ),
    *(
        "**/b/*",
        "a/**/x.txt",
        "**/**/x.txt",
        "**/b/**",
        "a/**/**",
        ".*",
        ".h/*",
        "**/.h/*",
        "*/.?*",
    ),
    *("a*/*", "a**", "*/b*/*", "**/*.csv", "中*/?.txt", "x.txt/**", "**/c", "[a]/**/c/*", "*.TXT"),
)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tree")
    for name in FILES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_pattern_fits_what_glob_finds(tree: Path, pattern: str):
    found = {name for name in glob.glob(pattern, root_dir=tree, recursive=True) if name in FILES}
    assert {name for name in FILES if fits(name, pattern)} == found


def test_a_name_fits_itself_whatever_signs_it_holds():
    assert fits("a/x[1].txt", "a/x[1].txt")
    assert fits("a/x1.txt", "a/x[1].txt")
    assert fits("a/x[1].txt", "a/x[[]1].txt")
    assert not fits("a/x[2].txt", "a/x[1].txt")


def test_a_name_of_many_folders_takes_no_long_time():
    assert not fits("/".join(["a"] * 400), "/".join(["**", "a"] * 20 + ["b"]))


@pytest.mark.parametrize(("name", "expected"), [("a/x.txt", False), ("a/*", True), ("[a]", True)])
def test_what_is_a_pattern(name: str, expected: bool):
    assert is_pattern(name) is expected

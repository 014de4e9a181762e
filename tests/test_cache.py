"""The cache keeps whole entries only, builds each once, and deletes nothing but its own."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gptasks import cache
from gptasks.errors import ConfigError

# Builds entry things/one; while inside `make` it has said "making" and waits for a line on stdin.
BUILDER = """
from gptasks import cache

def make(folder):
    (folder / "half.txt").write_text("half")
    print("making", flush=True)
    input()
    (folder / "whole.txt").write_text("whole")

print((cache.build("things", "one", make) / "whole.txt").read_text(), flush=True)
"""


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("GPTASKS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def build(name: str, text: str = "abc") -> Path:
    return cache.build("things", name, lambda folder: write(folder / "file.txt", text))


def write(path: Path, text: str) -> None:
    path.write_text(text)


def start_builder() -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", BUILDER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def names() -> list[str]:
    return [f"{entry.kind}/{entry.name}" for entry in cache.entries()]


def test_the_folder_is_the_one_of_the_environment_and_is_made(root):
    assert cache.cache_dir() == root
    assert root.is_dir()


def test_without_the_variable_the_folder_is_the_users_own(monkeypatch, tmp_path):
    monkeypatch.setenv("GPTASKS_CACHE", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("HOME", str(tmp_path))
    path = cache.cache_dir()
    assert path.name == "gptasks"
    assert tmp_path in path.parents


def test_a_folder_that_cannot_be_made_is_one_line(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("GPTASKS_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(ConfigError, match=r"can't be written at .*cache \(.+\); set GPTASKS_CACHE"):
        cache.cache_dir()


def test_an_entry_is_built_once_and_then_found():
    first = build("one", "first")
    second = build("one", "second")
    assert first == second
    assert (second / "file.txt").read_text() == "first"


def test_an_entry_tells_its_size_and_when_it_was_last_used(root):
    path = build("one", "12345")
    os.utime(path / ".gptasks-cache", (1_000_000_000, 1_000_000_000))
    (entry,) = cache.entries()
    assert (entry.kind, entry.name, entry.path, entry.bytes) == ("things", "one", path, 5)
    assert entry.used.timestamp() == 1_000_000_000
    build("one")
    assert cache.entries()[0].used.timestamp() > 1_000_000_000


def test_a_build_that_fails_leaves_nothing(root):
    def make(folder):
        (folder / "half.txt").write_text("half")
        raise KeyError("no")

    with pytest.raises(KeyError):
        cache.build("things", "one", make)
    assert names() == []
    assert list(root.rglob("half.txt")) == []
    assert (build("one") / "file.txt").read_text() == "abc"


def test_a_full_disk_is_one_line():
    def make(folder):
        raise OSError(28, "No space left on device")

    with pytest.raises(ConfigError, match=r"the disk is full: .* no room for things/one; run"):
        cache.build("things", "one", make)


def test_an_entry_may_build_another_while_it_is_built():
    def make(folder):
        (folder / "copy.txt").write_text((build("inner") / "file.txt").read_text())

    assert (cache.build("things", "outer", make) / "copy.txt").read_text() == "abc"
    assert names() == ["things/inner", "things/outer"]


def test_a_name_that_could_leave_the_cache_is_refused():
    for name in ("../x", "a/b", "", ".", ".hidden"):
        with pytest.raises(ValueError, match="not names for a cache entry"):
            build(name)


def test_a_folder_in_the_way_is_named_and_left(root):
    (root / "things" / "one").mkdir(parents=True)
    (root / "things" / "one" / "mine.txt").write_text("mine")
    with pytest.raises(ConfigError, match=r"can't be written at .*one"):
        build("one")
    assert (root / "things" / "one" / "mine.txt").read_text() == "mine"


def test_of_two_processes_one_builds_and_the_other_waits():
    first = start_builder()
    assert first.stdout.readline() == "making\n"
    second = start_builder()
    said = second.stderr.readline()
    assert said == "waiting: another process is building things/one in the cache\n"
    out, err = first.communicate("go\n")
    assert (first.returncode, out, err) == (0, "whole\n", "")
    out, err = second.communicate()
    assert (second.returncode, out, err) == (0, "whole\n", "")  # made nothing, said it once


def test_a_killed_build_leaves_no_entry_and_the_next_build_clears_up(root):
    killed = start_builder()
    assert killed.stdout.readline() == "making\n"
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert names() == []
    assert len(list(root.rglob("half.txt"))) == 1
    build("two")
    assert list(root.rglob("half.txt")) == []
    assert (build("one") / "file.txt").read_text() == "abc"


def test_clean_clears_up_after_a_killed_build(root):
    killed = start_builder()
    assert killed.stdout.readline() == "making\n"
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert cache.clean() == []
    assert list(root.rglob("half.txt")) == []


def test_clean_keeps_what_another_process_is_building_and_says_so(root, capsys):
    build("two")
    builder = start_builder()
    assert builder.stdout.readline() == "making\n"
    assert [entry.name for entry in cache.clean()] == ["two"]
    assert capsys.readouterr().err == "kept things/one: another process is building it\n"
    out, _ = builder.communicate("go\n")
    assert out == "whole\n"
    assert names() == ["things/one"]


def test_clean_keeps_an_entry_whose_lock_is_held(root, capsys):
    path = build("one")
    with cache._held(root, "things", "one", wait=False):
        assert cache.clean(["one"]) == []
    said = capsys.readouterr().err
    assert said == "kept things/one: another process is at work on it\n"
    assert path.exists()


def test_clean_deletes_the_named_entries_only(root):
    gone = [build("one"), build("two")]
    build("three")
    assert [entry.path for entry in cache.clean(["one", "things/two"])] == gone
    assert names() == ["things/three"]
    assert [path.exists() for path in gone] == [False, False]


def test_clean_without_names_deletes_all():
    build("one")
    build("two")
    assert len(cache.clean()) == 2
    assert names() == []


def test_clean_of_an_unknown_name_deletes_nothing_and_suggests():
    build("smollm2-abc")
    build("other")
    with pytest.raises(ConfigError, match=r"no entry 'smolm2-abc'; did you mean 'smollm2-abc'\?"):
        cache.clean(["other", "smolm2-abc"])
    assert names() == ["things/other", "things/smollm2-abc"]


def test_clean_of_an_unknown_name_in_an_empty_cache_says_it_is_empty():
    with pytest.raises(ConfigError, match="the cache has no entry 'x'; it is empty"):
        cache.clean(["x"])


def test_clean_deletes_nothing_that_the_cache_did_not_make(root, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / ".gptasks-cache").touch()
    build("one")
    (root / "things" / "link").symlink_to(outside)
    (root / "documents" / "mine").mkdir(parents=True)
    assert [entry.name for entry in cache.clean()] == ["one"]
    assert (outside / ".gptasks-cache").exists()
    assert (root / "documents" / "mine").is_dir()

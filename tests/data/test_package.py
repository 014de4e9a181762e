"""Files come out of wheels and sdists, from folders and real HTTP indexes, with nothing run."""

import hashlib
import io
import os
import signal
import subprocess
import sys
import tarfile
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path

import pytest

from gptasks import cache
from gptasks.data.archive import members
from gptasks.data.package import fetch_members
from gptasks.data.pip_settings import pip_settings
from gptasks.errors import DataError

NESTED = "extra/inner.tar.gz!/inner/ratings.txt"

FETCHER = f"""
from gptasks.data.package import fetch_members
print(fetch_members("Some.Data==1.0", ["{NESTED}"], None)[0].read_text(), flush=True)
"""


def tar_of(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as opened:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            opened.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def wheel(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as opened:
        for name, content in {"some_data/rows.csv": b"wheel", **files}.items():
            opened.writestr(name, content)
    return buffer.getvalue()


def sdist(ran: Path, noise: bytes = b"") -> bytes:
    """An sdist whose setup.py would write the file `ran`."""
    return tar_of(
        {
            "some_data-1.0/setup.py": f"open({str(ran)!r}, 'w').write('ran')".encode(),
            "some_data-1.0/some_data/rows.csv": b"sdist",
            "some_data-1.0/extra/inner.tar.gz": tar_of({"inner/ratings.txt": b"rated"}),
            "some_data-1.0/noise": noise,
        }
    )


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class Index:
    """A real package index on 127.0.0.1: PEP 503 pages of `files`, and a log of what was asked."""

    def __init__(self, files: dict[str, bytes], *, with_hashes: bool = True) -> None:
        self.files = files
        self.asked: list[str] = []
        self.credentials: list[str | None] = []
        self.status = 200
        self.breaks = 0  # how many downloads to break off
        self.half_sent = threading.Event()
        self.go_on = threading.Event()
        self.go_on.set()
        index = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                index.asked.append(self.path)
                index.credentials.append(self.headers["Authorization"])
                name = self.path.rpartition("/")[2]
                if index.status != 200:
                    self.send_error(index.status)
                elif self.path == "/simple/some-data/":
                    self.reply(index.page(with_hashes).encode(), "text/html")
                elif name in index.files:
                    self.reply(index.files[name], "application/octet-stream")
                else:
                    self.send_error(404)

            def reply(self, content: bytes, kind: str) -> None:
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                is_file = kind != "text/html"
                if is_file and index.breaks:
                    index.breaks -= 1
                    self.wfile.write(content[: len(content) // 2])
                    self.close_connection = True
                    return
                self.wfile.write(content[: len(content) // 2])
                self.wfile.flush()
                if is_file:
                    index.half_sent.set()
                    index.go_on.wait(60)
                try:
                    self.wfile.write(content[len(content) // 2 :])
                except OSError:  # the test killed the reader
                    self.close_connection = True

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.place = f"127.0.0.1:{self.server.server_port}"
        self.url = f"http://{self.place}/simple"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def page(self, with_hashes: bool) -> str:
        return "<!DOCTYPE html>" + "".join(
            f'<a href="/files/{name}{f"#sha256={sha256(content)}" if with_hashes else ""}">x</a>'
            for name, content in self.files.items()
        )

    def downloads(self) -> list[str]:
        return [path.rpartition("/")[2] for path in self.asked if path.startswith("/files/")]


@pytest.fixture(autouse=True)
def surroundings(tmp_path, monkeypatch):
    """Nothing of this machine's pip, proxies or cache reaches a test."""
    for name in list(os.environ):
        if name.startswith("PIP_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.delenv("GPTASKS_OFFLINE", raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)  # pip then reads no file at all
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("GPTASKS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NETRC", str(tmp_path / "no-netrc"))
    # Starting pip takes 0.4 s: here its variables are read; fetchers and `with_pip` ask pip itself.
    monkeypatch.setattr("gptasks.data.pip_settings.find_spec", lambda name: None)


@pytest.fixture
def with_pip(monkeypatch):
    monkeypatch.setattr("gptasks.data.pip_settings.find_spec", find_spec)


@pytest.fixture
def serve(monkeypatch):
    """Start an index and make it the only one."""
    started = []

    def serve(files: dict[str, bytes], **options: bool) -> Index:
        index = Index(files, **options)
        started.append(index)
        monkeypatch.delenv("PIP_NO_INDEX", raising=False)
        monkeypatch.setenv("PIP_INDEX_URL", index.url)
        return index

    yield serve
    for index in started:
        index.go_on.set()
        index.server.shutdown()
        index.server.server_close()


@pytest.fixture
def links(tmp_path, monkeypatch) -> Path:
    """A folder that pip's find-links names."""
    folder = tmp_path / "links"
    folder.mkdir()
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def fetch(member: str = NESTED, pin: str = "Some.Data==1.0", sha256: str | None = None) -> str:
    return fetch_members(pin, [member], sha256)[0].read_text()


def start_fetcher(before: str = "") -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", before + FETCHER],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


# -- found and read -------------------------------------------------------------------------


def test_members_come_out_of_an_sdist_in_a_folder_and_its_setup_is_not_run(links, tmp_path):
    (links / "some_data-1.0.tar.gz").write_bytes(sdist(tmp_path / "ran"))
    paths = fetch_members("some-data==1.0", ["some_data/rows.csv", NESTED], None)
    assert [path.read_text() for path in paths] == ["sdist", "rated"]
    assert [path.name for path in paths] == ["rows.csv", "ratings.txt"]
    assert not (tmp_path / "ran").exists()


def test_members_come_out_of_a_wheel_on_an_index_for_another_platform(serve):
    index = serve({"some_data-1.0-cp27-cp27m-win32.whl": wheel()})
    assert fetch("some_data/rows.csv") == "wheel"
    assert index.asked == ["/simple/some-data/", "/files/some_data-1.0-cp27-cp27m-win32.whl"]


def test_only_the_members_stay_in_the_cache(serve, tmp_path):
    serve({"some_data-1.0.tar.gz": sdist(tmp_path / "ran")})
    fetch()
    (entry,) = cache.entries()
    assert entry.kind == "packages"
    assert entry.name.startswith("some-data-1.0-")
    kept = [str(path.relative_to(entry.path)) for path in entry.path.rglob("*") if path.is_file()]
    assert sorted(kept) == [".gptasks-cache", "0/ratings.txt"]


def test_all_that_fit_a_pattern_come_out_of_a_wheel_as_one_zip(serve, tmp_path):
    texts = {f"some_data/{name}": name.encode() for name in ("b/1.txt", "a/2.txt", "a/1.md")}
    content = wheel(**texts)
    index = serve({"some_data-1.0-py3-none-any.whl": content})
    wanted = ["some_data/*/*.txt", "some_data/rows.csv"]
    packed, rows = fetch_members("some-data==1.0", wanted, sha256(content))
    assert rows.read_text() == "wheel"
    found = [(file.at, file.read_text("utf-8")) for file in members(packed)]
    assert found == [("some_data/a/2.txt", "a/2.txt"), ("some_data/b/1.txt", "b/1.txt")]
    (entry,) = cache.entries()
    kept = [str(path.relative_to(entry.path)) for path in entry.path.rglob("*") if path.is_file()]
    assert sorted(kept) == [".gptasks-cache", "0/files.zip", "1/rows.csv"]
    asked = list(index.asked)
    assert fetch_members("some-data==1.0", wanted, sha256(content)) == [packed, rows]
    assert index.asked == asked


def test_a_pattern_that_fits_only_in_the_sdist_is_found_there(serve, tmp_path):
    sources = sdist(tmp_path / "ran")
    serve({"some_data-1.0-py3-none-any.whl": wheel(), "some_data-1.0.tar.gz": sources})
    (packed,) = fetch_members("some-data==1.0", ["e*/*"], None)
    assert [file.at for file in members(packed)] == ["extra/inner.tar.gz"]


def test_a_pattern_that_fits_nothing_is_one_line_and_leaves_nothing(serve):
    content = wheel()
    serve({"some_data-1.0-py3-none-any.whl": content})
    match = (
        r"^no file fits the pattern '\*\.txt' in some_data of some_data-1.0-py3-none-any.whl "
        r"\(nearest there: rows.csv\)\.$"
    )
    with pytest.raises(DataError, match=match):
        fetch("some_data/*.txt", sha256=sha256(content))
    assert cache.entries() == []


def test_members_of_one_name_do_not_collide(links):
    (links / "some_data-1.0-py3-none-any.whl").write_bytes(wheel(**{"other/rows.csv": b"2"}))
    paths = fetch_members("some-data==1.0", ["some_data/rows.csv", "other/rows.csv"], None)
    assert [path.read_text() for path in paths] == ["wheel", "2"]


def test_a_second_call_asks_nobody_and_imports_no_unearth(serve, tmp_path, monkeypatch):
    index = serve({"some_data-1.0.tar.gz": sdist(tmp_path / "ran")})
    fetch()
    asked = list(index.asked)
    monkeypatch.setenv("GPTASKS_OFFLINE", "1")
    code = FETCHER + "import sys; print('unearth' in sys.modules, 'httpx2' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("rated\nFalse False\n", "")
    assert index.asked == asked


def test_a_pinned_hash_chooses_between_wheel_and_sdist(serve, tmp_path):
    files = {
        "some_data-1.0-py3-none-any.whl": wheel(),
        "some_data-1.0.tar.gz": sdist(tmp_path / "ran"),
    }
    index = serve(files)
    for name, text in zip(files, ("wheel", "sdist"), strict=True):
        assert fetch("some_data/rows.csv", sha256=sha256(files[name]).upper()) == text
    assert index.downloads() == list(files)  # each hash brought one download, the right one


def test_without_hashes_on_the_index_files_are_tried_until_one_fits(serve, tmp_path):
    files = {
        "some_data-1.0-py3-none-any.whl": wheel(),
        "some_data-1.0.tar.gz": sdist(tmp_path / "ran"),
    }
    index = serve(files, with_hashes=False)
    pinned = sha256(files["some_data-1.0.tar.gz"])
    assert fetch("some_data/rows.csv", sha256=pinned) == "sdist"
    assert index.downloads() == list(files)


def test_without_a_pinned_hash_the_sdist_serves_what_the_wheel_lacks(serve, tmp_path, capsys):
    content = sdist(tmp_path / "ran")
    serve({"some_data-1.0-py3-none-any.whl": wheel(), "some_data-1.0.tar.gz": content})
    assert fetch() == "rated"
    expected = f"some_data-1.0.tar.gz has SHA-256 {sha256(content)}; set sha256 to it to pin"
    assert expected in capsys.readouterr().err


def test_a_download_is_told_in_two_lines_where_stderr_is_no_terminal(serve, capsys):
    content = wheel(noise=bytes(1_234_567))
    serve({"some_data-1.0-py3-none-any.whl": content})
    fetch("some_data/rows.csv", sha256=sha256(content))
    first, second = capsys.readouterr().err.splitlines()
    assert first == "downloading some_data-1.0-py3-none-any.whl (1.23 MB)"
    assert second.startswith("downloaded some_data-1.0-py3-none-any.whl in ")


def test_a_download_has_a_bar_where_stderr_is_a_terminal(serve, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    content = wheel(noise=bytes(1_234_567))
    serve({"some_data-1.0-py3-none-any.whl": content})
    monkeypatch.setattr(sys, "stderr", Terminal())
    fetch("some_data/rows.csv", sha256=sha256(content))
    shown = sys.stderr.getvalue()
    assert "some_data-1.0-py3-none-any.whl: 100%|" in shown
    assert "1.23M/1.23M" in shown
    assert "downloading" not in shown


def test_a_download_that_breaks_off_is_begun_again(serve):
    content = wheel(noise=bytes(100_000))
    index = serve({"some_data-1.0-py3-none-any.whl": content})
    index.breaks = 2
    assert fetch("some_data/rows.csv", sha256=sha256(content)) == "wheel"
    assert len(index.downloads()) == 3


def test_an_index_that_is_a_folder_is_read_and_a_missing_one_is_passed_over(
    tmp_path, monkeypatch, capsys
):
    page = tmp_path / "simple" / "some-data" / "index.html"
    page.parent.mkdir(parents=True)
    page.write_text('<a href="some_data-1.0-py3-none-any.whl">x</a>')
    (page.parent / "some_data-1.0-py3-none-any.whl").write_bytes(wheel())
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", (tmp_path / "gone").as_uri())
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", (tmp_path / "simple").as_uri())
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "gone too"))
    assert fetch("some_data/rows.csv") == "wheel"
    assert "gone" not in capsys.readouterr().err


def test_one_index_that_is_down_does_not_hide_another(serve, links, monkeypatch):
    index = serve({})
    index.status = 503
    (links / "some_data-1.0-py3-none-any.whl").write_bytes(wheel())
    assert fetch("some_data/rows.csv") == "wheel"


def test_a_folder_serves_also_when_offline_is_asked_for(serve, links, monkeypatch):
    index = serve({"some_data-1.0-py3-none-any.whl": wheel()})
    monkeypatch.setenv("GPTASKS_OFFLINE", "1")
    (links / "some_data-1.0-py3-none-any.whl").write_bytes(wheel())
    assert fetch("some_data/rows.csv") == "wheel"
    assert index.asked == []


# -- several processes, and killed ones -----------------------------------------------------


def test_two_processes_at_once_download_once(serve, tmp_path):
    index = serve({"some_data-1.0.tar.gz": sdist(tmp_path / "ran", os.urandom(1_000_000))})
    index.go_on.clear()
    first = start_fetcher()
    assert index.half_sent.wait(60)
    second = start_fetcher()
    assert second.stderr.readline().startswith("waiting: another process is building packages/some")
    index.go_on.set()
    assert first.communicate()[0] == "rated\n"
    assert second.communicate() == ("rated\n", "")
    assert index.downloads() == ["some_data-1.0.tar.gz"]


def test_a_fetch_killed_in_mid_download_leaves_nothing_broken(serve, tmp_path):
    index = serve({"some_data-1.0.tar.gz": sdist(tmp_path / "ran", os.urandom(1_000_000))})
    index.go_on.clear()
    killed = start_fetcher()
    assert index.half_sent.wait(60)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    index.go_on.set()
    assert cache.entries() == []
    assert fetch() == "rated"
    assert len(cache.entries()) == 1
    assert not list((tmp_path / "cache").rglob("download*"))


# -- what can't be had ----------------------------------------------------------------------


@pytest.mark.parametrize("pin", ["x", "x>=1", "x==1.*", "x[a]==1", "x==1,<2", "x @ http://y/z"])
def test_what_is_not_pinned_is_refused(pin):
    with pytest.raises(DataError, match=r"no distribution with a pinned version; write it as name"):
        fetch("a", pin)


def test_a_hash_that_is_none_is_refused():
    with pytest.raises(DataError, match=r"sha256 of x==1 is 'abc', but must be 64 hexadecimal"):
        fetch("a", "x==1", "abc")


def test_no_member_is_refused():
    with pytest.raises(DataError, match=r"no file is named to read out of x==1; name one as"):
        fetch_members("x==1", [], None)


def test_a_path_out_of_the_archive_is_refused_before_anything_is_asked(serve):
    index = serve({})
    with pytest.raises(DataError, match=r"'../../x' is no path inside an archive"):
        fetch("../../x")
    assert index.asked == []


def test_a_missing_version_names_the_nearest(serve):
    versions = ("0.1", "0.9", "1.1", "1.2", "2.0", "3.0", "4.0")
    index = serve({f"some_data-{version}-py3-none-any.whl": wheel() for version in versions})
    match = (
        rf"Some.Data==1.0 is not in the cache, and can't be had: no version 1.0 of Some.Data at "
        rf"{index.place}; the nearest are 2.0, 1.2, 1.1, 0.9, 0.1. To go on, correct the version.$"
    )
    with pytest.raises(DataError, match=match):
        fetch()


def test_a_missing_name_says_where_was_looked(serve, links):
    index = serve({})
    match = rf"there is no Other at {links}, {index.place}. To go on, correct the name.$"
    with pytest.raises(DataError, match=match):
        fetch(pin="Other==1.0")


def test_an_index_out_of_reach_is_named_by_host_with_what_to_do(serve, monkeypatch):
    index = serve({})
    index.server.server_close()  # nobody listens there now
    monkeypatch.setenv("PIP_INDEX_URL", f"http://me:secret@{index.place}/simple")
    match = (
        rf"^Some.Data==1.0 is not in the cache, and can't be had: could not ask {index.place}: "
        r".*refused.* To go on, connect to a network, set pip's index \(`pip config set "
        r"global.index-url URL`\), or put the file into a folder and set PIP_FIND_LINKS to it.$"
    )
    with pytest.raises(DataError, match=match) as caught:
        fetch()
    assert "secret" not in str(caught.value)


def test_offline_nothing_is_asked_and_the_message_says_why(serve, monkeypatch):
    index = serve({"some_data-1.0-py3-none-any.whl": wheel()})
    monkeypatch.setenv("GPTASKS_OFFLINE", "1")
    match = rf"could not ask {index.place}: GPTASKS_OFFLINE is set. To go on, unset GPTASKS_OFFLINE"
    with pytest.raises(DataError, match=match):
        fetch()
    assert index.asked == []


def test_an_index_that_refuses_is_named_with_its_answer(serve):
    index = serve({})
    index.status = 403
    with pytest.raises(DataError, match=rf"could not ask {index.place}: answered 403"):
        fetch()


def test_an_index_without_https_has_to_be_trusted(monkeypatch):
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", "http://packages.invalid/simple")
    match = r"could not ask packages.invalid: is not https, nor among pip's trusted-host"
    with pytest.raises(DataError, match=match):
        fetch()


def test_without_any_place_to_look_it_says_so():
    with pytest.raises(DataError, match=r"can't be had: pip's no-index is set and no find-links"):
        fetch()


def test_a_wrong_hash_shows_both_and_the_file(serve):
    content = wheel()
    index = serve({"some_data-1.0-py3-none-any.whl": content})
    match = (
        rf"wrong hash for Some.Data==1.0: expected SHA-256 {'0' * 64}, but "
        rf"some_data-1.0-py3-none-any.whl of {index.place} has {sha256(content)}. Nothing of it"
    )
    with pytest.raises(DataError, match=match):
        fetch("some_data/rows.csv", sha256="0" * 64)
    assert index.downloads() == []  # the index itself said that none fits
    assert cache.entries() == []


@pytest.mark.parametrize("pinned", ["0" * 64, None])
def test_a_changed_file_is_refused_unread(serve, pinned):
    index = serve({"some_data-1.0-py3-none-any.whl": wheel()}, with_hashes=False)
    said = sha256(b"something else")
    index.page = lambda _: f'<a href="/files/some_data-1.0-py3-none-any.whl#sha256={said}">x</a>'
    with pytest.raises(DataError, match=r"wrong hash for Some.Data==1.0: .*Nothing of it was read"):
        fetch("some_data/rows.csv", sha256=said if pinned else None)
    assert index.downloads() == ["some_data-1.0-py3-none-any.whl"]
    assert cache.entries() == []


def test_a_missing_member_names_the_nearest(serve):
    content = wheel()
    serve({"some_data-1.0-py3-none-any.whl": content})
    match = r"no file 'some_data/row.csv' among the 1 of .*; did you mean 'some_data/rows.csv'\?"
    with pytest.raises(DataError, match=match):
        fetch("some_data/row.csv", sha256=sha256(content))
    assert cache.entries() == []


def test_a_file_that_cannot_be_downloaded_is_one_line(serve):
    index = serve({"some_data-1.0-py3-none-any.whl": wheel()})
    index.breaks = 3
    match = rf"could not download some_data-1.0-py3-none-any.whl from {index.place} \(.+\); try"
    with pytest.raises(DataError, match=match):
        fetch()


# -- pip's settings -------------------------------------------------------------------------


def test_credentials_of_an_index_are_sent_and_never_shown(serve, tmp_path, monkeypatch):
    index = serve({"some_data-1.0.tar.gz": sdist(tmp_path / "ran")})
    monkeypatch.setenv("PIP_INDEX_URL", f"http://me:secret@{index.place}/simple")
    fetcher = start_fetcher("import logging; logging.basicConfig(level=logging.DEBUG)")
    out, err = fetcher.communicate()
    assert out == "rated\n"
    assert "DEBUG" in err  # all log lines are on
    assert index.credentials == ["Basic bWU6c2VjcmV0"] * 2  # base64 of me:secret
    assert "secret" not in err
    assert "bWU6c2VjcmV0" not in err


@pytest.mark.usefixtures("with_pip")
def test_settings_of_every_level_are_merged_as_pip_does(tmp_path, monkeypatch):
    conf = tmp_path / "pip.conf"
    conf.write_text(
        "[global]\nindex-url = https://a.invalid/simple\ntimeout = 7\nproxy = http://p:1\n"
        "extra-index-url =\n    https://b.invalid/simple\n    https://c.invalid/simple\n"
        "[install]\nindex-url = https://i.invalid/simple\nfind-links = /x /y\n"
        "[download]\ncert = /ca.pem\n"
    )
    monkeypatch.setenv("PIP_CONFIG_FILE", str(conf))
    monkeypatch.setenv("PIP_NO_INDEX", "")  # empty: as if not set
    monkeypatch.setenv("PIP_TRUSTED_HOST", "a.invalid b.invalid:8080")
    monkeypatch.setenv("PIP_DEFAULT_TIMEOUT", "9")
    monkeypatch.setenv("PIP_FIND_LINKS", "/z")
    monkeypatch.setenv("PIP_QUIET", "3")  # pip would list nothing
    found = pip_settings()
    assert found.index_urls == (
        "https://i.invalid/simple",
        "https://b.invalid/simple",
        "https://c.invalid/simple",
    )
    assert found.find_links == ("/z",)
    assert found.trusted_hosts == ("a.invalid", "b.invalid:8080")
    assert (found.cert, found.client_cert) == ("/ca.pem", None)
    assert (found.proxy, found.timeout) == ("http://p:1", 9.0)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere pip's system files can't be moved")
@pytest.mark.usefixtures("with_pip")
@pytest.mark.parametrize(("system", "named"), [("a", "z"), ("z", "a")])
def test_of_two_files_the_one_that_pip_puts_last_wins(tmp_path, monkeypatch, system, named):
    # `pip config list` shows them in the order of their paths, whichever counts.
    for folder, host in ((system, "system"), (named, "named")):
        (tmp_path / folder / "pip").mkdir(parents=True)
        conf = tmp_path / folder / "pip" / "pip.conf"
        conf.write_text(f"[global]\nindex-url = https://{host}.invalid/simple\n")
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(tmp_path / system))
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / named / "pip" / "pip.conf"))
    monkeypatch.delenv("PIP_NO_INDEX")
    assert pip_settings().index_urls[0] == "https://named.invalid/simple"


def test_without_pip_the_variables_serve(monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "no")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "https://b.invalid/simple")
    assert pip_settings().index_urls == ("https://pypi.org/simple", "https://b.invalid/simple")
    assert pip_settings().timeout == 15.0


@pytest.mark.usefixtures("with_pip")
def test_a_broken_pip_file_is_one_line_without_its_secrets(tmp_path, monkeypatch):
    conf = tmp_path / "pip.conf"
    conf.write_text("index-url = https://me:secret@a.invalid/simple\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(conf))
    with pytest.raises(
        DataError, match=r"pip's configuration can't be read \(.+pip.conf"
    ) as caught:
        fetch()
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_certificates_that_cannot_be_read_are_one_line(monkeypatch):
    monkeypatch.setenv("PIP_CERT", "/no/such/ca.pem")
    with pytest.raises(DataError, match=r"pip's certificates can't be read \(cert=/no/such/ca.pem"):
        fetch()


def test_a_proxy_is_used_for_a_trusted_host_too(serve, tmp_path, monkeypatch):
    # The index plays the proxy: it is asked for the full URL of a host that doesn't exist.
    index = serve({})
    monkeypatch.setenv("PIP_PROXY", f"http://{index.place}")
    monkeypatch.setenv("PIP_INDEX_URL", "http://packages.invalid/simple")
    monkeypatch.setenv("PIP_TRUSTED_HOST", "packages.invalid")
    with pytest.raises(DataError, match=r"there is no Some.Data at packages.invalid"):
        fetch()
    assert index.asked == ["http://packages.invalid/simple/some-data/"]

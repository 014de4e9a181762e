"""What is asked for comes out of an archive, exactly; nothing else does, whatever it says."""

import gzip
import io
import tarfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gptasks.data import archive
from gptasks.data.archive import extract, members, split_member
from gptasks.errors import DataError


def tar_of(files: dict[str, bytes | tarfile.TarInfo], mode: str = "w:gz") -> bytes:
    """A tar archive; a TarInfo in place of the content is added as it is."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as opened:
        for name, content in files.items():
            if isinstance(content, tarfile.TarInfo):
                opened.addfile(content)
                continue
            info = tarfile.TarInfo(name)
            info.size = len(content)
            opened.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def zip_of(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, content in files.items():
            opened.writestr(name, content)
    return buffer.getvalue()


def member_of(kind: bytes, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo("top/odd")
    info.type, info.linkname = kind, link
    return info


@pytest.fixture
def read(tmp_path):
    """Extract `member` of an archive given by its bytes; gives the content."""

    def read(content: bytes, member: str, name: str = "a.tar.gz", strip_top: bool = False) -> bytes:
        path, target = tmp_path / name, tmp_path / "out" / "target"
        path.write_bytes(content)
        target.parent.mkdir(exist_ok=True)
        target.unlink(missing_ok=True)
        try:
            extract(path, member, target, strip_top=strip_top)
            return target.read_bytes()
        finally:
            left = [file.name for file in target.parent.iterdir()]
            assert left in ([], ["target"])

    return read


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.zip", zip_of({"d/x.txt": b"other", "d/y.txt": b"text"})),
        ("a.whl", zip_of({"d/y.txt": b"text"})),
        ("a.tar", tar_of({"d/x.txt": b"other", "d/y.txt": b"text"}, "w")),
        ("a.tgz", tar_of({"d/x.txt": b"other", "d/y.txt": b"text"})),
        ("a.tar.bz2", tar_of({"./d/y.txt": b"text", "z": b""}, "w:bz2")),
        ("a.tar.xz", tar_of({"d/y.txt": b"text"}, "w:xz")),
    ],
)
def test_every_kind_of_archive_is_read(read, name, content):
    assert read(content, "d/y.txt", name) == b"text"


def test_the_top_folder_of_an_sdist_is_left_out(read):
    content = tar_of({"name-1.0/PKG-INFO": b"", "name-1.0/data/y.txt": b"text"})
    assert read(content, "data/y.txt", strip_top=True) == b"text"


def test_a_nested_archive_is_read_and_its_top_folder_counts(read):
    inner = tar_of({"data/y.txt": b"text"})
    content = tar_of({"name-1.0/more/inner.tar.gz": inner})
    assert read(content, "more/inner.tar.gz!/data/y.txt", strip_top=True) == b"text"


def test_archives_nest_to_any_depth(read):
    content = zip_of({"c.zip": tar_of({"b.tar": zip_of({"y.txt": b"deep"})}, "w:xz")})
    assert read(content, "c.zip!/b.tar!/y.txt", "a.zip") == b"deep"


def test_an_empty_file_is_read(read):
    assert read(tar_of({"y.txt": b""}), "y.txt") == b""


def test_of_two_members_of_one_name_the_last_counts(read):
    content = tar_of({"y.txt": b"first", "./y.txt": b"second"})
    assert read(content, "y.txt") == b"second"


def test_a_missing_member_names_the_nearest_and_counts(read):
    content = tar_of({"t/pos_sentences.txt": b"", "t/neg_sentences.txt": b"", "t/x": b""})
    match = r"no file 'pos_sentence.txt' among the 3 of a.tar.gz; did you mean 'pos_sentences.txt'"
    with pytest.raises(DataError, match=match):
        read(content, "pos_sentence.txt", strip_top=True)


def test_a_missing_member_finds_its_name_in_another_folder(read):
    match = r"among the 2 of a.zip; did you mean 'deep/folder/rows.csv'\?"
    with pytest.raises(DataError, match=match):
        read(zip_of({"deep/folder/rows.csv": b"", "b": b""}), "rows.csv", "a.zip")


def test_a_missing_member_of_an_inner_archive_is_suggested_by_its_full_path(read):
    content = zip_of({"in.tgz": tar_of({"top/rows.csv": b""})})
    match = r"no file 'rows.csv' among the 1 of a.zip!/in.tgz; did you mean 'in.tgz!/top/rows.csv'"
    with pytest.raises(DataError, match=match):
        read(content, "in.tgz!/rows.csv", "a.zip")


def test_a_path_through_an_archive_without_its_mark_is_suggested(read):
    content = zip_of({"in.tgz": tar_of({"rows.csv": b""})})
    with pytest.raises(DataError, match=r"did you mean 'in.tgz!/rows.csv'\?"):
        read(content, "in.tgz/rows.csv", "a.zip")


def test_a_folder_is_refused_with_files_in_it(read):
    match = r"'data' in a.tar.gz is a folder; name a file in it: data/x, data/y."
    with pytest.raises(DataError, match=match):
        read(tar_of({"data/x": b"", "data/y": b""}), "data")


@pytest.mark.parametrize(
    "member", ["", "/etc/passwd", "../x", "a/../x", "a//b", "a!/", "a/", "./a"]
)
def test_a_path_that_leaves_its_archive_is_refused(member):
    with pytest.raises(DataError, match=r"is no path inside an archive; write it as"):
        split_member(member)


@pytest.mark.parametrize(
    "odd",
    [
        member_of(tarfile.SYMTYPE, "/etc/passwd"),
        member_of(tarfile.LNKTYPE, "top/y"),
        member_of(tarfile.CHRTYPE),
        member_of(tarfile.BLKTYPE),
        member_of(tarfile.FIFOTYPE),
    ],
)
def test_links_and_devices_are_refused(read, odd):
    content = tar_of({"top/y": b"text", "top/odd": odd})
    match = "'odd' in a.tar.gz is a link or device; only plain files are read"
    with pytest.raises(DataError, match=match):
        read(content, "odd", strip_top=True)


def test_a_link_in_a_zip_is_refused(read):
    link = zipfile.ZipInfo("odd")
    link.create_system, link.external_attr = 3, 0o120777 << 16
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as opened:
        opened.writestr(link, "/etc/passwd")
    with pytest.raises(DataError, match="is a link or device"):
        read(buffer.getvalue(), "odd", "a.zip")


@pytest.mark.parametrize("make", [tar_of, zip_of])
def test_members_that_point_outside_touch_nothing_and_cannot_be_asked_for(read, tmp_path, make):
    evil = {"../evil.txt": b"x", str(tmp_path / "evil2.txt"): b"x", "a/../../evil.txt": b"x"}
    assert read(make({**evil, "y.txt": b"text"}), "y.txt", "a") == b"text"
    assert not list(tmp_path.parent.rglob("evil*"))
    for name in evil:
        with pytest.raises(DataError, match="is no path inside an archive"):
            split_member(name)


@pytest.mark.parametrize("make", [tar_of, zip_of])
def test_names_that_differ_in_case_alone_are_several_files(read, make):
    content = make({"Y.TXT": b"large", "y.txt": b"small", "Y.txt": b"mixed"})
    assert read(content, "y.txt", "a") == b"small"


def test_long_names_and_names_in_headers_of_their_own_are_names_like_others(read, tmp_path):
    name = "a" * 200 + "/y.txt"
    content = tar_of({f"../{'e' * 200}": b"x", "../evil好": b"x", name: b"text"})
    assert read(content, name) == b"text"
    assert not [*tmp_path.parent.rglob("eee*"), *tmp_path.parent.rglob("evil*")]


def test_a_member_larger_than_the_limit_is_refused_unread(read):
    huge = tarfile.TarInfo("huge")
    huge.size = 5 * 2**30
    content = tar_of({"huge": huge})
    match = r"'huge' in a.tar.gz would unpack to 5.0 GiB; the limit is 4.0 GiB"
    with pytest.raises(DataError, match=match):
        read(content, "huge")


def test_a_bomb_beside_the_member_is_stopped(read, monkeypatch):
    monkeypatch.setattr(archive, "MAX_BYTES", 2**20)
    content = tar_of({"bomb": bytes(2**22), "y.txt": b"text"})
    with pytest.raises(DataError, match=r"a.tar.gz unpacks to more than 0.0 GiB; not read"):
        read(content, "y.txt")


@pytest.mark.parametrize("mode", ["w:gz", "w:bz2", "w:xz"])
@pytest.mark.parametrize("name", ["bomb", "y.txt"])
def test_a_bomb_in_an_inner_archive_is_stopped(read, monkeypatch, mode, name):
    monkeypatch.setattr(archive, "MAX_BYTES", 2**20)
    content = zip_of({"in.tar": tar_of({"bomb": bytes(2**22), "y.txt": b"text"}, mode)})
    with pytest.raises(DataError, match=r"more than 0.0 GiB; not read|the limit is 0.0 GiB"):
        read(content, f"in.tar!/{name}", "a.zip")


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE, tarfile.XGLTYPE])
def test_a_name_as_large_as_a_bomb_is_not_read(read, kind):
    name = tarfile.TarInfo("name")
    name.type, name.size = kind, 2**21
    content = name.tobuf() + bytes(2**21) + tar_of({"y.txt": b"text"}, "w")
    match = r"a.tar.gz is damaged or cut short \(a name of 2,097,152 bytes\); get it anew"
    with pytest.raises(DataError, match=match):
        read(gzip.compress(content), "y.txt")


def test_what_is_packed_behind_the_end_of_a_tar_counts(read, monkeypatch):
    monkeypatch.setattr(archive, "MAX_BYTES", 2**20)
    content = gzip.compress(tar_of({"y.txt": b"text"}, "w") + bytes(2**22))
    with pytest.raises(DataError, match=r"a.tar.gz unpacks to more than 0.0 GiB; not read"):
        read(content, "y.txt")


def test_a_bomb_in_a_zip_is_refused_unread_and_let_alone_beside_the_member(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "MAX_BYTES", 2**20)
    path = tmp_path / "a.zip"
    path.write_bytes(zip_of({"bomb": bytes(2**22), "y.txt": b"text"}))
    extract(path, "y.txt", tmp_path / "out", strip_top=False)
    assert (tmp_path / "out").read_bytes() == b"text"
    monkeypatch.setattr(zipfile.ZipFile, "open", lambda *a: pytest.fail("read"))
    with pytest.raises(DataError, match=r"'bomb' in a.zip would unpack to 0.0 GiB; the limit is"):
        extract(path, "bomb", tmp_path / "other", strip_top=False)


def test_a_zip_that_holds_more_than_it_says_is_not_read_past_that(tmp_path):
    content = bytearray(zip_of({"bomb": bytes(2**22)}))
    for start, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        at = content.index(start) + offset
        content[at : at + 4] = (1000).to_bytes(4, "little")
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(DataError, match=r"damaged or cut short|not as long as its header says"):
        extract(tmp_path / "a.zip", "bomb", tmp_path / "out", strip_top=False)
    assert not (tmp_path / "out").exists()


def test_a_zip_that_holds_less_than_it_says_is_refused(tmp_path):
    content = bytearray(zip_of({"y.txt": b"text"}))
    at = content.index(b"PK\x01\x02") + 24
    content[at : at + 4] = (9).to_bytes(4, "little")
    (tmp_path / "a.zip").write_bytes(content)
    match = r"^'y.txt' in a.zip is not as long as its header says; get it anew\.$"
    with pytest.raises(DataError, match=match):
        extract(tmp_path / "a.zip", "y.txt", tmp_path / "out", strip_top=False)
    assert not (tmp_path / "out").exists()


PACKED = {
    "zip": zip_of({"x.txt": b"other", "y.txt": b"text" * 9}),
    "nested": zip_of({"in.tgz": tar_of({"y.txt": b"text" * 9})}),
    "gz": tar_of({"x.txt": b"other", "y.txt": b"text" * 9}),
    "bz2": tar_of({"y.txt": b"text" * 9}, "w:bz2"),
    "xz": tar_of({"y.txt": b"text" * 9}, "w:xz"),
}


@settings(
    max_examples=150,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.sampled_from(sorted(PACKED)),
    st.floats(0, 1, exclude_max=True),
    st.binary(max_size=3),
    st.booleans(),
)
def test_any_damage_leaves_the_content_or_is_one_line(tmp_path, kind, share, put, is_end):
    content = PACKED[kind]
    at = int(len(content) * share)
    path, target = tmp_path / "a", tmp_path / "target"
    path.write_bytes(content[:at] + put + (b"" if is_end else content[at + len(put) :]))
    target.unlink(missing_ok=True)
    try:
        extract(path, "in.tgz!/y.txt" if kind == "nested" else "y.txt", target, strip_top=False)
    except DataError:
        assert not target.exists()
    else:
        assert target.read_bytes() == b"text" * 9


def test_a_zip_whose_stream_is_longer_than_its_header_is_refused(read):
    content = bytearray(zip_of({"y.txt": b"0" * 1000}))
    at = content.index(b"PK\x01\x02") + 24  # the size unpacked, in the central directory
    assert int.from_bytes(content[at : at + 4], "little") == 1000
    content[at : at + 4] = (10).to_bytes(4, "little")
    with pytest.raises(DataError, match=r"a.zip is damaged or cut short \(.*CRC.*\); get it anew"):
        read(bytes(content), "y.txt", "a.zip")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.tar.gz", tar_of({"y.txt": bytes(range(256)) * 99})),
        ("a.tar.bz2", tar_of({"y.txt": bytes(range(256)) * 99}, "w:bz2")),
        ("a.tar.xz", tar_of({"y.txt": bytes(range(256)) * 99}, "w:xz")),
        ("a.tar", tar_of({"y.txt": bytes(range(256)) * 99}, "w")),
        ("a.zip", zip_of({"y.txt": bytes(range(256)) * 99})),
    ],
)
def test_a_cut_archive_is_one_line(read, name, content):
    with pytest.raises(DataError, match=rf"{name} is damaged or cut short \(.+\); get it anew."):
        read(content[: len(content) // 2], "y.txt", name)


def test_a_flipped_byte_is_noticed(read):
    content = bytearray(tar_of({"y.txt": b"text" * 99, "z.txt": b"more"}))
    content[-5] ^= 1  # in the checksum of the whole stream
    with pytest.raises(DataError, match="damaged or cut short"):
        read(bytes(content), "y.txt")


def test_what_is_no_archive_is_named(read):
    with pytest.raises(DataError, match=r"a.zip!/y.txt is no archive that can be read \(zip, or"):
        read(zip_of({"y.txt": b"text"}), "y.txt!/z", "a.zip")


def test_an_encrypted_file_is_refused(read):
    content = bytearray(zip_of({"y.txt": b"text"}))
    for start, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(start) + offset] |= 1
    with pytest.raises(DataError, match=r"'y.txt' in a.zip is encrypted"):
        read(bytes(content), "y.txt", "a.zip")


def test_nothing_but_the_target_is_written(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    path = folder / "a.zip"
    path.write_bytes(zip_of({"x.txt": b"other", "y.txt": b"text"}))
    extract(path, "y.txt", folder / "target", strip_top=False)
    assert {file.name for file in folder.iterdir()} == {"a.zip", "target"}
    assert Path(folder / "target").read_bytes() == b"text"


# -- all files that a pattern fits ------------------------------------------------------------

TEXTS = {"d/b/2.txt": b"two", "d/a/1.txt": b"one", "d-e/a/3.txt": b"three", "d/a/n.md": b"no"}


@pytest.fixture
def read_all(read, tmp_path):
    """Extract what a pattern fits; gives names and contents in order."""

    def read_all(content: bytes, pattern: str, name: str = "a.tar.gz", strip_top: bool = False):
        packed = read(content, pattern, name, strip_top)
        (tmp_path / "packed").write_bytes(packed)
        return [(file.at, file.read_bytes()) for file in members(tmp_path / "packed")]

    return read_all


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.zip", zip_of(TEXTS)),
        ("a.tar", tar_of(TEXTS, "w")),
        ("a.tgz", tar_of({f"./{name}": content for name, content in TEXTS.items()})),
    ],
)
def test_a_pattern_brings_all_files_that_fit_in_order(read_all, name, content):
    assert read_all(content, "d*/*/*.txt", name) == [
        ("d/a/1.txt", b"one"),
        ("d/b/2.txt", b"two"),
        ("d-e/a/3.txt", b"three"),  # as sorted paths are: by their parts, though "-" is before "/"
    ]


def test_a_pattern_in_an_inner_archive_and_below_a_top_folder(read_all):
    inner = tar_of(TEXTS)
    content = tar_of({"name-1.0/in.tgz": inner, "name-1.0/x/4.txt": b"four", "setup.py": b""})
    assert read_all(content, "in.tgz!/d/*/*.txt", strip_top=True) == [
        ("d/a/1.txt", b"one"),
        ("d/b/2.txt", b"two"),
    ]
    assert read_all(content, "**/*.txt", strip_top=True) == [("x/4.txt", b"four")]


@pytest.mark.filterwarnings("error")
def test_of_two_files_of_one_name_that_fit_the_last_counts(read_all):
    content = tar_of({"a/y.txt": b"first", "./a/y.txt": b"second"})
    assert read_all(content, "a/*") == [("a/y.txt", b"second")]


def test_many_files_are_one_zip(read_all):
    texts = {f"t/{number:04}.txt": str(number).encode() for number in range(500)}
    found = read_all(tar_of(texts), "t/*.txt")
    assert found == list(texts.items())


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("d/c*/*.txt", r"'c\*/\*.txt' in d of a.zip \(nearest there: a/, b/\)\.$"),
        ("d/a/*.csv", r"'\*.csv' in d/a of a.zip \(nearest there: 1.txt, n.md\)\.$"),
        ("de/a/*.txt", r"'de/a/\*.txt' in a.zip \(nearest there: d-e/, d/\)\.$"),
    ],
)
def test_a_pattern_that_fits_nothing_says_what_is_near(read_all, pattern, message):
    with pytest.raises(DataError, match=r"^no file fits the pattern " + message):
        read_all(zip_of(TEXTS), pattern, "a.zip")


def test_a_pattern_in_an_empty_archive_and_in_an_inner_one_that_lacks_it(read_all):
    with pytest.raises(DataError, match=r"'\*' in a.zip \(which has no files\)\.$"):
        read_all(zip_of({}), "*", "a.zip")
    with pytest.raises(DataError, match=r"'x\*' in d of a.zip!/in.zip \(nearest there: a/, b/\)"):
        read_all(zip_of({"in.zip": zip_of(TEXTS)}), "in.zip!/d/x*", "a.zip")
    with pytest.raises(
        DataError, match=r"no file 'i\*.zip' among the 1 of a.zip; did you mean 'in"
    ):
        read_all(zip_of({"in.zip": zip_of(TEXTS)}), "i*.zip!/d/a/1.txt", "a.zip")


def test_a_link_that_fits_is_refused_and_another_is_not_touched(read_all):
    content = tar_of({"top/y": b"text", "top/odd": member_of(tarfile.SYMTYPE, "/etc/passwd")})
    match = "'odd' in a.tar.gz is a link or device; only plain files are read"
    with pytest.raises(DataError, match=match):
        read_all(content, "*", strip_top=True)
    assert read_all(content, "y*", strip_top=True) == [("y", b"text")]


def test_an_encrypted_file_that_fits_is_refused(read_all):
    content = bytearray(zip_of({"y.txt": b"text"}))
    for start, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(start) + offset] |= 1
    with pytest.raises(DataError, match=r"'y.txt' in a.zip is encrypted"):
        read_all(bytes(content), "*.txt", "a.zip")


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("../x.txt", ".*/*.txt"),
        ("/x.txt", "*/*.txt"),
        ("a//x.txt", "a/*/*.txt"),
        ("a/\n.txt", "a/*"),
        ("a!/x.txt", "a*/*"),
        ("a/" + "x" * 1000, "a/*"),
        ("a/\udcff.txt", "a/*"),
    ],
)
def test_an_odd_name_that_fits_is_refused(read_all, name, pattern):
    with pytest.raises(
        DataError, match=r"^'.+' in a.tar.gz is no plain path; not read\.$"
    ) as fault:
        read_all(tar_of({name: b"x"}), pattern)
    assert str(fault.value).isascii()
    assert len(str(fault.value)) < 300


def test_an_odd_name_does_not_fit_an_ordinary_pattern(read_all):
    content = tar_of({"../x.txt": b"x", "./../../y.txt": b"x", "z.txt": b"good"})
    assert read_all(content, "**/*.txt") == [("z.txt", b"good")]


def test_what_fits_may_not_be_too_large_together(read_all, monkeypatch):
    monkeypatch.setattr(archive, "MAX_BYTES", 2**20)
    content = zip_of({f"{number}.txt": bytes(2**19) for number in range(3)})
    with pytest.raises(
        DataError, match=r"^what fits in a.zip unpacks to more than 0.0 GiB; not re"
    ):
        read_all(content, "*.txt", "a.zip")
    with pytest.raises(DataError, match=r"^'0.txt' in a.zip would unpack to 0.0 GiB; the limit is"):
        read_all(zip_of({"0.txt": bytes(2**21)}), "*.txt", "a.zip")
    with pytest.raises(DataError, match=r"^a.tar.gz unpacks to more than 0.0 GiB; not read"):
        read_all(tar_of({f"{number}.txt": bytes(2**19) for number in range(3)}), "*.txt")


@pytest.mark.parametrize("name", ["a.zip", "a.tar.gz"])
def test_a_cut_archive_leaves_no_zip_behind(read_all, name):
    content = (zip_of if name == "a.zip" else tar_of)({"y.txt": bytes(range(256)) * 99})
    with pytest.raises(DataError, match=rf"{name} is damaged or cut short \(.+\); get it anew."):
        read_all(content[: len(content) // 2], "*.txt", name)


def test_a_damaged_zip_of_members_says_what_to_do(tmp_path):
    (tmp_path / "files.zip").write_bytes(zip_of(TEXTS)[:50])
    match = r"files.zip can't be read \(.+\); empty the cache by `gptasks cache clean`\.$"
    with pytest.raises(DataError, match=match):
        members(tmp_path / "files.zip")

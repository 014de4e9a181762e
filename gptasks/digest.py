"""SHA-256 of files, by which it is seen that they are what they were."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from pathlib import Path


def sha256(path: Path) -> str:
    """Of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digests(folder: Path, *, without: Collection[str] = ()) -> dict[str, str]:
    """SHA-256 of every file in a folder and below, by its path from there with slashes; of a folder
    that is not there, nothing.

    without: paths that are left out.
    """
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    named = {path.relative_to(folder).as_posix(): path for path in paths}
    return {name: sha256(path) for name, path in named.items() if name not in without}

"""Files of a run, written whole or not at all, and what is said where that fails."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gptasks.errors import RunError

PART = ".part"
"""What is added to the name of a file until it is whole."""


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns a full disk, or a place that can't be written, into one line.

    Raises RunError, with the exit code of a failed run, in place of the libraries' own errors.
    """
    try:
        yield
    except RunError:
        raise
    except Exception as error:
        # safetensors and tokenizers wrap the system's error in ones of their own.
        if not isinstance(error, OSError) and "os error" not in str(error):
            raise
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        number = getattr(error, "errno", None)
        if number == errno.ENOENT:
            then = "Its folder was removed meanwhile; repeat the command to begin anew."
        elif number in (errno.EROFS, errno.EACCES, errno.EPERM):
            then = "Let gptasks write there, then repeat the command to go on."
        elif number in (None, errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            then = "Make room, then repeat the command to go on."
        else:
            then = "Mend that, then repeat the command to go on."
        fault = RunError(f"{path} can't be written: {reason}. {then}")
        fault.exit_code = 1
        raise fault from error


def write(path: Path, text: str) -> None:
    """Replace a file whole or not at all."""
    write_part(path, text)
    try:
        beside(path).replace(path)
    finally:
        beside(path).unlink(missing_ok=True)


def write_part(path: Path, text: str) -> None:
    """Write what is to become `path`; nothing is left where that fails."""
    part = beside(path)
    try:
        with part.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())  # a rename must never stand before its content
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def beside(path: Path) -> Path:
    """Where a file is written before it takes the place of `path`."""
    return path.with_name(path.name + PART)

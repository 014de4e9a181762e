"""Checkpoints: tensors as safetensors, the rest as JSON; nothing pickled.

A checkpoint is written beside the last one and takes its place only when whole; the one before
stays until then. Each records the SHA-256 of its tensors and of its state, so that a damaged one is
noticed.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gptasks.digest import sha256
from gptasks.runs import writing

if TYPE_CHECKING:
    from torch import Tensor

logger = logging.getLogger(__name__)

FORMAT = 3
STATE, TENSORS = "state.json", "tensors.safetensors"


@dataclass(frozen=True)
class Checkpoint:
    """What a loop needs to go on: tensors by name, and a JSON-able state."""

    tensors: dict[str, Tensor]
    state: dict[str, Any]


class Checkpoints:
    """The checkpoints of one run, in `folder`.

    data: stands for the rows they were learnt from; checkpoints of other rows are not used.
    """

    def __init__(self, folder: Path, data: str = "") -> None:
        self.folder = folder
        self.data = data

    def save(self, name: str, checkpoint: Checkpoint) -> None:
        """Write `checkpoint` as `name`, replacing an earlier one of that name, atomically.

        Raises RunError when the disk is full or the folder can't be written.
        """
        place, before = self.folder / name, self.folder / f"{name}.before"
        part = self.folder / f".{name}.part"
        with writing(place):
            shutil.rmtree(part, ignore_errors=True)  # of a run that was killed while writing
            self.folder.mkdir(exist_ok=True)  # but not the run folder: it was there before
            part.mkdir()
            try:
                self._write(part, checkpoint)
                if place.exists():
                    shutil.rmtree(before, ignore_errors=True)
                    place.rename(before)
                part.rename(place)
            finally:
                shutil.rmtree(part, ignore_errors=True)

    def load(self, name: str) -> Checkpoint | None:
        """The newest whole checkpoint of that name; None where there is none."""
        return next(self.versions(name), None)

    def versions(self, name: str) -> Iterator[Checkpoint]:
        """The whole checkpoints of that name, the newest first; a damaged one is told of."""
        places = [self.folder / name, self.folder / f"{name}.before"]
        places = [place for place in places if place.exists()]
        for n, place in enumerate(places, 1):
            try:
                checkpoint, data = _read(place)
            except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
                then = "taking the one before" if n < len(places) else "there is none before it"
                logger.warning("checkpoint %s is damaged (%s); %s", place, error, then)
                continue
            if data == self.data:
                yield checkpoint
            else:
                logger.warning(
                    "checkpoint %s is of other rows: the data has changed since; it is not used",
                    place,
                )

    def keep(self, prefix: str, names: set[str]) -> None:
        """Remove the checkpoints whose names start with `prefix`, but for `names`."""
        for place in self.folder.glob(f"{prefix}*"):
            if place.name.removesuffix(".before") not in names:
                shutil.rmtree(place, ignore_errors=True)

    def _write(self, folder: Path, checkpoint: Checkpoint) -> None:
        from safetensors.torch import save_file

        tensors = {k: v.detach().cpu().contiguous() for k, v in checkpoint.tensors.items()}
        save_file(tensors, folder / TENSORS)
        record = {
            "format": FORMAT,
            "data": self.data,
            "sha256": sha256(folder / TENSORS),
            "state": checkpoint.state,
        }
        text = json.dumps({**record, "seal": _seal(record)}, indent=1, ensure_ascii=False)
        (folder / STATE).write_text(text, encoding="utf-8")
        for file in folder.iterdir():
            _flush(file)


def _read(place: Path) -> tuple[Checkpoint, str]:
    """A checkpoint, and what stands for its rows."""
    from safetensors.torch import load_file

    held = json.loads((place / STATE).read_text(encoding="utf-8"))
    if held["format"] != FORMAT:
        raise ValueError(f"it is of format {held['format']}, this gptasks reads {FORMAT}")
    if held.pop("seal") != _seal(held):
        raise ValueError("its state does not match its SHA-256")
    if sha256(place / TENSORS) != held["sha256"]:
        raise ValueError("its tensors do not match their SHA-256")
    return Checkpoint(load_file(place / TENSORS), held["state"]), held["data"]


def _seal(record: dict[str, Any]) -> str:
    """The SHA-256 of what state.json says."""
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()


def _flush(file: Path) -> None:
    """Push a file to the disk, so that a rename never stands before its content."""
    with file.open("rb") as handle:
        os.fsync(handle.fileno())

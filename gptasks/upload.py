"""Which runs hold something of W&B that waits to be uploaded, and what their upload would tell."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gptasks.errors import GptasksError, RunError, suggest
from gptasks.runs import CONFIG, RunFolder, read_config
from gptasks.tracking.wandb_upload import FILES, Part, is_online, offline_parts, waiting


@dataclass(frozen=True)
class Upload:
    """A run, seen by what is to be uploaded of it."""

    path: Path
    tracker: str
    """What `tracking=` is in its configuration; empty where that can't be read."""

    has_texts: bool | None
    """Whether its tables hold the input texts (`tracking.log_texts`); None where its configuration
    does not tell, being of another tracker by now."""

    parts: list[Part] = field(default_factory=list)
    """The parts that wait, in their order."""

    left_out: str = ""
    """Why nothing of it is uploaded; empty where something is."""


def uploads(paths: Sequence[str | os.PathLike[str]]) -> list[Upload]:
    """The runs in these folders and below them, each once, in the order of their names.

    Raises RunError for a path that does not exist, or where no run is.
    """
    found: dict[Path, Path] = {}
    for path in paths:
        place = Path(path).expanduser()
        if place.is_file():
            raise RunError(f"{path} is a file, not a run folder.")
        if not place.is_dir():
            near = [p.name for p in place.parent.iterdir()] if place.parent.is_dir() else []
            raise RunError(f"run folder {path} does not exist{suggest(place.name, near) or '.'}")
        below = list(_run_folders(place))
        if not below:
            raise RunError(f"{path} holds no run.")
        for folder in below:
            found.setdefault(folder.resolve(), folder)
    return [_upload(folder) for folder in found.values()]


def _upload(folder: Path) -> Upload:
    try:
        tracking: Any = read_config(folder).get("tracking")
    except GptasksError:
        tracking = None
    told = tracking if isinstance(tracking, dict) else {}
    tracker = str(told.get("name", ""))
    has_texts = bool(told.get("log_texts")) if tracker == "wandb" else None
    parts = offline_parts(folder)
    due = waiting(parts)
    if RunFolder(folder).is_at_work:
        why = "it is being trained; repeat this when it is done"
    elif due:
        return Upload(folder, tracker, has_texts, due)
    elif parts:
        why = "uploaded already"
    elif any(folder.glob(FILES)):
        why = "it was killed before W&B had written anything"
    elif is_online(folder):
        why = "W&B was told while it ran"
    else:
        why = f"nothing of W&B (tracking={tracker})" if tracker else "nothing of W&B"
    return Upload(folder, tracker, has_texts, left_out=why)


def _run_folders(path: Path) -> Iterator[Path]:
    """The run folders at `path` or below, in the order of their names; none lies in another."""
    for place, below, files in os.walk(path):
        if CONFIG in files:
            below.clear()
            yield Path(place)
        below[:] = sorted(name for name in below if not name.startswith("."))

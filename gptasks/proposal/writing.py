"""A proposal as the YAML file of a task."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gptasks.config.printed import written
from gptasks.proposal.looking import Look
from gptasks.proposal.proposed import Proposal


def as_yaml(proposal: Proposal, look: Look, name: str, folder: Path) -> str:
    """The file, for a place in `folder`, which paths are relative to; reasons are comments."""
    first = look.files["train"][0].name
    kind = proposal.kind.replace("_", " ")
    lines = [f"# {name}: {kind} of {first}, as `gptasks init` proposed it"]
    values: dict[str, Any] = {
        "name": name,
        "kind": proposal.kind,
        "data": _data(look, folder),
        **proposal.options,
    }
    for key, value in values.items():
        reason = proposal.reasons.get(key)
        line = f"{key}: {written(value)}"
        lines.append(f"{line}  # {reason}" if reason else line)
    return "\n".join(lines) + "\n"


def task_name(path: Path) -> str:
    """The name of a task for a file or folder."""
    stem = path.name.partition(".")[0] if path.is_file() else path.resolve().name
    return re.sub(r"\W+", "_", stem).strip("_").lower() or "task"


def _data(look: Look, folder: Path) -> Mapping[str, Any]:
    data: dict[str, Any] = {}
    for split in ("train", "validation", "test"):
        found = look.files.get(split, [])
        paths = [Path(os.path.relpath(path, folder)).as_posix() for path in found]
        if paths:
            data[split] = paths[0] if len(paths) == 1 else paths
    if look.options.format:
        data["format"] = look.options.format
    if look.options.columns:
        data["columns"] = look.options.columns
    if not look.options.quoting:
        data["quoting"] = False
    return data

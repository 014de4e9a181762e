"""A proposal as the YAML file of a task."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from gptasks.config.printed import written
from gptasks.errors import ConfigError
from gptasks.proposal.looking import Look
from gptasks.proposal.proposed import Proposal
from gptasks.task import DataOptions


def as_yaml(proposal: Proposal, look: Look, name: str, folder: Path) -> str:
    """The file, for a place in `folder`, which paths are relative to; reasons are comments."""
    first = look.files["train"][0].name
    kind = proposal.kind.replace("_", " ")
    lines = [_line("", f"{name}: {kind} of {first}, as `gptasks init` proposed it")]
    for key, value in values_of(proposal, look, name, folder).items():
        reason = proposal.reasons.get(key)
        if key == "data":
            lines.append(_line("data:", reason))
            lines += [f"  {written(inner)}: {written(of)}" for inner, of in value.items()]
        else:
            lines.append(_line(f"{written(key)}: {written(value)}", reason))
    return "\n".join(lines) + "\n"


def values_of(proposal: Proposal, look: Look, name: str, folder: Path) -> dict[str, Any]:
    """What the file says."""
    data: dict[str, Any] = {}
    for split, found in proposal.files.items():
        paths = [Path(os.path.relpath(path, folder)).as_posix() for path in found]
        data[split] = paths[0] if len(paths) == 1 else paths
    for key in ("format", "columns", "delimiter", "quoting", "encoding"):
        value = getattr(look.options, key)
        if value != getattr(DataOptions(), key):
            data[key] = value
    return {"name": name, "kind": proposal.kind, "data": data, **proposal.options}


def task_name(path: Path) -> str:
    """The name of a task for a file or folder."""
    stem = path.name.partition(".")[0] if path.is_file() else path.resolve().name
    return re.sub(r"\W+", "_", stem).strip("_").lower() or "task"


def check_name(name: str) -> None:
    """Raise ConfigError for a name that no task may have."""
    if not re.fullmatch(r"\w[\w.-]*", name):
        raise ConfigError(
            f"--name '{name}' may hold letters, digits, '_', '-' and '.' only, since run folders "
            "are named after it"
        )


def _line(text: str, comment: str | None) -> str:
    comment = "# " + " ".join(comment.split()) if comment else ""
    return f"{text}  {comment}" if text and comment else text or comment

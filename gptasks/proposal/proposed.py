"""A task that is proposed."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Proposal:
    """A task, and why."""

    kind: str
    options: dict[str, Any]
    """Key to value, as its YAML has them."""

    reasons: dict[str, str]
    """Key to why; `kind` and `data` too."""

    files: dict[str, list[Path]] = field(default_factory=dict)
    """By split."""

    notes: list[str] = field(default_factory=list)
    """What one should know of the data."""

"""A run's configuration: from a command line's overrides to typed, checked objects."""

from __future__ import annotations

from gptasks.config.command import run_main
from gptasks.config.run import RunConfig, compose, from_resolved

__all__ = ["RunConfig", "compose", "from_resolved", "run_main"]

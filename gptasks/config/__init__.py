"""A run's configuration: from a command line's overrides to typed, checked objects."""

from __future__ import annotations

from gptasks.config.command import run_main
from gptasks.config.run import RunConfig, compose, from_resolved, primary_config, traced

__all__ = ["RunConfig", "compose", "from_resolved", "primary_config", "run_main", "traced"]

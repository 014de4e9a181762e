"""A run's configuration: from a command line's overrides to typed, checked objects."""

from __future__ import annotations

from gptasks.config.command import configurations
from gptasks.config.run import RunConfig, compose, from_resolved, primary_config, traced

__all__ = ["RunConfig", "compose", "configurations", "from_resolved", "primary_config", "traced"]

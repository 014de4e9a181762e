"""Proposes a task for data that one looks at: kind, columns, splits, metric, and why.

`look` reads, `propose` decides, `as_yaml` writes it down. What can't be told is asked for in one
line instead of guessed.
"""

from __future__ import annotations

from gptasks.proposal.deciding import propose
from gptasks.proposal.looking import Look, look
from gptasks.proposal.proposed import Proposal

__all__ = ["Look", "Proposal", "look", "propose"]

"""Whether a task keeps the contract: checks that each say what failed, why it matters, what to do.

    from gptasks.testing import checks

    @checks("acme_headline")
    def test_the_task(check):
        check()

`check_task` runs them at once, and `gptasks plugins check NAME` on the command line.
"""

from __future__ import annotations

from gptasks.testing.checking import CHECKS, Outcome, check_task, checks, outcomes

__all__ = ["CHECKS", "Outcome", "check_task", "checks", "outcomes"]

"""`gptasks plugins list`: what is installed, dropped in, blocked, broken."""

from __future__ import annotations

from collections.abc import Sequence

from gptasks.arguments import Parser, warn_of_broken
from gptasks.catalogue import plugin_rows
from gptasks.registry import Registry
from gptasks.report import table


def run(argv: Sequence[str]) -> None:
    parser = Parser("plugins", "Show plugins.")
    parser.add_argument("what", metavar="list", help="every plugin with its tasks")
    parser.choice(parser.parse(argv).what, ("list",))
    registry = Registry()
    print(table(plugin_rows(registry)))
    for name in registry.plugins.blocked:
        print(f"{name}: left out by GPTASKS_BLOCK")
    warn_of_broken(registry)

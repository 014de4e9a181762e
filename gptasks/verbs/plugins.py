"""`gptasks plugins list|check NAME|new NAME`: what there is, whether it works, a new one."""

from __future__ import annotations

from collections.abc import Sequence

from gptasks.arguments import Parser, warn_of_broken
from gptasks.catalogue import plugin_rows
from gptasks.registry import Registry
from gptasks.report import table


def run(argv: Sequence[str]) -> None:
    from gptasks.verbs import plugins_check, plugins_new

    parts = {"list": show, "check": plugins_check.run, "new": plugins_new.run}
    parser = Parser("plugins", "Show plugins, check one, or begin one.")
    parser.add_argument("what", metavar="list|check|new", help="each has a --help of its own")
    what = argv[0] if argv and argv[0] in parts else None
    if what is None:
        parser.choice(parser.parse(argv[:1]).what, tuple(parts))
    else:
        parts[what](argv[1:])


def show(argv: Sequence[str]) -> None:
    """`gptasks plugins list`: what is installed, dropped in, blocked, broken."""
    Parser("plugins list", "Show every plugin with what it brings.").parse(argv)
    registry = Registry()
    print(table(plugin_rows(registry)))
    for name in registry.plugins.blocked:
        print(f"{name}: left out by GPTASKS_BLOCK")
    warn_of_broken(registry)

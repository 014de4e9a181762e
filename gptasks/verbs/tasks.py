"""`gptasks tasks`: what `task=` can be."""

from __future__ import annotations

import json
from collections.abc import Sequence

from gptasks.arguments import Parser, warn_of_broken
from gptasks.catalogue import about, task_lines
from gptasks.registry import Registry


def run(argv: Sequence[str]) -> None:
    parser = Parser("tasks", "List what task= can be.")
    parser.add_argument("--json", action="store_true", help="print it as JSON")
    options = parser.parse(argv)
    registry = Registry()
    if options.json:
        print(json.dumps([about(task) for task in registry.tasks()], indent=2, ensure_ascii=False))
    else:
        print("\n".join(task_lines(task) for task in registry.tasks()))
    warn_of_broken(registry)

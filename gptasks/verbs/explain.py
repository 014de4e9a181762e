"""`gptasks explain KEY [key=value …]`: what a key means, and who set it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence

from gptasks.arguments import Parser


def run(argv: Sequence[str]) -> None:
    parser = Parser(
        "explain",
        "Say of a key its type, default and meaning, who declares it, and in the configuration "
        "that these overrides make its value and who set it.",
    )
    parser.add_argument("key", metavar="KEY", help="such as task.max_length, seed or strategy")
    parser.add_argument("overrides", metavar="KEY=VALUE", nargs="*", help="as for training")
    parser.add_argument("--config", metavar="FILE", help="a configuration to begin with")
    parser.add_argument("--json", action="store_true", help="print it as JSON")
    options = parser.parse(argv)

    from gptasks.explain import explain

    found = explain(options.key, options.overrides, options.config)
    if options.json:
        told = [
            {k: None if v is ... else v for k, v in dataclasses.asdict(one).items()}
            for one in found
        ]
        print(json.dumps(told, indent=2, ensure_ascii=False, default=str))
    else:
        print("\n\n".join("\n".join(one.lines()) for one in found))

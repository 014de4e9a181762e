"""`gptasks config [key=value …]`: the configuration that a training would have, as YAML."""

from __future__ import annotations

from collections.abc import Sequence

from gptasks.arguments import Parser


def run(argv: Sequence[str]) -> None:
    parser = Parser(
        "config",
        "Print the configuration that a training with these overrides would have. Saved as a file, "
        "it is given back by --config FILE.",
    )
    parser.add_argument("overrides", metavar="KEY=VALUE", nargs="*", help="as for training")
    parser.add_argument("--config", metavar="FILE", help="a configuration to begin with")
    options = parser.parse(argv)

    from gptasks.config import traced
    from gptasks.config.printed import printed

    _, origins = traced(options.overrides, file=options.config)
    print(printed(origins))

"""`gptasks export RUN DIR [--adapter]`: the model by itself, to be given away."""

from __future__ import annotations

from collections.abc import Sequence

from gptasks.arguments import Parser


def run(argv: Sequence[str]) -> None:
    parser = Parser("export", "Copy a finished run's model, with its card, into another folder.")
    parser.add_argument("run", metavar="RUN", help="run folder")
    parser.add_argument("folder", metavar="DIR", help="where to; a new folder, or an empty one")
    parser.add_argument("--adapter", action="store_true", help="the adapter instead of the model")
    parser.add_argument(
        "--force", action="store_true", help="also where DIR holds files; replaces those it writes"
    )
    options = parser.parse(argv)

    from gptasks.api import load

    load(options.run).export(options.folder, adapter=options.adapter, force=options.force)
    print(f"{'adapter' if options.adapter else 'model'} folder: {options.folder}")

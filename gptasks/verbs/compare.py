"""`gptasks compare RUN …`: the runs' test scores beside each other, with paired tests."""

from __future__ import annotations

import logging
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gptasks.arguments import Parser
from gptasks.errors import ConfigError
from gptasks.progress import counted

logger = logging.getLogger(__name__)


def run(argv: Sequence[str]) -> None:
    parser = Parser("compare", "Show runs beside each other, and test whether they differ.")
    parser.add_argument("runs", metavar="RUN", nargs="*", help="run folder, or a folder of them")
    parser.add_argument("--format", default="table", help="table, json, csv, md or latex")
    add_comparison_options(parser)
    parser.add_argument("--html", metavar="FILE", help="write a page with curves, errors and texts")
    add_page_options(parser)
    options = parser.parse(argv)
    if not options.runs:
        raise ConfigError(
            f"compare: RUN is missing; runs stand before --metric. See {parser.prog} --help."
        )

    check_page_options(parser, options)

    from gptasks.compare import compare_runs, read_runs
    from gptasks.compare.formats import FORMATS, formatted

    parser.choice(options.format, tuple(FORMATS))
    runs, broken = read_runs(options.runs)
    comparison = compare_runs(runs, broken, **comparison_options(parser, options))
    if options.html is not None:
        from gptasks.dashboard import content, save

        path = Path(options.html).expanduser()
        made = content(runs, broken, comparison, rows=options.rows, texts=not options.no_texts)
        save(path, made, title=options.title)
        logger.info("%s: %s, %.1f MB", path, counted(len(runs), "run"), path.stat().st_size / 1e6)
    print(formatted(comparison, options.format))
    if options.format == "csv":  # which has no place for them
        for note in comparison.notes:
            logger.warning("%s", note)
        for one in comparison.broken:
            logger.warning("%s: %s", one.path, one.reason)


def add_comparison_options(parser: Parser) -> None:
    """What can be said of a comparison, here and for `dashboard`."""
    parser.add_argument(
        "--by", metavar="KEY,…", default="backbone,strategy", help="keys that name a line"
    )
    parser.add_argument(
        "--metric", metavar="NAME", nargs="+", action="extend", default=[],
        help="instead of each task's headline metric",
    )  # fmt: skip
    parser.add_argument(
        "--tests", metavar="PAIRS", default="auto",
        help="all pairs, the best with every other (best), none, or auto",
    )  # fmt: skip
    parser.add_argument("--force", action="store_true", help="test also what can't be compared")


def comparison_options(parser: Parser, options: Namespace) -> dict[str, Any]:
    """What `compare_runs` is to be told of them."""
    from gptasks.compare.pairs import CHOICES

    return {
        "by": _words(options.by),
        "metrics": [name for words in options.metric for name in _words(words)],
        "tests": parser.choice(options.tests, CHOICES),
        "force": options.force,
    }


def add_page_options(parser: Parser) -> None:
    """What can be said of a page, here and for `dashboard`."""
    parser.add_argument("--title", default="gptasks: runs compared", help="title of the page")
    parser.add_argument(
        "--rows", type=int, metavar="N", default=2000,
        help="most test rows of a task that the page shows one by one",
    )  # fmt: skip
    parser.add_argument("--no-texts", action="store_true", help="leave inputs and texts out of it")


def check_page_options(parser: Parser, options: Namespace) -> None:
    """Raise ConfigError where they can't be followed."""
    if options.rows < 1:
        raise ConfigError(f"{parser.verb}: --rows {options.rows} shows none; give 1 or more.")


def _words(text: str) -> list[str]:
    return [word for word in text.split(",") if word]

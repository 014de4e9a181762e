"""`gptasks compare RUN …`: the runs' test scores beside each other, with paired tests."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from gptasks.arguments import Parser
from gptasks.errors import ConfigError

logger = logging.getLogger(__name__)


def run(argv: Sequence[str]) -> None:
    parser = Parser("compare", "Show runs beside each other, and test whether they differ.")
    parser.add_argument("runs", metavar="RUN", nargs="*", help="run folder, or a folder of them")
    parser.add_argument(
        "--by", metavar="KEY,…", default="backbone,strategy", help="keys that name a line"
    )
    parser.add_argument(
        "--metric", metavar="NAME", nargs="+", action="extend", default=[],
        help="instead of each task's headline metric",
    )  # fmt: skip
    parser.add_argument("--format", default="table", help="table, json, csv, md or latex")
    parser.add_argument(
        "--tests", metavar="PAIRS", default="auto",
        help="all pairs, the best with every other (best), none, or auto",
    )  # fmt: skip
    parser.add_argument("--force", action="store_true", help="test also what can't be compared")
    options = parser.parse(argv)
    if not options.runs:
        raise ConfigError(
            f"compare: RUN is missing; runs stand before --metric. See {parser.prog} --help."
        )

    from gptasks.compare import compare as compared
    from gptasks.compare.formats import FORMATS, formatted
    from gptasks.compare.pairs import CHOICES

    parser.choice(options.format, tuple(FORMATS))
    parser.choice(options.tests, CHOICES)
    comparison = compared(
        options.runs,
        by=_words(options.by),
        metrics=[name for words in options.metric for name in _words(words)],
        tests=options.tests,
        force=options.force,
    )
    print(formatted(comparison, options.format))
    if options.format == "csv":  # which has no place for them
        for note in comparison.notes:
            logger.warning("%s", note)
        for one in comparison.broken:
            logger.warning("%s: %s", one.path, one.reason)


def _words(text: str) -> list[str]:
    return [word for word in text.split(",") if word]

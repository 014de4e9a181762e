"""`gptasks predict RUN "text" …` or `--input FILE|-`: one JSON object a row."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from gptasks.arguments import (
    Parser,
    add_reading,
    keys_as_flags,
    opened_run,
    output,
    rows_of,
    typed_rows,
    write_line,
)
from gptasks.errors import ConfigError, DataError
from gptasks.progress import counted

logger = logging.getLogger(__name__)


def run(argv: Sequence[str]) -> None:
    parser = Parser("predict", "Predict with a finished run's model; writes JSON lines.")
    parser.add_argument("run", metavar="RUN", help="run folder")
    parser.add_argument("texts", metavar="TEXT", nargs="*", help="texts, each one row")
    parser.add_argument("--input", metavar="FILE", help="txt (a text a line), csv, …; - is stdin")
    parser.add_argument("--output", metavar="FILE", help="where to write; without it, stdout")
    parser.add_argument("--force", action="store_true", help="replace the --output file")
    add_reading(parser, "--input")
    options = parser.parse(argv)
    if bool(options.texts) == bool(options.input):
        raise ConfigError(
            "predict takes either texts or --input FILE: gptasks predict RUN 'a text', or "
            "gptasks predict RUN --input texts.txt."
        )

    count = 0
    with keys_as_flags():
        run = opened_run(options)
        rows = rows_of(options, run.task) if options.input else typed_rows(options.texts, run.task)
        with output(options.output, force=options.force) as file:
            for row, prediction in run.predict_rows(rows):
                record = {
                    "id": row.id,
                    "input": run.task.shown(row),
                    "prediction": prediction.value,
                    "scores": dict(prediction.scores),
                    **({"details": dict(prediction.details)} if prediction.details else {}),
                }
                write_line(file, record)
                count += 1
            if not count:
                source = "the standard input" if options.input == "-" else options.input
                raise DataError(f"{source} holds no rows, so there is nothing to predict.")
    if options.output:
        logger.info("%s: predictions of %s", options.output, counted(count, "row"))

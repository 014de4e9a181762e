"""`gptasks evaluate RUN [--data FILE]`: score a run's model on its test split or on a file."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence

from gptasks.arguments import (
    Parser,
    add_reading,
    data_options,
    keys_as_flags,
    opened_run,
    output,
    write_line,
)
from gptasks.progress import counted
from gptasks.report import score_table


def run(argv: Sequence[str]) -> None:
    parser = Parser(
        "evaluate", "Score a finished run's model on its own test split, or on a file with labels."
    )
    parser.add_argument("run", metavar="RUN", help="run folder")
    parser.add_argument(
        "--data", metavar="FILE", help="csv, tsv, json, jsonl, parquet or conll; also .gz"
    )
    parser.add_argument("--output", metavar="FILE", help="write the predictions there, as jsonl")
    parser.add_argument("--force", action="store_true", help="replace the --output file")
    parser.add_argument("--json", action="store_true", help="print the scores as JSON")
    add_reading(parser, "--data")
    options = parser.parse(argv)

    from gptasks.predictions import records

    with keys_as_flags(), contextlib.ExitStack() as stack:
        run = opened_run(options)
        data = None if options.data is None else data_options(options, options.data)
        file = stack.enter_context(output(options.output, force=options.force))
        scores, rows, predictions = run.evaluate(data)
        if options.output is not None:
            for record in records(run.task, rows, predictions):
                write_line(file, record)
    if options.json:
        print(json.dumps({name: score.as_json() for name, score in scores.items()}, indent=2))
        return
    columns = {"now": scores}
    if data is None:
        columns["stored"] = run.metrics["test"]
    where = f"{options.run}'s test split" if data is None else options.data
    print(f"{counted(len(rows), 'row')} of {where}\n\n{score_table(columns)}")

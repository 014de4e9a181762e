"""What each verb of the command line does."""

from __future__ import annotations

import contextlib
import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gptasks.arguments import (
    Parser,
    add_reading,
    data_options,
    keys_as_flags,
    opened_run,
    output,
    rows_of,
    typed_rows,
    write_line,
)
from gptasks.catalogue import about, task_lines
from gptasks.errors import ConfigError, DataError
from gptasks.progress import counted
from gptasks.registry import Registry
from gptasks.report import run_table, score_table, sweep_table, table

if TYPE_CHECKING:
    from gptasks.config import RunConfig

logger = logging.getLogger(__name__)


def train(argv: Sequence[str]) -> None:
    """`gptasks task=… [key=value …] [-m]`: train, then show the scores beside the baselines'."""
    from gptasks.config import run_main
    from gptasks.runs import read_results
    from gptasks.training.processes import launched

    is_main = launched()[1] == 0  # of several processes one speaks

    def job(config: RunConfig) -> tuple[Sequence[str], Path]:
        from gptasks.training.session import train as carry_out

        folder = carry_out(config)
        if is_main:
            print(f"{run_table(read_results(folder))}\nrun folder: {folder}", flush=True)
        return config.overrides, folder

    done = run_main(list(argv), job)
    if len(done) > 1 and is_main:
        runs = [(overrides, folder, read_results(folder)) for overrides, folder in done]
        print(f"\n{sweep_table(runs)}")


def evaluate(argv: Sequence[str]) -> None:
    """`gptasks evaluate RUN [--data FILE]`: score a run's model on its test split or on a file."""
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

    from gptasks.evaluation import records

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


def predict(argv: Sequence[str]) -> None:
    """`gptasks predict RUN "text" …` or `--input FILE|-`: one JSON object a row."""
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


def compare(argv: Sequence[str]) -> None:
    """`gptasks compare RUN …`: the runs' test scores beside each other, with paired tests."""
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


def export(argv: Sequence[str]) -> None:
    """`gptasks export RUN DIR [--adapter]`: the model by itself, to be given away."""
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


def data(argv: Sequence[str]) -> None:
    """`gptasks data task=… [key=value …] [--row N]`: what the model will see of the data."""
    parser = Parser(
        "data",
        "Show what a training of these overrides would see: counts, lengths, labels and "
        "duplicates of all rows; or one row, token by token.",
    )
    parser.add_argument("overrides", metavar="KEY=VALUE", nargs="*", help="as for training")
    parser.add_argument("--row", metavar="N", help="a row's number in its split, from 1, or its id")
    parser.add_argument("--split", metavar="NAME", help="train, validation or test; of --row N")
    parser.add_argument("--json", action="store_true", help="print it as JSON")
    options = parser.parse(argv)
    if options.split and options.row is None:
        raise ConfigError("data --split NAME says which split --row N is of; give --row too.")

    from gptasks.config import compose
    from gptasks.preview import Preview
    from gptasks.preview_page import row_page, survey_page

    preview = Preview(compose(options.overrides))
    if options.row is None:
        survey = preview.survey()
        if survey.refusal:
            logger.warning("training refuses this: %s", survey.refusal)
        found, page = survey.as_json(), survey_page(survey)
    else:
        row = preview.row(options.row, options.split)
        found, page = row.as_json(), row_page(row)
    print(json.dumps(found, indent=2, ensure_ascii=False, default=str) if options.json else page)


def tasks(argv: Sequence[str]) -> None:
    """`gptasks tasks`: what `task=` can be."""
    parser = Parser("tasks", "List what task= can be.")
    parser.add_argument("--json", action="store_true", help="print it as JSON")
    options = parser.parse(argv)
    registry = Registry()
    if options.json:
        print(json.dumps([about(task) for task in registry.tasks()], indent=2, ensure_ascii=False))
    else:
        print("\n".join(task_lines(task) for task in registry.tasks()))
    _warn_of_broken(registry)


def plugins(argv: Sequence[str]) -> None:
    """`gptasks plugins list`: what is installed, dropped in, blocked, broken."""
    parser = Parser("plugins", "Show plugins.")
    parser.add_argument("what", metavar="list", help="every plugin with its tasks")
    parser.choice(parser.parse(argv).what, ("list",))
    registry = Registry()
    owned: dict[str, list[str]] = {}
    for task in registry.tasks():
        owned.setdefault(task.plugin or "", []).append(task.name)
    rows = [["plugin", "from", "tasks"]]
    rows += [
        [p.name, p.origin, ", ".join(owned.get(p.name, [])) or "none"]
        for p in registry.plugins.loaded
    ]
    print(table(rows))
    for name in registry.plugins.blocked:
        print(f"{name}: left out by GPTASKS_BLOCK")
    _warn_of_broken(registry)


def cache(argv: Sequence[str]) -> None:
    """`gptasks cache list|clean`: downloads and converted backbones."""
    parser = Parser("cache", "Show or empty the cache of downloads and converted backbones.")
    parser.add_argument("what", metavar="list|clean")
    parser.add_argument("names", metavar="NAME", nargs="*", help="entries to clean; none: all")
    options = parser.parse(argv)
    from gptasks.cache import cache_dir, clean, entries

    if parser.choice(options.what, ("list", "clean")) == "clean":
        gone = clean(options.names or None)
        size = _size(sum(entry.bytes for entry in gone))
        print(f"removed {counted(len(gone), 'entry', 'entries')}, {size}")
        return
    if options.names:
        raise ConfigError("cache list takes no names; gptasks cache clean NAME removes one.")
    rows = [["name", "kind", "size", "last used"]]
    for entry in entries():
        used = entry.used.astimezone().strftime("%Y-%m-%d %H:%M")
        rows.append([entry.name, entry.kind, _size(entry.bytes), used])
    print(f"{cache_dir()}\n{table(rows)}" if len(rows) > 1 else f"{cache_dir()} is empty")


def help(argv: Sequence[str]) -> None:
    """`gptasks --help [task=…|VERB]`: the command line, the keys of a choice, a verb's flags."""
    from gptasks.help import page

    words = [word for word in argv if not word.startswith("-")]
    listed = (evaluate, predict, compare, export, data, tasks, plugins, cache)
    verbs = {f.__name__: f for f in listed}
    if words and words[0] in verbs:
        verbs[words[0]](["--help"])
    else:
        print(page([word for word in words if word != "train"]))


def version(argv: Sequence[str]) -> None:
    """`gptasks --version`: the installed version."""
    Parser("version", "Print the version.").parse(argv)
    from gptasks.plugins import version_of

    print(f"gptasks {version_of('gptasks') or 'from a source tree that is not installed'}")


def _warn_of_broken(registry: Registry) -> None:
    for broken in registry.plugins.broken:
        print(f"gptasks: {broken.message}", file=sys.stderr)


def _size(bytes: int) -> str:
    from gptasks.progress import quantity

    return f"{quantity(bytes)}B" if bytes >= 1000 else f"{bytes} B"

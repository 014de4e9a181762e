"""`gptasks plugins check NAME`: whether its tasks keep the contract."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gptasks.arguments import Parser
from gptasks.errors import CheckError, DataError
from gptasks.progress import counted

if TYPE_CHECKING:
    from gptasks.testing import Outcome


LIMIT = 48
"""Rows that are taken of --data."""


def run(argv: Sequence[str]) -> None:
    parser = Parser(
        "plugins check",
        "Try the tasks of a plugin on the tiny backbone: whether they keep the contract.",
    )
    parser.add_argument("name", metavar="NAME", help="a plugin, distribution, task, file or folder")
    parser.add_argument("--data", metavar="FILE", help="rows to try it on, in place of its own")
    parser.add_argument(
        "--only", metavar="CHECK", nargs="+", action="extend", default=[], help="names of checks"
    )
    parser.add_argument("--json", action="store_true", help="print it as JSON")
    options = parser.parse(argv)

    from gptasks.testing import outcomes

    rows = None if options.data is None else _rows(options.data)
    done: list[Outcome] = []
    for outcome in outcomes(options.name, rows, only=options.only):
        if not options.json:
            if not done or done[-1].task != outcome.task:
                print(f"task {outcome.task}")
            print(outcome.text, flush=True)
        done.append(outcome)
    if options.json:
        print(json.dumps([dataclasses.asdict(one) for one in done], indent=2, ensure_ascii=False))
    else:
        print(_summary(done))
    failed = [one for one in done if one.failure]
    if failed:
        raise CheckError(f"{options.name}: {len(failed)} of {counted(len(done), 'check')} failed")


def _summary(done: Sequence[Outcome]) -> str:
    """Such as "24 ok, 3 skipped": a check that was skipped has not been passed."""
    count = Counter(outcome.word for outcome in done)
    return ", ".join(f"{count[word]} {word}" for word in ("ok", "skipped", "FAILED") if count[word])


def _rows(path: str) -> list[Mapping[str, Any]]:
    from gptasks.data.files import BadRow
    from gptasks.data.sources import files_of
    from gptasks.task import DataOptions

    data = DataOptions(test=path)
    rows: list[Mapping[str, Any]] = []
    for file in files_of(data, ["test"])["test"]:
        for record in file.records(data):
            if isinstance(record, BadRow):
                raise DataError(f"{record.id}: {record.reason}")
            rows.append(record)
            if len(rows) == LIMIT:
                return rows
    return rows

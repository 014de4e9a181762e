"""`gptasks verify RUN …`: whether finished runs are what they say of themselves."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Sequence

from gptasks.arguments import Parser
from gptasks.errors import CheckError, ConfigError
from gptasks.progress import counted


def run(argv: Sequence[str]) -> None:
    parser = Parser(
        "verify",
        "Score the predictions that finished runs keep once more, and compare scores, data, "
        "baselines and model with what results.json says of them.",
    )
    parser.add_argument("runs", metavar="RUN", nargs="*", help="run folder, or a folder of them")
    parser.add_argument(
        "--strict", action="store_true",
        help="what can't be checked fails too, and so do numbers that differ by rounding",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print it as JSON")
    options = parser.parse(argv)
    if not options.runs:
        raise ConfigError(f"verify: RUN is missing. See {parser.prog} --help.")

    from gptasks.verification import FAILED, NOT_CHECKED, OK, Verifier, finished_runs

    finished, unfinished = finished_runs(options.runs)
    verifier = Verifier(strict=options.strict)
    told: dict[str, list[dict[str, str]]] = {}
    states: Counter[str] = Counter()
    wrong, unchecked = set(), set()
    for folder in finished:
        found = told[str(folder)] = []
        if not options.json:
            print(folder)
        for check in verifier.checks(folder):
            found.append(dataclasses.asdict(check))
            states[check.state] += 1
            wrong |= {folder} if check.state == FAILED else set()
            unchecked |= {folder} if check.state == NOT_CHECKED else set()
            if not options.json:
                print(f"  {check.state:<13}{check.name:<19}{check.text}", flush=True)
    if options.json:
        print(json.dumps(told, indent=2, ensure_ascii=False))
    else:
        for folder in unfinished:
            print(f"{folder}\n  left out     the run is not finished")
        order = (OK, FAILED, NOT_CHECKED)
        counts = ", ".join(f"{states[state]} {state}" for state in order if states[state])
        print(f"{counted(len(finished), 'run')}: {counts}")
    if wrong:
        say = "is not what it says" if len(wrong) == 1 else "are not what they say"
        raise CheckError(f"of {counted(len(finished), 'run')} {len(wrong):,} {say}")
    if options.strict and unchecked:
        raise CheckError(
            f"of {counted(len(finished), 'run')} {len(unchecked):,} could not be checked in full"
        )

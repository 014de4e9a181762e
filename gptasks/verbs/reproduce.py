"""`gptasks reproduce RUN [--run DIR]`: the same run once more, and what differs."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

from gptasks.arguments import Parser
from gptasks.errors import CheckError

NOTHING = "nothing: versions, device, processor, precision and threads are the same"


def run(argv: Sequence[str]) -> None:
    parser = Parser(
        "reproduce",
        "Train a finished run's configuration once more, in a folder of its own, and compare data, "
        "model, curves, predictions and scores, bit for bit.",
    )
    parser.add_argument("finished", metavar="RUN", help="run folder")
    parser.add_argument(
        "--run", metavar="DIR", help="the new run's folder; without it RUN-again, beside RUN"
    )
    parser.add_argument("--json", action="store_true", help="print it as JSON")
    options = parser.parse(argv)

    from gptasks.reproduction import check, compared, configuration
    from gptasks.training.processes import launched
    from gptasks.training.session import train

    path = Path(options.finished).expanduser()
    folder = None if options.run is None else Path(options.run).expanduser()
    config = configuration(path, folder)
    check(path, config)
    again = train(config)
    if launched()[1] != 0:  # of several processes one speaks
        return
    found = compared(path, again)
    if options.json:
        print(json.dumps(dataclasses.asdict(found), indent=2, ensure_ascii=False, default=str))
    else:
        print(f"{path}, made again in {again}:")
        for part in found.parts:
            word = "differs" if part.differs else "same"
            print(f"  {word:<9}{part.name:<24}{part.differs or part.text}")
        if found.is_same:
            print("the same, bit for bit")
        else:
            print("what could explain it, by what the two runs tell:")
            for line in found.explanations or [NOTHING]:
                print(f"  {line}")
    if not found.is_same:
        raise CheckError(f"{again} is not the same as {path}")

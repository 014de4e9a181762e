"""`gptasks init FILE …`: a task proposed for data, with reasons, and written down."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

from gptasks.arguments import Parser, output
from gptasks.errors import ConfigError


def run(argv: Sequence[str]) -> None:
    parser = Parser(
        "init",
        "Look at data and propose a task for it: kind, columns, splits and metric, with reasons; "
        "written as a YAML file, which task=FILE runs.",
    )
    parser.add_argument(
        "files", metavar="FILE", nargs="+", help="a data file; or train, dev, test; or their folder"
    )
    parser.add_argument("--kind", help="instead of what is proposed; likewise below")
    parser.add_argument("--text", metavar="COLUMN", help="column with the text, or the source")
    parser.add_argument("--text-pair", metavar="COLUMN", help="column with the second text")
    parser.add_argument("--label", metavar="COLUMN", help="column with the label, or the target")
    parser.add_argument("--name", help="of the task; default: that of the file or folder")
    parser.add_argument(
        "--encoding", default="utf-8", help="of text files, by Python's names, or guess"
    )
    parser.add_argument("--output", metavar="FILE", help="default: NAME.yaml here; - only shows it")
    parser.add_argument("--force", action="store_true", help="replace the --output file")
    parser.add_argument("--json", action="store_true", help="print the proposal, write nothing")
    options = parser.parse(argv)

    from gptasks.proposal import look, propose
    from gptasks.proposal.writing import as_yaml, check_name, task_name, values_of

    paths = [Path(os.path.expanduser(path)) for path in options.files]
    if options.name:
        check_name(options.name)
    name = options.name or task_name(paths[0])
    target = options.output or f"{name}.yaml"
    is_shown = target == "-"
    if not is_shown and not target.endswith((".yaml", ".yml")):
        raise ConfigError(f"--output {target}: a task is a file that ends in .yaml")
    folder = Path() if is_shown else Path(os.path.expanduser(target)).parent
    seen = look(paths, encoding=options.encoding)
    proposal = propose(
        seen,
        kind=options.kind,
        text=options.text,
        text_pair=options.text_pair,
        label=options.label,
    )
    if options.json:
        said = {
            "task": values_of(proposal, seen, name, folder),
            "reasons": proposal.reasons,
            "notes": proposal.notes,
        }
        print(json.dumps(said, indent=2, ensure_ascii=False))
        return
    text = as_yaml(proposal, seen, name, folder)
    with output(target, force=options.force) as file:
        file.write(text)
    if is_shown:
        for note in proposal.notes:
            print(f"# note: {note}")
        return
    print(text)
    for note in proposal.notes:
        print(f"note: {note}")
    place = target if "/" in target else f"./{target}"
    print(f"\n{target} is written. Next:\n  gptasks data task={place}\n  gptasks task={place}")

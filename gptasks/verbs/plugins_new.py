"""`gptasks plugins new NAME --kind KIND`: a distribution with a task, to begin with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gptasks.arguments import Parser


def run(argv: Sequence[str]) -> None:
    from gptasks.scaffold import KINDS, new_plugin

    parser = Parser(
        "plugins new",
        "Write a new distribution: a task with a sample of rows, its configuration and its test.",
    )
    parser.add_argument("name", metavar="NAME", help="of the distribution, such as acme-headline")
    parser.add_argument("--kind", required=True, metavar="KIND", help=", ".join(KINDS))
    parser.add_argument("--folder", metavar="DIR", default=".", help="where to; default: here")
    options = parser.parse(argv)
    folder = new_plugin(options.name, options.kind, Path(options.folder).expanduser())
    module = next(path.parent.name for path in folder.glob("*/__init__.py"))
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        print(path)
    print(
        f"\nnext:\n  pip install -e '{folder}[test]'\n  gptasks task={module}\n"
        f"  gptasks plugins check {module}"
    )

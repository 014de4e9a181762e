"""`gptasks cache list|clean`: downloads and converted backbones."""

from __future__ import annotations

from collections.abc import Sequence

from gptasks.arguments import Parser
from gptasks.errors import ConfigError
from gptasks.progress import counted
from gptasks.report import table


def run(argv: Sequence[str]) -> None:
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


def _size(bytes: int) -> str:
    from gptasks.progress import quantity

    return f"{quantity(bytes)}B" if bytes >= 1000 else f"{bytes} B"

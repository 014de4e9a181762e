"""`gptasks --version`: the installed version."""

from __future__ import annotations

from collections.abc import Sequence

from gptasks.arguments import Parser


def run(argv: Sequence[str]) -> None:
    Parser("version", "Print the version.").parse(argv)
    from gptasks.plugins import version_of

    print(f"gptasks {version_of('gptasks') or 'from a source tree that is not installed'}")

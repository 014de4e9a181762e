"""`gptasks dashboard [FOLDER …]`: a page of the runs that follows them as they go on."""

from __future__ import annotations

import logging
import webbrowser
from collections.abc import Sequence

from gptasks.arguments import Parser
from gptasks.verbs.compare import (
    add_comparison_options,
    add_page_options,
    check_page_options,
    comparison_options,
)

logger = logging.getLogger(__name__)


def run(argv: Sequence[str]) -> None:
    parser = Parser("dashboard", "Serve a page of runs that follows them; Ctrl-C ends it.")
    parser.add_argument("runs", metavar="FOLDER", nargs="*", help="folder of runs; default: runs")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=8137, help="0 takes any that is free")
    parser.add_argument("--open", action="store_true", help="open it in the browser")
    add_comparison_options(parser)
    add_page_options(parser)
    options = parser.parse(argv)
    check_page_options(parser, options)

    from gptasks.compare import Broken, Comparison, RunRecord, compare_runs
    from gptasks.dashboard.serving import Followed, is_loopback, server

    folders = options.runs or ["runs"]
    asked = comparison_options(parser, options)

    def compared(runs: list[RunRecord], broken: list[Broken]) -> Comparison:
        return compare_runs(runs, broken, **asked)

    followed = Followed(folders, compared, rows=options.rows, texts=not options.no_texts)
    followed.block("head")  # what is wrong with the options is told here
    with server(followed, title=options.title, host=options.host, port=options.port) as found:
        address = f"http://{_shown(options.host)}:{found.server_address[1]}/"
        if not is_loopback(options.host):
            logger.warning("everyone who reaches %s can read these runs, texts included", address)
        print(f"{address} shows {', '.join(folders)}; Ctrl-C ends it", flush=True)
        if options.open:
            webbrowser.open(address)
        found.serve_forever()


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host

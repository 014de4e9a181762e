"""`gptasks gate NEW … --baseline OLD …`: whether new runs are significantly worse than old ones."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence

from gptasks.arguments import Parser
from gptasks.errors import CheckError, ConfigError, RunError
from gptasks.progress import counted
from gptasks.tracking.tracker import plain


def run(argv: Sequence[str]) -> None:
    parser = Parser(
        "gate",
        "Compare new runs with old ones, task by task, for CI. Ends with 1 where a metric dropped "
        "by more than --max-drop and the paired test finds the drop significant, with 2 where they "
        "can't be compared, else with 0.",
    )
    parser.add_argument("new", metavar="NEW", nargs="*", help="run folder, or a folder of them")
    parser.add_argument(
        "--baseline", metavar="OLD", nargs="+", action="extend", default=[],
        help="the old ones: run folder, or a folder of them",
    )  # fmt: skip
    parser.add_argument(
        "--metric", metavar="NAME", nargs="+", action="extend", default=[],
        help="instead of each task's headline metric",
    )  # fmt: skip
    parser.add_argument(
        "--max-drop", metavar="H", type=float, default=0.0,
        help="how much worse it may become, in hundredths of the metric's unit: 0.5 allows an "
        "accuracy to fall by 0.005; default: 0",
    )  # fmt: skip
    parser.add_argument(
        "--alpha", metavar="A", type=float, default=0.05,
        help="a drop is significant where p, corrected over all that is gated, is below; "
        "default: 0.05",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print it as JSON")
    options = parser.parse(argv)
    if not options.new:
        raise ConfigError(
            f"gate: NEW is missing; it stands before --baseline. See {parser.prog} --help."
        )
    if not options.baseline:
        raise ConfigError(f"gate: --baseline OLD is missing. See {parser.prog} --help.")

    from gptasks.compare.gate import HUNDREDTH, as_text, gate

    metrics = [name for words in options.metric for name in words.split(",") if name]
    found = gate(
        options.new, options.baseline, metrics=metrics,
        max_drop=options.max_drop, alpha=options.alpha,
    )  # fmt: skip
    if options.json:
        print(json.dumps(plain(dataclasses.asdict(found)), indent=2, ensure_ascii=False))
    elif text := as_text(found):
        print(text)
    incomparable = f"not comparable: {'; '.join(found.incomparable)}."
    worse = [one for one in found.gated if one.is_worse]
    if worse:
        told = (
            f"{one.task} {one.metric} went from {one.old:.4f} to {one.new:.4f} (p {one.p:.2g})"
            for one in worse
        )
        error = CheckError(f"dropped significantly: {'; '.join(told)}")
        if found.incomparable:
            error.add_note(incomparable)
        raise error
    if found.incomparable:
        raise RunError(incomparable)
    if not options.json:
        allowed = f" of more than {options.max_drop * HUNDREDTH:g}" if options.max_drop else ""
        holm = f", Holm over {counted(len(found.gated), 'test')}" if len(found.gated) > 1 else ""
        print(f"passed: no significant drop{allowed} (alpha {options.alpha:g}{holm})")

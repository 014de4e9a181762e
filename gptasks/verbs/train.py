"""`gptasks task=… [key=value …] [-m]`: train, then show the scores beside the baselines'."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gptasks.report import run_table, sweep_table

if TYPE_CHECKING:
    from gptasks.config import RunConfig


def run(argv: Sequence[str]) -> None:
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

"""`gptasks task=… [key=value …] [-m]`: train, then show the scores beside the baselines'."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gptasks.report import run_table

if TYPE_CHECKING:
    from gptasks.config import RunConfig


def run(argv: Sequence[str]) -> None:
    from gptasks.config import configurations
    from gptasks.runs import read_results
    from gptasks.training.processes import launched

    is_main = launched()[1] == 0  # of several processes one speaks

    def train(config: RunConfig) -> Path:
        from gptasks.training.session import train as carry_out

        folder = carry_out(config)
        if is_main:
            print(f"{run_table(read_results(folder))}\nrun folder: {folder}", flush=True)
        return folder

    configs = configurations(argv)
    if len(configs) > 1:
        from gptasks.sweep import sweep

        sweep(configs, train, speaks=is_main)
    else:
        for config in configs:  # none where something is shown instead
            train(config)

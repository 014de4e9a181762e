"""Test accuracy of `task=sentiment`, mean over seeds, for the default run and strategy=head.

    python benchmarks/sentiment_seeds.py [--seeds 3] [--strategies lora head] [--folder DIR]

Runs are kept in the folder, so that a second call goes on where the first was stopped.
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path

import gptasks


def main() -> None:
    """Train each strategy with each seed, and print means beside the baselines."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--strategies", nargs="+", default=["lora", "head"])
    parser.add_argument("--folder", type=Path, default=Path("runs/benchmark-sentiment"))
    options = parser.parse_args()
    for strategy in options.strategies:
        found, seconds = [], []
        for seed in range(options.seeds):
            run = gptasks.train(
                [
                    "task=sentiment",
                    f"strategy={strategy}",
                    f"seed={seed}",
                    "tracking=none",
                    f"run={options.folder / f'{strategy}-{seed}'}",
                ]
            )
            score = run.metrics["test"]["accuracy"]
            found.append(score.value)
            seconds.append(run.results["timing"]["total_seconds"])
            print(
                f"{strategy} seed {seed}: {score.value:.4f} [{score.low:.3f}, {score.high:.3f}], "
                f"n = {score.n:,}, {seconds[-1]:.0f} s",
                flush=True,
            )
        mean = statistics.mean(found)
        spread = f" ± {statistics.stdev(found):.4f} over seeds" if len(found) > 1 else ""
        print(f"{strategy}: mean {mean:.4f}{spread}, {statistics.median(seconds):.0f} s each")
    for name, scores in run.results["baselines"].items():
        print(f"{name}: {scores['accuracy']['value']:.4f}")


if __name__ == "__main__":
    main()

"""How long `gptasks compare` takes to read and table 1,000 runs: 10 tasks, 20 rates, 5 seeds.

    python benchmarks/compare_many.py [--runs 1000] [--rows 1000] [--tests none best] [--repeats 3]

One tiny run is trained; the others are its folder again, with other numbers in the files that are
read. They lie in a temporary folder.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

import gptasks
from gptasks.metrics import score_all
from gptasks.task import Prediction

LABELS = ["bad", "good"]


def main() -> None:
    """Make the runs, then time the command in processes of its own."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--rows", type=int, default=1000, help="test rows of each run")
    parser.add_argument("--tests", nargs="+", default=["auto"], help="auto, best, all, none")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gptasks-") as spare:
        folder = Path(spare)
        made = time.perf_counter()
        many = make(folder, options.runs, options.rows)
        print(f"made {options.runs:,} runs in {time.perf_counter() - made:.0f} s", flush=True)
        for tests in options.tests:
            found = [measured(many, tests) for _ in range(options.repeats)]
            shown = ", ".join(f"{seconds:.2f}" for seconds, _ in found)
            processor = statistics.median(seconds for _, seconds in found)
            print(
                f"compare --tests {tests}, {options.runs:,} runs of {options.rows:,} test rows: "
                f"{statistics.median(seconds for seconds, _ in found):.2f} s, median of {shown}; "
                f"{processor:.2f} s of a processor",
                flush=True,
            )


def measured(many: Path, tests: str) -> tuple[float, float]:
    """Seconds from the command line to the end of the table, and those that a processor worked,
    which other processes on the machine change less."""
    start, worked = time.perf_counter(), _worked()
    subprocess.run(
        [sys.executable, "-m", "gptasks", "compare", str(many), "--tests", tests],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return time.perf_counter() - start, _worked() - worked


def _worked() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def make(folder: Path, runs: int, rows: int) -> Path:
    """A folder of runs: 10 tasks, each with as many learning rates as it takes, 5 seeds each."""
    config, results = pattern(folder)
    generator = random.Random(0)
    references = [generator.choice(LABELS) for _ in range(rows)]
    for number in range(runs):
        seed, rest = number % 5, number // 5
        task, rate = f"task{rest % 10}", 1e-4 * (1 + rest // 10)
        predictions = [answer(generator, reference, rate) for reference in references]
        scores = score_all(["accuracy", "log_loss"], predictions, references, LABELS, resamples=20)
        config["task"]["name"] = results["task"] = task
        config["trainer"]["learning_rate"] = rate
        config["seed"] = results["seed"] = seed
        results["metrics"]["test"] |= {name: score.as_json() for name, score in scores.items()}
        results["data"]["test"]["n"] = rows
        run = folder / "many" / f"{number:04}"
        (run / "predictions").mkdir(parents=True)
        config["run"] = str(run)
        (run / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False), "utf-8")
        (run / "results.json").write_text(json.dumps(results, indent=2), "utf-8")
        with (run / "predictions" / "test.jsonl").open("w", encoding="utf-8") as file:
            for n, one in enumerate(predictions):
                record = {"id": f"test.csv:{n}", "input": f"the film number {n} was fine"}
                record |= {"prediction": one.value, "reference": references[n]}
                file.write(json.dumps({**record, "scores": one.scores}) + "\n")
    return folder / "many"


def pattern(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """config.yaml and results.json of a tiny run that was really trained."""
    lines = [f"film {n} is {LABELS[n % 2]},{LABELS[n % 2]}" for n in range(120)]
    (folder / "films.csv").write_text("\n".join(["text,label", *lines]), "utf-8")
    run = gptasks.train(
        [
            "task=sequence_classification",
            f"task.data.train={folder / 'films.csv'}",
            "backbone=tiny",
            "strategy=head",
            "tracking=none",
            f"run={folder / 'pattern'}",
        ]
    )
    return yaml.safe_load((run.path / "config.yaml").read_text("utf-8")), run.results


def answer(generator: random.Random, reference: str, rate: float) -> Prediction:
    """Right in about nine of ten rows, a little oftener at higher rates."""
    p = min(1.0, max(0.0, generator.gauss(0.75 + 10 * rate, 0.2)))
    scores = {label: p if label == reference else 1 - p for label in LABELS}
    return Prediction(max(scores, key=scores.__getitem__), scores)


if __name__ == "__main__":
    main()

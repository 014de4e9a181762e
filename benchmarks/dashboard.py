"""The page of many runs: how large it is, how long it takes to make and to open.

    python benchmarks/dashboard.py [--runs 200] [--rows 2000] [--repeats 3]

Trains one run on a toy backbone and copies it, each copy with answers of its own, made at random.
Needs Chromium and its driver (Debian: chromium, chromium-driver) and selenium. Aims: the file is at
most 15 MB, and opened in 1.5 s.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import gptasks
from gptasks.compare import compare_runs, read_runs
from gptasks.dashboard import content, save
from gptasks.metrics import score_all
from gptasks.task import Prediction

WORDS = (
    "a",
    "film",
    "that",
    "never",
    "ends",
    "its",
    "actors",
    "shine",
    "in",
    "every",
    "odd",
    "scene",
)
LABELS = ("bad", "good")
READY = "return document.documentElement.dataset.ready ? performance.now() : null"


def main() -> None:
    """Make the runs, the page, and open it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        copies(trained(place, options.rows), place / "runs", options.runs)
        started = time.perf_counter()
        runs, broken = read_runs([place / "runs"])
        compared = compare_runs(runs, broken)
        save(place / "report.html", content(runs, broken, compared), title="Many runs")
        made = time.perf_counter() - started
        size = (place / "report.html").stat().st_size / 1e6
        opened = [seconds_to_open(place / "report.html") for _ in range(options.repeats)]
    rows = runs[0].data["test"]["n"]
    print(f"{options.runs} runs on {rows:,} test rows: made in {made:.1f} s")
    print(f"size {size:.1f} MB, {size / 15:.2f} of the 15 MB aimed at")
    middle = statistics.median(opened)
    print(
        f"opened in {middle:.2f} s (median of {', '.join(f'{one:.2f}' for one in opened)}), "
        f"{middle / 1.5:.2f} of the 1.5 s aimed at"
    )


def trained(place: Path, rows: int) -> Path:
    """A run tested on so many sentences."""
    generator = random.Random(0)
    for split, n in (("train", 200), ("validation", 50), ("test", rows)):
        with (place / f"{split}.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["text", "label"])
            for i in range(n):
                words = generator.choices(WORDS, k=generator.randint(4, 40))
                writer.writerow([f"{split} {i} {' '.join(words)}", LABELS[i % 2]])
    files = [f"task.data.{split}={place}/{split}.csv" for split in ("train", "validation", "test")]
    run = gptasks.train(
        ["task=sequence_classification", "backbone=tiny", "tracking=none", *files,
         f"run={place}/trained"]
    )  # fmt: skip
    return Path(run.path)


def copies(run: Path, folder: Path, n: int) -> None:
    """n copies of a run, each another strategy, backbone or seed, with answers of its own."""
    lines = (run / "predictions/test.jsonl").read_text("utf-8").splitlines()
    records = [json.loads(line) for line in lines]
    for number in range(n):
        generator = random.Random(number)
        copy = folder / f"run{number:03}"
        shutil.copytree(run, copy, ignore=shutil.ignore_patterns("model", "adapter", "validation*"))
        answered = [with_answer(record, generator, number) for record in records]
        text = "".join(json.dumps(record) + "\n" for record in answered)
        (copy / "predictions/test.jsonl").write_text(text, "utf-8")
        results = json.loads((copy / "results.json").read_text("utf-8"))
        scores = score_all(
            list(results["metrics"]["test"]),
            [Prediction(record["prediction"], record["scores"]) for record in answered],
            [record["reference"] for record in answered],
            LABELS,
            resamples=20,
        )
        results["metrics"]["test"] = {name: score.as_json() for name, score in scores.items()}
        results |= {
            "seed": number // 6,
            "backbone": ("small", "large")[number % 2],
            "strategy": ("head", "lora", "full")[number % 3],
        }
        (copy / "results.json").write_text(json.dumps(results), "utf-8")


def with_answer(record: dict[str, Any], generator: random.Random, number: int) -> dict[str, Any]:
    """A record with another answer, right the more often the higher the number."""
    is_right = generator.random() < 0.6 + 0.3 * (number % 80) / 80
    meant = record["reference"]
    said = meant if is_right else LABELS[1 - LABELS.index(meant)]
    sure = max(one := generator.betavariate(5, 2), 1 - one)
    scores = {label: sure if label == said else 1 - sure for label in LABELS}
    return {**record, "prediction": said, "scores": scores}


def seconds_to_open(page: Path) -> float:
    """From the start of the navigation until the first view is there, in a new browser."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or "chromium"
    with tempfile.TemporaryDirectory() as profile:
        for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run",
                     "--disable-background-networking", f"--user-data-dir={profile}"):  # fmt: skip
            options.add_argument(flag)
        service = webdriver.ChromeService(shutil.which("chromedriver"))
        driver = webdriver.Chrome(options=options, service=service)
        try:
            driver.get(page.as_uri())
            while (found := driver.execute_script(READY)) is None:
                time.sleep(0.005)
            return float(found) / 1000
        finally:
            driver.quit()


if __name__ == "__main__":
    main()

"""Kill trainings at random moments and repeat their command: they must end as if never killed.

    python benchmarks/kill_and_resume.py [--kills 100] [--seed 0] [--folder DIR] [KEY=VALUE …]

Without overrides it takes three small trainings in turn, which differ in what is hard to go on
with. With overrides, as for `gptasks`, it takes that training. A chain of kills of one run ends
when the run does; then its weights, metrics and history are compared byte for byte (times aside)
with those of a run that was never killed, and the next chain begins. A moment is a random point of
the curves or, where that was passed before, a random time. About half of the kills wait for the
next checkpoint to be half written. Prints where the kills hit; exits 1 if anything differs.

Each training is a child of this process, forked after the libraries are loaded.
"""

from __future__ import annotations

import argparse
import csv
import gc
import json
import math
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

SMALL = (
    "task=sequence_classification",
    "device=cpu",
    "tracking=jsonl",
    "bootstrap=20",
    "trainer.batch_tokens=256",
    "trainer.checkpoint_every=1e-6",  # after every step
)
VARIANTS = {
    "fp32, dropout, accumulation": (
        *("backbone=tiny", "precision=fp32", "strategy.depth=0.5", "strategy.dropout=0.2"),
        *("trainer.accumulate=2", "trainer.epochs=4", "trainer.learning_rate=0.01"),
    ),
    "bf16, another architecture, early stopping": (
        *("backbone=tiny_gpt2", "precision=bf16", "strategy.dropout=0.1", "trainer.epochs=20"),
        *("trainer.patience=3", "trainer.learning_rate=0.01", "trainer.validate_every=0.3"),
    ),
    "every weight, bf16": (
        *("backbone=tiny", "precision=bf16", "strategy=full", "trainer.epochs=2"),
        *("trainer.accumulate=2", "trainer.learning_rate=0.001", "task.select=accuracy"),
    ),
}
MOST = 8
"""Kills of one run."""

PATIENCE = 600.0
"""Seconds after which a training counts as hanging."""


def main() -> None:
    """Kill, go on, compare; print what was seen."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0, help="of the moments, as far as they can be")
    parser.add_argument("--folder", type=Path, help="where to work; without it, a temporary one")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE")
    options = parser.parse_args()
    _load_libraries()
    with tempfile.TemporaryDirectory() as temporary:
        place = options.folder or Path(temporary)
        place.mkdir(parents=True, exist_ok=True)
        variants = {name: (*SMALL, *keys) for name, keys in VARIANTS.items()}
        if options.overrides:
            variants = {"as given": tuple(options.overrides)}
        else:
            os.chdir(place)
            _write_rows(Path("rows.csv"))
            variants = {k: (*keys, "task.data.train=rows.csv") for k, keys in variants.items()}
        sys.exit(_campaign(variants, options.kills, random.Random(options.seed), place.resolve()))


def _campaign(
    variants: dict[str, tuple[str, ...]], kills: int, generator: random.Random, place: Path
) -> int:
    """All chains of kills; gives the exit code."""
    whole: dict[str, dict[str, Any]] = {}
    lasts: dict[str, tuple[float, int]] = {}  # seconds and points of a whole run
    hits: Counter[str] = Counter()
    wrong, chains = [], 0
    while hits.total() < kills:
        name = list(variants)[chains % len(variants)]
        command = variants[name]
        if name not in whole:
            folder = place / f"never-killed-{len(whole)}"
            started = time.monotonic()
            _finish(command, folder)
            lasts[name] = time.monotonic() - started, max(1, len(_points(folder)))
            whole[name] = _remains(folder)
            fit = whole[name]["fit"]
            print(
                f"never killed, {name}: {fit.get('steps', 0)} steps, {fit.get('epochs', 0)} epochs"
            )
        chains += 1
        folder = place / f"chain-{chains}"
        left = min(kills - hits.total(), MOST)
        where = _chain(command, folder, lasts[name], left, generator)
        hits.update(phase for phase, _ in where)
        differs = _differences(whole[name], _remains(folder))
        wrong += [f"chain {chains} ({name}): {key} differs" for key in differs]
        verdict = f"DIFFERS in {', '.join(differs)}" if differs else "equal"
        told = ", ".join(f"{phase} at point {point}" for phase, point in where)
        print(f"chain {chains}, {name}: {len(where)} kills, {verdict}: {told}")
        sys.stdout.flush()
        shutil.rmtree(folder)
    print(f"{hits.total()} kills in {chains} runs of {len(whole)} kinds")
    for phase, count in hits.most_common():
        print(f"  {count:4}  {phase}")
    if wrong:
        print("\n".join(wrong))
        return 1
    print("weights, predictions, metrics and history: bit for bit those of runs never killed")
    return 0


def _chain(
    command: Sequence[str],
    folder: Path,
    lasts: tuple[float, int],
    most: int,
    generator: random.Random,
) -> list[tuple[str, int]]:
    """Kill a run up to `most` times, then let it finish; says where each kill hit, and how many
    points the curves had. lasts: seconds and points of a whole run."""
    seconds, points = lasts
    where: list[tuple[str, int]] = []
    while len(where) < most:
        child = _start(command, folder)
        is_aimed = generator.random() < 0.5
        # Counted in points, so that a busy machine's kills do not come too late or too early.
        made = len(_points(folder))
        after = generator.randrange(generator.choice((0, min(made, points - 1))), points)
        is_ahead = after > made
        delay = generator.uniform(0.0, seconds / points if is_ahead else seconds)
        moment = (after if is_ahead else 0), delay
        if not _kill(child, folder, moment, is_aimed):
            return where  # it was done before
        where.append((_phase(folder), len(_points(folder))))
    _finish(command, folder)
    return where


def _kill(child: int, folder: Path, moment: tuple[int, float], is_aimed: bool) -> bool:
    """Kill a child some seconds after its curves have so many points, or when it next writes a
    checkpoint after that; False if it came to its end before."""
    points, delay = moment
    due, limit = math.inf, time.monotonic() + PATIENCE
    part = folder / "checkpoints" / ".last.part"
    while time.monotonic() < limit:
        number, status = os.waitpid(child, os.WNOHANG)
        if number:
            _expect_success(status, folder)
            return False
        if due == math.inf and len(_points(folder)) >= points:
            due = time.monotonic() + delay
        if time.monotonic() >= due and (not is_aimed or part.exists()):
            break
        time.sleep(0.001)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def _phase(folder: Path) -> str:
    """What a killed run was at, by what it left."""
    checkpoints = folder / "checkpoints"
    if (folder / "results.json").exists():
        return "after the results"
    if (folder / "predictions").exists():
        return "scoring"
    if (folder / "model").exists():
        return "model and predictions"
    if any(checkpoints.glob(".*.part")):
        return "half a checkpoint"
    if _points(folder):
        return "loop"
    return "before the loop" if checkpoints.exists() else "before any checkpoint"


def _points(folder: Path) -> list[str]:
    """The lines of the curves."""
    path = folder / "history.jsonl"
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def _start(command: Sequence[str], folder: Path) -> int:
    """Train in a child process; gives its number."""
    from gptasks import cli

    child = os.fork()
    if child == 0:
        code = 99
        try:
            with open(f"{folder}.log", "a", encoding="utf-8") as log:
                os.dup2(log.fileno(), 1)
                os.dup2(log.fileno(), 2)
                code = cli.main([*command, f"run={folder}"])
        finally:
            os._exit(code)
    return child


def _finish(command: Sequence[str], folder: Path) -> None:
    child = _start(command, folder)
    _expect_success(os.waitpid(child, 0)[1], folder)


def _expect_success(status: int, folder: Path) -> None:
    code = os.waitstatus_to_exitcode(status)
    if code:
        sys.exit(f"a run ended with {code}:\n{Path(f'{folder}.log').read_text('utf-8')}")


def _remains(folder: Path) -> dict[str, Any]:
    """All that a finished run left that tells neither time nor place."""
    left: dict[str, Any] = {
        str(path.relative_to(folder)): path.read_bytes()
        for name in ("model", "adapter", "predictions")
        for path in folder.glob(f"{name}/*")
    }
    results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    timely = ("timing", "command", "files")
    left |= {key: value for key, value in results.items() if key not in timely}
    left["history"] = [
        {key: value for key, value in json.loads(line).items() if not key.startswith("time/")}
        for line in _points(folder)
    ]
    return left


def _differences(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    return sorted(key for key in {*one, *other} if one.get(key) != other.get(key))


def _load_libraries() -> None:
    """Import what a training needs, and keep it out of the children's garbage collections."""
    import accelerate.state  # noqa: F401
    import evaluate  # noqa: F401
    import hydra._internal.hydra  # noqa: F401
    import peft  # noqa: F401
    import sklearn.feature_extraction.text
    import sklearn.linear_model  # noqa: F401
    import transformers.models.gpt2.modeling_gpt2
    import transformers.models.llama.modeling_llama  # noqa: F401

    import gptasks.training.session
    import gptasks.training.trainer  # noqa: F401

    gc.freeze()


def _write_rows(path: Path) -> None:
    """Sentences whose label shows in one word."""
    generator = random.Random(0)
    words = {"good": ("great", "lovely", "superb"), "bad": ("awful", "boring", "dreadful")}
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        for n in range(90):
            label = ("bad", "good")[n % 2]
            thing = generator.choice(("film", "book", "song", "meal"))
            writer.writerow([f"the {thing} number {n} was {generator.choice(words[label])}", label])


if __name__ == "__main__":
    main()

"""Small runs for tests: their data, their command line, and what is left of them."""

from __future__ import annotations

import copy
import csv
import functools
import json
import operator
import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from gptasks.registry import GROUPS, Registry

if TYPE_CHECKING:
    from gptasks.config import RunConfig


def write_reviews(path: Path, rows: int = 240) -> Path:
    """A csv of sentences whose label shows in one word, the rest drawn from a few words."""
    generator = random.Random(0)
    things = ("film", "book", "song", "meal", "room", "walk", "game", "tale")
    good, bad = ("great", "lovely", "superb"), ("awful", "boring", "dreadful")
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        for n in range(rows):
            word, label = (
                (generator.choice(good), "good") if n % 2 else (generator.choice(bad), "bad")
            )
            text = f"the {generator.choice(things)} number {n} was {word}"
            writer.writerow([text, label])
    return path


def write_names(path: Path, rows: int = 60) -> Path:
    """A CoNLL file of sentences with places and people in them, in several scripts; the names are
    drawn from a few, each sentence has a number of its own."""
    generator = random.Random(0)
    places = (["Köln"], ["New", "York"], ["Bonn"], ["北京"], ["São", "Paulo"])
    people = (["Ada", "Wu"], ["Émile"], ["Li", "Na"], ["Bob", "😀"])
    with path.open("w", encoding="utf-8") as file:
        for n in range(rows):
            person, place = generator.choice(people), generator.choice(places)
            parts = [(person, "PER"), (["saw"], ""), (place, "LOC"), (["on", "day", str(n)], "")]
            for words, label in parts if n % 3 else parts[1:]:
                for i, word in enumerate(words):
                    tag = ("I-" if i else "B-") + label if label else "O"
                    file.write(f"{word}\t{tag}\n")
            file.write("\n")
    return path


def small(data: Path | str, *more: str) -> list[str]:
    """A command line that trains in about a second, on the same numbers everywhere.

    more: overrides, which win over the usual ones.
    """
    usual = [
        "task=sequence_classification",
        f"task.data.train={data}",
        "backbone=tiny",
        "tracking=none",
        "device=cpu",
        "precision=fp32",
        "bootstrap=50",
    ]
    given = {_key(word) for word in more}
    return [*(word for word in usual if _key(word) not in given), *more]


def adapter(name: str) -> tuple[str, ...]:
    """Overrides for `configured` that choose an adapter; ia3 has no use for the usual sizes."""
    sizes = ("rank", "alpha", "dropout") if name == "ia3" else ()
    return (f"strategy.adapter={name}", *(f"strategy.{size}=null" for size in sizes))


def configured(data: Path | str, *more: str) -> RunConfig:
    """What `compose` makes of that command line, without asking Hydra anew for every value."""
    from gptasks.config import from_resolved

    line = small(data, *more)
    values = copy.deepcopy(_composed(tuple(word for word in line if _key(word) in GROUPS)))
    for word in line:
        if _key(word) not in GROUPS:
            *path, last = _key(word).split(".")
            functools.reduce(operator.getitem, path, values)[last] = _value(word)
    return from_resolved(values, Registry(), line)


def run(data: Path, *overrides: str) -> Path:
    """The folder of a small run, carried out here."""
    from gptasks.training.session import train

    return train(configured(data, *overrides))


def results_of(folder: Path) -> dict[str, Any]:
    """results.json, as strict readers take it: without NaN."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    return json.loads((folder / "results.json").read_text("utf-8"), parse_constant=refuse)


def predictions_of(folder: Path, split: str = "test") -> list[dict[str, Any]]:
    """The predictions that a run keeps of a split."""
    text = (folder / "predictions" / f"{split}.jsonl").read_text("utf-8")
    return [json.loads(line) for line in text.splitlines()]


def remains(folder: Path) -> dict[str, Any]:
    """All that a finished run left that does not tell the time: equal for equal runs."""
    files = [p for name in ("model", "adapter", "predictions") for p in folder.glob(f"{name}/*")]
    left: dict[str, Any] = {str(p.relative_to(folder)): p.read_bytes() for p in files}
    results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    timely = ("timing", "files")
    left["results"] = {key: value for key, value in results.items() if key not in timely}
    left["history"] = [
        {key: value for key, value in point.items() if not key.startswith("time/")}
        for point in points(folder)
    ]
    return left


def points(folder: Path) -> list[dict[str, Any]]:
    """The points of a run's curves."""
    path = folder / "history.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [json.loads(line) for line in lines]


@functools.cache
def _composed(groups: tuple[str, ...]) -> dict[str, Any]:
    from gptasks.config import compose

    return compose(groups).resolved


def _key(override: str) -> str:
    return override.partition("=")[0]


def _value(override: str) -> Any:
    text = override.partition("=")[2]
    try:
        return json.loads(text)
    except ValueError:
        return yaml.safe_load(text)

"""A finished run made once more, from its own configuration, and what differs between the two.

The new run has a folder of its own. What differs is told part by part, with how far, and with what
could explain it, as far as the two results.json tell.
"""

from __future__ import annotations

import copy
import logging
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count, zip_longest
from pathlib import Path
from typing import Any

from gptasks.config import RunConfig, from_resolved
from gptasks.data.sources import starts_here
from gptasks.data.splits import load_splits
from gptasks.errors import ConfigError, DataError, GptasksError, RunError, listing
from gptasks.plugins import missing
from gptasks.predictions import SCORED, records_in
from gptasks.progress import counted
from gptasks.registry import Registry
from gptasks.runs import CONFIG, RunFolder, compare, flat, read_run

logger = logging.getLogger(__name__)

AGAIN = "-again"
"""What a run's name ends in when it was made again in a folder that nobody named."""

_SURROUNDINGS = ("device", "processor", "precision", "processes", "threads")
"""What `timing` tells of where a run was computed."""

_BY_THEMSELVES = ("metrics", "baselines", "data", "model", "adapter")
_TIMES_AND_PLACES = ("timing", "versions", "plugins", "command", "format", "files")


@dataclass(frozen=True)
class Part:
    """One of the things that two runs have in common, or not."""

    name: str

    differs: str
    """What differs, and how far; empty where nothing does."""

    text: str
    """What it is, where nothing differs."""


@dataclass(frozen=True)
class Reproduction:
    """A run and its repetition, side by side."""

    run: Path
    again: Path
    parts: list[Part]
    explanations: list[str]
    """What could explain that parts differ, a line each."""

    @property
    def is_same(self) -> bool:
        """Whether nothing differs, to the last bit."""
        return not any(part.differs for part in self.parts)


def configuration(run: Path, folder: Path | None) -> RunConfig:
    """The configuration of a finished run, for a folder of its own.

    folder: where the repetition goes; None is a fresh one beside the run, or the one that a
    repetition was stopped in.
    Raises RunError or ConfigError where there is no such run, or it can't be made again here.
    """
    config, results = read_run(run)
    try:
        made = from_resolved({**config, "run": None}, Registry())
    except GptasksError as error:
        absent = missing(results["plugins"])
        faults = "; ".join(error.faults)
        reason = f"was made with {absent}" if absent else f"does not fit this gptasks: {faults}"
        raise RunError(f"{run} can't be made again: it {reason}") from error
    place = _beside(run, made.resolved) if folder is None else folder
    here, there = (Path(os.path.realpath(path)) for path in (run, place))
    if there.is_relative_to(here):
        raise ConfigError(f"--run {place} is the run itself, or in it; give another folder.")
    return from_resolved(
        {**config, "run": str(place)}, Registry(), [f"run={place}"], str(run / CONFIG)
    )


def check(run: Path, config: RunConfig) -> None:
    """See that a run's predictions and rows can be read before anything is begun; warn of what has
    changed.

    Raises what reading them does.
    """
    for name in SCORED:
        for _ in records_in(RunFolder(run).predictions / f"{name}.jsonl"):
            pass
    try:
        splits = load_splits(
            copy.deepcopy(config.task), limit=config.run.limit, sources=config.sources
        )
    except (ConfigError, DataError) as error:
        if starts_here(config.task.data):
            error.add_note(
                f"{run} names its data by relative paths, which start from the current folder: "
                "go where the run was started, and name the run from there."
            )
        raise
    results = read_run(run)[1]
    files = RunFolder(run).digests()
    changed = [name for name, then in results["files"].items() if files.get(name) != then]
    changed += [
        name for name, split in splits.items() if split.sha256 != results["data"][name]["sha256"]
    ]
    if changed:
        logger.warning("%s changed since %s was made: the two will differ", listing(changed), run)


def compared(run: Path, again: Path) -> Reproduction:
    """Two finished runs of one configuration, side by side. Raises RunError where one is none."""
    (config, old), (new_config, new) = read_run(run), read_run(again)
    parts = [
        _data(old, new),
        _files("model", old["model"], RunFolder(run).model, RunFolder(again).model),
        _files("adapter", old["adapter"], RunFolder(run).adapter, RunFolder(again).adapter),
        _history(RunFolder(run), RunFolder(again)),
        *(_predictions(name, RunFolder(run), RunFolder(again)) for name in SCORED),
        _scores("scores", old["metrics"], new["metrics"]),
        _scores("baselines", old["baselines"], new["baselines"]),
        _rest(old, new),
    ]
    told = [part for part in parts if part.differs or part.text]
    return Reproduction(run, again, told, list(_explanations(run, config, old, new_config, new)))


def _beside(run: Path, resolved: Mapping[str, Any]) -> Path:
    """The first folder beside the run that is free, or holds an unfinished run of this
    configuration."""
    named = Path(os.path.abspath(run)) if run.name in ("", "..") else run
    places = (
        named.with_name(f"{named.name}{AGAIN}{'' if number == 1 else f'-{number}'}")
        for number in count(1)
    )
    return next(
        place
        for place in places
        if not RunFolder(place).is_finished and RunFolder(place).suits(resolved)
    )


# -- the parts ----------------------------------------------------------------------------


def _data(old: Mapping[str, Any], new: Mapping[str, Any]) -> Part:
    changed = [
        f"{name} ({old['data'][name]['n']:,} rows, now {split['n']:,})"
        for name, split in new["data"].items()
        if split["sha256"] != old["data"][name]["sha256"]
    ]
    rows = ", ".join(f"{name} {split['n']:,}" for name, split in new["data"].items())
    return Part("data", f"other rows in {listing(changed)}" if changed else "", f"{rows} rows")


def _files(name: str, then: Mapping[str, str], old: Path, new: Path) -> Part:
    """then: SHA-256 by file, as the run wrote them; its folder may be gone by now."""
    from gptasks.saved_model import largest_difference, model_digests

    now = model_digests(new)
    differing = [file for file in {**then, **now} if then.get(file) != now.get(file)]
    most = largest_difference(old, new) if differing else 0.0
    how_far = f"; weights by up to {most:.2g}" if most else ""
    return Part(
        name,
        f"{listing(differing)}{how_far}" if differing else "",
        counted(len(then), "file") if then else "",
    )


def _history(old: RunFolder, new: RunFolder) -> Part:
    then, now = (
        [
            {key: value for key, value in point.items() if not key.startswith("time/")}
            for point in folder.history().points()
        ]
        for folder in (old, new)
    )
    said = counted(len(then), "point") if then else ""
    for one, other in zip_longest(then, now):
        if one is None or other is None:
            return Part("history", f"{len(then):,} points, now {len(now):,}", said)
        if one != other:
            far = _farthest(one, other)
            return Part("history", f"from step {other.get('step')} on: {far}", said)
    return Part("history", "", said)


def _predictions(split: str, old: RunFolder, new: RunFolder) -> Part:
    then, now = (list(records_in(folder.predictions / f"{split}.jsonl")) for folder in (old, new))
    name = f"{split} predictions"
    if [record["id"] for record in then] != [record["id"] for record in now]:
        return Part(name, "of other rows", "")
    answers = sum(a["prediction"] != b["prediction"] for a, b in zip(then, now, strict=True))
    others = sum(a != b for a, b in zip(then, now, strict=True))
    most = max(_distance(a["scores"], b["scores"]) for a, b in zip(then, now, strict=True))
    differs = f"{answers:,} of {counted(len(then), 'answer')}; scores by up to {most:.2g}"
    return Part(name, differs if others else "", counted(len(then), "row"))


def _scores(name: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Part:
    then, now = flat(old), flat(new)
    values = [key for key in now if key.endswith(".value")]
    return Part(
        name,
        _farthest(then, now) if then != now else "",
        f"{counted(len(values), 'value')} with intervals",
    )


def _rest(old: Mapping[str, Any], new: Mapping[str, Any]) -> Part:
    aside = (*_BY_THEMSELVES, *_TIMES_AND_PLACES)
    then, now = (
        flat({key: value for key, value in one.items() if key not in aside}) for one in (old, new)
    )
    named = listing(key for key in new if key not in aside and isinstance(new[key], dict))
    return Part("other results", _farthest(then, now) if then != now else "", named)


def _farthest(then: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Which values differ, that which differs most first."""
    keys = [key for key in {**then, **now} if then.get(key) != now.get(key)]
    keys.sort(key=lambda key: -_distance(then.get(key), now.get(key)))
    first = keys[0]
    said = f"{first} {then.get(first)}, now {now.get(first)}"
    return f"{said}; also {listing(keys[1:], 4)}" if keys[1:] else said


def _distance(one: Any, other: Any) -> float:
    """How far numbers lie apart, of maps the farthest; endless for what is no number."""
    if one == other:
        return 0.0
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return max(_distance(one.get(key), other.get(key)) for key in {**one, **other})
    if isinstance(one, int | float) and isinstance(other, int | float):
        return abs(one - other)
    return math.inf


# -- why ----------------------------------------------------------------------------------


def _explanations(
    run: Path,
    config: Mapping[str, Any],
    old: Mapping[str, Any],
    new_config: Mapping[str, Any],
    new: Mapping[str, Any],
) -> Iterator[str]:
    if RunFolder(run).digests().get(CONFIG) != old["files"].get(CONFIG):
        yield f"{CONFIG} of the first run is not as it was when that was made"
    for name, split in new["data"].items():
        if split["sha256"] != old["data"][name]["sha256"]:
            yield f"the {name} rows are others"
    yield from compare(config, new_config)
    for group in ("versions", "plugins"):
        then, now = old[group], new[group]
        yield from (
            f"{name} {then[name]} then, {now[name]} now"
            for name in now
            if name in then and then[name] != now[name]
        )
    then, now = old["timing"], new["timing"]
    for key in _SURROUNDINGS:
        if then[key] != now[key]:
            yield f"{key} {then[key]} then, {now[key]} now"
    if now["device"] != "cpu":
        yield "a GPU may add numbers up in another order each time"

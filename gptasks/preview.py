"""What a model will see of a task's data, before it is trained: one row, or all in numbers.

It needs a backbone's tokenizer and not its weights, and knows of a task what the contract says: its
rows, its windows, their targets.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
from array import array
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from gptasks.config import RunConfig
from gptasks.data.encoding import (
    IGNORED,
    Ledger,
    Window,
    check_cut,
    check_encoded,
    check_length,
    encode_rows,
    targets_of,
)
from gptasks.data.splits import SPLITS, Split, load_splits, text_digest
from gptasks.errors import ConfigError, DataError, nearest, suggest
from gptasks.progress import Progress, counted
from gptasks.task import Row, Task

if TYPE_CHECKING:
    from gptasks.tokenizer import Tokenizer

AT_A_CUT = 2
"""Tokens where a text was cut that may be others than in the whole text."""

UNLIMITED = 10**9
"""A `task.max_length` that cuts nothing."""

SHARES = {"least": 0.0, "median": 0.5, "90%": 0.9, "99%": 0.99, "most": 1.0}
"""What is told of lengths: the share, in [0, 1], that is not longer."""


@dataclass(frozen=True)
class Token:
    """One token of a window."""

    id: int
    piece: str
    """What it spells, as the tokenizer's vocabulary has it."""

    target: str | None = None
    """What is learnt at it; None where nothing is."""


@dataclass(frozen=True)
class SeenWindow:
    """What the model is given at once."""

    tokens: list[Token]
    target: str | None
    """What is learnt of the window as a whole; None where nothing is."""

    targets: int
    """How many targets it has, its own or those of its tokens."""

    shared: int
    """How many of its tokens the window before holds too."""

    lost: int
    """How many tokens were cut away of it."""

    lost_targets: int
    more: dict[str, Any]
    """Numbers and texts that the task gives the window beside these."""


@dataclass(frozen=True)
class SeenRow:
    """One row as the model will see it."""

    split: str
    number: int
    """Its place in the split, from 1."""

    row: Row
    answer: Any
    """What should be predicted of it."""

    windows: list[SeenWindow]
    cut: list[list[str]]
    """The pieces that were cut away, each gap by itself; empty where it can't be told which."""

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "id": self.row.id,
            "split": self.split,
            "number": self.number,
            "row": dict(self.row),
            "answer": self.answer,
            "windows": [_window_as_json(window) for window in self.windows],
            "cut": self.cut,
        }


@dataclass
class Part:
    """One split in numbers."""

    rows: int
    bad: int
    """Unusable records of its own files, that `task.data.max_bad` allows."""

    dropped: int
    """Rows of its own files that the task leaves out on purpose."""

    ledger: Ledger
    windows: int = 0
    lengths: array[int] = field(default_factory=lambda: array("Q"))
    """Tokens of each window, were nothing cut."""

    classes: Counter[str] = field(default_factory=Counter)
    """How often each class is an answer."""

    repeated: int = 0
    """Rows whose text stands further up in the split."""

    also_in: dict[str, int] = field(default_factory=dict)
    """Split to the number of rows here whose text stands there too."""

    @property
    def percentiles(self) -> dict[str, int]:
        """Least, median, …, most of `lengths`, each the length of a window that there is."""
        ordered = sorted(self.lengths)
        return {
            name: ordered[math.ceil(share * (len(ordered) - 1))] for name, share in SHARES.items()
        }

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "rows": self.rows,
            "bad": self.bad,
            "dropped": self.dropped,
            "repeated": self.repeated,
            "also_in": self.also_in,
            "windows": self.windows,
            "lengths": self.percentiles,
            "truncation": self.ledger.as_json(),
            "classes": dict(self.classes),
        }


@dataclass(frozen=True)
class Survey:
    """All rows of a task in numbers."""

    task: str
    backbone: str
    context: int
    """Most tokens that the backbone can read at once."""

    max_length: int
    labels: list[str]
    parts: dict[str, Part]
    contradicting: int
    """Texts that stand there with answers that differ."""

    refusal: str | None
    """Why training would end before it begins; None where it would not."""

    @cached_property
    def histogram(self) -> list[tuple[int, int, int]]:
        """Tokens from, up to (itself included), and the number of windows of such a length, were
        nothing cut, of all splits; from the first step with any to the last.

        Steps end at powers of two, and half-way between two.
        """
        counts: Counter[int] = Counter()
        for part in self.parts.values():
            counts.update(part.lengths)
        found: list[tuple[int, int, int]] = []
        start = 1
        for end in _steps():
            number = sum(counts[length] for length in range(start, end + 1) if length in counts)
            if found or number:
                found.append((start, end, number))
            start = end + 1
            if end >= max(counts):
                return found
        raise AssertionError("steps do not end")

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "task": self.task,
            "backbone": self.backbone,
            "context": self.context,
            "max_length": self.max_length,
            "labels": self.labels,
            "splits": {name: part.as_json() for name, part in self.parts.items()},
            "histogram": [{"from": a, "to": b, "windows": n} for a, b, n in self.histogram],
            "contradicting": self.contradicting,
            "refusal": self.refusal,
        }


class Preview:
    """The rows of a configuration, and how they are read."""

    def __init__(self, config: RunConfig) -> None:
        """Raises what training would raise of its data, and of what it reads at once."""
        from gptasks.pretrained import load_tokenizer

        self.config, self.task = config, config.task
        self.splits: dict[str, Split] = load_splits(
            self.task, limit=config.run.limit, sources=config.sources
        )
        bare, self.context = load_tokenizer(config.backbone, config.backbone_name)
        check_length(self.task, self.context, config.backbone_name)
        self.tokenizer = self.task.tokenizer(bare)
        self._unlimited: Task = replace(self.task, max_length=UNLIMITED)
        self._wide = self._unlimited.tokenizer(bare)

    # -- one row --------------------------------------------------------------------------

    def row(self, wanted: str, split: str | None = None) -> SeenRow:
        """A row by its number in `split` (train, unless said), from 1; or by its id, in `split` or
        wherever it is. Raises DataError where there is none."""
        if split is not None and split not in SPLITS:
            raise ConfigError(
                f"--split must be one of {', '.join(SPLITS)}; got '{split}'{suggest(split, SPLITS)}"
            )
        if wanted.isdecimal():
            name = split or "train"
            rows, number = self.splits[name].rows, int(wanted)
            if not 1 <= number <= len(rows):
                raise DataError(
                    f"{name} has {counted(len(rows), 'row')}, and --row {wanted} is none of them; "
                    f"give 1 to {len(rows)}, or a row's id."
                )
            return self._seen(name, number, rows[number - 1])
        for name in [split] if split else SPLITS:
            for number, row in enumerate(self.splits[name].rows, 1):
                if row.id == wanted:
                    return self._seen(name, number, row)
        first = self.splits[split or "train"].rows[0].id
        files = {row.id.rpartition(":")[0] for name in SPLITS for row in self.splits[name].rows}
        file, _, line = wanted.rpartition(":")
        near = nearest(file, files) if file not in files else ""
        meant = f"; did you mean '{near}:{line}'? Ids" if near else "; ids"
        raise DataError(
            f"no row of {split or 'any split'} has the id '{wanted}'{meant} are such as '{first}'. "
            "A row may be unusable, left out by the task, or beyond limit."
        )

    def _seen(self, split: str, number: int, row: Row) -> SeenRow:
        encode_rows(self.task, [row], self.tokenizer)  # which refuses what training refuses
        windows = [dict(window) for window in self.task.encode(row, self.tokenizer)]
        return SeenRow(
            split,
            number,
            row,
            self.task.reference(row),
            [_seen_window(self.task, window, self.tokenizer) for window in windows],
            [self.tokenizer.pieces(gap) for gap in self._cut(row, windows)],
        )

    def _cut(self, row: Row, windows: Sequence[Window]) -> list[list[int]]:
        """What was cut of a row, where that is what its one window lacks."""
        if len(windows) != 1 or not windows[0].get("lost"):
            return []
        whole = list(self._unlimited.encode(row, self._wide))
        return gaps(whole[0]["input_ids"], windows[0]["input_ids"]) if len(whole) == 1 else []

    # -- all of them ----------------------------------------------------------------------

    def survey(self) -> Survey:
        """All rows in numbers."""
        told = [self._part(split) for split in self.splits.values()]
        parts = dict(zip(self.splits, (part for part, _, _ in told), strict=True))
        texts = dict(zip(self.splits, (found for _, found, _ in told), strict=True))
        answers = [given for _, _, given in told]
        _count_alike(parts, texts)
        try:
            check_cut(self.task, {name: part.ledger for name, part in parts.items()})
            refusal = None
        except DataError as error:
            refusal = str(error)
        return Survey(
            self.config.task_name,
            self.config.backbone_name,
            self.context,
            self.task.max_length,
            list(self.task.labels),
            parts,
            _contradicting(list(texts.values()), answers),
            refusal,
        )

    def _part(self, split: Split) -> tuple[Part, array[int], array[int]]:
        """A split in numbers, and what the text and the answer of each row are known by."""
        part = Part(len(split.rows), len(split.bad), split.dropped, Ledger())
        texts, answers = array("Q"), array("Q")
        faults: list[DataError] = []
        with Progress(f"reading {split.name}", len(split.rows), "rows") as progress:
            for row in split.rows:
                try:
                    self._count(part, row)
                except DataError as error:
                    faults.append(error)
                    continue
                texts.append(_short(text_digest(self.task.key(row))))
                answer = self.task.reference(row)
                if answer is not None:
                    part.classes.update(self.task.classes(answer))
                told = json.dumps(answer, sort_keys=True, default=str)
                answers.append(_short(hashlib.sha256(told.encode("ascii")).digest()))
                progress.add(1)
        check_encoded(faults)
        return part, texts, answers

    def _count(self, part: Part, row: Row) -> None:
        found = encode_rows(self.task, [row], self.tokenizer)
        part.ledger += found.ledger
        part.windows += len(found.windows)
        if len(found.windows) == 1:
            part.lengths.append(found.lengths[0] + found.ledger.tokens_lost)
        else:  # what they share, and how many they would be, is the task's to say
            part.lengths.extend(encode_rows(self._unlimited, [row], self._wide).lengths)


def gaps(whole: Sequence[int], kept: Sequence[int]) -> list[list[int]]:
    """What `whole` has and `kept` lacks, run by run; none where `kept` is no part of it in order.

    >>> gaps([1, 2, 3, 4, 5], [1, 2, 5])
    [[3, 4]]
    """
    start = _alike(whole, kept)
    end = _alike(whole[start:][::-1], kept[start:][::-1])
    inner, middle = list(whole[start : len(whole) - end]), list(kept[start : len(kept) - end])
    if not middle:
        return [inner] if inner else []
    # Both of two texts were cut: what is left between the gaps is one run.
    for place in range(len(inner) - len(middle) + 1):
        if inner[place : place + len(middle)] == middle:
            return [gap for gap in (inner[:place], inner[place + len(middle) :]) if gap]
    # At the cut a token may be another, where a template's words touch the text.
    return [inner] if len(middle) <= AT_A_CUT else []


def _alike(one: Sequence[int], other: Sequence[int]) -> int:
    """How many ids two lists begin with alike."""
    pairs = zip(one, other, strict=False)
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))


def _seen_window(task: Task, window: Window, tokenizer: Tokenizer) -> SeenWindow:
    ids = window["input_ids"]
    labels = window.get("labels", [IGNORED] * len(ids))
    own = {"input_ids", "label", "labels", "source", "lost", "lost_targets", "shared"}
    return SeenWindow(
        [
            Token(id, piece, None if label == IGNORED else task.target_name(label, tokenizer))
            for id, piece, label in zip(ids, tokenizer.pieces(ids), labels, strict=True)
        ],
        task.target_name(window["label"], tokenizer) if "label" in window else None,
        targets_of(window),
        window.get("shared", 0),
        window.get("lost", 0),
        window.get("lost_targets", 0),
        {k: v for k, v in window.items() if k not in own and isinstance(v, str | int | float)},
    )


def _window_as_json(window: SeenWindow) -> dict[str, Any]:
    return {
        "tokens": [vars(token) for token in window.tokens],
        **{key: value for key, value in vars(window).items() if key not in ("tokens", "more")},
        **window.more,
    }


def _count_alike(parts: Mapping[str, Part], texts: Mapping[str, array[int]]) -> None:
    """Set how many texts of each split stand there twice, or in another split too."""
    import numpy as np

    found = {name: np.frombuffer(digests, np.uint64) for name, digests in texts.items()}
    for name, part in parts.items():
        part.repeated = len(found[name]) - len(np.unique(found[name]))
        part.also_in = {
            other: int(np.isin(found[name], found[other]).sum()) for other in parts if other != name
        }


def _contradicting(texts: Sequence[array[int]], answers: Sequence[array[int]]) -> int:
    """How many texts have answers that differ; texts and answers by what they are known by."""
    import numpy as np

    pairs = np.stack([np.concatenate(list(of)) for of in (texts, answers)])  # (2, rows)
    known = np.unique(pairs, axis=1)[0]
    return int((np.unique(known, return_counts=True)[1] > 1).sum())


def _short(digest: bytes) -> int:
    """8 bytes of a digest, which tell millions of texts apart."""
    return int.from_bytes(digest[:8], "big")


def _steps() -> Iterator[int]:
    """1, 2, 3, 4, 6, 8, 12, 16, 24, …"""
    yield from (1, 2)
    for power in itertools.count(1):
        yield 3 << (power - 1)
        yield 4 << (power - 1)

"""Rows read and encoded as training would, to be shown."""

from __future__ import annotations

import hashlib
import json
from array import array
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from gptasks.config import RunConfig
from gptasks.data.encoding import (
    Ledger,
    Window,
    check_cut,
    check_encoded,
    check_length,
    encode_rows,
)
from gptasks.data.splits import SPLITS, Split, load_splits, text_digest
from gptasks.errors import ConfigError, DataError, nearest, suggest
from gptasks.progress import Progress, counted
from gptasks.task import Row, Task

if TYPE_CHECKING:
    pass

from gptasks.preview.seen import SeenRow, gaps, seen_window
from gptasks.preview.survey import Part, Survey, contradicting, count_alike, shortened

UNLIMITED = 10**9
"""A `task.max_length` that cuts nothing."""


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
            [seen_window(self.task, window, self.tokenizer) for window in windows],
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
        count_alike(parts, texts)
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
            contradicting(list(texts.values()), answers),
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
                texts.append(shortened(text_digest(self.task.key(row))))
                answer = self.task.reference(row)
                if answer is not None:
                    part.classes.update(self.task.classes(answer))
                told = json.dumps(answer, sort_keys=True, default=str)
                answers.append(shortened(hashlib.sha256(told.encode("ascii")).digest()))
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

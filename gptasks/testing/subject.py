"""`Subject`: a task on a tiny backbone, with rows to try it on."""

from __future__ import annotations

import copy
import itertools
import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gptasks.config.run import RunConfig, compose, from_resolved
from gptasks.data.encoding import Window, encode_rows
from gptasks.data.files import BadRow
from gptasks.data.sources import files_of
from gptasks.data.splits import records_of
from gptasks.errors import ConfigError, DataError
from gptasks.fields import defaults
from gptasks.registry import Choice, Registry, build_task
from gptasks.task import DataOptions, Prediction, Row, Task

if TYPE_CHECKING:
    from gptasks.backbone import Backbone
    from gptasks.model import Model

ROWS = 48
"""Rows that a task is tried on."""

LOOKED_AT = 500
"""Records of each file among which they are chosen."""

FILE = "rows.jsonl"

CHAT = (
    "{% for message in messages %}<{{ message['role'] }}> {{ message['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}<assistant> {% endif %}"
)
"""A chat template as backbones bring one."""

GIVE = "give some: --data FILE on the command line, the second argument in a test"


class CheckFailed(AssertionError):
    """A task does not do what it must."""


class Skipped(Exception):
    """A check has nothing to look at; the text says why."""


@dataclass
class Subject:
    """One task, with raw rows of its own, on the tiny backbone."""

    choice: Choice
    registry: Registry
    rows: list[Row]
    """As they stand in its files."""

    folder: Path
    """An empty one, for what a check writes."""

    name: str = ""
    """What the caller named; another process finds the task by it."""

    shape: str = "llama"
    """Of the tiny backbone: places are relative to each other in "llama", absolute in "gpt2"."""

    def task(self) -> Task:
        """A new task, its labels learnt from the rows."""
        values = copy.deepcopy(self.choice.values)
        values |= {"name": self.choice.name, "kind": self.choice.kind_name}
        task = build_task(values, self.registry)
        task.suit(learns=True)
        task.max_length = min(task.max_length, self.bare.context)
        task.learn_labels(self.read(task))
        return task

    def read(self, task: Task | None = None) -> list[Row]:
        """The rows as a task reads them, those left out that it leaves out."""
        task = task or self.task()
        read = (task.read(Row(copy.deepcopy(dict(row)), row.id)) for row in self.rows)
        return [row for row in read if row is not None]

    @property
    def bare(self) -> Backbone:
        """The tiny backbone, in fp32, always with the same weights."""
        return _bare(self.shape)

    def shapes(self) -> Iterator[Subject]:
        """The same task on both shapes of the tiny backbone."""
        for shape in ("llama", "gpt2"):
            yield replace(self, shape=shape)

    def model(self, task: Task) -> Model:
        """A model with a new head, in eval mode; equal at every call."""
        import torch

        from gptasks.model import Model

        torch.manual_seed(0)
        # Together, since they may share weights.
        decoder, words = copy.deepcopy((self.bare.model, self.bare.unembedding))
        bare = replace(self.bare, model=decoder, unembedding=words)
        backbone = replace(bare, tokenizer=task.tokenizer(bare.tokenizer))
        backbone = backbone.attending(two_way=task.two_way)
        return Model(task, backbone, task.head(backbone)).eval()

    def windows(self, task: Task, rows: Sequence[Row]) -> list[Window]:
        """The rows' windows on the tiny backbone."""
        return encode_rows(task, rows, task.tokenizer(self.bare.tokenizer)).windows

    def batch(self, windows: Sequence[Window]) -> dict[str, Any]:
        """The windows as one batch."""
        import torch

        from gptasks.data.batching import collate

        return collate(windows, self.bare.tokenizer.pad_id, torch.device("cpu"))

    def predict(self, task: Task, model: Model, rows: Sequence[Row]) -> list[Prediction]:
        """What a model says of rows."""
        import torch

        from gptasks.evaluation import predict_windows
        from gptasks.room import Room

        found: list[Prediction] = predict_windows(
            task,
            model,
            self.windows(task, rows),
            rows,
            pad_id=self.bare.tokenizer.pad_id,
            room=Room(4096),
            device=torch.device("cpu"),
        )
        return found

    def config(self, *overrides: str, run: str) -> RunConfig:
        """A small training on the rows, in a folder of that name.

        Raises ConfigError where strategy and task do not go together.
        """
        usual = ("task=sequence_classification", "backbone=tiny", "tracking=none", *overrides)
        values = copy.deepcopy(compose(usual, self.registry).resolved)
        values["backbone"] |= {"source": "folder", "path": str(self._saved())}
        file = self.written()
        # All rows in each split: what is learnt does not matter here, and two rows can't be cut.
        splits = dict.fromkeys(("train", "validation", "test"), str(file))
        data = {**defaults(DataOptions), **splits, "format": "jsonl"}
        told = {"name": self.choice.name, "kind": self.choice.kind_name}
        values["task"] = {
            **copy.deepcopy(self.choice.values),
            **told,
            "data": data,
            "max_length": self.task().max_length,
        }
        values |= {"run": str(self.folder / run), "device": "cpu", "precision": "fp32"}
        return from_resolved({**values, "bootstrap": 0}, self.registry)

    def _saved(self) -> Path:
        """The tiny backbone as a folder, chat template included."""
        from gptasks.saved_model import save_model
        from gptasks.tasks.conditional_generation import ConditionalGeneration

        folder, writes = self.folder / "backbone", ConditionalGeneration()
        if not folder.exists():
            bare = replace(self.bare, model=copy.deepcopy(self.bare.model))
            save_model(folder, writes, bare, writes.head(bare))
        return folder

    def written(self, rows: Sequence[Row] | None = None) -> Path:
        """The raw rows as a file."""
        file = self.folder / FILE
        lines = (json.dumps(row, default=str, ensure_ascii=False) for row in rows or self.rows)
        file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        return file


@cache
def _bare(shape: str) -> Backbone:
    import torch

    from gptasks.options import BackboneOptions
    from gptasks.pretrained import load_backbone

    options = BackboneOptions(source="random", shape=shape)
    bare = load_backbone(options, "tiny", dtype=torch.float32, device=torch.device("cpu"))
    bare.tokenizer.hf.chat_template = CHAT  # for tasks that ask in one
    return bare


def sample(task: Task, registry: Registry, count: int = ROWS) -> list[Row]:
    """Raw rows of a task's own training data, those of many answers before those of few.

    Raises ConfigError where it names no data, DataError where none can be read.
    """
    if task.data.train is None:
        raise ConfigError(f"the task names no data, so there are no rows to try it on; {GIVE}")
    files = files_of(task.data, ["train"], sources=registry.sources)["train"]
    found: dict[str, list[Row]] = {}
    for file in files:
        for record in itertools.islice(records_of(task, [file]), LOOKED_AT):
            if isinstance(record, BadRow):
                continue
            raw = Row(copy.deepcopy(dict(record)), record.id)
            try:
                row = task.read(record)
            except DataError:
                continue
            if row is not None:
                found.setdefault(repr(task.reference(row)), []).append(raw)
    rows = list(itertools.islice(_in_turn(list(found.values())), count))
    if not rows:
        raise DataError("none of the task's rows can be read; `gptasks data` says why")
    random.Random(0).shuffle(rows)
    return rows


def given(rows: Sequence[Mapping[str, Any]]) -> list[Row]:
    """Rows that the caller gives."""
    return [Row(dict(row), f"{FILE}:{number}") for number, row in enumerate(rows, 1)]


def _in_turn(groups: list[list[Row]]) -> Iterator[Row]:
    for row in itertools.chain.from_iterable(itertools.zip_longest(*groups)):
        if row is not None:
            yield row

"""The programming interface: train a run, load it, predict and score with it."""

from __future__ import annotations

import dataclasses
import logging
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gptasks.config import RunConfig, compose, from_resolved
from gptasks.data.encoding import Ledger, encode_rows
from gptasks.data.splits import Split, load_splits
from gptasks.errors import ConfigError, DataError, GptasksError, RunError
from gptasks.evaluation import full_scores, predict_windows, references_of
from gptasks.metrics import Score
from gptasks.plugins import missing
from gptasks.registry import Registry
from gptasks.room import Room
from gptasks.runs import CONFIG, RunFolder, read_config, read_results
from gptasks.selection import selected
from gptasks.task import DataOptions, Prediction, Row, Task

if TYPE_CHECKING:
    from gptasks.model import Model
    from gptasks.runtime import Runtime

logger = logging.getLogger(__name__)

CHUNK = 2000
"""Rows that are encoded and predicted together when many are asked for."""


def train(overrides: Iterable[str] = ()) -> Run:
    """Train, or go on with, the run that `overrides` describe.

    >>> run = train(["task=sentiment", "strategy=head", "limit=500"])
    >>> run.metrics["test"]["accuracy"].value

    overrides: as on the command line. A finished run is loaded, not repeated.
    Raises GptasksError: a fault of input or surroundings, explained in its message.
    """
    from gptasks.training.session import train as carry_out

    if isinstance(overrides, str):
        raise ConfigError(f"train takes a list of overrides: write train([{overrides!r}]).")
    words = list(overrides)
    for word in words:
        if not isinstance(word, str):
            raise ConfigError(f"an override is a text such as 'seed=1'; got {word!r}.")
        if word.startswith("-"):
            raise ConfigError(f"train takes overrides, no flags such as {word!r}; call it per run.")
    config = compose(words)
    return load(carry_out(config), trust_remote_code=config.backbone.trust_remote_code)


def load(
    run: str | os.PathLike[str], *, device: str = "auto", trust_remote_code: bool = False
) -> Run:
    """The finished run in a folder. Raises RunError if there is none.

    trust_remote_code: whether Python code may run that came with the run's backbone.
    """
    if not isinstance(run, str | os.PathLike):
        raise RunError(f"load takes the path of a run folder; got {run!r}.")
    place = Path(os.path.expanduser(run))
    return Run(place, device=device, trust_remote_code=trust_remote_code)


class Run:
    """A finished run: its results, and its model for use."""

    def __init__(
        self, path: Path, *, device: str = "auto", trust_remote_code: bool = False
    ) -> None:
        self.path = path
        self.results = read_results(path)
        self._device = device
        self._trusts_code = trust_remote_code

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r})"

    @property
    def metrics(self) -> dict[str, dict[str, Score]]:
        """Scores by split and metric, as the run stored them."""
        stored: Mapping[str, Mapping[str, Any]] = self.results["metrics"]
        return {
            split: {name: Score.from_json(score) for name, score in scores.items()}
            for split, scores in stored.items()
        }

    @property
    def selected(self) -> Score | None:
        """The score on validation that chose the model (`task.select`), and what a search over
        configurations may optimise, in the direction it says; None where the run kept none."""
        return selected(self.results)

    @cached_property
    def config(self) -> RunConfig:
        """The run's configuration."""
        try:
            return from_resolved(read_config(self.path), Registry())
        except GptasksError as error:
            absent = missing(self.results["plugins"])
            if absent:
                raise RunError(f"{self.path} was made with {absent}") from error
            faults = "; ".join(error.faults)
            raise RunError(f"{self.path / CONFIG} does not fit this gptasks: {faults}") from error

    @cached_property
    def task(self) -> Task:
        """The run's task, with the labels it learnt."""
        return dataclasses.replace(self.config.task, labels=list(self.results["labels"]))

    @cached_property
    def model(self) -> Model:
        """The trained model."""
        from gptasks.loading import warn_of_code
        from gptasks.saved_model import check_digests, load_model

        folder = RunFolder(self.path).model
        check_digests(folder, self.results["model"])
        if self._trusts_code:
            warn_of_code(f"the model in {folder}")
        return load_model(folder, self.task, self._runtime, trust_remote_code=self._trusts_code)

    def predict(self, texts: Iterable[str | Mapping[str, Any]]) -> list[Prediction]:
        """One prediction per text, or per row (a mapping with the task's columns).

        Raises DataError, naming the place, where there is nothing to predict from.
        """
        if isinstance(texts, str | Mapping):
            raise DataError("predict takes a list of texts or rows: write predict([text]).")
        rows = (self._row(text, n) for n, text in enumerate(texts, 1))
        return [prediction for _, prediction in self.predict_rows(rows)]

    def predict_rows(self, rows: Iterable[Row]) -> Iterator[tuple[Row, Prediction]]:
        """Rows with their predictions, in order; `rows` may be endless.

        Raises DataError, naming the row, where there is nothing to predict from.
        """
        waiting, ledger = iter(rows), Ledger()
        while chunk := list(islice(waiting, CHUNK)):
            predictions, cut = self._predict([self._read(row) for row in chunk])
            ledger += cut
            yield from zip(chunk, predictions, strict=True)
        self._tell_cut(ledger)

    def evaluate(
        self, data: DataOptions | None = None
    ) -> tuple[dict[str, Score], Sequence[Row], list[Prediction]]:
        """Scores, rows and predictions on the run's own test split, or on that of `data`.

        Raises DataError where a row has no label, or one the model can't say.
        """
        task = self.task if data is None else dataclasses.replace(self.task, data=data)
        limit = self.config.run.limit if data is None else None
        sources = self.config.sources
        split: Split = load_splits(task, limit=limit, names=("test",), sources=sources)["test"]
        if data is None and split.sha256 != self.results["data"]["test"]["sha256"]:
            logger.warning("the test rows have changed since %s was trained", self.path)
        predictions, ledger = self._predict(split.rows)
        self._tell_cut(ledger)
        scores = full_scores(
            task,
            predictions,
            references_of(task, split.rows),
            self.config.metrics,
            seed=self.config.run.seed,
            resamples=self.config.run.bootstrap,
        )
        return scores, split.rows, predictions

    def export(
        self, folder: str | os.PathLike[str], *, adapter: bool = False, force: bool = False
    ) -> Path:
        """Copy the model, or the adapter, with its card into `folder`, to be given away.

        force: whether the folder may hold files; those of the same names are then replaced.
        Raises RunError or ConfigError where nothing can be copied, or not there.
        """
        from gptasks.export import export

        return export(self.path, Path(folder), adapter=adapter, force=force)

    @cached_property
    def _runtime(self) -> Runtime:
        from gptasks.runtime import runtime

        # The format the run was scored in, where this machine computes it natively.
        usual = runtime(self._device, "auto")
        precision = self.results["timing"]["precision"]
        return runtime(self._device, "fp32" if precision == "fp32" else usual.precision)

    @cached_property
    def _room(self) -> Room:
        from gptasks.runtime import forward_tokens

        tokens = self.config.trainer.batch_tokens
        return Room(forward_tokens(self.model.backbone.device, tokens))

    def _row(self, text: Any, n: int) -> Row:
        if isinstance(text, str):
            return self.task.row_of(text, f"text {n}")
        if isinstance(text, Mapping):
            return Row(text, f"row {n}")
        raise DataError(f"text {n} is of type {type(text).__name__}; give a text or a mapping.")

    def _read(self, row: Row) -> Row:
        try:
            return self.task.read_input(row)
        except DataError as error:
            raise DataError(f"{row.id}: {error}") from error

    def _tell_cut(self, ledger: Ledger) -> None:
        if ledger.rows_cut:
            logger.warning("cut to task.max_length=%d: %s", self.task.max_length, ledger.shown())

    def _predict(self, rows: Sequence[Row]) -> tuple[list[Prediction], Ledger]:
        backbone = self.model.backbone
        encoding = encode_rows(self.task, rows, backbone.tokenizer)
        predictions = predict_windows(
            self.task,
            self.model,
            encoding.windows,
            rows,
            pad_id=backbone.tokenizer.pad_id,
            room=self._room,
            device=backbone.device,
        )
        return predictions, encoding.ledger

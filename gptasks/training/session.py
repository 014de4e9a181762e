"""One run, from its first row to its results."""

from __future__ import annotations

import hashlib
import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from gptasks.config import RunConfig
from gptasks.data.encoding import Encoding, Window, check_cut, check_length, encode_rows
from gptasks.data.splits import Split, load_splits
from gptasks.errors import GptasksError, TrainingError, together
from gptasks.evaluation import (
    full_scores,
    mean_loss,
    predict_windows,
    quick_scores,
    references_of,
    sampled,
    warn_if_constant,
)
from gptasks.metrics import LOSS, Score, check_names, is_better_higher
from gptasks.predictions import SCORED, write_predictions
from gptasks.progress import counted, duration
from gptasks.room import Room, is_out_of_memory
from gptasks.runs import RunFolder, writing
from gptasks.task import Prediction, Row, Task
from gptasks.tracking import SafeTracker, Tracker
from gptasks.training.card import write_cards
from gptasks.training.checkpoint import Checkpoints
from gptasks.training.continuation import Curves, Memory, check_same_data
from gptasks.training.processes import Processes
from gptasks.training.results import collect, info, tell
from gptasks.training.rooms import AFTER, BEFORE, Rooms
from gptasks.training.sentinels import check_answers
from gptasks.training.stopping import Stopping

if TYPE_CHECKING:
    from torch import nn

    from gptasks.backbone import Backbone
    from gptasks.strategies.strategy import Fitted

logger = logging.getLogger(__name__)

T = TypeVar("T")


def run_folder(config: RunConfig) -> RunFolder:
    """Where the run of this configuration lives: `run=DIR`, or a name made of it."""
    place = config.run.run or f"runs/{config.task_name}-{config.digest()}"
    return RunFolder(Path(os.path.expanduser(place)))


def train(config: RunConfig) -> Path:
    """Carry out a run, or what is left of it; gives its folder. A finished one is left alone.

    Raises GptasksError in one line for every fault that is not gptasks' own.
    """
    folder, processes = run_folder(config), Processes(config.run)

    def claim() -> bool:
        together(
            [
                lambda: check_names(
                    config.task.metrics, f"task '{config.task_name}'", extra=config.metrics
                ),
                lambda: config.strategy.check(config.task),
                config.tracking.check,
            ]
        )
        return folder.claim(config.resolved)

    if not processes.first(claim):
        processes.first(lambda: check_same_data(config, folder))
        processes.first(folder.clear_checkpoints)  # of a run killed at its very end
        logger.info("%s is finished; remove it, or give another run=DIR, to run again", folder.path)
        return folder.path
    try:
        tracker = SafeTracker(config.tracking) if processes.is_first else None
        with Stopping() as stopping:
            _Session(config, folder, processes, tracker, stopping).carry_out()
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise TrainingError(
            "memory ran out where a smaller batch does not help; take a smaller backbone, "
            "strategy=lora in place of full, strategy.cache_gib=0, or a limit= of rows. Repeat the "
            "command to go on from the last checkpoint."
        ) from error
    finally:
        folder.release()
    return folder.path


class _Session:
    """The steps of one run, in order."""

    def __init__(
        self,
        config: RunConfig,
        folder: RunFolder,
        processes: Processes,
        tracker: Tracker | None,
        stopping: Stopping,
    ) -> None:
        self.config, self.folder, self.processes = config, folder, processes
        self.tracker = tracker
        """Only the first process, which alone writes, has one."""
        self.stopping = stopping
        self.task: Task = config.task
        self.seconds: dict[str, float] = {}
        self.started = time.monotonic()
        self.splits: dict[str, Split] = {}
        self.encodings: dict[str, Encoding] = {}
        self.pad_id = 0

    def carry_out(self) -> None:
        """Run. The tracker hears of a failure before it leaves here, and of a success before the
        run counts as finished: one that is killed meanwhile tells it all again."""
        self.splits = self._timed("data", self._load)
        if self.tracker is None:
            self._run()
        else:
            self._run_tracked(self.tracker)
        self.processes.first(self.folder.finish)
        logger.info(
            "finished in %s: %s", duration(time.monotonic() - self.started), self.folder.path
        )

    def _run_tracked(self, tracker: Tracker) -> None:
        tracker.start(info(self.config, self.folder))
        exit_code = 1
        try:
            self._run()
            exit_code = 0
        except GptasksError as error:
            exit_code = error.exit_code
            raise
        finally:
            tracker.finish(exit_code)

    def _run(self) -> None:
        baselines = self._timed("baselines", lambda: self.processes.first(self._baselines))
        facts = self._learn()
        predictions = self._score()
        self.processes.first(lambda: self._report(facts, predictions, baselines))

    # -- learning -------------------------------------------------------------------------

    def _load(self) -> dict[str, Split]:
        limit, sources = self.config.run.limit, self.config.sources
        splits = self.processes.every(lambda: load_splits(self.task, limit=limit, sources=sources))
        for split in splits.values():
            logger.info("%s: %s", split.name, counted(len(split.rows), "row"))
        return splits

    def _learn(self) -> dict[str, Any]:
        """Fit a model and save it; what was chosen on the way. Its memory is free again then."""
        from gptasks.runtime import seed_everything
        from gptasks.saved_model import save_model, save_settings

        seed_everything(self.config.run.seed)
        backbone = self._timed("backbone", lambda: self.processes.every(self._backbone))
        fitted = self._timed("training", lambda: self._fit(backbone))

        def save() -> None:
            with writing(self.folder.model):
                self.folder.model.mkdir(exist_ok=True)  # but not a run folder that was removed
                save_model(self.folder.model, self.task, fitted.backbone, fitted.head)
                if fitted.save_adapter is not None:
                    fitted.save_adapter(self.folder.adapter)
                    save_settings(self.folder.adapter, fitted.backbone)

        self.processes.first(save)
        return fitted.facts

    def _backbone(self) -> Backbone:
        """The backbone with the task's tokenizer; encodes every split with it."""
        from gptasks.pretrained import load_backbone

        machine, config = self.processes.machine, self.config
        device = self.processes.accelerator.device
        backbone = load_backbone(
            config.backbone, config.backbone_name, dtype=machine.dtype, device=device
        )
        logger.info(
            "backbone %s: %d layers, %d wide, %s, on %s",
            *(backbone.name, backbone.layers, backbone.hidden_size, machine.precision),
            device.type,
        )
        check_length(self.task, backbone.context, backbone.name)
        backbone = replace(backbone, tokenizer=self.task.tokenizer(backbone.tokenizer))
        backbone = backbone.attending(two_way=self.task.two_way)
        self.pad_id = backbone.tokenizer.pad_id
        self.encodings = {
            name: encode_rows(self.task, split.rows, backbone.tokenizer)
            for name, split in self.splits.items()
        }
        ledgers = {name: encoding.ledger for name, encoding in self.encodings.items()}
        tokens = sum(ledger.tokens for ledger in ledgers.values())
        logger.info("%s tokens; %s", f"{tokens:,}", check_cut(self.task, ledgers))
        return backbone

    def _fit(self, backbone: Backbone) -> Fitted:
        from gptasks.strategies.strategy import Setup
        from gptasks.training.trainer import Trainer

        task, options, seed = self.task, self.config.trainer, self.config.run.seed
        references = references_of(task, self.splits["validation"].rows)
        sample = sampled(len(references), task.validation_rows)

        def validate(model: nn.Module, windows: Sequence[Window], step: int) -> dict[str, float]:
            drawn, room = set(sample), self.rooms.predicting(step)
            kept = [window for window in windows if window["row"] in drawn]
            predictions = self._predict(model, kept, "validation", room)
            check_answers(predictions, options)
            found = [references[i] for i in sample]
            scores = quick_scores(task, predictions, found, self.config.metrics)
            if task.select == LOSS:
                return {LOSS: self._loss(model, windows, room), **scores}
            return scores

        trainer = Trainer(
            options=options,
            processes=self.processes,
            loss=task.loss,
            validate=validate,
            select=task.select,
            is_better_higher=is_better_higher(task.select, extra=self.config.metrics),
            pad_id=self.pad_id,
            seed=seed,
            history=Curves(self.folder.history(), self.tracker),
            checkpoints=self.checkpoints,
            rooms=self.rooms,
            stopping=self.stopping,
        )
        setup = Setup(
            task=task,
            backbone=backbone,
            train=self.encodings["train"].windows,
            validation=self.encodings["validation"].windows,
            room=self.rooms.predicting(BEFORE),
            seed=seed,
            training=trainer,
            remember=Memory(self.checkpoints, self.processes),
        )
        return self.config.strategy.fit(setup)

    @cached_property
    def checkpoints(self) -> Checkpoints:
        """What is kept for going on; of these rows only."""
        return Checkpoints(self.folder.checkpoints, self._data())

    @cached_property
    def rooms(self) -> Rooms:
        """How much goes through the model at once."""
        return Rooms(self.config.trainer.batch_tokens, self.checkpoints, self.processes)

    def _data(self) -> str:
        """Stands for the rows that are learnt from; test is not among them."""
        held = "".join(self.splits[name].sha256 for name in ("train", "validation"))
        return hashlib.sha256(held.encode()).hexdigest()

    # -- scoring --------------------------------------------------------------------------

    def _score(self) -> dict[str, list[Prediction]]:
        """The predictions of what was saved, opened again."""
        from gptasks.saved_model import load_model

        model = self.processes.every(
            lambda: load_model(
                self.folder.model,
                self.task,
                self.processes.machine,
                trust_remote_code=self.config.backbone.trust_remote_code,
            )
        )

        def predict(name: str) -> list[Prediction]:
            windows, room = self.encodings[name].windows, self.rooms.predicting(AFTER)
            return self._timed("prediction", lambda: self._predict(model, windows, name, room))

        return {name: predict(name) for name in SCORED}

    def _predict(
        self, model: nn.Module, windows: Sequence[Window], split: str, room: Room
    ) -> list[Prediction]:
        return predict_windows(
            self.task,
            model,
            windows,
            self.splits[split].rows,
            pad_id=self.pad_id,
            room=room,
            device=self.processes.accelerator.device,
            what=f"predicting {split}",
            accelerator=self.processes.accelerator,
        )

    def _loss(self, model: nn.Module, windows: Sequence[Window], room: Room) -> float:
        return mean_loss(
            self.task,
            model,
            windows,
            pad_id=self.pad_id,
            room=room,
            accelerator=self.processes.accelerator,
        )

    def _baselines(self) -> dict[str, dict[str, Score]]:
        train, validation, test = (self.splits[n].rows for n in ("train", "validation", "test"))
        found = self.task.baselines(train, validation, test)
        return {name: self._scores(predictions, test) for name, predictions in found.items()}

    def _scores(self, predictions: Sequence[Prediction], rows: Sequence[Row]) -> dict[str, Score]:
        return full_scores(
            self.task,
            predictions,
            references_of(self.task, rows),
            self.config.metrics,
            seed=self.config.run.seed,
            resamples=self.config.run.bootstrap,
        )

    # -- telling --------------------------------------------------------------------------

    def _report(
        self,
        facts: Mapping[str, Any],
        predictions: Mapping[str, Sequence[Prediction]],
        baselines: Mapping[str, Mapping[str, Score]],
    ) -> None:
        """Write predictions and cards, tell the tracker, and leave the results ready."""
        import torch

        from gptasks.runtime import processor
        from gptasks.saved_model import model_digests

        assert self.tracker is not None
        scores = {}
        for name, found in predictions.items():
            rows = self.splits[name].rows
            with writing(self.folder.predictions):
                write_predictions(self.folder.predictions / f"{name}.jsonl", self.task, rows, found)
            scores[name] = self._timed("scoring", partial(self._scores, found, rows))
        test = self.splits["test"].rows
        warn_if_constant(self.task, predictions["test"], references_of(self.task, test))
        machine = self.processes.machine
        timing = {
            "seconds": {step: round(seconds, 2) for step, seconds in self.seconds.items()},
            "total_seconds": round(time.monotonic() - self.started, 2),
            "device": machine.device.type,
            "processor": processor(machine.device),
            "threads": torch.get_num_threads(),
            "precision": machine.precision,
            "processes": self.processes.count,
        }
        results = collect(
            self.config,
            scores,
            baselines,
            facts,
            timing,
            self.encodings,
            self.splits,
            predictions,
            {
                "model": model_digests(self.folder.model),
                "adapter": model_digests(self.folder.adapter),
                "files": self.folder.digests(),
            },
        )
        write_cards(self.folder, self.config, results)
        tell(self.tracker, self.task, scores, baselines, predictions["test"], test)
        self.folder.prepare_results(results)

    def _timed(self, name: str, do: Callable[[], T]) -> T:
        started = time.monotonic()
        result = do()
        self.seconds[name] = self.seconds.get(name, 0.0) + time.monotonic() - started
        return result

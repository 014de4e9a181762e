"""The training loop. It knows models, windows and a loss; nothing of tasks or run folders.

The gradient of a step is that of the loss summed over all its batches in all processes, divided
by their targets. What a step does is a function of the seed, its number and the weights before
it, and a checkpoint holds the latter two, so that a run goes on as if never stopped.
"""

from __future__ import annotations

import logging
import math
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gptasks.data.batching import collate, parts
from gptasks.data.encoding import Window
from gptasks.errors import TrainingError, listing
from gptasks.options import TrainerOptions
from gptasks.progress import Progress, counted
from gptasks.room import holding
from gptasks.training.checkpoint import Checkpoint, Checkpoints
from gptasks.training.plan import Plan, adamw
from gptasks.training.processes import Processes
from gptasks.training.rooms import Rooms
from gptasks.training.sentinels import check_best, check_gradient, check_loss, check_trainable
from gptasks.training.state import History, State
from gptasks.training.stopping import Stopped, Stopping

logger = logging.getLogger(__name__)

LAST, BEST = "last", "best-"
"""Names of checkpoints: the newest state; the best one, followed by its step."""


@dataclass(frozen=True)
class Trainer:
    """Trains what requires a gradient in a model."""

    options: TrainerOptions
    processes: Processes
    loss: Callable[[Tensor, Mapping[str, Any]], tuple[Tensor, int]]
    """Logits and batch to the summed loss and the number of targets."""

    validate: Callable[[nn.Module, Sequence[Window], int], dict[str, float]]
    """Metrics, by name, of a model on windows when so many steps are made; the same in every
    process."""

    select: str
    """Which of those metrics chooses the best state."""

    is_better_higher: bool
    pad_id: int
    seed: int
    history: History
    checkpoints: Checkpoints
    rooms: Rooms
    stopping: Stopping = field(default_factory=Stopping)

    def fit(
        self, model: nn.Module, train: Sequence[Window], validation: Sequence[Window]
    ) -> dict[str, Any]:
        """Train `model` in place and leave its best state, by validation, in it.

        Gives steps, epochs, tokens, best step and score. Raises TrainingError when there is
        nothing to train, nothing to learn from, or the loss is no number.
        """
        check_trainable(model)
        loop = _Loop(self, model, train, validation)
        loop.run()
        self.processes.accelerator.free_memory()  # it holds model and optimizer
        state = loop.state
        return {
            "steps": state.step,
            "epochs": round(loop.plan.epochs(state.step), 3),
            "tokens": state.tokens,
            "best_step": state.best_step,
            "best": {self.select: state.best},
        }


class _Loop:
    """One training: the steps from the last checkpoint, or from none, to the end."""

    def __init__(
        self,
        trainer: Trainer,
        model: nn.Module,
        train: Sequence[Window],
        validation: Sequence[Window],
    ) -> None:
        self.trainer, self.options = trainer, trainer.options
        self.train, self.validation = train, validation
        self.processes = trainer.processes
        self.accelerator = trainer.processes.accelerator
        self.plan = Plan(
            trainer.options,
            [len(window["input_ids"]) for window in train],
            trainer.seed,
            self.processes.count,
            self.processes.index,
        )
        self.state = State(processes=self.processes.count)
        self.saved_best = 0
        self.named = {n: p for n, p in model.named_parameters() if p.requires_grad}
        self.processes.share([parameter.data for parameter in self.named.values()])
        # Not wrapped for several processes: one whose memory ran out can't keep the others'
        # pace through a backward pass, and they would wait for it.
        self.model = self.accelerator.prepare_model(model, evaluation_mode=True)
        self.optimizer = self.accelerator.prepare_optimizer(
            adamw(list(self.named.values()), trainer.options)
        )
        self.lengths = [len(window["input_ids"]) for window in train]

    def run(self) -> None:
        """Train, and put the best state into the model."""
        self._restore()
        started = time.monotonic() - self.state.seconds
        if self.state.step == 0:
            self._validate()
        with (
            Progress("training", self.plan.tokens, done=self.state.tokens) as progress,
            self.trainer.stopping.patient(),
        ):
            self._steps(progress, started)
        self._load_best()
        self.accelerator.unwrap_model(self.model, keep_fp32_wrapper=False).eval()

    def _steps(self, progress: Progress, started: float) -> None:
        """Every step still to make, with what is due after it."""
        state, saved = self.state, time.monotonic()
        for batches in self.plan.batches(state.step):
            if self._is_stale():
                return
            before, tokens = time.monotonic(), state.tokens
            values = self._step(batches)
            now = time.monotonic()
            state.seconds = now - started
            progress.add(state.tokens - tokens, f"loss {values['train/loss']:.3f}")
            if self.plan.is_logged(state.step):
                speed = (state.tokens - tokens) / (now - before)
                times = {"time/tokens_per_second": speed, "time/seconds": state.seconds}
                self.trainer.history.append(state.step, {**values, **times})
            is_validated = self.plan.is_validated(state.step)
            if is_validated:
                self._validate()
            is_due, wish = self._asked(now - saved)
            if is_validated or is_due or wish or self.plan.is_kept(state.step):
                self._save()
                saved = time.monotonic()
            if wish:
                raise Stopped(wish, f"after step {state.step} of {self.plan.total}")

    def _step(self, batches: Sequence[Sequence[int]]) -> dict[str, float]:
        """One update from this process' batches; gives the point of the training curve."""
        state, number = self.state, self.state.step + 1
        rate = self.plan.rate(state.step)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.model.train()
        room = self.trainer.rooms.training(state.step)
        found = room.fit(lambda size: self._gradients(batches, size))
        loss, targets, tokens = self.processes.sum(*found)
        check_loss(loss, targets, number, self.options)
        self.processes.add_gradients(list(self.named.values()))
        # Gradients of sums to the gradient of the mean over targets.
        for parameter in self.named.values():
            if parameter.grad is not None:
                parameter.grad.mul_(1 / targets)
        limit = self.options.clip or float("inf")
        norm = float(self.accelerator.clip_grad_norm_(list(self.named.values()), limit))
        check_gradient(norm, number, self.options)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        state.step, state.tokens = number, state.tokens + int(tokens)
        return {
            "train/loss": loss / targets,
            "train/learning_rate": rate,
            "train/gradient_norm": norm,
            "train/epoch": self.plan.epochs(number),
            "train/tokens": state.tokens,
        }

    def _gradients(self, batches: Sequence[Sequence[int]], size: int) -> tuple[float, int, int]:
        """The gradients of this process' batches, `size` tokens at a time; their summed loss,
        targets and tokens."""
        self.optimizer.zero_grad(set_to_none=True)  # left where memory ran out
        self._seed_step()
        cut = [part for batch in batches for part in parts(batch, self.lengths, size)]
        found = [self._backward(part) for part in cut]
        loss, targets, tokens = map(sum, zip(*found, strict=True)) if found else (0.0, 0, 0)
        return loss, targets, tokens

    def _backward(self, indices: Sequence[int]) -> tuple[float, int, int]:
        """Add the gradient of some windows; their summed loss, targets and tokens."""
        windows = [self.train[i] for i in indices]
        width = max(self.lengths[i] for i in indices)
        with holding(len(indices), width, "let fewer layers learn (strategy.depth), "):
            batch = collate(windows, self.trainer.pad_id, self.accelerator.device)
            loss, targets = self.trainer.loss(self.model(batch), batch)
            if loss.requires_grad:
                self.accelerator.backward(loss)
            return loss.item(), targets, int(batch["attention_mask"].sum())

    def _seed_step(self) -> None:
        """Make dropout a function of seed, step and process."""
        parts = [self.trainer.seed, self.state.step, self.processes.index]
        torch.manual_seed(int(np.random.SeedSequence(parts).generate_state(1)[0]))

    def _validate(self) -> None:
        """Score the model on validation; keep it where it is the best so far."""
        trainer, state = self.trainer, self.state
        self.model.eval()
        model = self.accelerator.unwrap_model(self.model)
        values = trainer.validate(model, self.validation, state.step)
        trainer.history.append(state.step, {f"validation/{k}": v for k, v in values.items()})
        score = values[trainer.select]
        is_best = not math.isnan(score) and (
            state.best is None
            or (score > state.best if trainer.is_better_higher else score < state.best)
        )
        shown = " · ".join(f"{name} {value:.4f}" for name, value in values.items())
        logger.info("step %d: validation %s%s", state.step, shown, " (best)" if is_best else "")
        if not is_best:
            state.stale += 1
            return
        state.best, state.best_step, state.stale = score, state.step, 0
        tensors = {name: parameter.data for name, parameter in self.named.items()}
        best = Checkpoint(tensors, {"step": state.step})
        self.processes.first(lambda: trainer.checkpoints.save(f"{BEST}{state.step}", best))

    def _asked(self, seconds: float) -> tuple[bool, int]:
        """Whether in some process the last checkpoint is old enough for another one; and the
        signal that told some process to stop, 0 where there was none."""
        limit, wish = self.options.checkpoint_every * 60, self.trainer.stopping.wish or 0
        late, told = self.processes.sum(0 < limit < seconds, wish)
        return late > 0, wish or (signal.SIGTERM if told else 0)

    def _is_stale(self) -> bool:
        """Whether validation has not improved for as long as `patience` allows."""
        state = self.state
        if not self.options.patience or state.stale < self.options.patience:
            return False
        logger.info(
            "stopped at step %d of %d: %d validations in a row without a better %s",
            *(state.step, self.plan.total, state.stale, self.trainer.select),
        )
        return True

    # -- going on after a stop ------------------------------------------------------------

    def _save(self) -> None:
        """Checkpoint everything that the next step depends on."""
        state, checkpoints = self.state, self.trainer.checkpoints
        tensors = {f"model.{name}": parameter.data for name, parameter in self.named.items()}
        for name, parameter in self.named.items():
            for key, value in self.optimizer.state.get(parameter, {}).items():
                tensors[f"optimizer.{key}.{name}"] = value

        def write() -> None:
            state.points = self.trainer.history.points()
            checkpoints.save(LAST, Checkpoint(tensors, asdict(state)))
            # The checkpoint before this one may still be needed, and with it its best state.
            checkpoints.keep(BEST, {f"{BEST}{step}" for step in (state.best_step, self.saved_best)})

        self.processes.first(write)
        self.saved_best = state.best_step

    def _restore(self) -> None:
        """Go on from the newest checkpoint whose best state is there too, if any."""
        last = self._newest()
        found = self.processes.gathered([last.state["step"] if last else 0])
        if len(set(found)) > 1:
            raise TrainingError(
                f"the processes find checkpoints of different steps ({listing(found)}): the run "
                "folder must be on a disk that they share."
            )
        if last is None:
            self.trainer.history.rewind([])
            return
        self.state = state = State(**last.state)
        self.saved_best = state.best_step
        for name, parameter in self.named.items():
            parameter.data.copy_(last.tensors[f"model.{name}"])
        for key, tensor in last.tensors.items():
            if key.startswith("optimizer."):
                _, moment, name = key.split(".", 2)
                held = tensor if moment == "step" else tensor.to(self.named[name].device)
                self.optimizer.state[self.named[name]][moment] = held
        self.trainer.history.rewind(state.points)
        logger.info("going on from step %d", state.step)

    def _newest(self) -> Checkpoint | None:
        lost: set[int] = set()  # best states that can't be read back, told of once
        for last in self.trainer.checkpoints.versions(LAST):
            state = State(**last.state)
            fault = self._unfit(last, state, lost)
            if not fault:
                return last
            logger.warning("the checkpoint of step %d %s; it is not used", state.step, fault)
        return None

    def _unfit(self, last: Checkpoint, state: State, lost: set[int]) -> str:
        """Why a checkpoint can't be gone on from; "" where it can."""
        if state.processes != self.processes.count:
            given = counted(state.processes, "process", "processes")
            return f"is of a run in {given}, and this one has {self.processes.count}"
        held = {key.removeprefix("model."): t.shape for key, t in last.tensors.items()}
        if any(held.get(name) != parameter.shape for name, parameter in self.named.items()):
            return "is of another model"
        if state.best is not None and state.best_step not in lost and self._best(state) is None:
            lost.add(state.best_step)
        return f"lacks its best state, of step {state.best_step}" if state.best_step in lost else ""

    def _best(self, state: State) -> Checkpoint | None:
        return self.trainer.checkpoints.load(f"{BEST}{state.best_step}")

    def _load_best(self) -> None:
        check_best(self.state.best, self.trainer.select)
        best = self.processes.every(self._read_best)
        for name, parameter in self.named.items():
            parameter.data.copy_(best.tensors[name])

    def _read_best(self) -> Checkpoint:
        best = self._best(self.state)
        if best is None:
            raise TrainingError(
                f"the best state, of step {self.state.best_step}, can't be read back; "
                "repeat the command to make it again."
            )
        return best

"""What strategies with gradient descent share: a head's start, frozen layers, layers that learn."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from gptasks.progress import quantity
from gptasks.strategies.strategy import Fitted, Setup, Strategy
from gptasks.task import Layout, Probe, ProbeFit, Task

if TYPE_CHECKING:
    from torch import nn

    from gptasks.backbone import Backbone
    from gptasks.strategies.frozen import Frozen

logger = logging.getLogger(__name__)

Finish = Callable[["nn.Module", "Layout | None", dict[str, Any]], Fitted]
"""The trained head, the task's layout and the facts to what is saved."""


@dataclass
class FineTuning(Strategy):
    """First the head is fitted on frozen features, then head and layers learn together (linear
    probe, then fine-tune: Kumar et al. 2022). The layers below those that learn run once per text.
    """

    learns: ClassVar[bool] = True

    layers: list[int] = field(default_factory=list)
    """Layers the head may read, counted from 1; one is chosen on validation and the backbone cut
    there. Empty: about ten of the upper half."""

    depth: float | None = field(default=1.0, metadata={"minimum": 0.0, "maximum": 1.0})
    """Share of the backbone's layers, below the head, that learn; at least one layer. null is what
    suits the task."""

    probe: bool = True
    """Whether the head starts from a fit on frozen features, where the task offers one."""

    choice_rows: int = field(default=1000, metadata={"minimum": 2})
    """Most training and validation windows that choose the layer."""

    fit_rows: int = field(default=1000, metadata={"minimum": 2})
    """Most training and validation windows that the head's start is fitted on. A head that knows
    all rows by then leaves the layers only the oddest of them to learn from."""

    cache_gib: float = field(default=2.0, metadata={"minimum": 0.0})
    """Most memory, in GiB, for the frozen layers' states of all texts; texts that would need more
    run through the frozen layers in every epoch instead."""

    @abstractmethod
    def prepare(self, backbone: Backbone, layers: range) -> Finish:
        """Make what shall learn in `layers`, counted from 0, require a gradient, in place.

        Gives the function that makes the result, once it has been trained.
        """

    def suit(self, task: Task) -> None:
        """The depth, where it is null."""
        if self.depth is None:
            self.depth = task.depth

    def check_backbone(self, backbone: Backbone) -> None:
        """Raise ConfigError for options that don't suit the backbone, before any work."""

    def fit(self, setup: Setup) -> Fitted:
        """Choose a layer, fit the head there, then train it with the layers below."""
        import torch

        from gptasks.model import Model
        from gptasks.strategies.features import candidates
        from gptasks.strategies.frozen import Frozen

        task, whole = setup.task, setup.backbone
        self.suit(task)
        self.check_backbone(whole)
        probe = task.probe() if self.probe else None
        frozen = Frozen(
            whole,
            setup.train,
            setup.validation,
            cuts=(self.choice_rows, self.fit_rows),
            memory=self.cache_gib * 2**30,
            batch_tokens=setup.room.tokens,
            seed=setup.seed,
        )
        if probe is None:
            layer, fit = candidates(whole, self.layers)[-1], None
        else:
            layer, fit = setup.remember(
                "probe",
                lambda: setup.room.fit(lambda size: self._probe(whole, probe, frozen.at(size))),
            )
        cut, split = whole.cut(layer), self._split(whole, layer)
        train, validation = setup.train, setup.validation
        if self._is_cached(frozen, split):
            train, validation = setup.room.fit(lambda size: frozen.at(size).with_states(split))
        frozen.forget_states()
        torch.manual_seed(setup.seed)  # new weights, whether or not the fit was found kept
        head = task.head(cut)
        facts: dict[str, Any] = {
            "layer": layer,
            "layers": whole.layers,
            "trained_layers": [split + 1, layer],
        }
        if fit is not None:
            head.load_state_dict({k: torch.from_numpy(v) for k, v in fit.parameters.items()})
            facts["probe"] = {"loss": fit.loss, **fit.options}
        finish = self.prepare(cut, range(split, layer))
        model = Model(task, cut, head.to(cut.device), split)
        facts["trained_parameters"] = sum(p.numel() for p in model.parameters() if p.requires_grad)
        learns = any(p.requires_grad for p in model.head.parameters())
        logger.info(
            "training %s parameters: %slayers %d-%d of %d",
            quantity(facts["trained_parameters"]),
            "the head, and " if learns else "",
            *facts["trained_layers"],
            whole.layers,
        )
        facts |= setup.training.fit(model, train, validation)
        return finish(model.head, task.layout(), facts)

    def _probe(self, backbone: Backbone, probe: Probe, frozen: Frozen) -> tuple[int, ProbeFit]:
        """The layer and the head's start."""
        from gptasks.strategies.features import (
            candidates,
            chosen,
            fit_head,
            try_layers,
            with_layers,
        )

        layers, learning = candidates(backbone, self.layers), self._learning(backbone)
        is_cached = self._is_cached(frozen, max(0, layers[-1] - learning))
        losses = try_layers(
            probe, frozen, layers, rows=self.choice_rows, below=learning if is_cached else 0
        )
        layer = chosen(losses)
        split = self._split(backbone, layer)
        if self._is_cached(frozen, split):
            frozen.hold(split)
        fit = fit_head(probe, frozen, layer, rows=self.fit_rows)
        return layer, with_layers(fit, losses)

    def _learning(self, backbone: Backbone) -> int:
        """How many layers learn."""
        assert self.depth is not None
        return max(1, round(self.depth * backbone.layers))

    def _split(self, backbone: Backbone, layer: int) -> int:
        """How many layers stay frozen below those that learn, the head reading `layer`."""
        return max(0, layer - self._learning(backbone))

    def _is_cached(self, frozen: Frozen, split: int) -> bool:
        """Whether the frozen layers' states of all texts are held in memory."""
        return split > 0 and frozen.size <= self.cache_gib * 2**30

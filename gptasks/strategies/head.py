"""strategy=head: the backbone stays frozen, the head is fitted on one of its layers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from gptasks.strategies.strategy import Fitted, Setup, Strategy, require_probe
from gptasks.task import ProbeFit, Task


@dataclass
class Head(Strategy):
    """A head fitted on frozen features, without gradient descent: the fastest.

    Layer and regularisation are chosen on validation, and the backbone is cut at that layer, so
    that the saved model is smaller and faster than the backbone.
    """

    name: ClassVar[str] = "head"

    layers: list[int] = field(default_factory=list)
    """Layers to choose from, counted from 1; empty: about ten of the upper half."""

    choice_rows: int = field(default=1000, metadata={"minimum": 2})
    """Most training and validation windows that choose the layer."""

    fit_rows: int = field(default=50_000, metadata={"minimum": 2})
    """Most training and validation windows that the head is fitted on; more add little and take
    memory."""

    def check(self, task: Task) -> None:
        """The kind must offer a fit on frozen features."""
        require_probe(self.name, task)

    def fit(self, setup: Setup) -> Fitted:
        """Choose a layer, fit the head on it, cut the backbone there."""
        import torch

        from gptasks.strategies.features import (
            candidates,
            chosen,
            fit_head,
            try_layers,
            with_layers,
        )
        from gptasks.strategies.frozen import Frozen

        task, backbone = setup.task, setup.backbone
        probe = require_probe(self.name, task)
        layers = candidates(backbone, self.layers)

        def make(size: int) -> tuple[int, ProbeFit]:
            frozen = Frozen(
                backbone,
                setup.train,
                setup.validation,
                cuts=(self.choice_rows, self.fit_rows),
                memory=0,
                batch_tokens=size,
                seed=setup.seed,
            )
            losses = try_layers(probe, frozen, layers, rows=self.choice_rows)
            layer = chosen(losses)
            frozen.forget_states()
            fit = fit_head(probe, frozen, layer, rows=self.fit_rows)
            return layer, with_layers(fit, losses)

        layer, fit = setup.remember("head", lambda: setup.room.fit(make))
        cut = backbone.cut(layer)
        head = task.head(cut).to(backbone.device)
        head.load_state_dict({k: torch.from_numpy(v) for k, v in fit.parameters.items()})
        facts = {"layer": layer, "layers": backbone.layers, "loss": fit.loss, **fit.options}
        return Fitted(cut, head, facts)

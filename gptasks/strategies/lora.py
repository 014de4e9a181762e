"""strategy=lora: low-rank adapters on the upper layers, from a head fitted on frozen features."""

from __future__ import annotations

import logging
import warnings
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

from gptasks.errors import ConfigError, listing, suggest
from gptasks.progress import quantity
from gptasks.strategies.strategy import Fitted, Setup, Strategy
from gptasks.task import Probe, ProbeFit

if TYPE_CHECKING:
    from peft import PeftModel

    from gptasks.backbone import Backbone
    from gptasks.strategies.frozen import Frozen

logger = logging.getLogger(__name__)


@dataclass
class Lora(Strategy):
    """Low-rank adapters (Hu et al. 2021) on the upper layers of the backbone.

    First the head is fitted on frozen features, then head and adapters learn together (linear
    probe, then fine-tune: Kumar et al. 2022). The layers below the lowest adapter are frozen:
    they run once per text, and nothing is computed backwards through them.
    """

    name: ClassVar[str] = "lora"

    layers: list[int] = field(default_factory=list)
    """Layers the head may read, counted from 1; one is chosen on validation and the backbone cut
    there. Empty: about ten of the upper half."""

    depth: float = field(default=0.13, metadata={"minimum": 0.0, "maximum": 1.0})
    """Share of the backbone's layers, below the head, that get adapters; at least one layer."""

    rank: int = field(default=16, metadata={"minimum": 1})
    """Rank of an adapter's two factors."""

    alpha: int = field(default=32, metadata={"minimum": 1})
    """An adapter's output is multiplied by alpha / rank."""

    dropout: float = field(default=0.0, metadata={"minimum": 0.0, "below": 1.0})
    """Share of an adapter's inputs set to zero while training."""

    targets: list[str] = field(default_factory=list)
    """Names of the linear maps that get adapters; empty: all of those in the layers."""

    probe: bool = True
    """Whether the head starts from a fit on frozen features, where the task offers one."""

    choice_rows: int = field(default=1000, metadata={"minimum": 2})
    """Most training and validation windows that choose the layer."""

    fit_rows: int = field(default=1000, metadata={"minimum": 2})
    """Most training and validation windows that the head's start is fitted on. A head that knows
    all rows by then leaves the adapters only the oddest of them to learn from."""

    cache_gib: float = field(default=2.0, metadata={"minimum": 0.0})
    """Most memory, in GiB, for the frozen layers' states of all texts; texts that would need more
    run through the frozen layers in every epoch instead."""

    def fit(self, setup: Setup) -> Fitted:
        """Choose a layer, fit the head there, then train head and adapters, and merge them."""
        import torch

        from gptasks.model import Model
        from gptasks.strategies.adapter import adapter_weights
        from gptasks.strategies.features import candidates
        from gptasks.strategies.frozen import Frozen

        task, whole = setup.task, setup.backbone
        self._check_targets(whole)
        probe = task.probe() if self.probe else None
        frozen = Frozen(
            whole,
            setup.train,
            setup.validation,
            cuts=(self.choice_rows, self.fit_rows),
            memory=self.cache_gib * 2**30,
            batch_tokens=setup.batch_tokens,
            seed=setup.seed,
        )
        if probe is None:
            layer, fit = candidates(whole, self.layers)[-1], None
        else:
            layer, fit = setup.remember("probe", lambda: self._probe(whole, probe, frozen))
        cut, split = whole.cut(layer), self._split(whole, layer)
        train, validation = setup.train, setup.validation
        if self._is_cached(frozen, split):
            train, validation = frozen.with_states(split)
        torch.manual_seed(setup.seed)  # new weights, whether or not the fit was found kept
        head = task.head(cut)
        facts: dict[str, Any] = {
            "layer": layer,
            "layers": whole.layers,
            "adapted_layers": [split + 1, layer],
        }
        if fit is not None:
            head.load_state_dict({k: torch.from_numpy(v) for k, v in fit.parameters.items()})
            facts["probe"] = {"loss": fit.loss, **fit.options}
        adapted = self._adapt(cut, range(split, layer))
        model = Model(task, cut, head.to(cut.device), split)
        facts["trained_parameters"] = sum(p.numel() for p in model.parameters() if p.requires_grad)
        logger.info(
            "training adapters on layers %d-%d of %d and the head: %s parameters",
            *facts["adapted_layers"],
            whole.layers,
            quantity(facts["trained_parameters"]),
        )
        facts |= setup.training.fit(model, train, validation)
        weights = adapter_weights(adapted, model.head, task.layout(), cut)
        merged = adapted.merge_and_unload()
        backbone = replace(cut, model=merged.requires_grad_(False).eval())
        return Fitted(backbone, model.head, facts, weights.save)

    def _probe(self, backbone: Backbone, probe: Probe, frozen: Frozen) -> tuple[int, ProbeFit]:
        """The layer and the head's start."""
        from gptasks.strategies.features import (
            candidates,
            chosen,
            fit_head,
            try_layers,
            with_layers,
        )

        losses = try_layers(
            probe,
            frozen,
            candidates(backbone, self.layers),
            rows=self.choice_rows,
            below=self._adapted(backbone),
        )
        layer = chosen(losses)
        split = self._split(backbone, layer)
        if self._is_cached(frozen, split):
            frozen.hold(split)
        fit = fit_head(probe, frozen, layer, rows=self.fit_rows)
        return layer, with_layers(fit, losses)

    def _adapted(self, backbone: Backbone) -> int:
        """How many layers get adapters."""
        return max(1, round(self.depth * backbone.layers))

    def _split(self, backbone: Backbone, layer: int) -> int:
        """How many layers stay frozen below those that get adapters, the head reading `layer`."""
        return max(0, layer - self._adapted(backbone))

    def _is_cached(self, frozen: Frozen, split: int) -> bool:
        """Whether the frozen layers' states of all texts are held in memory."""
        return split > 0 and frozen.size <= self.cache_gib * 2**30

    def _check_targets(self, backbone: Backbone) -> None:
        """Raise ConfigError for a map that the backbone has not, before any work."""
        known = sorted({_last(name) for name in backbone.linear_maps(range(backbone.layers))})
        for target in self.targets:
            if target not in known:
                raise ConfigError(
                    f"strategy.targets: {target!r} is no linear map in the layers of backbone "
                    f"{backbone.name!r}{suggest(target, known)} (it has: {listing(known)})."
                )

    def _adapt(self, backbone: Backbone, layers: range) -> PeftModel:
        """Put adapters into the backbone's layers, in place."""
        from peft import LoraConfig, get_peft_model

        linear = backbone.linear_maps(layers)
        targets = self.targets or [_last(name) for name in linear]
        config = LoraConfig(
            r=self.rank,
            lora_alpha=self.alpha,
            lora_dropout=self.dropout,
            target_modules=[name for name in linear if _last(name) in targets],
        )
        with warnings.catch_warnings():  # PEFT says that it sets GPT-2's transposed weights right
            warnings.simplefilter("ignore", UserWarning)
            warnings.simplefilter("ignore", FutureWarning)  # a name of transformers that PEFT uses
            return get_peft_model(backbone.model, config)


def _last(name: str) -> str:
    """A module's own name, without those it lies in."""
    return name.rsplit(".", 1)[-1]

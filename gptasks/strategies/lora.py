"""strategy=lora: low-rank adapters on the upper layers, from a head fitted on frozen features."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

from gptasks.errors import ConfigError, listing, suggest
from gptasks.progress import quantity
from gptasks.strategies.strategy import Fitted, Setup, Strategy
from gptasks.task import Probe, ProbeFit

if TYPE_CHECKING:
    from peft import PeftModel

    from gptasks.backbone import Backbone
    from gptasks.data.encoding import Window

logger = logging.getLogger(__name__)

ALIKE = 1.01
"""Layers whose log loss on validation is at most so many times the least count as equally good."""


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
    there. Empty: about ten from 40% of the depth upwards."""

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

    choice_rows: int = field(default=500, metadata={"minimum": 2})
    """Most training and validation windows that choose the layer."""

    fit_rows: int = field(default=20_000, metadata={"minimum": 2})
    """Most training and validation windows that the head's start is fitted on."""

    cache_gib: float = field(default=2.0, metadata={"minimum": 0.0})
    """Most memory, in GiB, for the frozen layers' states of all texts; texts that would need more
    run through the frozen layers in every epoch instead."""

    def fit(self, setup: Setup) -> Fitted:
        """Choose a layer, fit the head there, then train head and adapters, and merge them."""
        import torch

        from gptasks.model import Model
        from gptasks.strategies.adapter import adapter_weights
        from gptasks.strategies.features import candidates

        task, whole = setup.task, setup.backbone
        probe = task.probe() if self.probe else None
        frozen: dict[int, _Frozen] = {}
        if probe is None:
            layer, fit = candidates(whole, self.layers)[-1], None
        else:
            layer, fit = setup.remember("probe", lambda: self._probe(setup, probe, frozen))
        states = frozen.pop(layer, None) or self._freeze(setup, layer)
        cut = states.backbone
        torch.manual_seed(setup.seed)  # new weights, whether or not the fit was found kept
        head = task.head(cut)
        facts: dict[str, Any] = {
            "layer": layer,
            "layers": whole.layers,
            "adapted_layers": [states.split + 1, layer],
        }
        if fit is not None:
            head.load_state_dict({k: torch.from_numpy(v) for k, v in fit.parameters.items()})
            facts["probe"] = {"loss": fit.loss, **fit.options}
        adapted = self._adapt(cut, range(states.split, layer))
        model = Model(task, cut, head.to(cut.device), states.split)
        facts["trained_parameters"] = sum(p.numel() for p in model.parameters() if p.requires_grad)
        logger.info(
            "training adapters on layers %d-%d of %d and the head: %s parameters",
            *facts["adapted_layers"],
            whole.layers,
            quantity(facts["trained_parameters"]),
        )
        facts |= setup.training.fit(model, states.train, states.validation)
        weights = adapter_weights(adapted, model.head, task.layout(), cut)
        merged = adapted.merge_and_unload()
        backbone = replace(cut, model=merged.requires_grad_(False).eval())
        return Fitted(backbone, model.head, facts, weights.save)

    def _probe(
        self, setup: Setup, probe: Probe, frozen: dict[int, _Frozen]
    ) -> tuple[int, ProbeFit]:
        """The layer and the head's start; the frozen states made on the way go to `frozen`."""
        from gptasks.strategies.features import candidates, fit_head, try_layers, with_layers

        losses = try_layers(
            probe,
            setup.backbone,
            candidates(setup.backbone, self.layers),
            setup.train,
            setup.validation,
            rows=self.choice_rows,
            batch_tokens=setup.batch_tokens,
            seed=setup.seed,
        )
        # The layers below the head adapt to it: of layers that read alike, the deepest has most.
        least = next(iter(losses.values()))
        layer = max(k for k, loss in losses.items() if not loss > ALIKE * least)
        states = frozen[layer] = self._freeze(setup, layer)
        fit = fit_head(
            probe,
            states.backbone,
            layer,
            states.train,
            states.validation,
            start=states.split if states.is_cached else 0,
            rows=self.fit_rows,
            batch_tokens=setup.batch_tokens,
            seed=setup.seed,
        )
        return layer, with_layers(fit, losses)

    def _freeze(self, setup: Setup, layer: int) -> _Frozen:
        """The backbone cut at `layer`, its frozen part's states computed where they fit."""
        from gptasks.strategies.features import add_states, states_size

        cut = setup.backbone.cut(layer)
        split = max(0, layer - max(1, round(self.depth * setup.backbone.layers)))
        size = states_size(cut, [*setup.train, *setup.validation])
        if split == 0 or size > self.cache_gib * 2**30:
            return _Frozen(cut, split, setup.train, setup.validation, is_cached=False)
        train, validation = (
            add_states(cut, split, windows, setup.batch_tokens)
            for windows in (setup.train, setup.validation)
        )
        return _Frozen(cut, split, train, validation, is_cached=True)

    def _adapt(self, backbone: Backbone, layers: range) -> PeftModel:
        """Put adapters into the backbone's layers, in place."""
        from peft import LoraConfig, get_peft_model

        linear = backbone.linear_maps(layers)
        known = sorted({name.rsplit(".", 1)[-1] for name in linear})
        targets = self.targets or known
        for target in targets:
            if target not in known:
                raise ConfigError(
                    f"strategy.targets: {target!r} is no linear map in the layers of backbone "
                    f"{backbone.name!r}{suggest(target, known)} (it has: {listing(known)})."
                )
        config = LoraConfig(
            r=self.rank,
            lora_alpha=self.alpha,
            lora_dropout=self.dropout,
            target_modules=[name for name in linear if name.rsplit(".", 1)[-1] in targets],
        )
        with warnings.catch_warnings():  # PEFT says that it sets GPT-2's transposed weights right
            warnings.simplefilter("ignore", UserWarning)
            warnings.simplefilter("ignore", FutureWarning)  # a name of transformers that PEFT uses
            return get_peft_model(backbone.model, config)


@dataclass(frozen=True)
class _Frozen:
    """The encoded rows as the trained layers meet them."""

    backbone: Backbone
    split: int
    train: Sequence[Window]
    validation: Sequence[Window]
    is_cached: bool

"""strategy=lora: low-rank adapters on the upper layers, from a head fitted on frozen features."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

from gptasks.errors import ConfigError, listing, suggest
from gptasks.strategies.finetuning import FineTuning, Finish
from gptasks.strategies.strategy import Fitted

if TYPE_CHECKING:
    from peft import PeftModel
    from torch import nn

    from gptasks.backbone import Backbone
    from gptasks.task import Layout


@dataclass
class Lora(FineTuning):
    """Low-rank adapters (Hu et al. 2021) on the upper layers of the backbone.

    The layers below the lowest adapter are frozen: they run once per text, and nothing is computed
    backwards through them.
    """

    name: ClassVar[str] = "lora"
    epochs: ClassVar[float] = 1.0
    learning_rate: ClassVar[float] = 1e-3

    depth: float = field(default=0.13, metadata={"minimum": 0.0, "maximum": 1.0})
    """Share of the backbone's layers, below the head, that get adapters; at least one layer."""

    rank: int = field(default=16, metadata={"minimum": 1})
    """Rank of an adapter's two factors."""

    alpha: int = field(default=32, metadata={"minimum": 1})
    """An adapter's output is multiplied by alpha / rank."""

    dropout: float = field(default=0.0, metadata={"minimum": 0.0, "below": 1.0})
    """Share of an adapter's inputs set to zero while training."""

    dora: bool = False
    """Whether direction and magnitude of the weights learn apart (DoRA, Liu et al. 2024): closer to
    training all weights, and slower."""

    targets: list[str] = field(default_factory=list)
    """Names of the linear maps that get adapters; empty: all of those in the layers."""

    def check_backbone(self, backbone: Backbone) -> None:
        """Raise ConfigError for a map that the backbone has not."""
        known = sorted({_last(name) for name in backbone.linear_maps(range(backbone.layers))})
        for target in self.targets:
            if target not in known:
                raise ConfigError(
                    f"strategy.targets: {target!r} is no linear map in the layers of backbone "
                    f"{backbone.name!r}{suggest(target, known)} (it has: {listing(known)})."
                )

    def prepare(self, backbone: Backbone, layers: range) -> Finish:
        """Put adapters into the layers."""
        from gptasks.strategies.adapter import adapter_weights

        adapted = self._adapt(backbone, layers)

        def finish(head: nn.Module, layout: Layout | None, facts: dict[str, Any]) -> Fitted:
            weights = adapter_weights(adapted, head, layout, backbone)
            merged = adapted.merge_and_unload().requires_grad_(False).eval()
            return Fitted(replace(backbone, model=merged), head, facts, weights.save)

        return finish

    def _adapt(self, backbone: Backbone, layers: range) -> PeftModel:
        """Put adapters into the backbone's layers, in place."""
        from peft import LoraConfig, get_peft_model

        linear = backbone.linear_maps(layers)
        targets = self.targets or [_last(name) for name in linear]
        names = [name for name in linear if _last(name) in targets]
        if not names:
            raise ConfigError(
                f"strategy.targets: none of {listing(targets)} is in layers {layers.start + 1} to "
                f"{layers.stop} of backbone {backbone.name!r} (they have: "
                f"{listing(sorted({_last(name) for name in linear}))})."
            )
        config = LoraConfig(
            r=self.rank,
            lora_alpha=self.alpha,
            lora_dropout=self.dropout,
            use_dora=self.dora,
            target_modules=names,
        )
        with warnings.catch_warnings():  # PEFT says that it sets GPT-2's transposed weights right
            warnings.simplefilter("ignore", UserWarning)
            warnings.simplefilter("ignore", FutureWarning)  # a name of transformers that PEFT uses
            return get_peft_model(backbone.model, config)


def _last(name: str) -> str:
    """A module's own name, without those it lies in."""
    return name.rsplit(".", 1)[-1]

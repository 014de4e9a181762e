"""strategy=lora: adapters on the upper layers, from a head fitted on frozen features."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

from gptasks.errors import ConfigError, listing, suggest
from gptasks.strategies.finetuning import FineTuning, Finish
from gptasks.strategies.strategy import Fitted

if TYPE_CHECKING:
    from peft import PeftConfig, PeftModel
    from torch import nn

    from gptasks.backbone import Backbone
    from gptasks.task import Layout


NO_PREFIX = (
    "a prefix is keys and values beside the weights, which no class of plain transformers has, so "
    "it can't be merged into model/; take lora, dora or ia3"
)

FACTORS = {"rank": 16, "alpha": 32, "dropout": 0.0}
"""Options of adapters with two factors, and what null means there."""


@dataclass
class Lora(FineTuning):
    """Adapters on the upper layers of the backbone, merged into its weights at the end.

    The layers below the lowest adapter are frozen: they run once per text, and nothing is computed
    backwards through them.
    """

    name: ClassVar[str] = "lora"

    adapter: str = field(
        default="lora",
        metadata={"choices": ("lora", "dora", "ia3"), "refused": {"prefix": NO_PREFIX}},
    )
    """What is added to a linear map: `lora`, two low-rank factors (Hu et al. 2021); `dora`, these,
    and the weights' magnitudes learn apart (Liu et al. 2024): closer to training all weights, and
    slower; `ia3`, one factor for each output (after Liu et al. 2022): a thirtieth of the numbers.
    """

    depth: float | None = field(default=None, metadata={"minimum": 0.0, "maximum": 1.0})
    """Share of the backbone's layers, below the head, that get adapters; at least one layer. null
    is what suits the task: 0.13 for a label of a text, 1 for a tag of each word."""

    rank: int | None = field(default=None, metadata={"minimum": 1})
    """Rank of the two factors of `lora` and `dora`; null is 16."""

    alpha: int | None = field(default=None, metadata={"minimum": 1})
    """What `lora` and `dora` add is multiplied by alpha / rank; null is 32."""

    dropout: float | None = field(default=None, metadata={"minimum": 0.0, "below": 1.0})
    """Share of the inputs that `lora` and `dora` set to zero while training; null is 0."""

    targets: list[str] = field(default_factory=list)
    """Names of the linear maps that get adapters; empty: all of those in the layers."""

    def __post_init__(self) -> None:
        """Fill in what is null; raise ConfigError for an option that the adapter has not."""
        if self.adapter != "ia3":
            for key, usual in FACTORS.items():
                if getattr(self, key) is None:
                    setattr(self, key, usual)
            return
        idle = [f"strategy.{key}" for key in FACTORS if getattr(self, key) is not None]
        if idle:
            raise ConfigError(
                f"strategy.adapter=ia3 has no use for {listing(idle)}: it learns one factor for "
                "each output. Leave that out, or take strategy.adapter=lora."
            )

    @property
    def epochs(self) -> float:
        """Few factors want longer."""
        return 2.0 if self.adapter == "ia3" else 1.0

    @property
    def learning_rate(self) -> float:
        """For `ia3` the rate of Liu et al. 2022: its factors start at 1, those of `lora` near 0."""
        return 3e-3 if self.adapter == "ia3" else 1e-3

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
        from peft import get_peft_model

        linear = backbone.linear_maps(layers)
        targets = self.targets or [_last(name) for name in linear]
        names = [name for name in linear if _last(name) in targets]
        if not names:
            raise ConfigError(
                f"strategy.targets: none of {listing(targets)} is in layers {layers.start + 1} to "
                f"{layers.stop} of backbone {backbone.name!r} (they have: "
                f"{listing(sorted({_last(name) for name in linear}))})."
            )
        with warnings.catch_warnings():  # PEFT says that it sets GPT-2's transposed weights right
            warnings.simplefilter("ignore", UserWarning)
            warnings.simplefilter("ignore", FutureWarning)  # a name of transformers that PEFT uses
            return get_peft_model(backbone.model, self._config(names))

    def _config(self, names: list[str]) -> PeftConfig:
        """PEFT's words for the adapter, on the modules of these names."""
        from peft import IA3Config, LoraConfig

        if self.adapter == "ia3":
            # Outputs alone are scaled. The pattern fits no name; for a null PEFT would take a list
            # of its own, by architecture.
            return IA3Config(target_modules=names, feedforward_modules="")
        assert self.rank is not None
        assert self.alpha is not None
        assert self.dropout is not None
        return LoraConfig(
            r=self.rank,
            lora_alpha=self.alpha,
            lora_dropout=self.dropout,
            use_dora=self.adapter == "dora",
            target_modules=names,
        )


def _last(name: str) -> str:
    """A module's own name, without those it lies in."""
    return name.rsplit(".", 1)[-1]

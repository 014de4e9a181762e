"""strategy=full: every weight learns."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from gptasks.strategies.finetuning import FineTuning, Finish
from gptasks.strategies.strategy import Fitted

if TYPE_CHECKING:
    from torch import nn

    from gptasks.backbone import Backbone
    from gptasks.task import Layout


@dataclass
class Full(FineTuning):
    """All weights of the backbone up to the layer that the head reads, embeddings too.

    They are held and moved in fp32, whatever the backbone computes in: bf16 has no room for small
    steps. Takes 16 bytes of memory a weight (weight, gradient, two moments), up to 48 bytes of disk
    a weight for checkpoints while it runs, and most time.
    """

    name: ClassVar[str] = "full"
    epochs: ClassVar[float] = 2.0
    learning_rate: ClassVar[float] = 3e-5

    def prepare(self, backbone: Backbone, layers: range) -> Finish:
        """Let the weights of the layers, and of the final norm, learn in fp32."""
        dtype = backbone.dtype
        learning = backbone.weights(layers)
        for weight in learning:
            weight.data = weight.data.float()
            weight.requires_grad_(True)

        def finish(head: nn.Module, layout: Layout | None, facts: dict[str, Any]) -> Fitted:
            for weight in learning:
                weight.data = weight.data.to(dtype)
            model = backbone.model.requires_grad_(False).eval()
            return Fitted(replace(backbone, model=model), head, facts)

        return finish

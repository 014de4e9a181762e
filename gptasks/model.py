"""A backbone with one task's head: frozen lower layers (trunk), then what may learn (top)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from gptasks.backbone import attend

if TYPE_CHECKING:
    from gptasks.backbone import Backbone
    from gptasks.task import Task


class Model(nn.Module):
    """Batch in, logits out.

    trunk: layers 0..split-1, always frozen and without dropout; a batch that carries their output
    as `states` (B, T, D) skips them. top: the layers from `split` on, with the final norm.
    head: the task's, always computed in fp32.
    """

    def __init__(self, task: Task, backbone: Backbone, head: nn.Module, split: int = 0) -> None:
        super().__init__()
        self.task = task
        self.backbone = backbone
        self.split = split
        self.trunk = backbone.piece(0, split) if split else None
        self.top = backbone.piece(split, backbone.layers, is_top=True)
        self.head = head

    def train(self, mode: bool = True) -> Model:
        """Switch dropout on or off in everything but the trunk."""
        super().train(mode)
        if self.trunk is not None:
            self.trunk.eval()
        return self

    def states(self, batch: Mapping[str, Any]) -> Tensor | None:
        """The trunk's output for a batch, (B, T, D) without gradient; None if there is no trunk."""
        if self.trunk is None:
            return None
        if "states" in batch:
            return batch["states"]
        with torch.no_grad():
            return decode(self.trunk, batch)

    def forward(self, batch: Mapping[str, Any]) -> Tensor:
        """Logits: (B, K) or (B, T, K) by the task's pooling; float32."""
        hidden = decode(self.top, batch, self.states(batch))
        return self.read(hidden, batch)

    def generate(self, prompts: Sequence[Sequence[int]], **settings: Any) -> list[list[int]]:
        """The tokens that follow each prompt; see `gptasks.generation.generate`."""
        from gptasks.generation import generate

        return generate(self, prompts, **settings)

    def read(self, hidden: Tensor, batch: Mapping[str, Any]) -> Tensor:
        """The head's logits on final hidden states (B, T, D); float32."""
        pooled = self.task.pool(hidden, batch).float()
        with torch.autocast(pooled.device.type, enabled=False):
            return self.head(pooled)


def decode(decoder: nn.Module, batch: Mapping[str, Any], states: Tensor | None = None) -> Tensor:
    """Run a decoder, or the part of one above `states` (B, T, D), on a batch: (B, T, D)."""
    attend(decoder, batch["input_ids"].shape[1], learning=torch.is_grad_enabled())
    text = {"input_ids": batch["input_ids"]} if states is None else {"inputs_embeds": states}
    output = decoder(attention_mask=batch["attention_mask"], use_cache=False, **text)
    return output.last_hidden_state

"""Text from a model: the tokens that follow a prompt, by transformers' own `generate`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from gptasks.backbone import attend
from gptasks.plain import assembled, generation_config

if TYPE_CHECKING:
    from gptasks.model import Model


def generate(
    model: Model, prompts: Sequence[Sequence[int]], *, seed: int = 0, **settings: Any
) -> list[list[int]]:
    """The new tokens after each prompt, up to its end-of-text token, which is left out.

    Prompts are padded on the left, here and nowhere else: what is new then starts in one column,
    and no prompt's answer depends on its company. model: of a task whose layout is
    AutoModelForCausalLM. seed: of sampling. settings: as transformers' GenerationConfig has them.
    """
    backbone = model.backbone
    plain: Any = assembled(model.task.layout(), backbone, model.head)
    config = generation_config(backbone, settings)
    # What follows a text that a stop string ended is filled up with this, and cut away below.
    config.pad_token_id = end = backbone.tokenizer.end_id
    width = max(map(len, prompts))
    attend(plain, width, learning=False)
    ids = torch.full((len(prompts), width), backbone.tokenizer.pad_id)
    mask = torch.zeros_like(ids)
    for row, prompt in enumerate(prompts):
        ids[row, width - len(prompt) :] = torch.as_tensor(prompt)
        mask[row, width - len(prompt) :] = 1
    device = backbone.device
    devices = [device] if device.type == "cuda" else []
    with (
        torch.random.fork_rng(devices=devices),
        torch.autocast(device.type, backbone.dtype, enabled=backbone.dtype == torch.bfloat16),
    ):
        torch.manual_seed(seed)
        found = plain.generate(
            input_ids=ids.to(device),
            attention_mask=mask.to(device),
            generation_config=config,
            tokenizer=backbone.tokenizer.hf,
        )
    return [_until(row, end) for row in found[:, width:].tolist()]


def unembedding(plain: Any) -> nn.Module:
    """The map from states (N, D) to words (N, V), float32, that shares the weights of `plain`; it
    multiplies in their format, as the backbone does."""
    head = _Unembedding(plain.in_features, plain.out_features, bias=False, device="meta")
    head.weight, head.bias = plain.weight, plain.bias
    return head


class _Unembedding(nn.Linear):
    def forward(self, states: Tensor) -> Tensor:
        return super().forward(states.to(self.weight.dtype)).float()


def _until(ids: list[int], end: int) -> list[int]:
    """The ids before the first `end`."""
    return ids[: ids.index(end)] if end in ids else ids

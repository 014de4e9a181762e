"""Small decoders of several architectures with random weights, made on the spot."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import torch

from gptasks.backbone import Backbone
from gptasks.data.batching import collate
from gptasks.options import BackboneOptions
from gptasks.pretrained import load_backbone
from gptasks.tokenizer import Tokenizer

CPU = torch.device("cpu")
SHAPES = ("llama", "gpt2", "qwen3", "gpt_neox")

SIZES: dict[str, Any] = {
    "vocab_size": 257,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "max_position_embeddings": 512,
}
GROUPED = {"num_key_value_heads": 2, "head_dim": 8}
OTHERS: dict[str, dict[str, Any]] = {
    # Layers 3 and 4 see a window of four tokens only, so the order of the layers' kinds matters.
    "qwen3": {
        **GROUPED,
        "use_sliding_window": True,
        "sliding_window": 4,
        "max_window_layers": 2,
    },
    "gpt_neox": {},
    "granite": {**GROUPED, "embedding_multiplier": 3.0},
    "bloom": {},
    "gpt_neo": {"attention_types": [[["global", "local"], 2]]},
    "bert": {},
}

MIXED = [
    "我在北京市。",
    "in U.S., they don't... go",
    "  two\n\nlines ",
    "AI中😀😀b é हिन्दी ２０年",
    "'s!!",
]
"""Texts whose words a tokenizer may well not keep apart."""


def backbone(shape: str = "llama", dtype: torch.dtype = torch.float32) -> Backbone:
    """A decoder of 4 layers, 32 wide, over bytes; always with the same weights."""
    kind = "gpt2" if shape == "gpt2" else "llama"
    tiny = load_backbone(
        BackboneOptions(source="random", shape=kind), shape, dtype=dtype, device=CPU
    )
    if shape in ("llama", "gpt2"):
        return tiny
    return Backbone(decoder(shape).to(dtype), tiny.tokenizer, shape, shape)


def decoder(shape: str) -> Any:
    """The bare model of any of OTHERS, its weights spread so that texts differ."""
    from transformers import AutoConfig, AutoModel

    config = AutoConfig.for_model(shape, **SIZES, **OTHERS[shape])
    config._attn_implementation = "eager"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = AutoModel.from_config(config)
    for parameter in model.parameters():
        if parameter.dim() > 1:
            parameter.data.mul_(5.0)
    return model.eval().requires_grad_(False)


def batch_of(backbone: Backbone, texts: Sequence[str]) -> dict[str, Any]:
    """Texts as one padded batch."""
    windows = [{"input_ids": backbone.tokenizer.encode(text).ids} for text in texts]
    return collate(windows, backbone.tokenizer.pad_id, CPU)


def merged(pre_tokenizer: Any = "bytes") -> Tokenizer:
    """A tokenizer that has learnt tokens of several words of MIXED: "北京", ".,", "'t"."""
    from tokenizers import Tokenizer as Backend
    from tokenizers import decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    as_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend = Backend(models.BPE())
    backend.pre_tokenizer = as_bytes if pre_tokenizer == "bytes" else pre_tokenizer
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=450,
        special_tokens=["<s>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator([*MIXED, "在北京市", "U.S., don't..."] * 20, trainer)
    named = {"bos_token": "<s>", "eos_token": "</s>"}
    return Tokenizer.prepared(PreTrainedTokenizerFast(tokenizer_object=backend, **named))


@contextlib.contextmanager
def full_disk(limit: int = 20_000) -> Iterator[None]:
    """Let this process write no file beyond `limit` bytes, as on a disk that is almost full."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def furthest(one: torch.Tensor, other: torch.Tensor, mask: torch.Tensor | None = None) -> float:
    """The largest difference, of (B, T, D) on the real tokens of `mask` only."""
    difference = (one - other).abs()
    return float((difference if mask is None else difference * mask.unsqueeze(-1)).max())

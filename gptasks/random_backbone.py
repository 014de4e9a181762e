"""A small decoder of random weights over bytes, made on the spot."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

    from gptasks.options import BackboneOptions

logger = logging.getLogger(__name__)


def random_backbone(
    options: BackboneOptions,
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase, str]:
    """A small decoder with random weights over bytes, for trying things out offline."""
    import torch
    from transformers import AutoModelForCausalLM

    tokenizer, config = random_tokenizer(options)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(options.seed)
        model = AutoModelForCausalLM.from_config(config)
        with torch.no_grad():  # weights of 0.02 leave every state alike; spread them to tell texts
            for parameter in model.parameters():
                if parameter.dim() > 1:
                    parameter.mul_(5.0)
    return model, tokenizer, f"random {options.shape}, seed {options.seed}"


def random_tokenizer(
    options: BackboneOptions,
) -> tuple[PreTrainedTokenizerBase, PretrainedConfig]:
    """Its tokenizer, and its configuration."""
    from transformers import GPT2Config, LlamaConfig

    tokenizer = _byte_tokenizer(with_pad=options.shape == "llama")
    shared: dict[str, Any] = {
        "vocab_size": len(tokenizer),
        "bos_token_id": tokenizer.eos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
    }
    if options.shape == "gpt2":
        return tokenizer, GPT2Config(n_positions=512, n_embd=32, n_layer=4, n_head=4, **shared)
    return tokenizer, LlamaConfig(
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        pad_token_id=tokenizer.eos_token_id,
        tie_word_embeddings=True,
        **shared,
    )


def _byte_tokenizer(*, with_pad: bool) -> PreTrainedTokenizerBase:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    end = "<|endoftext|>"
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {piece: i for i, piece in enumerate([end, *alphabet])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=end,
        eos_token=end,
        unk_token=end,
        pad_token=end if with_pad else None,
    )

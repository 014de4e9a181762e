"""Writes a small Llama as a GGUF file, as llama.cpp's own conversion does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

INNER = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}
OUTER = {"embed_tokens": "token_embd", "norm": "output_norm"}


def llama(vocabulary: int) -> Any:
    """A bare Llama of 2 layers."""
    from transformers import LlamaConfig, LlamaModel

    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=64,
        tie_word_embeddings=True,
    )
    torch.manual_seed(0)
    return LlamaModel(config).eval()


def write_gguf(path: Path, model: Any, pieces: list[str], merges: list[str]) -> None:
    """`model` in fp32 with a byte-level BPE of `pieces`, the first of them the end of text."""
    import gguf

    config = model.config
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(10000.0)
    writer.add_rope_dimension_count(config.head_dim)
    writer.add_vocab_size(config.vocab_size)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(pieces)
    writer.add_token_types([gguf.TokenType.CONTROL] + [gguf.TokenType.NORMAL] * (len(pieces) - 1))
    writer.add_token_merges(merges)
    for add in (writer.add_bos_token_id, writer.add_eos_token_id, writer.add_unk_token_id):
        add(0)
    for name, tensor in model.state_dict().items():
        writer.add_tensor(*_tensor(name.removesuffix(".weight"), tensor.float().numpy(), config))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _tensor(name: str, array: np.ndarray, config: Any) -> tuple[str, np.ndarray]:
    if not name.startswith("layers."):
        return f"{OUTER[name]}.weight", array
    _, layer, inner = name.split(".", 2)
    heads = {
        "self_attn.q_proj": config.num_attention_heads,
        "self_attn.k_proj": config.num_key_value_heads,
    }.get(inner)
    if heads:  # GGUF keeps the two halves of a rotated head interleaved
        rows, columns = array.shape
        array = array.reshape(heads, 2, rows // heads // 2, columns).swapaxes(1, 2)
        array = array.reshape(rows, columns)
    return f"blk.{layer}.{INNER[inner]}.weight", np.ascontiguousarray(array)

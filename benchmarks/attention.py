"""Attention on a processor: the plain formula beside the fused kernel, by length of the texts.

    python benchmarks/attention.py [--backbone smollm2] [--repeats 5]

Passes through the lowest six layers, in batches of 2,048 tokens with padding in them, in turn by
one and the other; medians of processor time on one core. Above 1 the fused kernel is quicker.
gptasks takes it on every way forward, and from `gptasks.backbone.FUSED_FROM` tokens on where it
learns.
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch

from gptasks.backbone import FUSED_FROM
from gptasks.config import compose
from gptasks.pretrained import load_backbone

LENGTHS = (16, 32, 64, 96, 128, 160, 192, 256, 320, 512)
TOKENS = 2048
KINDS = ("eager", "sdpa")


def main() -> None:
    """Print seconds and ratio for each length, without and with a way back."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backbone", default="smollm2")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    config = compose(["task=sequence_classification", f"backbone={options.backbone}"])
    whole = load_backbone(
        config.backbone, options.backbone, dtype=torch.bfloat16, device=torch.device("cpu")
    )
    decoder = whole.cut(min(6, whole.layers)).model
    for parameter in whole.weights(range(min(4, whole.layers - 1), min(6, whole.layers))):
        parameter.requires_grad_(True)
    print("tokens   forward: plain, fused, ratio    with a way back: plain, fused, ratio")
    for length in LENGTHS:
        cells = []
        for learning in (False, True):
            seconds: dict[str, list[float]] = {kind: [] for kind in KINDS}
            for _ in range(options.repeats):
                for kind in KINDS:
                    seconds[kind].append(once(decoder, kind, length, learning=learning))
            plain, fused = (statistics.median(seconds[kind]) for kind in KINDS)
            cells.append(f"{plain:.2f} s  {fused:.2f} s  {plain / fused:.2f}")
        print(f"{length:6}   {cells[0]:26}     {cells[1]}")
    print(f"learning takes the fused kernel from {FUSED_FROM} tokens")


def once(decoder: torch.nn.Module, kind: str, length: int, *, learning: bool) -> float:
    """Processor seconds of one pass."""
    for module in decoder.modules():
        if hasattr(module, "config"):
            module.config._attn_implementation = kind
    ids = torch.arange(max(1, TOKENS // length) * length).view(-1, length) % 1000 + 5
    mask = torch.ones_like(ids)
    mask[0, length * 2 // 3 :] = 0
    started = time.process_time()
    with torch.set_grad_enabled(learning):
        states = decoder(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state
        if learning:
            states.float().pow(2).sum().backward()
    return time.process_time() - started


if __name__ == "__main__":
    main()

"""Windows to batches: a budget of padded tokens, similar lengths together, order by seed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gptasks.data.encoding import IGNORED, Window

if TYPE_CHECKING:
    import torch

POOL = 50
"""Batches' worth of shuffled windows that are sorted by length together: enough to waste little
on padding, few enough that batches differ from epoch to epoch."""


def epoch_batches(
    lengths: Sequence[int], batch_tokens: int, *, seed: int, epoch: int
) -> list[list[int]]:
    """Every index once, in batches of similar length; a function of its arguments alone.

    A batch holds at most `batch_tokens` tokens, padding included, or a single longer window.
    """
    generator = np.random.default_rng([seed, epoch])
    order = generator.permutation(len(lengths))
    mean = max(1.0, float(np.mean(lengths))) if len(lengths) else 1.0
    pool = max(1, int(POOL * batch_tokens / mean))
    batches: list[list[int]] = []
    for start in range(0, len(order), pool):
        group = sorted(order[start : start + pool].tolist(), key=lambda i: lengths[i])
        batches += _fill(group, lengths, batch_tokens)
    return [batches[i] for i in generator.permutation(len(batches))]


def sorted_batches(lengths: Sequence[int], batch_tokens: int) -> list[list[int]]:
    """Every index once, sorted by length: the least padding, for passes without learning."""
    return _fill(sorted(range(len(lengths)), key=lambda i: lengths[i]), lengths, batch_tokens)


def parts(batch: Sequence[int], lengths: Sequence[int], batch_tokens: int) -> list[list[int]]:
    """A batch cut, in its order, so that each part holds at most so many tokens, padding included,
    or a single longer window."""
    return _fill(batch, lengths, batch_tokens)


def collate(windows: Sequence[Window], pad_id: int, device: torch.device) -> dict[str, Any]:
    """Pad windows on the right into one batch on `device`.

    input_ids, attention_mask: (B, T), the mask made from lengths, never from ids; states
    (B, T, D) where windows carry them; label (B,); labels (B, T), padded with -100. Any other key
    becomes a list.
    """
    import torch

    lengths = [len(window["input_ids"]) for window in windows]
    width = max(lengths)
    ids = torch.full((len(windows), width), pad_id, dtype=torch.long)
    mask = torch.zeros((len(windows), width), dtype=torch.long)
    for i, (window, length) in enumerate(zip(windows, lengths, strict=True)):
        ids[i, :length] = torch.as_tensor(window["input_ids"], dtype=torch.long)
        mask[i, :length] = 1
    batch: dict[str, Any] = {"input_ids": ids.to(device), "attention_mask": mask.to(device)}
    for key in windows[0]:
        values = [window[key] for window in windows if key in window]
        if key == "input_ids" or len(values) < len(windows):
            continue
        if key == "states":
            states = values[0].new_zeros((len(windows), width, values[0].shape[-1]))
            for i, (value, length) in enumerate(zip(values, lengths, strict=True)):
                states[i, :length] = value
            batch[key] = states.to(device)
        elif key == "labels":
            targets = torch.full((len(windows), width), IGNORED, dtype=torch.long)
            for i, (value, length) in enumerate(zip(values, lengths, strict=True)):
                targets[i, :length] = torch.as_tensor(value, dtype=torch.long)
            batch[key] = targets.to(device)
        elif key == "label":
            batch[key] = torch.as_tensor(values).to(device)
        else:
            batch[key] = values
    return batch


def _fill(order: Sequence[int], lengths: Sequence[int], batch_tokens: int) -> list[list[int]]:
    batches: list[list[int]] = []
    batch: list[int] = []
    width = 0
    for i in order:
        wider = max(width, lengths[i])
        if batch and wider * (len(batch) + 1) > batch_tokens:
            batches.append(batch)
            batch, wider = [], lengths[i]
        batch.append(i)
        width = wider
    if batch:
        batches.append(batch)
    return batches

"""Frozen features: which layer to read, a head fitted on it, and states computed once."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from gptasks.backbone import Backbone
from gptasks.data.batching import collate, sorted_batches
from gptasks.data.encoding import Window
from gptasks.errors import ConfigError, TrainingError
from gptasks.model import decode
from gptasks.progress import Progress
from gptasks.task import Probe, ProbeFit

logger = logging.getLogger(__name__)

SHALLOWEST = 0.4
"""Share of the depth below which no layer is tried. Middle layers carry meaning best: on movie
snippets SmolLM2's layers 16 to 22 of 30 gave 1 to 3 points more than its last."""

TRIED = 10
"""About so many layers from there to the top are tried."""

PATIENCE = 3
"""Layers tried in a row without a better fit after which deeper ones are not."""


def candidates(backbone: Backbone, asked: Sequence[int]) -> list[int]:
    """The layers to choose from, ascending: those asked for, or an even choice of the upper ones.

    Raises ConfigError for a layer the backbone has not.
    """
    for layer in asked:
        if not 1 <= layer <= backbone.layers:
            raise ConfigError(
                f"strategy.layers: layer {layer} is not in backbone {backbone.name!r}; "
                f"it has layers 1 to {backbone.layers}."
            )
    if asked:
        return sorted(set(asked))
    step = max(1, round(backbone.layers * (1 - SHALLOWEST) / TRIED))
    lowest = max(1, round(SHALLOWEST * backbone.layers))
    return sorted(range(backbone.layers, lowest - 1, -step))


def try_layers(
    probe: Probe,
    backbone: Backbone,
    layers: Sequence[int],
    train: Sequence[Window],
    validation: Sequence[Window],
    *,
    rows: int,
    batch_tokens: int,
    seed: int,
) -> dict[int, float]:
    """Each tried layer's log loss on validation, of a head fitted on that layer, the best first.

    One pass through the backbone over at most `rows` windows of either split, from layer to
    layer, ended when `PATIENCE` deeper layers in a row were no better. A single layer is not
    tried: there is nothing to choose.
    """
    if len(layers) == 1:
        return {layers[0]: float("nan")}
    train, validation = _sample(train, rows, seed), _sample(validation, rows, seed)
    passes = [_Pass(probe, backbone, windows, batch_tokens) for windows in (train, validation)]
    losses: dict[int, float] = {}
    tokens = sum(one.tokens for one in passes)
    with Progress("choosing a layer", tokens * layers[-1], "layer-tokens") as progress:
        start = 0
        for layer in layers:
            held, shown = (one.features(start, layer, progress, keep=True) for one in passes)
            losses[layer] = probe.fit(*held, *shown).loss
            start = layer
            best = min(losses, key=lambda k: losses[k])
            if list(losses).index(layer) - list(losses).index(best) >= PATIENCE:
                break
    ranked = dict(sorted(losses.items(), key=lambda pair: pair[1]))
    shown_losses = ", ".join(f"{layer}: {loss:.3f}" for layer, loss in sorted(losses.items()))
    logger.info("validation log loss by layer: %s", shown_losses)
    return ranked


def fit_head(
    probe: Probe,
    backbone: Backbone,
    layer: int,
    train: Sequence[Window],
    validation: Sequence[Window],
    *,
    start: int,
    rows: int,
    batch_tokens: int,
    seed: int,
) -> ProbeFit:
    """The head on `layer`, fitted on at most `rows` windows of either split.

    start: the layer whose states the windows carry; 0 where they carry none.
    """
    train, validation = _sample(train, rows, seed), _sample(validation, rows, seed)
    passes = [_Pass(probe, backbone, windows, batch_tokens) for windows in (train, validation)]
    total = sum(one.tokens for one in passes) * (layer - start)
    with Progress(f"features of layer {layer}", total, "layer-tokens") as progress:
        held, shown = (one.features(start, layer, progress) for one in passes)
    fit = probe.fit(*held, *shown)
    logger.info("head fitted on layer %d: validation log loss %.4f", layer, fit.loss)
    return fit


def add_states(
    backbone: Backbone, layer: int, windows: Sequence[Window], batch_tokens: int
) -> list[Window]:
    """The windows, each with its states at `layer`, (T, D) in the backbone's number format."""
    if layer == 0:
        return list(windows)
    lengths = [len(window["input_ids"]) for window in windows]
    trunk = backbone.piece(0, layer)
    found: list[torch.Tensor | None] = [None] * len(windows)
    with Progress(f"frozen layers 1-{layer}", sum(lengths)) as progress, torch.no_grad():
        for batch in sorted_batches(lengths, batch_tokens):
            data = collate([windows[i] for i in batch], backbone.tokenizer.pad_id, backbone.device)
            hidden = decode(trunk, data).cpu()
            for row, i in enumerate(batch):
                found[i] = hidden[row, : lengths[i]].clone()
            progress.add(sum(lengths[i] for i in batch))
    return [{**window, "states": state} for window, state in zip(windows, found, strict=True)]


def with_layers(fit: ProbeFit, losses: dict[int, float]) -> ProbeFit:
    """The fit, with each tried layer's log loss among what was chosen."""
    if len(losses) < 2:
        return fit
    tried = {str(layer): loss for layer, loss in sorted(losses.items())}
    return replace(fit, options={**fit.options, "layer_losses": tried})


def states_size(backbone: Backbone, windows: Sequence[Window]) -> int:
    """Bytes that `add_states` would take."""
    tokens = sum(len(window["input_ids"]) for window in windows)
    return tokens * backbone.hidden_size * backbone.dtype.itemsize


class _Pass:
    """Windows on their way up the backbone: their states so far, batch by batch."""

    def __init__(
        self, probe: Probe, backbone: Backbone, windows: Sequence[Window], batch_tokens: int
    ) -> None:
        self.probe, self.backbone, self.windows = probe, backbone, windows
        lengths = [len(window["input_ids"]) for window in windows]
        self.tokens = sum(lengths)
        self.batches = sorted_batches(lengths, batch_tokens)
        self.states: list[torch.Tensor | None] = [None] * len(self.batches)

    def features(
        self, start: int, layer: int, progress: Progress, *, keep: bool = False
    ) -> tuple[np.ndarray, np.ndarray]:
        """Go on from layer `start` up to `layer`: features (N, D), targets (N,) there.

        keep: hold the states there, so that the next call can go on from them.
        """
        piece = self.backbone.piece(start, layer)
        features, targets = [], []
        for n, batch in enumerate(self.batches):
            data = self._collate(batch)
            hidden = self.states[n] if self.states[n] is not None else data.pop("states", None)
            with torch.inference_mode():
                hidden = decode(piece, data, hidden)
                features.append(self._numbers(self.backbone.norm(hidden), data, layer))
            self.states[n] = hidden if keep else None
            targets.append(self.probe.targets(data))
            progress.add(int(data["attention_mask"].sum()) * (layer - start))
        return np.concatenate(features), np.concatenate(targets)

    def _numbers(self, hidden: torch.Tensor, data: dict[str, Any], layer: int) -> np.ndarray:
        """The probe's features; TrainingError where some are no numbers."""
        features = self.probe.features(hidden, data)
        if not torch.isfinite(features).all():
            raise TrainingError(
                f"backbone {self.backbone.name!r} gives states at layer {layer} that are no "
                "numbers; compute in precision=fp32, or take another backbone."
            )
        return features.cpu().numpy()

    def _collate(self, batch: Sequence[int]) -> dict[str, Any]:
        windows = [self.windows[i] for i in batch]
        return collate(windows, self.backbone.tokenizer.pad_id, self.backbone.device)


def _sample(windows: Sequence[Window], rows: int, seed: int) -> Sequence[Window]:
    """At most `rows` windows, drawn by `seed`, in their order."""
    if len(windows) <= rows:
        return windows
    drawn = np.random.default_rng([seed, len(windows)]).permutation(len(windows))[:rows]
    return [windows[i] for i in sorted(drawn.tolist())]

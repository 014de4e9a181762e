"""Frozen features: which layer to read, and a head fitted on it."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace

from gptasks.backbone import Backbone
from gptasks.errors import ConfigError
from gptasks.progress import Progress
from gptasks.strategies.frozen import UNIT, Frozen
from gptasks.task import Probe, ProbeFit

logger = logging.getLogger(__name__)

SHALLOWEST = 0.5
"""Share of the depth below which no layer is tried. Middle layers carry meaning best: on movie
snippets SmolLM2's layers 16 to 22 of 30 gave 1 to 3 points more than its last."""

TRIED = 10
"""About so many layers from there to the top are tried."""

PATIENCE = 2
"""Layers tried in a row, none of them chosen, after which deeper ones are not tried."""

ALIKE = 1.01
"""Layers whose loss is at most so many times the least count as equally good."""


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
    probe: Probe, frozen: Frozen, layers: Sequence[int], *, rows: int, below: int = 0
) -> dict[int, float]:
    """Each tried layer's log loss on validation, of a head fitted on that layer, ascending.

    One pass through the backbone with the first `rows` windows of either split, from layer to
    layer, ended when `PATIENCE` deeper layers in a row were not chosen instead. A single layer is
    not tried: there is nothing to choose.

    below: how far under the layer that will be chosen the windows' states will be asked for.
    """
    if len(layers) == 1:
        return {layers[0]: float("nan")}
    losses: dict[int, float] = {}
    with Progress("choosing a layer", frozen.work(layers[-1], rows), UNIT) as progress:
        for layer in layers:
            losses[layer] = probe.fit(
                *frozen.features(probe, layer, rows, progress, hold=True)
            ).loss
            best = chosen(losses)
            frozen.forget(best - below)
            if list(losses).index(layer) - list(losses).index(best) >= PATIENCE:
                break
    shown = ", ".join(f"{layer}: {loss:.3f}" for layer, loss in losses.items())
    logger.info("validation log loss by layer: %s", shown)
    return losses


def chosen(losses: Mapping[int, float]) -> int:
    """The lowest of the layers that are as good as the best: it costs the least, now and later."""
    least = min(losses.values())
    limit = least + (ALIKE - 1) * abs(least)
    return min(layer for layer, loss in losses.items() if not loss > limit)


def fit_head(probe: Probe, frozen: Frozen, layer: int, *, rows: int) -> ProbeFit:
    """The head on `layer`, fitted on the first `rows` windows of either split.

    The features found so far are forgotten.
    """
    with Progress(f"features of layer {layer}", frozen.work(layer, rows), UNIT) as progress:
        features = frozen.features(probe, layer, rows, progress)
    frozen.forget_features()  # they are held here, joined
    fit = probe.fit(*features)
    logger.info("head fitted on layer %d: validation log loss %.4f", layer, fit.loss)
    return fit


def with_layers(fit: ProbeFit, losses: dict[int, float]) -> ProbeFit:
    """The fit, with each tried layer's log loss among what was chosen."""
    if len(losses) < 2:
        return fit
    tried = {str(layer): loss for layer, loss in sorted(losses.items())}
    return replace(fit, options={**fit.options, "layer_losses": tried})

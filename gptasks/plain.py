"""The classes of plain transformers that a backbone and a task's head are together."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn
    from transformers import GenerationConfig, PretrainedConfig, PreTrainedModel

    from gptasks.backbone import Backbone
    from gptasks.task import Layout


def plain_model(
    layout: Layout | None, config: PretrainedConfig
) -> tuple[PreTrainedModel, str] | None:
    """The layout's plain class for a decoder of this configuration, its weights without memory,
    and the attribute that holds its head.

    None where the layout, or the architecture, has no such class.
    """
    import torch
    import transformers

    if layout is None:
        return None
    plain = getattr(transformers, layout.auto_class)._model_mapping.get(type(config), None)
    if plain is None:
        return None
    settings = copy.deepcopy(config)
    for key, value in layout.config.items():
        setattr(settings, key, value)
    with torch.device("meta"):
        hf: PreTrainedModel = plain(settings)
    name = head_name(layout, hf)
    return None if name is None else (hf, name)


def head_name(layout: Layout, hf: PreTrainedModel) -> str | None:
    """The attribute of a plain model that holds the head; None where it has none of its names."""
    return next((name for name in layout.head_names if hasattr(hf, name)), None)


def assembled(layout: Layout | None, backbone: Backbone, head: nn.Module) -> PreTrainedModel | None:
    """The layout's plain class around the modules there are; copies no weight but the head's, and
    that only where it is not the embeddings'.

    None where there is no such class.
    """
    found = plain_model(layout, backbone.model.config)
    if found is None:
        return None
    hf, name = found
    setattr(hf, hf.base_model_prefix, backbone.model)
    embeddings = hf.get_input_embeddings().weight
    if any(parameter is embeddings for parameter in head.parameters()):
        hf.tie_weights()
    else:
        setattr(hf, name, copy.deepcopy(head).to(backbone.dtype))
    backbone.model.config = hf.config
    return hf


def generation_config(backbone: Backbone, settings: Mapping[str, Any]) -> GenerationConfig:
    """Settings of text generation, with the backbone's own special tokens."""
    from transformers import GenerationConfig

    return GenerationConfig(
        **settings,
        eos_token_id=backbone.tokenizer.end_id,
        pad_token_id=backbone.tokenizer.pad_id,
    )

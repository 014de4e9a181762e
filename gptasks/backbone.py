"""The shared GPT: a decoder without its language-model head, cut and split by layers.

Works for decoders of transformers whose layers stand in one list under the model (GPT-2, Llama,
Qwen, GPT-NeoX and their kin): such a decoder, given the hidden states of layer k as
`inputs_embeds`, continues from there exactly, so that its lower part needs to run only once.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from torch import nn

from gptasks.errors import BackboneError
from gptasks.tokenizer import Tokenizer

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

NORMS = ("norm", "ln_f", "final_layer_norm", "final_layernorm")
"""Names that transformers' decoders give to the norm after the last layer."""

POSITIONS = ("wpe",)
"""Learned absolute positions, added to the embeddings before the first layer."""


FUSED_FROM = 160
"""Tokens of a text from which a processor learns faster through the fused kernel of attention."""


@dataclass(frozen=True)
class Backbone:
    """A pretrained decoder with its tokenizer.

    model: ids (B, T) to hidden states (B, T, D); the class `AutoModel` gives.
    name: how users chose it; source: where it came from, for the record.
    unembedding: final hidden states (B, T, D) to a logit for every token of the vocabulary (the
    language-model head, often the embeddings themselves); None where it came without.
    """

    model: PreTrainedModel
    tokenizer: Tokenizer
    name: str
    source: str
    unembedding: nn.Module | None = None

    @property
    def hidden_size(self) -> int:
        """The width D of a hidden state."""
        return int(self.model.config.hidden_size)

    @property
    def layers(self) -> int:
        """Number of decoder layers."""
        return len(self._layers)

    @property
    def context(self) -> int:
        """Most tokens the decoder can read at once."""
        return context_of(self.model.config)

    @property
    def dtype(self) -> torch.dtype:
        """Number format of the weights."""
        return self.model.dtype

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.model.device

    def check(self) -> None:
        """Raise BackboneError, before any work, for a model that can't be cut by layers.

        Some architectures do more to the embeddings than `inputs_embeds` undergo (BLOOM, Granite)
        or keep settings per layer in a form of their own (GPT-Neo), so both are tried out on the
        lowest two layers: a few ids through them together and one by one, and their configuration.
        """
        kind = type(self.model).__name__
        _ = self._layers_name, self._norm_name  # either raises where there is none
        self._check_vocabulary()
        lowest = self.cut(min(2, self.layers))
        config = lowest.cut(1).model.config
        try:
            type(config).from_dict(config.to_dict())
        except Exception as error:  # the configuration's own check, of whatever class
            raise BackboneError(
                f"backbone {self.name!r}: the configuration of a {kind} can't be cut to fewer "
                "layers; take a decoder such as GPT-2, Llama, Qwen or GPT-NeoX."
            ) from error
        whole, joined = lowest._tried(0), lowest._tried(1)
        if not whole.isfinite().all():
            raise BackboneError(
                f"backbone {self.name!r} computes values that are no finite numbers in "
                f"{self.dtype}: its weights are damaged, or made for another precision."
            )
        difference = float((whole - joined).abs().max())
        if difference > 0.01 * float(whole.abs().max()):
            raise BackboneError(
                f"backbone {self.name!r}: the layers of a {kind} do not go on from given states "
                f"(their output is off by {difference:.2g}), so it can't be split; take a decoder "
                "such as GPT-2, Llama, Qwen or GPT-NeoX."
            )

    def cut(self, layer: int) -> Backbone:
        """The backbone without the layers above `layer`; the final norm stays on top.

        Shares the weights with this one.
        """
        if not 1 <= layer <= self.layers:
            raise BackboneError(
                f"layer {layer} is not in backbone {self.name!r}; it has layers 1 to {self.layers}."
            )
        return replace(self, model=self._decoder(0, layer))

    def piece(self, start: int, stop: int, *, is_top: bool = False) -> nn.Module:
        """The layers start..stop-1 as a decoder of their own; shares the weights.

        The lowest piece takes `input_ids`; others take the states below them as `inputs_embeds`.
        Only a top piece ends in the final norm.
        """
        piece = self._decoder(start, stop)
        if not is_top:
            setattr(piece, self._norm_name, nn.Identity())
        if start > 0:
            for name in POSITIONS:
                if hasattr(piece, name):
                    setattr(piece, name, _NoPositions(self.dtype))
            if hasattr(piece, "drop"):  # GPT-2's dropout of embeddings belongs below layer 1
                piece.drop = nn.Identity()
        return piece

    def attending(self, *, two_way: bool) -> Backbone:
        """The backbone whose tokens read the whole text (`two_way`) or what stands before them.

        Kept in the configuration, so that plain transformers reads it so, too; shares the weights.
        Raises BackboneError for a decoder that reads in one direction all the same.
        """
        model = self._decoder(0, self.layers)
        model.config.is_causal = not two_way
        read = replace(self, model=model)
        if two_way and not read._sees_ahead():
            raise BackboneError(
                f"backbone {self.name!r} is a {type(self.model).__name__}, which can't read in "
                "both directions; set task.attention=causal, or take a decoder such as GPT-2, "
                "Llama, Qwen3 or GPT-NeoX."
            )
        return read

    def own_parameters(self) -> list[nn.Parameter]:
        """All weights that the backbone comes with, its map back to words included."""
        words = [] if self.unembedding is None else list(self.unembedding.parameters())
        return [*self.model.parameters(), *words]

    @property
    def norm(self) -> nn.Module:
        """The norm after the last layer."""
        return getattr(self.model, self._norm_name)

    def weights(self, layers: range) -> list[nn.Parameter]:
        """The parameters of some of the layers, counted from 0, and of the final norm; with the
        lowest layer also the embeddings."""
        if 0 in layers:
            return list(self.model.parameters())
        modules = [self.norm, *(self._layers[i] for i in layers)]
        return [parameter for module in modules for parameter in module.parameters()]

    def linear_maps(self, layers: range) -> list[str]:
        """Full names of the matrices in some of the layers, counted from 0."""
        prefixes = tuple(f"{self._layers_name}.{i}." for i in layers)
        return [
            name
            for name, module in self.model.named_modules()
            if name.startswith(prefixes)
            and getattr(module, "weight", None) is not None
            and module.weight.dim() == 2
        ]

    @cached_property
    def _layers_name(self) -> str:
        names = [name for name, child in self.model.named_children() if _is_layers(child)]
        if len(names) != 1:
            raise BackboneError(
                f"backbone {self.name!r} is a {type(self.model).__name__}, which is not one list "
                "of decoder layers; take a decoder such as GPT-2, Llama, Qwen or GPT-NeoX."
            )
        return names[0]

    @property
    def _layers(self) -> Sequence[nn.Module]:
        return list(getattr(self.model, self._layers_name))

    @cached_property
    def _norm_name(self) -> str:
        for name in NORMS:
            if hasattr(self.model, name):
                return name
        raise BackboneError(
            f"backbone {self.name!r} is a {type(self.model).__name__} without a final norm by any "
            f"known name ({', '.join(NORMS)})."
        )

    def _check_vocabulary(self) -> None:
        """Every id that the tokenizer may give must have an embedding."""
        embeddings: Any = self.model.get_input_embeddings()
        rows = len(embeddings.weight)
        hf = self.tokenizer.hf
        special = set(hf.all_special_tokens)
        ids = [i for token, i in hf.get_vocab().items() if token not in special]
        highest = max([self.tokenizer.pad_id, *ids])
        if highest >= rows:
            raise BackboneError(
                f"backbone {self.name!r} has embeddings for {rows:,} tokens, but its tokenizer "
                f"gives ids up to {highest:,}: they do not belong together."
            )

    def _sees_ahead(self) -> bool:
        """Whether the first of a few ids is read differently when the last one changes."""
        import torch

        ids = torch.arange(8, device=self.device).unsqueeze(0) % self.model.config.vocab_size
        other = ids.clone()
        other[0, -1] = 0
        with torch.no_grad():
            first, second = (
                self.cut(1).model(i, attention_mask=torch.ones_like(i), use_cache=False)
                for i in (ids, other)
            )
        return not torch.equal(first.last_hidden_state[0, 0], second.last_hidden_state[0, 0])

    def _tried(self, split: int) -> torch.Tensor:
        """Final states of a few ids, (1, T, D), the layers above `split` run apart."""
        import torch

        ids = torch.arange(8, device=self.device).unsqueeze(0) % self.model.config.vocab_size
        inputs: dict[str, torch.Tensor] = {"input_ids": ids}
        with torch.no_grad():
            if split:
                states = self.piece(0, split)(**inputs, use_cache=False).last_hidden_state
                inputs = {"inputs_embeds": states}
            top = self.piece(split, self.layers, is_top=True)
            return top(**inputs, use_cache=False).last_hidden_state.float()

    def _decoder(self, start: int, stop: int) -> PreTrainedModel:
        """A shallow copy holding some of the layers: own lists and config, shared weights."""
        model = copy.copy(self.model)
        model._modules = dict(self.model._modules)
        model.config = copy.deepcopy(self.model.config)
        model.config.num_hidden_layers = stop - start
        types = getattr(self.model.config, "layer_types", None)
        if types:  # one entry per layer: which attention it uses
            model.config.layer_types = list(types[start:stop])
        setattr(model, self._layers_name, nn.ModuleList(self._layers[start:stop]))
        return model


def attend(decoder: nn.Module, tokens: int, *, learning: bool) -> None:
    """Choose how a processor computes attention over texts of so many tokens.

    The fused kernel is never slower on the way forward, and much faster for long texts; on the way
    back it is slower for short ones. A GPU's is the faster one always, and usual. learning: whether
    there will be a way back.
    """
    if next(decoder.parameters()).device.type != "cpu":
        return
    is_fused = getattr(decoder, "_supports_sdpa", False) and not (learning and tokens < FUSED_FROM)
    kind = "sdpa" if is_fused else "eager"
    for module in decoder.modules():  # a piece has a configuration of its own, its layers have not
        config = getattr(module, "config", None)
        if config is not None and getattr(config, "_attn_implementation", kind) != kind:
            config._attn_implementation = kind


def context_of(config: Any) -> int:
    """Most tokens that a decoder of this configuration can read at once."""
    return int(getattr(config, "max_position_embeddings", 0) or 10**9)


class _NoPositions(nn.Module):
    """Stands in for learned positions where they have been added already."""

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype = dtype

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return ids.new_zeros((1, 1, 1), dtype=self.dtype)


def _is_layers(child: Any) -> bool:
    return isinstance(child, nn.ModuleList) and len(child) > 0

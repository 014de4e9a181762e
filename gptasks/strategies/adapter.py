"""An adapter's files, as PEFT opens them on a plain model with the same head."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gptasks.errors import RunError

if TYPE_CHECKING:
    from peft import PeftModel
    from torch import Tensor, nn

    from gptasks.backbone import Backbone
    from gptasks.task import Layout

TASK_TYPES = {
    "AutoModelForSequenceClassification": "SEQ_CLS",
    "AutoModelForTokenClassification": "TOKEN_CLS",
    "AutoModelForCausalLM": "CAUSAL_LM",
}
"""PEFT's word for the class that holds backbone and head."""


@dataclass(frozen=True)
class AdapterWeights:
    """Adapter and head, copied before they are merged."""

    tensors: dict[str, Tensor]
    config: dict[str, Any]

    def save(self, folder: Path) -> None:
        """Write adapter_model.safetensors and adapter_config.json. Raises RunError if it can't."""
        from safetensors import SafetensorError
        from safetensors.torch import save_file

        text = json.dumps(self.config, indent=2, sort_keys=True)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            save_file(self.tensors, folder / "adapter_model.safetensors", {"format": "pt"})
            (folder / "adapter_config.json").write_text(text + "\n", encoding="utf-8")
        except (OSError, SafetensorError) as error:
            fault = RunError(
                f"the adapter can't be written to {folder}: {error}; make room, then repeat the "
                "command to go on."
            )
            fault.exit_code = 1
            raise fault from error


def adapter_weights(
    adapted: PeftModel, head: nn.Module, layout: Layout | None, backbone: Backbone
) -> AdapterWeights:
    """Adapter and head under the names they have on the layout's plain class.

    `PeftModel.from_pretrained(AutoModelFor….from_pretrained(BACKBONE, num_hidden_layers=…,
    num_labels=…), folder)` then gives the trained model; without a layout, or a class of it for
    this architecture, the adapter fits the bare `AutoModel`, and the head stands in model/.
    """
    from peft import get_peft_model_state_dict

    from gptasks.plain import plain_model

    plain = plain_model(layout, backbone.model.config)
    prefix, old = "base_model.model.", adapted.active_peft_config
    inner = "" if plain is None else f"{_base_prefix(backbone)}."
    tensors = {
        name.replace(prefix, prefix + inner, 1): tensor.detach().cpu().clone().contiguous()
        for name, tensor in get_peft_model_state_dict(adapted).items()
    }
    config = old.to_dict()
    config |= {"inference_mode": True, "base_model_name_or_path": backbone.source}
    if not Path(backbone.source).is_absolute() and "@" in backbone.source:
        hub, _, revision = backbone.source.partition("@")  # as PEFT has it
        config |= {"base_model_name_or_path": hub, "revision": revision}
    if layout is not None and plain is not None:
        config["task_type"] = TASK_TYPES.get(layout.auto_class)
        if not _is_shared(head, backbone):
            config["modules_to_save"] = [plain[1]]
            for name, tensor in head.state_dict().items():
                tensors[f"{prefix}{plain[1]}.{name}"] = tensor.detach().cpu().clone()
    config = {key: _plain(value) for key, value in config.items() if _is_set(value)}
    return AdapterWeights(tensors, config)


def _is_shared(head: nn.Module, backbone: Backbone) -> bool:
    """Whether the head is the backbone's own, so that whoever opens it has it."""
    own = {id(parameter) for parameter in backbone.own_parameters()}
    return all(id(parameter) in own for parameter in head.parameters())


def _base_prefix(backbone: Backbone) -> str:
    return str(backbone.model.base_model_prefix or "model")


def _is_set(value: Any) -> bool:
    return value is not None and value != {} and value != []


def _plain(value: Any) -> Any:
    if isinstance(value, set):
        return sorted(value)
    return value.value if hasattr(value, "value") else value

"""The folder `model/`: written so that plain transformers opens it, and read back."""

from __future__ import annotations

import copy
import logging
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from gptasks.digest import digests
from gptasks.errors import RunError, first_line
from gptasks.loading import check_loaded, quiet_transformers
from gptasks.plain import assembled, generation_config, head_name

if TYPE_CHECKING:
    from torch import nn
    from transformers import PretrainedConfig

    from gptasks.backbone import Backbone
    from gptasks.model import Model
    from gptasks.runtime import Runtime
    from gptasks.task import Layout, Task
    from gptasks.tokenizer import Tokenizer

logger = logging.getLogger(__name__)

HEAD = "head.safetensors"
"""The head's file where no class of transformers has room for it."""

CARD = "README.md"

ADVICE = "copy the run folder anew, or remove it and train again."

NOTE = """This folder holds a backbone (opened by transformers' AutoModel) and, in head.safetensors,
a head that no class of plain transformers computes: it has none for this pooling, or none for this
architecture. Opened as anything but AutoModel it would answer wrongly. Open the run it belongs to
with gptasks.load(RUN).
"""


def save_model(folder: Path, task: Task, backbone: Backbone, head: nn.Module) -> None:
    """Write backbone, head and tokenizer as safetensors, in the backbone's number format.

    With a layout of the task, `<layout.auto_class>.from_pretrained(folder)` opens it, label names
    and logits included; else a note in the folder says how to open it.
    Raises RunError when the folder can't be written.
    """
    from safetensors import SafetensorError

    backbone.model.config.pad_token_id = backbone.tokenizer.pad_id
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with quiet_transformers():
            layout = task.layout()
            whole = assembled(layout, backbone, head)
            if whole is not None:
                if layout is not None and layout.generation is not None:
                    whole.generation_config = generation_config(backbone, layout.generation)
                whole.save_pretrained(folder)
            else:
                _save_apart(folder, backbone, head)
            backbone.tokenizer.save(folder)
    except (OSError, SafetensorError) as error:
        fault = RunError(
            f"the model can't be written to {folder}: {first_line(error)}; make room, then repeat "
            "the command to go on."
        )
        fault.exit_code = 1
        raise fault from error


def save_settings(folder: Path, backbone: Backbone) -> None:
    """Write what an adapter needs beside its weights: the configuration that its backbone is to be
    opened with (cut, labels named, as `save_model` left it) and the tokenizer."""
    with quiet_transformers():
        backbone.model.config.save_pretrained(folder)
        backbone.tokenizer.save(folder)


def is_plain(folder: Path) -> bool:
    """Whether a class of plain transformers opens the whole model, head included."""
    return not (folder / HEAD).exists()


def model_digests(folder: Path) -> dict[str, str]:
    """File name to SHA-256, in hex, of a saved model or adapter; its card may be edited and is left
    out. Of a folder that is not there, nothing."""
    return digests(folder, without=[CARD])


def check_digests(folder: Path, stored: Mapping[str, str]) -> None:
    """Raise RunError where a file is not the one that `model_digests` saw, or is gone.

    Most damage to weights or vocabulary breaks no format: the answers would be others, in silence.
    """
    found = model_digests(folder)
    for name, digest in stored.items():
        if found.get(name) != digest:
            fault = "is missing" if name not in found else "is not as the run wrote it"
            raise RunError(f"{folder / name} {fault}; {ADVICE}")


def largest_difference(one: Path, other: Path) -> float:
    """How far weights of the same name and shape lie apart in the safetensors of two folders;
    endless where a file of them can't be read."""
    from safetensors import SafetensorError, safe_open

    most = 0.0
    for path in sorted(one.glob("*.safetensors")):
        twin = other / path.name
        if not twin.is_file():
            continue
        try:
            with safe_open(path, framework="pt") as there, safe_open(twin, framework="pt") as here:
                for name in set(there.keys()) & set(here.keys()):
                    a, b = (held.get_tensor(name).double() for held in (there, here))
                    if a.shape == b.shape and a.numel():
                        most = max(most, float((a - b).abs().max()))
        except (OSError, SafetensorError):
            return math.inf
    return most


def misnamed(folder: Path, task: Task) -> str | None:
    """What the config.json of a saved model says otherwise than `task`, such as its labels; ""
    where all is as the task says, None where it has nothing to say of a task.

    Raises RunError where it can't be read.
    """
    from transformers import PretrainedConfig

    layout = task.layout() if is_plain(folder) else None
    if layout is None or not layout.config:
        return None
    try:
        config = PretrainedConfig.from_json_file(folder / "config.json")
    except Exception as error:  # whatever transformers makes of a broken one
        raise RunError(f"{folder / 'config.json'} can't be read: {first_line(error)}.") from error
    return _misnamed(config, layout)


def _misnamed(config: PretrainedConfig, layout: Layout | None) -> str:
    for key, value in layout.config.items() if layout else ():
        if getattr(config, key, None) != value:
            return f"{key}={getattr(config, key, None)}, where this run has {value}"
    return ""


def load_model(
    folder: Path, task: Task, runtime: Runtime, *, trust_remote_code: bool = False
) -> Model:
    """The model that `save_model` wrote. Raises RunError in one line when it is broken.

    trust_remote_code: whether Python code may run that came with the backbone and lies in `folder`.
    """
    import torch
    import transformers
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from gptasks.backbone import Backbone
    from gptasks.model import Model

    for name in ("config.json", "tokenizer.json"):
        if not (folder / name).is_file():
            raise RunError(f"{folder} holds no whole model: {name} is missing; {ADVICE}")
    layout = task.layout() if is_plain(folder) else None
    try:
        with quiet_transformers():
            opener = getattr(transformers, layout.auto_class if layout else "AutoModel")
            hf, report = opener.from_pretrained(
                folder,
                dtype=runtime.dtype,
                local_files_only=True,
                trust_remote_code=trust_remote_code,  # unsaid, transformers would ask on stdin
                use_safetensors=True,
                ignore_mismatched_sizes=True,  # reported below, by name
                output_loading_info=True,
            )
    except Exception as error:  # missing files, broken safetensors, broken JSON
        raise _unopened(folder, error) from error
    check_loaded(report, f"the model in {folder}", RunError)
    if fault := _misnamed(hf.config, layout):
        raise RunError(f"{folder}/config.json says {fault}; {ADVICE}")
    tokenizer = saved_tokenizer(folder)
    decoder = getattr(hf, hf.base_model_prefix) if layout else hf
    decoder = decoder.to(runtime.device).eval().requires_grad_(False)
    backbone = Backbone(decoder, tokenizer, str(folder), str(folder))
    if layout:
        head = getattr(hf, head_name(layout, hf) or "")
    else:
        head = task.head(backbone)
        try:
            head.load_state_dict(load_file(folder / HEAD))
        except (OSError, RuntimeError, ValueError, SafetensorError) as error:
            fault = first_line(error).rstrip(" .:")
            raise RunError(f"{folder / HEAD} does not fit: {fault}; {ADVICE}") from error
    # A copy: where a head shares its weights with the embeddings, those keep their format.
    head = copy.deepcopy(head).to(runtime.device, torch.float32).requires_grad_(False)
    return Model(task, backbone, head).eval()


def saved_tokenizer(folder: Path) -> Tokenizer:
    """The tokenizer that `save_model` wrote: of transformers' general class, which needs no code
    that came with a backbone. Raises RunError in one line when it is broken."""
    from transformers import PreTrainedTokenizerFast

    from gptasks.tokenizer import Tokenizer

    try:
        with quiet_transformers():
            hf = PreTrainedTokenizerFast.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # missing files, broken JSON
        raise _unopened(folder, error) from error
    limit = hf.model_max_length
    if not isinstance(limit, int) or limit < 1:  # transformers takes anything
        raise RunError(f"{folder}/tokenizer_config.json: model_max_length is {limit!r}; {ADVICE}")
    return Tokenizer.prepared(hf)


def _unopened(folder: Path, error: Exception) -> RunError:
    """What is said of a model that transformers did not open."""
    if "trust_remote_code" in str(error):
        return RunError(
            f"the model in {folder} needs Python code that lies there with it and is not run "
            "unasked: it can do whatever you can. Read its .py files, and if you trust them "
            "give --trust-remote-code, or gptasks.load(RUN, trust_remote_code=True)."
        )
    fault = first_line(error).rstrip(" .:")
    return RunError(f"the model in {folder} can't be opened: {fault}; {ADVICE}")


def _save_apart(folder: Path, backbone: Backbone, head: nn.Module) -> None:
    """The backbone as `AutoModel` opens it, the head in a file of its own, and a note."""
    from safetensors.torch import save_file

    backbone.model.save_pretrained(folder)
    tensors = {k: v.detach().cpu().contiguous() for k, v in head.state_dict().items()}
    save_file(tensors, folder / HEAD)
    (folder / CARD).write_text(NOTE, encoding="utf-8")
    logger.info("model/ opens with gptasks.load(RUN); plain transformers can't express it")

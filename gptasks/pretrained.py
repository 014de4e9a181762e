"""Where backbones come from: a package's GGUF, a folder, a file, a hub, or random weights."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gptasks.errors import BackboneError, first_line, listing, suggest
from gptasks.gguf import from_file, from_package
from gptasks.hub import reachable
from gptasks.loading import check_loaded, quiet_transformers, warn_of_code
from gptasks.random_backbone import random_backbone, random_tokenizer

if TYPE_CHECKING:
    import torch
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

    from gptasks.backbone import Backbone
    from gptasks.options import BackboneOptions
    from gptasks.tokenizer import Tokenizer

logger = logging.getLogger(__name__)


TOKENIZERS = ("tokenizer", "vocab", "spiece", "tekken")
"""How the names of files that hold a vocabulary begin."""


def load_backbone(
    options: BackboneOptions, name: str, *, dtype: torch.dtype, device: torch.device
) -> Backbone:
    """The backbone that `options` describe, in `dtype` on `device`, frozen and in eval mode.

    Raises BackboneError (or DataError from the package index) in one line when it can't be had.
    """
    from gptasks.backbone import Backbone
    from gptasks.tokenizer import Tokenizer

    whole: Any  # transformers' annotations of `to` do not hold for its models
    with quiet_transformers():
        if options.source == "random":
            whole, tokenizer, origin = random_backbone(options)
            whole, has_words = whole.to(dtype), True
        else:
            place, origin = locate(options, name)
            whole, tokenizer, has_words = _open(place, options, name, dtype)
    whole = whole.to(device).eval().requires_grad_(False)
    unembedding = whole.get_output_embeddings()
    model = whole if unembedding is None else getattr(whole, whole.base_model_prefix)
    backbone = Backbone(
        model,
        Tokenizer.prepared(tokenizer).without_words(),
        name,
        origin,
        unembedding if has_words else None,
    )
    with quiet_transformers():
        backbone.check()
    return backbone


def load_tokenizer(options: BackboneOptions, name: str) -> tuple[Tokenizer, int]:
    """The tokenizer of the backbone that `options` describe, and how many tokens the backbone can
    read at once. Its weights stay closed, and a hub is not asked for them.

    Raises as `load_backbone` does.
    """
    from gptasks.backbone import context_of
    from gptasks.tokenizer import Tokenizer

    with quiet_transformers():
        if options.source == "random":
            tokenizer, config = random_tokenizer(options)
        else:
            tokenizer, config = _open_reading(locate(options, name)[0], options, name)
    context = context_of(config.get_text_config())
    return Tokenizer.prepared(tokenizer).without_words(), context


def locate(options: BackboneOptions, name: str) -> tuple[str, str]:
    """Folder or hub id that transformers opens, and what to call it in the record."""
    if options.source == "package":
        return str(from_package(options, name)), f"{options.distribution} {options.member}"
    if options.source == "hub":
        if not options.hub:
            raise BackboneError(f"backbone {name!r} has source=hub but no id; set backbone.hub=…")
        with _explained(f"backbone {options.hub}", options.hub, options, name):
            place = reachable(options.hub, options.revision)
        return place, options.hub + (f"@{options.revision}" if options.revision else "")
    if not options.path:
        raise BackboneError(f"backbone {name!r} has source=folder but no path; set backbone.path=…")
    try:
        path = Path(os.path.expanduser(options.path)).resolve()
        if path.is_file():
            return str(from_file(path, name)), str(path)
        _check_folder(path, options.path)
    except (OSError, ValueError) as error:  # ValueError: a path with a null character
        reason = getattr(error, "strerror", None) or error
        raise BackboneError(f"backbone {options.path} can't be read: {reason}.") from error
    return str(path), str(path)


def _check_folder(path: Path, given: str) -> None:
    """Raise BackboneError unless a model and a tokenizer were saved into the folder `path`."""
    if not path.is_dir():
        near = suggest(path.name, (p.name for p in path.parent.glob("*"))) or "."
        raise BackboneError(f"backbone folder {given} does not exist{near}")
    names = sorted(p.name for p in path.iterdir())
    if "config.json" not in names:
        raise BackboneError(
            f"folder {given} is no backbone: it has no config.json (it has: "
            f"{listing(names) or 'nothing'}); give a folder written by save_pretrained."
        )
    pickled = [name for name in names if name.startswith("pytorch_model")]
    if pickled and not any(name.endswith(".safetensors") for name in names):
        raise BackboneError(
            f"backbone folder {given} has its weights as a pickle ({pickled[0]}), which may run "
            "code and is not opened; where you trust it, open it with transformers and save it "
            "again, by save_pretrained, as safetensors."
        )
    vocabularies = set(names) - {"tokenizer_config.json"}
    if not any(name.startswith(TOKENIZERS) or name.endswith(".model") for name in vocabularies):
        raise BackboneError(
            f"backbone folder {given} has no tokenizer (it has: {listing(names)}); copy the "
            "tokenizer's files there, tokenizer.json above all."
        )


def _open(
    place: str, options: BackboneOptions, name: str, dtype: torch.dtype
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase, bool]:
    """The model, as a language model where its architecture is one; its tokenizer; and whether the
    map from its states to words came with it."""
    from transformers import AutoModel, AutoModelForCausalLM

    tokenizer, config = _open_reading(place, options, name)
    what = f"backbone {place}"
    with _explained(what, place, options, name):
        is_language_model = type(
            config
        ) in AutoModelForCausalLM._model_mapping or "AutoModelForCausalLM" in getattr(
            config, "auto_map", {}
        )
        opener: Any = AutoModelForCausalLM if is_language_model else AutoModel
        model, report = opener.from_pretrained(
            place,
            dtype=dtype,
            use_safetensors=True,
            ignore_mismatched_sizes=True,  # reported below, by name
            output_loading_info=True,
            **_asked(options),
        )
    # A model saved for another task comes without the map to words, which only some tasks need.
    prefix = f"{model.base_model_prefix}." if is_language_model else ""
    missing = {name for name in report["missing_keys"] if name.startswith(prefix)}
    check_loaded({**report, "missing_keys": missing}, what, BackboneError)
    if getattr(model.config, "auto_map", None) and not options.trust_remote_code:
        logger.info(
            "backbone %s: Python code that comes with it is not run; transformers' own %s is taken",
            name,
            type(model).__name__,
        )
    return model, tokenizer, is_language_model and len(missing) == len(report["missing_keys"])


def _open_reading(
    place: str, options: BackboneOptions, name: str
) -> tuple[PreTrainedTokenizerBase, PretrainedConfig]:
    """How a backbone reads: its tokenizer, and its configuration."""
    from transformers import AutoConfig, AutoTokenizer

    if options.trust_remote_code:
        warn_of_code(f"backbone {name}")
    with _explained(f"the tokenizer of backbone {place}", place, options, name):
        tokenizer = AutoTokenizer.from_pretrained(place, **_asked(options))
    with _explained(f"backbone {place}", place, options, name):
        config = AutoConfig.from_pretrained(place, **_asked(options))
    return tokenizer, config


def _asked(options: BackboneOptions) -> dict[str, Any]:
    """What every call of transformers that opens a backbone is told."""
    common: dict[str, Any] = {"trust_remote_code": options.trust_remote_code}
    if options.source == "hub":
        return {**common, "revision": options.revision}
    return {**common, "local_files_only": True}


@contextlib.contextmanager
def _explained(what: str, place: str, options: BackboneOptions, name: str) -> Iterator[None]:
    """Raise BackboneError in one line for whatever transformers raises while it opens `what`."""
    try:
        yield
    except Exception as error:  # an unknown architecture, a broken safetensors file, bad JSON
        if options.source == "hub" and isinstance(error, OSError):
            wanted = place + (f"@{options.revision}" if options.revision else "")
            raise BackboneError(
                f"backbone {wanted!r} is neither cached nor to be had from the hub "
                f"({first_line(error)}); check the name and the connection, or give a folder: "
                "backbone=./FOLDER."
            ) from error
        if "trust_remote_code" in str(error):
            there = f"https://hf.co/{place}" if options.source == "hub" else place
            raise BackboneError(
                f"backbone {name!r} needs Python code that comes with it and is not run unasked: "
                f"it can do whatever you can. Read its .py files in {there}, and if you trust them "
                "set backbone.trust_remote_code=true."
            ) from error
        fault = first_line(error).rstrip(" .:")
        raise BackboneError(f"{what} can't be opened: {fault}.") from error

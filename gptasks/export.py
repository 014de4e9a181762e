"""A finished run's model, or its adapter, copied into a folder of its own, to be given away."""

from __future__ import annotations

import json
import logging
import os
import shutil
from pathlib import Path

from gptasks.errors import ConfigError, RunError, listing
from gptasks.runs import RunFolder, read_results, writing
from gptasks.saved_model import ADVICE, check_digests, is_plain

logger = logging.getLogger(__name__)

BASE = "base_model_name_or_path"
"""PEFT's key for the backbone of an adapter."""


def export(run: Path, folder: Path, *, adapter: bool = False, force: bool = False) -> Path:
    """Copy the model of the finished run, or its adapter, with its card; gives the folder.

    A new folder appears whole or not at all. With `force` it may hold files already: those of the
    same names are replaced, the others stay.
    Raises RunError where there is nothing that could be given away, ConfigError for a folder that
    can't be taken.
    """
    source = _source(run, adapter)
    try:
        target = Path(os.path.realpath(folder.expanduser()))
        target.parent.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:  # ValueError: a path with a null character
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"{folder} can't be made ({reason}); choose another folder.") from error
    held = _held(target, folder, run, force)
    is_new, name = not target.is_dir(), f".{target.name}.{os.getpid()}.part"
    part = target.with_name(name) if is_new else target / name
    files = sorted(path.relative_to(source) for path in source.rglob("*") if path.is_file())
    try:
        with writing(target):
            for file in files:
                (part / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source / file, part / file)
            if is_new:
                part.rename(target)
            else:  # the folder itself stays: it may be a mount, or another's way to these files
                for file in files:
                    (target / file).parent.mkdir(parents=True, exist_ok=True)
                    (part / file).replace(target / file)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    others = sorted(set(held) - {file.parts[0] for file in files})
    if others:
        logger.info("%s also holds, as before: %s", folder, listing(others, 6))
    if adapter:
        _warn_of_path(target)
    return target


def _warn_of_path(folder: Path) -> None:
    base = json.loads((folder / "adapter_config.json").read_text("utf-8"))[BASE]
    if Path(base).is_absolute():
        logger.warning(
            "adapter_config.json names the backbone by its path on this machine (%s); before you "
            "give the adapter away, write there where others find that backbone",
            base,
        )


def _source(run: Path, adapter: bool) -> Path:
    """The folder to copy."""
    results = read_results(run)
    strategy = results["strategy"]
    model = RunFolder(run).model
    source = RunFolder(run).adapter if adapter else model
    if adapter and not source.is_dir():
        raise RunError(
            f"{run} holds no adapter (strategy={strategy}); only strategy=lora makes one. Its "
            "model can be exported."
        )
    for needed in (model / "config.json", source / ("adapter_" * adapter + "config.json")):
        if not needed.is_file():
            raise RunError(f"{run} is not whole: {needed} is missing; {ADVICE}")
    for stored in dict.fromkeys((model, source)):
        check_digests(stored, results[stored.name])
    if not is_plain(model):
        raise RunError(
            f"the head of {run} is one that no class of plain transformers has, so that only "
            "gptasks opens it, by gptasks.load(RUN): give away the whole run folder."
        )
    return source


def _held(target: Path, given: Path, run: Path, force: bool) -> list[str]:
    """What the folder holds already."""
    if target.is_relative_to(os.path.realpath(run)):
        raise ConfigError(f"{given} lies in the run folder itself; choose another folder.")
    try:
        held = sorted(path.name for path in target.iterdir()) if target.exists() else []
    except OSError as error:  # a file, or one of another user
        raise ConfigError(
            f"{given} can't be written into ({error.strerror}); choose another folder."
        ) from error
    if held and not force:
        raise ConfigError(
            f"{given} is not empty (it has: {listing(held, 4)}); choose another folder, or add "
            "--force: files of the same names are replaced, the others stay."
        )
    return held

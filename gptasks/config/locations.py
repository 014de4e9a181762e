"""`task=` and `backbone=` given as a file, a folder or a hub id instead of a name."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gptasks.errors import ConfigError, listing, suggest
from gptasks.options import BackboneOptions
from gptasks.registry import Choice, Registry

TASK_FILE = "task.yaml"
"""The file that makes a folder or a repository of the hub a task."""

_HUB_ID = re.compile(r"(?P<id>[\w][\w.-]*/[\w.-]+)(@(?P<revision>[\w./-]+))?", re.ASCII)
_ENDINGS = {"task": (".yaml", ".yml"), "backbone": (".gguf",)}


def at_location(group: str, text: str, registry: Registry) -> Choice | None:
    """The choice that a file, folder or hub id makes; None where `text` is a plain name.

    Raises ConfigError, one line per fault, where it looks like a place and nothing is there.
    """
    if group not in _ENDINGS:
        return None
    path = Path(os.path.expanduser(text))
    if os.path.exists(path):
        return _task_at(path, registry) if group == "task" else _backbone_at(path)
    hub = _HUB_ID.fullmatch(text)
    is_file = text.endswith(_ENDINGS[group])
    if hub and not is_file and not os.path.exists(text.partition("/")[0]):
        repository, revision = hub["id"], hub["revision"]
        if group == "task":
            return _task_on_hub(repository, revision, registry)
        values = {"source": "hub", "hub": repository}
        if revision:
            values["revision"] = revision
        return _backbone(repository, values)
    if is_file or text.startswith((".", "~")) or "/" in text or os.sep in text:
        raise ConfigError(
            f"{group}={text}: there is no such file or folder{suggest(path.name, beside(path))}"
        )
    return None


def chosen(group: str, name: str, registry: Registry) -> Choice:
    """The choice of a name, or of a file, folder or hub id, with its faults as its `error`.

    Raises ConfigError or PluginError where there is none.
    """
    if name not in registry.names(group):
        place = at_location(group, name, registry)
        if place is not None:
            return place
    return registry.find(group, name)


def beside(path: Path) -> list[str]:
    """The names of what lies in the same folder."""
    try:
        return [other.name for other in path.parent.iterdir()]
    except OSError:
        return []


def _task_at(path: Path, registry: Registry) -> Choice:
    if path.is_file() and path.suffix not in _ENDINGS["task"]:
        raise ConfigError(
            f"task={path} is no task: that is a YAML file. To train on a file of your own, "
            f"task=sequence_classification task.data.train={path}"
        )
    if path.is_file():
        return registry.read("task", path, _name(path.stem))
    if not (path / TASK_FILE).is_file():
        raise ConfigError(
            f"no task '{path}': that folder holds no {TASK_FILE}"
            f"{suggest(path.name, registry.names('task'))}"
        )
    return registry.read("task", path / TASK_FILE, _name(path.resolve().name))


def _backbone_at(path: Path) -> Choice:
    if path.is_file() and path.suffix != ".gguf":
        raise ConfigError(f"backbone={path} is neither a folder nor a .gguf file")
    if path.is_dir() and not (path / "config.json").is_file():
        held = listing(sorted(other.name for other in path.iterdir()), 6) or "nothing"
        raise ConfigError(
            f"backbone={path} is no backbone: it has no config.json (it has: {held}); give a "
            "folder written by save_pretrained"
        )
    return _backbone(
        path.resolve().stem if path.is_file() else path.resolve().name,
        {"source": "folder", "path": str(path.resolve())},
    )


def _backbone(name: str, values: dict[str, Any]) -> Choice:
    return Choice("backbone", name, BackboneOptions, "", values)


def _task_on_hub(repository: str, revision: str | None, registry: Registry) -> Choice:
    """Fetch `task.yaml` and the files it names from a model or data set repository.

    Without the hub, what its cache on this machine holds is taken.
    """
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url
    from huggingface_hub.errors import EntryNotFoundError, RepositoryNotFoundError

    reason = f"neither a model nor a data set of that name holds a {TASK_FILE}"
    is_online = True
    for kind in ("model", "dataset"):
        if is_online:  # asked by itself, since hf_hub_download tries for half a minute
            url = hf_hub_url(repository, TASK_FILE, repo_type=kind, revision=revision)
            try:
                get_hf_file_metadata(url, timeout=5)
            except (EntryNotFoundError, RepositoryNotFoundError):
                continue
            except Exception as error:  # whatever the HTTP library of the day raises
                is_online = False
                reason = " ".join(str(error).split())[:200].rstrip(".")

        def fetch(name: str, kind: str = kind, *, is_local: bool = not is_online) -> Path:
            return Path(
                hf_hub_download(
                    repository, name, repo_type=kind, revision=revision, local_files_only=is_local
                )
            )

        try:
            path = fetch(TASK_FILE)
        except EntryNotFoundError:
            continue
        choice = registry.read("task", path, _name(repository.partition("/")[2]))
        if "directory" in choice.values.get("data", {}):
            for name in _relative(choice.values["data"]):
                try:
                    fetch(name)
                except (EntryNotFoundError, OSError) as error:
                    raise ConfigError(
                        f"task={repository}: its {TASK_FILE} names {name}, which could not be had "
                        "from the hub"
                    ) from error
        return choice
    raise ConfigError(
        f"task={repository}: no task of that name is installed, no such folder is here, and "
        f"{TASK_FILE} could not be had from the hub: {reason}."
    )


def _relative(data: dict[str, Any]) -> Iterator[str]:
    """The relative paths that a task file names for its splits."""
    waiting = [data.get(split) for split in ("train", "validation", "test")]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)
        elif isinstance(item, str) and not os.path.isabs(os.path.expanduser(item)):
            yield item


def _name(text: str) -> str:
    """A file's or folder's name as a task name: other signs become '_'."""
    return re.sub(r"[^\w.-]", "_", text).lstrip(".-") or "task"

"""Plugins written into temporary folders: drop-ins, and distributions with entry points."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from gptasks import SequenceClassification, hookimpl

TASK = """
from dataclasses import dataclass
from typing import ClassVar

from gptasks import SequenceClassification, hookimpl


@dataclass
class {cls}(SequenceClassification):
    '''{cls}, a task of the tests.'''

    name: ClassVar[str] = "{name}"

    size: int = 1
    '''An option of its own.'''


@hookimpl
def register_tasks():
    return [{cls}]
"""


def task_code(name: str) -> str:
    """A module that registers one task class of that name."""
    return TASK.format(name=name, cls=name.capitalize())


def package(parent: Path, name: str, code: str = "", **files: str) -> Path:
    """A package with `code` in it, and YAML files by group: task="..." is conf/task/<name>.yaml."""
    folder = parent / name
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text(code, encoding="utf-8")
    for group, text in files.items():
        path = folder / "conf" / group / f"{name}.yaml"
        path.parent.mkdir(parents=True)
        path.write_text(text, encoding="utf-8")
    return folder


def distribution(site: Path, name: str, points: dict[str, str], version: str = "1.0") -> None:
    """An installed distribution, as pip leaves it on a folder of sys.path."""
    info = site / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", encoding="utf-8"
    )
    lines = [f"{point} = {target}" for point, target in points.items()]
    (info / "entry_points.txt").write_text("\n".join(["[gptasks]", *lines]), encoding="utf-8")


def plugin_object(name: str, module: str = "toys") -> ModuleType:
    """A plugin that is an object, with one task class `Toy` of that name."""

    @dataclass
    class Toy(SequenceClassification):
        """A task of the tests."""

        size: int = 1
        """An option of its own."""

    Toy.name = name
    Toy.__module__, Toy.__qualname__ = module, "Toy"
    plugin = ModuleType(module)
    plugin.register_tasks = hookimpl(lambda: [Toy])
    return plugin

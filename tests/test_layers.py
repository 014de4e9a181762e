"""Who may import whom: layers downward only, and each heavy library in one place."""

from __future__ import annotations

import ast
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import gptasks

ROOT = Path(gptasks.__file__).parent

LEVELS: dict[str, int] = {
    **dict.fromkeys(["errors", "_wheel"], 0),
    **dict.fromkeys(
        ["task", "options", "fields", "schema", "unknown", "shape", "yamlfile", "runtime", "cache",
         "progress", "room", "tags", "words", "digest"], 1,
    ),
    **dict.fromkeys(
        ["tokenizer", "backbone", "generation", "model", "plain", "pretrained", "saved_model",
         "gguf", "loading", "random_backbone",
         "strategies", "data", "hub", "metrics", "tracking"], 2,
    ),
    **dict.fromkeys(["tasks", "task_faults"], 3),
    **dict.fromkeys(
        ["hookspecs", "discovery", "watchdog", "plugins", "plugin_checks", "builtin", "choices",
         "registry"], 4,
    ),
    **dict.fromkeys(
        ["config", "evaluation", "export", "predictions", "preview", "runs", "selection",
         "training"], 5
    ),
    **dict.fromkeys(
        ["", "__main__", "api", "arguments", "catalogue", "cli", "compare", "dashboard",
         "explain", "help", "preview_page", "proposal", "report", "reproduction", "scaffold",
         "sweep", "testing", "upload", "verbs", "verification"], 6,
    ),
}  # fmt: skip
"""Module or package below `gptasks` to its level; "" is `gptasks` itself. docs/architecture.md
draws the same picture."""

PLACES: dict[str, set[str]] = {
    "transformers": {
        "backbone",
        "tokenizer",
        "plain",
        "gguf",
        "loading",
        "pretrained",
        "random_backbone",
        "saved_model",
        "strategies",
        "testing",
    },
    "peft": {"strategies"},
    "tokenizers": {"tokenizer", "random_backbone"},
    "safetensors": {"saved_model", "strategies", "training"},
    "accelerate": {"training", "evaluation", "room"},
    "evaluate": {"metrics"},
    "datasets": {"metrics", "data"},
    "rouge_score": {"metrics"},
    "sklearn": {"tasks", "metrics"},
    "wandb": {"tracking"},
    "tensorboard": {"tracking"},
    "trackio": {"tracking"},
    "mlflow": {"tracking"},
    "hydra": {"config"},
    "omegaconf": {"config"},
    "pluggy": {"hookspecs", "plugins", "plugin_checks"},
    "plotly": {"dashboard"},
    "unearth": {"data"},
    "httpx2": {"data"},
    "pyarrow": {"data"},
    "charset_normalizer": {"data"},
    "huggingface_hub": {"config", "hub", "loading", "training", "data"},
}
"""The only modules or packages that may import a library."""

TORCH_AT_ONCE = {"backbone", "generation", "model", "strategies.frozen", "training.trainer"}
"""Modules that import torch when they are imported; all others only where it is used."""

AT_ONCE: dict[str, set[str]] = {
    "torch": TORCH_AT_ONCE,
    "transformers": set(),
    "peft": set(),
    "accelerate": set(),
    "wandb": set(),
    "rouge_score": set(),
    "tensorboard": set(),
    "trackio": set(),
    "mlflow": set(),
    "sklearn": set(),
    "huggingface_hub": set(),
    "unearth": set(),
    "httpx2": set(),
    "pyarrow": set(),
    "datasets": {"metrics.base", "metrics.probability", "metrics.tagging"},
    "charset_normalizer": set(),
}
"""Heavy libraries, and the modules that may import them at module level."""


@dataclass(frozen=True)
class Import:
    """One import statement's target."""

    importer: str
    """Dotted, below `gptasks`."""

    target: str
    """Dotted and whole."""

    line: int
    is_at_once: bool
    """Whether importing the importer carries it out."""

    def __str__(self) -> str:
        return f"gptasks.{self.importer}, line {self.line}, imports {self.target}"


def imports(file: Path) -> Iterator[Import]:
    """What a module imports while it runs; imports for the type checker alone are none."""
    name = ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix("__init__")
    name = name.removesuffix(".")
    tree = ast.parse(file.read_text(encoding="utf-8"))
    waiting: list[tuple[ast.AST, bool]] = [(tree, True)]
    while waiting:
        node, is_at_once = waiting.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            waiting += [(child, is_at_once) for child in node.orelse]
            continue
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(name, alias.name, node.lineno, is_at_once)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"gptasks.{name}, line {node.lineno}: a relative import"
            for alias in node.names:
                yield Import(name, _target(node.module or "", alias.name), node.lineno, is_at_once)
        inner = is_at_once and not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        waiting += [(child, inner) for child in ast.iter_child_nodes(node)]


def _target(module: str, name: str) -> str:
    """`from gptasks import cache` imports a module, `from gptasks import Task` the package."""
    path = ROOT.parent.joinpath(*module.split("."), name)
    is_module = path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()
    return f"{module}.{name}" if is_module else module


def level(module: str) -> int:
    """The level of a module below `gptasks`, given dotted."""
    return LEVELS[module.partition(".")[0]]


ALL = [found for file in sorted(ROOT.rglob("*.py")) for found in imports(file)]


def test_every_module_has_a_level() -> None:
    present = {path.stem for path in ROOT.glob("*.py")} - {"__init__"}
    present |= {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"conf"}
    assert present <= set(LEVELS)
    assert set(LEVELS) - present <= {"", "testing"}


def test_imports_go_downward_only() -> None:
    wrong = [
        f"{found} (level {level(found.importer)} -> {level(below)})"
        for found in ALL
        if found.target.partition(".")[0] == "gptasks"
        for below in [found.target.partition(".")[2]]
        if level(below) > level(found.importer)
    ]
    assert wrong == []


def test_modules_import_modules_and_never_the_public_face() -> None:
    wrong = [str(found) for found in ALL if found.target == "gptasks" and found.importer]
    assert wrong == []


@pytest.mark.parametrize("library", PLACES)
def test_a_library_is_imported_in_its_place_only(library: str) -> None:
    wrong = [
        str(found)
        for found in ALL
        if found.target.partition(".")[0] == library
        and found.importer.partition(".")[0] not in PLACES[library]
    ]
    assert wrong == []


@pytest.mark.parametrize("library", AT_ONCE)
def test_a_heavy_library_is_imported_where_it_is_used(library: str) -> None:
    at_once = {
        found.importer
        for found in ALL
        if found.target.partition(".")[0] == library and found.is_at_once
    }
    assert at_once <= AT_ONCE[library]


def test_what_is_imported_is_declared_and_what_is_declared_is_imported() -> None:
    """A library that another happens to bring may go away with it."""
    project = tomllib.loads((ROOT.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = {
        **{"scikit-learn": "sklearn", "pyyaml": "yaml", "hydra-core": "hydra"},
        "mlflow-skinny": "mlflow",
    }
    always = project["dependencies"]
    assert always == sorted(always)
    extras = project["optional-dependencies"]
    asked = [*always, *(text for name in extras if name != "test" for text in extras[name])]
    declared = [text.partition(">=")[0] for text in asked]
    known = {names.get(name, name).replace("-", "_") for name in declared}
    used = {found.target.partition(".")[0] for found in ALL} - sys.stdlib_module_names
    # setuptools by _wheel, which only a build imports; pytest by who tests a plugin with it
    used -= {"gptasks", "setuptools", "pytest"}
    by_others = {"gguf", "sqlalchemy", "alembic"}  # transformers, mlflow
    assert used == known - by_others

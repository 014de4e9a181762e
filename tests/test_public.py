"""`from gptasks import …`: every public name, nothing heavy, and all that a plugin needs."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import gptasks

ROOT = Path(gptasks.__file__).parents[1]
PLUGINS = sorted(path.parent for path in (ROOT / "plugins").glob("*/__init__.py"))


def test_every_public_name_is_there() -> None:
    for name in gptasks.__all__:
        assert getattr(gptasks, name) is not None
        assert name in dir(gptasks)
    assert gptasks.__all__ == [
        "CONTRACT", *sorted(name for name in gptasks.__all__ if name[0].isupper() and
                            name != "CONTRACT"),
        *sorted(name for name in gptasks.__all__ if name[0].islower()),
    ]  # fmt: skip


METRICS = ("CorpusMetric", "MeanMetric", "Metric")


def test_importing_every_public_name_loads_nothing_heavy() -> None:
    heavy = {"torch", "transformers", "evaluate", "datasets", "wandb", "sklearn", "peft"}
    light = [name for name in gptasks.__all__ if name not in METRICS]  # which are evaluate's
    code = f"import sys; from gptasks import {', '.join(light)}; print(*{heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'gptasks' has no attribute 'nope'"):
        gptasks.nope  # noqa: B018


def test_every_error_is_a_gptasks_error_with_its_exit_code() -> None:
    errors = [getattr(gptasks, name) for name in gptasks.__all__ if name.endswith("Error")]
    assert len(errors) == 7
    for error in errors:
        assert issubclass(error, gptasks.GptasksError)
        assert error.exit_code == (1 if error is gptasks.TrainingError else 2)


@pytest.mark.parametrize("folder", PLUGINS, ids=lambda folder: folder.name)
def test_a_plugin_needs_only_the_public_names(folder: Path) -> None:
    for file in folder.rglob("*.py"):
        if file.name.startswith("test_"):
            continue
        for module, names in _imports(file):
            top = module.partition(".")[0]
            assert top in sys.stdlib_module_names or module == "gptasks", f"{file}: {module}"
            if module == "gptasks":
                assert set(names) <= set(gptasks.__all__), f"{file}: {names}"


@pytest.mark.parametrize("folder", PLUGINS, ids=lambda folder: folder.name)
def test_a_plugin_explains_itself(folder: Path) -> None:
    assert (folder / "README.md").is_file()
    tree = ast.parse((folder / "__init__.py").read_text(encoding="utf-8"))
    assert ast.get_docstring(tree)
    for file in (folder / "conf" / "task").glob("*.yaml"):
        assert file.read_text(encoding="utf-8").startswith("# ")


def _imports(file: Path) -> list[tuple[str, list[str]]]:
    found: list[tuple[str, list[str]]] = []
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [(alias.name, []) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: a relative import"
            found.append((node.module or "", [alias.name for alias in node.names]))
    return found

"""A new plugin: a distribution with a task, a sample of rows, and a test that it passes at once."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import keyword
import random
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

from gptasks.errors import ConfigError, suggest
from gptasks.plugins import version_of
from gptasks.registry import Registry
from gptasks.task import CONTRACT


@dataclass(frozen=True)
class Kind:
    """What a new task of a kind begins with."""

    base: str
    """The class it derives from, among the public names."""

    columns: str
    """The lines of its YAML that name columns."""

    row: Callable[[int, random.Random], dict[str, Any]]
    """A row of its sample by number, made of words drawn at random."""


def _opinion(number: int, draw: random.Random) -> dict[str, Any]:
    thing = draw.choice(("film", "book", "song", "meal"))
    words, label = (("great", "lovely"), "good") if number % 2 else (("awful", "boring"), "bad")
    return {"text": f"the {thing} number {number} was {draw.choice(words)}", "label": label}


def _names(number: int, draw: random.Random) -> dict[str, Any]:
    person = draw.choice((["Ada", "Wu"], ["Bob"], ["Li", "Na"]))
    place = draw.choice((["New", "York"], ["Bonn"], ["Rome"]))
    tokens = [*person, "saw", *place, "on", "day", str(number)]
    tags = [*_tags(person, "PER"), "O", *_tags(place, "LOC"), "O", "O", "O"]
    return {"tokens": tokens, "tags": tags}


def _tags(words: list[str], label: str) -> list[str]:
    return [("I-" if i else "B-") + label for i in range(len(words))]


def _weather(number: int, draw: random.Random) -> dict[str, Any]:
    place = draw.choice(("Bonn", "Rome", "Oslo"))
    what = draw.choice(("rain", "snow", "wind"))
    source = f"All through day {number} there was {what} over {place}, and nobody went out."
    return {"source": source, "target": f"{what.capitalize()} over {place}"}


KINDS: Mapping[str, Kind] = {
    "sequence_classification": Kind(
        "SequenceClassification", "text: text\nlabel: label\n", _opinion
    ),
    "token_classification": Kind("TokenClassification", "tokens: tokens\ntags: tags\n", _names),
    "conditional_generation": Kind(
        "ConditionalGeneration", "source: source\ntarget: target\n", _weather
    ),
}
"""The kinds that a new plugin can be of."""

ROWS = 60


def new_plugin(name: str, kind: str, parent: Path) -> Path:
    """Write the distribution `name` with a task of that kind into a new folder; gives the folder.

    Raises ConfigError where the name can't be one, or exists: as a folder, a distribution, a
    module, a plugin or a task.
    """
    module = _module(name)
    if kind not in KINDS:
        near = suggest(kind, KINDS) or f"; there are {', '.join(KINDS)}"
        raise ConfigError(f"no kind '{kind}' for a new plugin{near}")
    folder = parent / name
    _refuse_taken(name, module, folder)
    files = dict(_files(name, module, KINDS[kind]))
    try:
        for path, text in files.items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{folder} can't be written: {error.strerror}") from error
    return folder


def _module(name: str) -> str:
    """The module of a distribution; ConfigError where the name is none that can be installed."""
    module = re.sub(r"[-.]+", "_", name).lower()
    if not re.fullmatch(r"[A-Za-z0-9]([\w.-]*[A-Za-z0-9])?", name, re.ASCII):
        raise ConfigError(
            f"'{name}' can't be the name of a distribution: it takes letters, digits, '-', '_' and "
            "'.', with a letter or digit first and last; such as acme-headline"
        )
    if not module.isidentifier() or keyword.iskeyword(module):
        raise ConfigError(
            f"'{name}' would be the module '{module}', which Python can't import; let it begin "
            "with a letter, such as acme-headline"
        )
    return module


def _refuse_taken(name: str, module: str, folder: Path) -> None:
    if folder.exists():
        raise ConfigError(f"{folder} exists; nothing was written. Choose another name or folder.")
    registry = Registry()
    installed = {re.sub(r"[-_.]+", "_", d.name).lower() for d in importlib.metadata.distributions()}
    taken = {
        "a distribution that is installed": module in installed,
        "a module that can be imported": importlib.util.find_spec(module) is not None,
        "a plugin": module in {plugin.name for plugin in registry.plugins.loaded},
        "a task": module in registry.names("task"),
    }
    for what, is_taken in taken.items():
        if is_taken:
            raise ConfigError(
                f"'{name}' is the name of {what}; nothing was written. Choose another."
            )


def _files(name: str, module: str, kind: Kind) -> Iterator[tuple[str, str]]:
    title = " ".join(word.capitalize() for word in module.split("_"))
    words = {
        "name": name,
        "module": module,
        "title": title,
        "cls": title.replace(" ", ""),
        "imports": ", ".join(sorted([kind.base, "Row"])),
        "base": kind.base,
        "columns": kind.columns,
        "contract": CONTRACT,
        "version": version_of("gptasks") or "0",
    }
    for path, text in TEMPLATES.items():
        yield Template(path).substitute(words), Template(text).substitute(words)
    draw = random.Random(0)
    rows = (json.dumps(kind.row(number, draw)) for number in range(1, ROWS + 1))
    yield f"{module}/sample.jsonl", "".join(f"{row}\n" for row in rows)


TEMPLATES: Mapping[str, str] = {
    "pyproject.toml": """\
[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[project]
name = "$name"
version = "0.1.0"
description = "$title, a task for gptasks"
readme = "README.md"
requires-python = ">=3.11"
dependencies = ["gptasks>=$version"]

[project.optional-dependencies]
test = ["pytest>=8"]

[project.entry-points.gptasks]
$module = "$module"

[tool.setuptools]
packages = ["$module", "$module.conf.task"]

[tool.setuptools.package-data]
"*" = ["*.yaml", "*.jsonl"]
""",
    "$module/__init__.py": '''\
"""$title: a task for gptasks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from gptasks import $imports, hookimpl

GPTASKS_CONTRACT = $contract


@dataclass
class $cls($base):
    """$title."""

    name: ClassVar[str] = "$module"

    def read(self, row: Row) -> Row | None:
        """The row as it is trained on. Change it here; None leaves it out, gptasks.DataError says
        that it can't be used."""
        return super().read(row)


@hookimpl
def register_tasks() -> list[type[$cls]]:
    """The task."""
    return [$cls]
''',
    "$module/conf/task/$module.yaml": """\
# $title: say here in one line what it is
data: {train: ../../sample.jsonl}  # a sample to begin with; name your own files here
$columns""",
    "tests/test_$module.py": '''\
"""The task keeps gptasks' contract, installed or not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from gptasks.testing import checks


@checks(Path(__file__).parent.parent / "$module")
def test_the_task(check: Callable[[], None]) -> None:
    check()
''',
    "README.md": """\
# $title

A task for gptasks, which fine-tunes one GPT for many tasks.

```sh
pip install -e ".[test]"            # in this folder
gptasks tasks                       # lists $module
gptasks task=$module                # trains on $module/sample.jsonl
pytest                              # the task keeps the contract
gptasks plugins check $module       # the same, and what to do about it
```

Without installing it: `GPTASKS_PLUGINS=. gptasks task=$module`.

- `$module/conf/task/$module.yaml` says which data and columns, and with which settings;
- `$module/__init__.py` changes rows, where those of your files are not as the kind reads them;
- `$module/sample.jsonl` is made up; put your own data in its place.

To share it, build a wheel (`pip wheel --no-deps .`) and upload it to an index.
""",
}
"""Path to text, of the files that a new plugin begins with."""

"""Writes docs/reference/keys.md from the code: python docs/generate.py

Types, defaults, limits and meanings are those of the dataclasses, and the values of a choice those
of its YAML file: the page says nothing that the code does not. A test compares the two.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
KEYS = ROOT / "docs" / "reference" / "keys.md"

sys.path.insert(0, str(ROOT))  # a clone that was never installed has its documentation too

from gptasks.config.run import primary_config  # noqa: E402
from gptasks.fields import Option, fields_of  # noqa: E402
from gptasks.options import RunOptions, SweepOptions  # noqa: E402
from gptasks.registry import GROUPS, Choice, Registry  # noqa: E402

HEAD = """\
# Configuration keys

<!-- Written by docs/generate.py from the code; change the docstrings there, not this page. -->

A training is one choice for each group (`task=`, `backbone=`, `strategy=`, `trainer=`, `tracking=`)
and keys set one by one (`key=value`), in any order on the command line:

```sh
python -m gptasks task=sentiment strategy=head limit=500 seed=1
```

- Every key is typed and checked before anything heavy is loaded; one that does not exist is an
  error that names the nearest one that does.
- A key is given once; given twice it is an error, since one of the two would be ignored.
- Lists are written `[a,b]`, maps `{a: b}`; put quotes around them, since the shell has a use for
  both kinds of bracket. `null` is none.
- A value is, the later over the earlier: the default below, what the chosen YAML file says, what
  `config=FILE` says, what the command line says. Which choice a group has by default stands in
  `conf/config.yaml`.
- `--cfg job` prints the whole configuration instead of training. `gptasks --help GROUP=NAME` shows
  the keys and values of one choice, also of a plugin that this page does not know.
"""

SEVERAL = """\
Part of no run's configuration, and so of no file and no run folder: each run has its own `seed`.
[cli.md](cli.md#several-runs) has the rest about several runs.
"""

INTRO = {
    "task": """\
What is learnt. `task=` takes a name, a YAML file, a folder that holds a `task.yaml`, or the id of
a hub repository that does (`owner/name` or `owner/name@revision`). A task file holds keys without
the `task.`, and may hold `kind`, the task whose keys they are (by default the file's own name), and
`name`. [tasks.md](tasks.md) says how to make one, [data.md](data.md) how rows are read and cut.
""",
    "backbone": """\
The GPT. `backbone=` takes a name, a folder written by `save_pretrained`, a `.gguf` file, or the id
of a hub repository (`owner/name` or `owner/name@revision`). [models.md](models.md) says more.
""",
    "strategy": """\
Which numbers of the model move.
""",
    "trainer": """\
How they are moved. `strategy=head` has no loop and uses `trainer.batch_tokens` alone.
""",
    "tracking": """\
Who is told of the run while it happens; the run folder holds everything in any case. The libraries
of `tensorboard`, `trackio` and `mlflow` are extras: `pip install 'gptasks[tensorboard]'`.

| | configuration | curves | scores | confusion matrix | test predictions | how it ended |
|---|---|---|---|---|---|---|
| `wandb` | config | charts | summary | chart | table | exit code |
| `tensorboard` | HParams | scalars | scalars | table under Text | 1,000 rows under Text | HParams |
| `trackio` | config | metrics | metrics | table | table | only an alert if it failed |
| `mlflow` | parameters | metrics | metrics | table among the artifacts | the same | status |
| `jsonl` | a line | a line each | a line | a line | a line | a line |

Where scores are points like those of a curve, one that has a curve stands under `final/`. A run
that goes on after a stop is the same run there, and is told from its start: W&B gets another
segment of it, and elsewhere what was told before is replaced (MLflow keeps that as a deleted run).
`tensorboard --logdir runs` shows all runs, `trackio show --project gptasks` too; for MLflow set
`tracking.uri`, or MLFLOW_TRACKING_URI, to one store for all. Its page needs the whole of `mlflow`.
[A view](../howto/wandb.md) on W&B's page compares runs of all tasks.

""",
}


def page() -> str:
    """The whole page."""
    registry = Registry()
    _, usual = primary_config()
    parts = [HEAD, "## The run\n", table(RunOptions, "")]
    parts += ["## Several runs\n", SEVERAL, table(SweepOptions, "")]
    for group in GROUPS:
        every = [registry.choice(group, name) for name in registry.names(group)]
        choices = [choice for choice in every if is_ours(choice)]
        default = f"The default is `{usual[group]}`." if group in usual else "It has no default."
        parts += [f"## {group}\n", f"{INTRO[group]}{default}\n"]
        parts += [chosen(choice) for choice in choices]
        parts += classes(choices)
    return "\n".join(parts).rstrip() + "\n"


def is_ours(choice: Choice) -> bool:
    """Whether a choice is this source tree's, and not an installed plugin's or a drop-in's."""
    return choice.path is not None and choice.path.resolve().is_relative_to(ROOT)


def chosen(choice: Choice) -> str:
    """A choice: what it is, and what its file sets."""
    values = _flat(choice.values)
    lines = [f"### `{choice.group}={choice.name}`\n", f"{choice.description}.\n"]
    if choice.kind_name and choice.kind_name != choice.name:
        lines.append(f"Its kind is `{choice.kind_name}`.\n")
    if values:
        lines += ["| sets | to |", "|---|---|"]
        lines += [f"| `{choice.group}.{key}` | {_code(value)} |" for key, value in values.items()]
        lines.append("")
    return "\n".join(lines)


def classes(choices: Iterable[Choice]) -> list[str]:
    """The keys of each class behind the choices; of a subclass, those it adds."""
    named: dict[type, list[str]] = {}
    for choice in sorted(choices, key=lambda choice: choice.kind_name != choice.name):
        assert choice.kind is not None
        named.setdefault(choice.kind, []).append(f"`{choice.group}={choice.name}`")
        prefix = choice.group
    parts = []
    for cls, names in sorted(named.items(), key=lambda item: len(item[0].__mro__)):
        parent = next((base for base in cls.__mro__[1:] if base in named), None)
        above = [] if parent is None else fields_of(parent)
        own = [o for o in fields_of(cls) if o.key not in {option.key for option in above}]
        also = "" if parent is None else f", besides those of {named[parent][0]}"
        parts.append(f"### Keys of {', '.join(names)}{also}\n")
        parts.append(table(cls, f"{prefix}.", own))
    return parts


def table(cls: type, prefix: str, shown: Iterable[Option] | None = None) -> str:
    """Options of a dataclass: key, type with limits, default, meaning."""
    lines = ["| key | type | default | meaning |", "|---|---|---|---|"]
    for option in fields_of(cls) if shown is None else shown:
        default = "required" if option.required else _code(option.default)
        kind = ", ".join(f"`{choice}`" for choice in option.choices) or f"`{_cell(option.type)}`"
        limits = _limits(option.limits)
        doc = _cell(_prose(option.doc))
        lines.append(f"| `{prefix}{option.key}` | {kind}{limits} | {default} | {doc} |")
    return "\n".join(lines) + "\n"


def _flat(values: Mapping[str, Any]) -> dict[str, Any]:
    """Dotted key to value; the keys of `data` are options, those of other maps are not."""
    flat = {key: value for key, value in values.items() if key != "data"}
    data = values.get("data", {})
    return {f"data.{key}": value for key, value in data.items() if key != "directory"} | flat


def _limits(limits: Mapping[str, float]) -> str:
    signs = {"minimum": "≥ {:g}", "maximum": "≤ {:.10g}", "above": "> {:g}", "below": "< {:g}"}
    words = [signs[name].format(limit) for name, limit in limits.items()]
    return f" {', '.join(words)}" if words else ""


def _code(value: Any) -> str:
    return f"`{_cell(_shown(value))}`"


def _shown(value: Any) -> str:
    """A value as the command line would take it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_shown(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_shown, value)) + "]"
    return json.dumps(value) if isinstance(value, str) and not value.strip() else str(value)


def _prose(text: str) -> str:
    """A docstring as Markdown: outside of code, a < would begin a tag."""
    parts = text.split("`")
    return "`".join(part if i % 2 else part.replace("<", "\\<") for i, part in enumerate(parts))


def _cell(text: str) -> str:
    """A text inside a table, where a | would end the cell, even in code."""
    return text.replace("|", "\\|").replace("\n", " ")


if __name__ == "__main__":
    KEYS.write_text(page(), encoding="utf-8")
    print(f"wrote {KEYS.relative_to(ROOT)}")

"""`gptasks --help`: the whole command line on one page, made from the options' own docstrings."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from gptasks.errors import ConfigError, suggest
from gptasks.fields import Option, fields_of, type_at
from gptasks.options import RunOptions, SweepOptions
from gptasks.registry import GROUPS, Registry
from gptasks.verbs import VERBS

USAGE = """\
gptasks fine-tunes one GPT for many tasks.

  gptasks task=sentiment                     train, score, save; in runs/
  gptasks task=sentiment strategy=head       on a frozen backbone: the fastest
  gptasks task=sentiment seeds=3             one run for each of three seeds, compared
  gptasks task=sentiment -m limit=200,500    one run for each value, compared
  gptasks task=sequence_classification task.data.train=a.csv task.data.test=b.csv \\
          task.text=text task.label=label    one's own data
  gptasks init data.csv                      a task proposed for one's own data, written down
  gptasks predict RUN "a text" …             also --input FILE --output FILE
  gptasks evaluate RUN [--data FILE]         score a run again, or on other data
  gptasks compare RUN … [--by KEY,…]         scores of runs beside each other, tested
  gptasks compare RUN … --html report.html   the same as a page: curves, errors, texts
  gptasks dashboard [FOLDER …]               that page, following runs as they go on
  gptasks gate NEW --baseline OLD            whether a run is significantly worse, for CI
  gptasks verify RUN …                       whether runs are what they say
  gptasks reproduce RUN [--run DIR]          the same run once more, compared bit for bit
  gptasks sync [RUN …] [--dry-run]           upload to W&B what was tracked offline
  gptasks export RUN DIR [--adapter]         the model by itself, to be given away
  gptasks data task=NAME [--row N]           what the model will see of the data
  gptasks config task=NAME key=value         the whole configuration, ready to be a file
  gptasks explain KEY [task=NAME]            what a key means, and who set it
  gptasks tasks                              what task= can be
  gptasks plugins list                       what is installed, and what is broken
  gptasks plugins check NAME                 whether a task plugin keeps the contract
  gptasks plugins new NAME --kind KIND       begin a task plugin of your own
  gptasks cache list | clean [NAME …]        downloads and converted backbones
  gptasks --help task=NAME                   the keys of a task; likewise of a strategy, …
  gptasks VERB --help                        the arguments of a verb

  --config FILE    begin with a configuration that `gptasks config` printed, or a run keeps
  --cfg job        print the configuration instead of training
  -m, --multirun   train once for every combination of values separated by commas
"""


def page(words: Sequence[str] = ()) -> str:
    """The page; for words such as "task=ner" or "trainer" the keys of those choices instead.

    Other overrides, such as "seed=1", are set aside. Raises ConfigError for a group or a choice
    that is none.
    """
    registry = Registry()
    asked = [word.partition("=") for word in words]
    for group, sign, _ in asked:
        if group not in GROUPS and not _is_key(group, sign):
            keys = [o.key for o in (*fields_of(RunOptions), *fields_of(SweepOptions))]
            near = suggest(group, [*([] if sign else VERBS), *GROUPS, *keys])
            raise ConfigError(f"no group, key or verb '{group}'{near or '.'} See gptasks --help.")
    chosen = [(group, name or _usual(group)) for group, _, name in asked if group in GROUPS]
    if chosen:
        return "\n\n".join(_options(registry, group, name) for group, name in chosen)
    lines = [USAGE, "groups, set by group=name:"]
    for group in GROUPS:
        lines.append(f"  {group:<10} {', '.join(registry.names(group))}")
    lines.append("  task= and backbone= also take a file, a folder, or a hub id (owner/name).")
    lines += ["", "keys of every run, set by key=value:", _table(RunOptions, "", {})]
    lines += ["", "and of several runs at once:", _table(SweepOptions, "", {})]
    return "\n".join(lines)


def _is_key(word: str, sign: str) -> bool:
    """Whether it names something that is no group: a key of the run, or an override of one."""
    above = word.partition(".")[0]
    if above != word:
        return bool(sign) and above in GROUPS
    return any(type_at(cls, word) for cls in (RunOptions, SweepOptions))


def _usual(group: str) -> str:
    from gptasks.config.run import primary_config

    _, usual = primary_config()
    if group not in usual:
        raise ConfigError(f"name a {group}: gptasks --help {group}=NAME.")
    return usual[group]


def _options(registry: Registry, group: str, name: str) -> str:
    from gptasks.config.locations import chosen

    choice = chosen(group, name, registry)
    if choice.error is not None:
        raise choice.error
    assert choice.kind is not None  # a choice without one has an error, which was raised
    head = f"{group}={name}: {choice.description}".rstrip(": ")
    keys = _table(choice.kind, f"{group}.", choice.values) or "  It has no keys."
    return f"{head}\n\n{keys}"


def _table(cls: type, prefix: str, values: dict[str, object]) -> str:
    lines = []
    for option in fields_of(cls):
        value = _at(values, option.key, option.default)
        default = "required" if option.required else f"= {_shown(value)}"
        lines.append(f"  {prefix}{option.key} {default}  ({_type(option)})")
        lines += textwrap.wrap(option.doc, 92, initial_indent="      ", subsequent_indent="      ")
    return "\n".join(lines)


def _at(values: object, key: str, default: object) -> object:
    for part in key.split("."):
        if not isinstance(values, dict) or part not in values:
            return default
        values = values[part]
    return values


def _type(option: Option) -> str:
    return " | ".join(option.choices) or option.type


def _shown(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(map(_shown, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_shown(item)}" for key, item in value.items()) + "}"
    if isinstance(value, str) and not (value.strip() and value.isprintable()):
        return repr(value)
    return str(value)

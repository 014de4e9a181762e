"""Checks of a task's options, and of what its plugin says of itself."""

from __future__ import annotations

import inspect
import json

import yaml

from gptasks.fields import fields_of, plain
from gptasks.plugin_checks import STATED
from gptasks.registry import build_task
from gptasks.task import CONTRACT
from gptasks.testing.subject import CheckFailed, Skipped, Subject


def states_the_contract(subject: Subject) -> None:
    """Its module says which version of the contract it was built for.

    A later gptasks can then tell whoever installs both what does not fit, instead of failing in the
    middle of a run.

    Mend: write GPTASKS_CONTRACT = 2 (the number, not gptasks.CONTRACT) at the top of the module
    that the entry point names.
    """
    source = subject.choice.source
    if source is None or source.folder is None or not (source.folder / "__init__.py").is_file():
        raise Skipped("there is no module: YAML files alone")
    if getattr(source.target, STATED, None) != CONTRACT:
        raise CheckFailed(f"{source.folder / '__init__.py'} does not say {STATED} = {CONTRACT}")


def options_survive_a_file(subject: Subject) -> None:
    """Its options are the same after they were written to YAML and read again.

    A run's config.yaml is all that opens its model again.

    Mend: give options plain types (int, float, bool, str, lists, maps, dataclasses of them), and
    compute what is no option in a method.
    """
    task = subject.task()
    told = plain(task)
    values = yaml.safe_load(yaml.safe_dump(json.loads(json.dumps(told)), allow_unicode=True))
    named = {"name": subject.choice.name, "kind": subject.choice.kind_name}
    again = build_task({**values, **named}, subject.registry)
    for key, value in vars(task).items():
        if key in told and getattr(again, key) != value:
            raise CheckFailed(
                f"task.{key} is {value!r}, and {getattr(again, key)!r} after it was written and "
                "read"
            )


def options_are_documented(subject: Subject) -> None:
    """Its class and every option of it say what they mean.

    That text is `gptasks --help task=…`, `gptasks explain` and the reference; there is no other.

    Mend: write a docstring under the class line, and one under each field.
    """
    cls = subject.choice.kind
    assert cls is not None
    said = inspect.getdoc(cls) or ""
    if not said or said.startswith(f"{cls.__name__}("):  # which dataclasses write
        raise CheckFailed(f"{cls.__module__}.{cls.__qualname__} has no docstring")
    silent = [option.key for option in fields_of(cls) if not option.doc]
    if silent:
        raise CheckFailed(f"no docstring under {', '.join('task.' + key for key in silent)}")

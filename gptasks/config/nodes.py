"""A choice's values: its class' defaults, and over them what its file chooses."""

from __future__ import annotations

from typing import Any

from gptasks.choices import Choice
from gptasks.fields import defaults, laid_over, required

UNSET = "???"
"""OmegaConf's word for a value that must be given."""


def node(choice: Choice) -> dict[str, Any]:
    """A choice's full values, as Hydra's store takes them."""
    assert choice.kind is not None
    values: dict[str, Any] = {"name": choice.name}
    if choice.kind_name:
        values["kind"] = choice.kind_name
    values.update(dict.fromkeys(required(choice.kind), UNSET))
    values.update(literal(defaults(choice.kind)))
    return laid_over(choice.kind, values, choice.values)


def literal(value: Any) -> Any:
    """Defaults are code, so ${ in them is plain text, which OmegaConf wants escaped."""
    if isinstance(value, dict):
        return {key: literal(item) for key, item in value.items()}
    if isinstance(value, list):
        return [literal(item) for item in value]
    return value.replace("${", "\\${") if isinstance(value, str) else value


def nest(key: str, value: Any) -> dict[str, Any]:
    """{"a": {"b": value}} of "a.b"."""
    for part in reversed(key.split(".")):
        value = {part: value}
    assert isinstance(value, dict)
    return value

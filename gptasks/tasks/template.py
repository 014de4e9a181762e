"""A task's template: the words around the texts that a model is shown."""

from __future__ import annotations

from collections.abc import Sequence
from string import Formatter

from gptasks.errors import ConfigError, suggest


def template_parts(template: str | None, names: Sequence[str]) -> tuple[str, str, str]:
    """What a template has before, between and after its texts.

    template: words with each of `names` (one or two) once, in braces and in that order; None is
    the bare texts, on a line each. A brace itself is written twice, as in str.format.
    Raises ConfigError where it can't be filled.

    >>> template_parts("Review: {text} It is", ["text"])
    ('Review: ', '', ' It is')
    """
    if template is None:
        return "", "\n" if len(names) > 1 else "", ""
    if "\\n" in template:
        raise ConfigError(
            "task.template holds a backslash and an n, where a line break may be meant; in YAML "
            "and on a command line that is \\n within double quotes: task.template='\"…\\n…\"'"
        )
    words, found = [""], []
    try:
        for literal, name, form, conversion in Formatter().parse(template):
            words[-1] += literal
            if name is not None:
                if form or conversion:
                    raise ConfigError(
                        f"task.template: {{{name}}} takes no format; got {template!r}"
                    )
                found.append(name)
                words.append("")
    except ValueError as error:
        raise ConfigError(
            f"task.template can't be read: {error}; write a brace that is meant as such twice"
        ) from error
    usual = " ".join(f"{{{name}}}" for name in names)
    for name in found:
        if name not in names:
            near = suggest(name, names) or f"; it has {usual}"
            raise ConfigError(f"task.template has no text {{{name}}} to fill in{near}")
    if found != list(names):
        raise ConfigError(
            f"task.template must hold {usual}, once{' and in that order' * (len(names) > 1)}; "
            f"got {template!r}"
        )
    return words[0], words[1] if len(names) > 1 else "", words[-1]

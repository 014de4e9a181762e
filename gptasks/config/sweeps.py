"""What the text of an override stands for: one value, or with `-m` several to run in turn."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from gptasks.config import grammar
from gptasks.errors import ConfigError
from gptasks.fields import members
from gptasks.registry import GROUPS

MAX_VALUES = 10_000
"""Most values of a range: each is a run, and all are composed before the first one starts."""

_FUNCTION = re.compile(r"(choice|range|interval|glob|shuffle|sort|tag)\(.*\)", re.DOTALL)


def texts_of(
    key: str, text: str, want: Any, *, sweep: bool, names: Sequence[str] = ()
) -> list[str]:
    """The texts of the values of `key`: one, or in a sweep those between commas.

    want: the type of the key's values; where it is text, commas part nothing without a sweep.
    names: what `glob(…)` picks from. Raises ConfigError where several stand for one.
    """
    if not sweep and key not in GROUPS and set(members(want)) <= {str}:
        return [text]
    is_function = _FUNCTION.fullmatch(text.strip()) is not None
    if is_function and sweep:
        return _evaluated(key, text.strip(), names)
    parts = grammar.parts(text)
    if len(parts) == 1 and not is_function:
        return [text]
    if not sweep:
        ways = ["add -m to run each in turn"]
        is_number = bool({int, float, bool} & set(members(want)))
        if key not in GROUPS and not is_number and not is_function:
            ways.append(f"write {key}=[{text}] for a list")
        if key in ("task", "backbone") or not (key in GROUPS or is_number):
            ways.append(f"""quote the value for one text: {key}="'{text}'\"""")
        raise ConfigError(f"{key}={text} gives several values; {', or '.join(ways)}")
    if "" in parts:
        raise ConfigError(f"{key}={text} has nothing beside a comma")
    return parts


def is_several(text: str) -> bool:
    """Whether a text stands for several values in a sweep."""
    return len(grammar.parts(text)) > 1 or _FUNCTION.fullmatch(text.strip()) is not None


def _evaluated(key: str, text: str, names: Sequence[str]) -> list[str]:
    """The values of one of Hydra's sweep functions, such as range(1,4)."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.core.override_parser.types import Glob, RangeSweep
    from hydra.errors import HydraException

    try:
        parsed = OverridesParser.create().parse_override(f"key={text}")
        value: Any = parsed.value()
        if isinstance(value, RangeSweep):
            first, end, step = (float(part or 0) for part in (value.start, value.stop, value.step))
            if not abs(end - first) <= MAX_VALUES * abs(step):  # nor for one that is no number
                raise ConfigError(
                    f"{key}={text} is no range of at most {MAX_VALUES:,} values, each being a run"
                )
        if isinstance(value, Glob):
            found = value.filter(list(names))
        else:
            found = list(parsed.sweep_string_iterator()) if parsed.is_discrete_sweep() else []
    except (HydraException, OverflowError) as error:  # of a number that no float holds
        raise ConfigError(f"{key}={text}: {str(error).splitlines()[0]}") from error
    if not found:
        raise ConfigError(f"{key}={text} gives no values; write them out, as in {key}=a,b")
    return found

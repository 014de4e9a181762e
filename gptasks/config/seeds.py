"""`seeds=N`: how many runs each configuration has. It is read apart, being part of none."""

from __future__ import annotations

import re
from collections.abc import Sequence

from gptasks.config import grammar
from gptasks.config.sweeps import is_several
from gptasks.errors import ConfigError
from gptasks.options import SweepOptions
from gptasks.schema import build

KEY = "seeds"


def without_seeds(
    pairs: Sequence[tuple[str, str]],
) -> tuple[list[tuple[str, str]], int, list[str]]:
    """The other overrides, the number of seeds, and what is wrong with it.

    pairs: key and text of each override. A `seed` of several values is at odds with it, and told.
    """
    rest = [pair for pair in pairs if pair[0] != KEY]
    texts = [text for key, text in pairs if key == KEY]
    if not texts:
        return rest, 1, []
    faults: list[str] = []
    number = 1
    try:
        number = _number(texts)
    except ConfigError as error:
        faults += error.faults
    several = [text for key, text in rest if key == "seed" and is_several(text)]
    for text in several:
        first = re.search(r"\d+", text)
        faults.append(
            f"seeds={texts[0]} counts on from one seed, and seed={text} gives several; write "
            f"seed={first[0] if first else 0} seeds={texts[0]}, or leave seeds out: -m seed={text}"
        )
    return [pair for pair in rest if pair[0] != "seed" or pair[1] not in several], number, faults


def _number(texts: Sequence[str]) -> int:
    if len(texts) > 1:
        raise ConfigError(f"seeds is given twice, as '{texts[0]}' and '{texts[1]}'; give it once")
    (text,) = texts
    listed = text.strip().removeprefix("[").removesuffix("]")
    if is_several(listed):
        raise ConfigError(
            f"seeds={text}: seeds is a number, how many runs each configuration has; to name the "
            f"seeds, -m seed={listed}"
        )
    if not text.strip():
        raise ConfigError("seeds= is empty; give it a number, such as seeds=5")
    try:
        value = grammar.read(text, int)
    except ValueError:  # of a list or map that does not end
        value = text
    return build(SweepOptions, {KEY: value}, "").seeds

"""What the tests of run folders write into them: a configuration, and the least of results."""

from __future__ import annotations

from typing import Any

from gptasks.runs import FORMAT, SHAPE
from gptasks.shape import EVERY

CONFIG = {"task": {"name": "sentiment", "max_length": 512}, "seed": 0, "run": None}


def filled(shape: Any) -> Any:
    """A value of that shape, with as little in it as may be."""
    if isinstance(shape, dict):
        return {key: filled(one) for key, one in shape.items() if key != EVERY}
    if isinstance(shape, list | tuple):
        return [] if isinstance(shape, list) else shape[0]
    return {str: "x", int: 1, float: 0.5, bool: True}[shape]


RESULTS = {**filled(SHAPE), "format": FORMAT}


def changed(**values) -> dict:
    return {**CONFIG, **values}

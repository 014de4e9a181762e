"""Whether values that were read back, as from JSON, are of the shape in which they were written."""

from __future__ import annotations

from typing import Any

EVERY = "*"
"""As the one name in a shape's object: each value there is, whatever its name."""

_WORDS = {
    str: "a text",
    bool: "true or false",
    int: "a whole number",
    float: "a number or null",
}


def misfit(value: Any, shape: Any, key: str = "") -> str:
    """The first place where `value` is not of `shape`, in words; "" where it fits.

    shape: str, bool, int or float (a number or null); None for anything; a tuple of the values
    allowed; a list of the one shape of all items; or a dict of the shapes of what has to be there,
    more being allowed.

    >>> misfit({"n": None}, {"n": int})
    'n is null, where a whole number should be'
    """
    if shape is None:
        return ""
    if isinstance(shape, dict):
        if not isinstance(value, dict):
            return _wrong(key, value, "an object")
        missing = [name for name in shape if name not in value and name != EVERY]
        if missing:
            return f"{_below(key, missing[0])} is missing"
        known = {name: shape[name] if name in shape else shape.get(EVERY) for name in value}
        inner = (misfit(value[n], one, _below(key, n)) for n, one in known.items())
        return next(filter(None, inner), "")
    if isinstance(shape, list):
        if not isinstance(value, list):
            return _wrong(key, value, "a list")
        inner = (misfit(item, shape[0], f"{key}[{n}]") for n, item in enumerate(value))
        return next(filter(None, inner), "")
    if isinstance(shape, tuple):
        return "" if value in shape else _wrong(key, value, " or ".join(shape))
    kinds = int | float | None if shape is float else shape
    fits = isinstance(value, kinds) and isinstance(value, bool) == (shape is bool)
    return "" if fits else _wrong(key, value, _WORDS[shape])


def _below(key: str, name: str) -> str:
    return f"{key}.{name}" if key else name


def _wrong(key: str, value: Any, expected: str) -> str:
    kinds = {dict: "an object", list: "a list", type(None): "null", bool: str(value).lower()}
    return f"{key} is {kinds.get(type(value), repr(value)[:40])}, where {expected} should be"

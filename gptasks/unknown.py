"""What someone may have meant who named an option that there is not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gptasks.errors import listing, nearest, suggest
from gptasks.fields import Option


def meant(
    above: str,
    name: str,
    value: Any,
    own: Sequence[Option],
    others: Mapping[str, Sequence[str]],
    kind: str,
) -> tuple[str, str]:
    """The key that is unknown, dotted below its group, and what to say of it.

    name, value: as given, below the dotted key `above`. own: the options there are at that place.
    others: the keys that any kind of the group has, each with the names of the kinds; `kind` is
    the one at hand.
    """
    key = above + name
    there = {above + option.key for option in own}
    others = {other: kinds for other, kinds in others.items() if other not in there}
    deeper = _ending((above + option.key for option in own), name)
    elsewhere = _of_another_kind(key, value, others)
    if elsewhere and (elsewhere == key or not deeper):
        key = _whole(key, value)
        near = "" if f"{elsewhere}.".startswith(f"{key}.") else f" did you mean '{elsewhere}'?"
        kinds = f"kind{'s' * (len(others[elsewhere]) > 1)} {listing(others[elsewhere])}"
        return key, f";{near} {'It' if near else 'it'} belongs to {kinds}, and this is {kind}"
    if deeper:  # the right word, but on another level
        return key, f"; did you mean '{deeper}'?"
    known = list(dict.fromkeys(option.key.partition(".")[0] for option in own))
    near = suggest(name, known).replace("mean '", f"mean '{above}")
    if near or not known:
        return key, near
    return key, f"; it has {listing(above + word for word in known)}"


def _of_another_kind(key: str, value: Any, others: Mapping[str, Sequence[str]]) -> str:
    """The key among those of other kinds that an unknown one means; "" without one."""
    if key in others:
        return key
    inside = [other for other in others if other.startswith(f"{key}.")]
    if inside:
        return nearest(_whole(key, value), inside) or inside[0]
    return _ending(others, key.rpartition(".")[2])


def _whole(key: str, value: Any) -> str:
    """A key, with those of the maps of one entry that it holds."""
    while isinstance(value, Mapping) and len(value) == 1:
        ((inner, value),) = value.items()
        key = f"{key}.{inner}"
    return key


def _ending(keys: Iterable[str], word: str) -> str:
    """The first of dotted `keys` that is `word`, or ends in it; "" without one."""
    return next((key for key in keys if f".{key}".endswith(f".{word}")), "")

"""Patterns of paths, on this machine and in archives: what is one, and what fits it."""

from __future__ import annotations

from fnmatch import fnmatchcase


def is_pattern(name: str) -> bool:
    """Whether `name` has a sign that stands for others: *, ? or [."""
    return not set("*?[").isdisjoint(name)


def fits(name: str, pattern: str) -> bool:
    """Whether the path `name` fits `pattern`, as `glob` fits files: * and ? stand for letters of a
    name, [ab] for one of those letters, and ** for any folders, also none; hidden names fit only
    what begins with a dot. The very name fits too, whatever signs it holds.
    """
    if name == pattern:
        return True
    wanted = pattern.split("/")
    if wanted[-1] == "**":
        wanted.append("*")
    places = _skipping({0}, wanted)
    for part in name.split("/"):
        next_places = set()
        for place in places - {len(wanted)}:
            one = wanted[place]
            if fnmatchcase(part, one) and part.startswith(".") <= one.startswith("."):
                next_places.add(place if one == "**" else place + 1)
        places = _skipping(next_places, wanted)
    return len(wanted) in places


def _skipping(places: set[int], wanted: list[str]) -> set[int]:
    """The places in the pattern, and those behind a ** that stands for no folder."""
    for place, one in enumerate(wanted):
        if one == "**" and place in places:
            places.add(place + 1)
    return places

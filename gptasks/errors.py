"""What can go wrong by a user's hand: one class per kind of fault, and the nearest right word.

Every message is one or two sentences: what was wrong, where, what was got, what would be right,
what to do next. The command line prints it as one line and leaves with the class' exit code.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from typing import TypeVar

T = TypeVar("T")


class GptasksError(Exception):
    """A fault of input or surroundings, explained; never a bug of gptasks."""

    exit_code: int = 2
    """What the command line exits with: 2 when the input was wrong, 1 when a sound run failed."""

    @property
    def faults(self) -> list[str]:
        """Each fault it tells of; only a ConfigError or a DataError has several."""
        return [str(self)]


class _Several(GptasksError):
    """May tell of several faults, a line each, whatever line breaks a name or value in them has."""

    def __init__(self, *faults: str) -> None:
        super().__init__("\n".join(" ".join(fault.split("\n")) for fault in faults))

    @property
    def faults(self) -> list[str]:
        """Each fault it tells of, on one line."""
        return str(self).split("\n")


class ConfigError(_Several):
    """A key, value or choice of the configuration is wrong."""


class DataError(_Several):
    """A data file, column, row or label is missing or wrong."""


class BackboneError(GptasksError):
    """A backbone can't be found, read or used in the way asked for."""


class PluginError(GptasksError):
    """A plugin is broken, absent, or at odds with another."""


class RunError(GptasksError):
    """A run folder is missing, half written, in use, or another run's."""


class MissingExtraError(GptasksError):
    """An optional library is absent; the message says what to install."""


class TrainingError(GptasksError):
    """A run that was set up rightly went wrong: not a number, nothing to learn from."""

    exit_code = 1


class CheckError(GptasksError):
    """What was checked is not as it should be: a plugin, a run, or a score beside an older one."""

    exit_code = 1


class UploadError(GptasksError):
    """A tracker's server can't be reached, or does not take what it is sent."""

    exit_code = 1


class NoRoomError(TrainingError):
    """Memory does not hold a batch of so many windows and padded tokens; one can't be halved."""

    def __init__(self, message: str, windows: int = 1, tokens: int = 0) -> None:
        super().__init__(message)
        self.windows, self.tokens = windows, tokens


class Fault(str):
    """What is wrong with one option, on one line."""

    key: str
    """The option, dotted below its group; "" where it is none by itself."""

    is_unknown: bool
    """Whether there is no such option."""

    def __new__(cls, text: str, key: str = "", *, is_unknown: bool = False) -> Fault:
        """The text, and what it is about."""
        made = super().__new__(cls, text)
        made.key, made.is_unknown = key, is_unknown
        return made


def together(calls: Iterable[Callable[[], T]]) -> list[T]:
    """What each call gives. Where several raise, one error tells of all: a DataError if each is
    one, else a ConfigError."""
    given: list[T] = []
    errors: list[GptasksError] = []
    for call in calls:
        try:
            given.append(call())
        except GptasksError as error:
            errors.append(error)
    if len(errors) == 1:
        raise errors[0]
    if errors:
        kind = DataError if all(isinstance(one, DataError) for one in errors) else ConfigError
        raise kind(*dict.fromkeys(fault for error in errors for fault in error.faults))
    return given


def nearest(word: str, choices: Iterable[str]) -> str:
    """The nearest of `choices`; "" when none is near."""
    words = [str(choice) for choice in choices]
    return next(iter(difflib.get_close_matches(str(word), words, n=1, cutoff=0.6)), "")


def suggest(word: str, choices: Iterable[str]) -> str:
    """The nearest of `choices` as "; did you mean 'x'?", or nothing when none is near.

    >>> suggest("sumarization", ["summarization", "ner"])
    "; did you mean 'summarization'?"
    """
    near = nearest(word, choices)
    return f"; did you mean '{near}'?" if near else ""


def listing(words: Iterable[str], limit: int = 12) -> str:
    """`words` for a message: "a, b, c", cut after `limit` with the number left out."""
    words = [str(word) for word in words]
    more = f" and {len(words) - limit} more" if len(words) > limit else ""
    return ", ".join(words[:limit]) + more


def first_line(error: BaseException) -> str:
    """An error's message, cut to its first sentence-like line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:300] if lines else type(error).__name__

"""Ends what takes too long, and names it: a plugin that hangs at its import or in a check."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator

from gptasks.errors import ConfigError, PluginError

SECONDS = "GPTASKS_PLUGIN_SECONDS"
"""Environment variable: how long a plugin may take to be imported."""

USUAL = 60.0
NOTICE = 10.0
"""Seconds after which it is said what is waited for."""


class TooLong(BaseException):
    """No Exception, which the code that hangs may catch and go on."""


def limit() -> float:
    """How many seconds a plugin may take. Raises ConfigError where SECONDS says no such number."""
    told = os.environ.get(SECONDS)
    with contextlib.suppress(ValueError):
        seconds = float(told or USUAL)
        if 0 < seconds < threading.TIMEOUT_MAX:
            return seconds
    raise ConfigError(f"{SECONDS} must be a number of seconds above 0; got {told!r}")


@contextlib.contextmanager
def watched(what: str, remedy: str) -> Iterator[None]:
    """Say on stderr that `what` takes long, and what the `remedy` is; then break it off.

    Raises PluginError when it is broken off. Only Python code in the main thread can be, and only
    where the system has SIGALRM; elsewhere there is the notice alone.
    """
    seconds = limit()
    seen = threading.Timer(min(NOTICE, seconds / 2), _say, [what, remedy])
    seen.daemon = True
    seen.start()
    try:
        with alarm(seconds):
            yield
    except TooLong:
        raise PluginError(
            f"took more than {seconds:g} s to be imported, and was broken off; {SECONDS}=… gives "
            "it longer"
        ) from None
    finally:
        seen.cancel()


@contextlib.contextmanager
def alarm(seconds: float) -> Iterator[None]:
    """Raise TooLong in the body after so many seconds, and again each second.

    Only in the main thread, only where the system has SIGALRM and nobody else has set it.
    """
    is_possible = (
        hasattr(signal, "setitimer")
        and threading.current_thread() is threading.main_thread()
        and signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    )
    if not is_possible:
        yield
        return

    is_over = False

    def ring(number: int, frame: object) -> None:
        if not is_over:
            raise TooLong

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)
    try:
        yield
    finally:
        is_over = True
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)


def _say(what: str, remedy: str) -> None:
    if sys.stderr is not None:
        print(f"gptasks: {what} is still being imported; {remedy}", file=sys.stderr, flush=True)

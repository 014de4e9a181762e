"""Progress for people: a bar on a terminal, a line now and then anywhere else."""

from __future__ import annotations

import logging
import sys
import time
from types import TracebackType

logger = logging.getLogger(__name__)

EVERY = 20.0
"""Seconds between two lines where there is no terminal."""


class Progress:
    """Counts from `done` towards `total` of `unit`, with rate and time left, on stderr.

    >>> with Progress("reading", 100, "rows") as progress:
    ...     progress.add(100)
    """

    def __init__(self, what: str, total: int, unit: str = "tokens", *, done: int = 0) -> None:
        self.what, self.total, self.unit = what, total, unit
        self.done = self._before = done
        self.note = ""
        self._start = self._said = time.monotonic()
        self._bar = None
        if sys.stderr.isatty() and logger.isEnabledFor(logging.INFO):
            from tqdm import tqdm

            self._bar = tqdm(
                total=total,
                initial=done,
                desc=what,
                unit=f" {unit}",
                unit_scale=True,
                leave=False,
                delay=1.0,
            )

    def add(self, amount: int, note: str = "") -> None:
        """Count `amount` more; `note` stands behind the numbers, such as "loss 0.31"."""
        self.done += amount
        self.note = note
        if self._bar is not None:
            self._bar.set_postfix_str(note, refresh=False)
            self._bar.update(amount)
        elif time.monotonic() - self._said > EVERY:
            self._said = time.monotonic()
            logger.info("%s", self.line())

    def line(self) -> str:
        """Where it stands, as one line."""
        passed = max(time.monotonic() - self._start, 1e-9)
        rate = (self.done - self._before) / passed
        share = min(100.0, 100 * self.done / max(1, self.total))
        parts = [f"{share:.0f}%", f"{quantity(rate)} {self.unit}/s"]
        if rate:
            parts.append(f"{duration((self.total - self.done) / rate)} left")
        return f"{self.what}: " + " · ".join([*parts, *([self.note] if self.note else [])])

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.close()


def quantity(number: float) -> str:
    """1234 as "1.2 k", 12 as "12"."""
    # From where on a number would be rounded to 1000 of the unit below.
    for least, size, unit in ((999.95e6, 1e9, "G"), (999.95e3, 1e6, "M"), (999.5, 1e3, "k")):
        if abs(number) >= least:
            return f"{number / size:.1f} {unit}"
    return f"{number:.0f}"


def counted(number: int, one: str, many: str = "") -> str:
    """1 as "1 row", 1234 as "1,234 rows"; `many` where it is not `one` with an s."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def duration(seconds: float) -> str:
    """75 as "1:15 min", 4000 as "1:06 h", 12 as "12 s"."""
    seconds = max(0, round(seconds))
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60}:{seconds % 60:02d} min"
    return f"{seconds // 3600}:{seconds % 3600 // 60:02d} h"

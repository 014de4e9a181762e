"""How much goes through a model at once, and less of it where memory runs out."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from gptasks.errors import NoRoomError
from gptasks.progress import counted

logger = logging.getLogger(__name__)

T = TypeVar("T")

SAID = ("out of memory", "CUBLAS_STATUS_ALLOC_FAILED")
"""Parts of errors that accelerate does not take for a lack of memory."""


class Room:
    """How many padded tokens go through a model at once while it does `what`."""

    def __init__(self, tokens: int, what: str = "predicting") -> None:
        self.tokens, self.what = tokens, what

    def fit(self, do: Callable[[int], T]) -> T:
        """What `do` gives of the number of tokens, which is halved until memory holds as many.

        `do` begins anew each time, and has each of its batches in `holding`. Raises NoRoomError
        where memory does not hold a single window.
        """
        while True:
            try:
                return do(self.tokens)
            except NoRoomError as error:
                if error.windows == 1:
                    raise
                tokens = error.tokens
            _free()  # now that the error is gone, whose frames hold what memory had no room for
            self._go_on_with(tokens // 2)
            logger.warning(
                "memory does not hold %s tokens at once while %s; going on with %s, to the same "
                "effect",
                *(f"{tokens:,}", self.what, f"{self.tokens:,}"),
            )

    def _go_on_with(self, tokens: int) -> None:
        self.tokens = tokens


@contextmanager
def holding(windows: int, width: int, remedy: str = "") -> Iterator[None]:
    """Work on a batch of so many windows, padded to `width` tokens.

    remedy: what more its user may do where memory does not hold one window.
    Raises NoRoomError in place of the libraries' many errors for a lack of memory.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise NoRoomError(
            f"memory does not hold {counted(windows, 'text')} of {counted(width, 'token')}; lower "
            f"task.max_length, {remedy}take a smaller backbone, or free some memory.",
            windows,
            windows * width,
        ) from error


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error of torch, CUDA or Python says that memory ran out."""
    import torch
    from accelerate.utils.memory import should_reduce_batch_size

    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and (
        should_reduce_batch_size(error) or any(said in str(error) for said in SAID)
    )


def _free() -> None:
    """Give the device back what is no longer held."""
    from accelerate.utils.memory import clear_device_cache

    clear_device_cache(garbage_collection=True)

"""transformers at loading: kept quiet, its report looked at, code that comes along warned of."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from gptasks.errors import GptasksError, listing

if TYPE_CHECKING:
    pass

logger = logging.getLogger(__name__)


@contextlib.contextmanager
def quiet_transformers() -> Iterator[None]:
    """Keep the notes and bars of transformers, and the hub's of every try to connect, off the
    screen while loading or saving; what goes wrong is told in gptasks' own line."""
    from huggingface_hub.utils import logging as hub_logging
    from transformers.utils import logging as hf_logging

    verbosity, bars = hf_logging.get_verbosity(), hf_logging.is_progress_bar_enabled()
    of_hub = hub_logging.get_verbosity()
    hub_logging.set_verbosity_error()
    hf_logging.set_verbosity_error()
    hf_logging.disable_progress_bar()
    try:
        yield
    finally:
        hub_logging.set_verbosity(of_hub)
        hf_logging.set_verbosity(verbosity)
        if bars:
            hf_logging.enable_progress_bar()


def check_loaded(report: Mapping[str, Any], what: str, fault: type[GptasksError]) -> None:
    """Raise `fault` where transformers filled in weights at random: absent or of another shape.

    report: what `from_pretrained(…, output_loading_info=True)` gives.
    """
    missing = sorted(report["missing_keys"])
    if missing:
        raise fault(
            f"{what} lacks weights that its config.json asks for: {listing(missing, 3)}; "
            "its files do not belong together, or one is missing."
        )
    for name, held, asked in sorted(report["mismatched_keys"]):
        raise fault(
            f"{what}: {name} is of shape {tuple(held)}, where its config.json asks for "
            f"{tuple(asked)}; its files do not belong together."
        )


def warn_of_code(what: str) -> None:
    """Say, before `what` is opened with its code, what that means."""
    logger.warning(
        "%s: Python code that comes with it is run if there is any, and can do whatever you can: "
        "read, change, delete and send your files; trust only code that you have read",
        what,
    )

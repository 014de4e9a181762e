"""Whether the Hugging Face hub answers; its own library would try each file for half a minute."""

from __future__ import annotations

import logging

logger = logging.getLogger(__name__)

PATIENCE = 10.0
"""Seconds that one answer may take."""


def reachable(repository: str, revision: str | None) -> str:
    """What transformers opens a model of the hub by: its name, or where the hub does not answer the
    folder of the cache that holds it.

    Raises OSError where neither is to be had.
    """
    reason = _silence(repository, revision)
    if not reason:
        return repository
    from huggingface_hub import snapshot_download

    try:
        place = snapshot_download(repository, revision=revision, local_files_only=True)
    except OSError as error:
        raise OSError(reason) from error
    logger.info("%s is the cache's copy: the hub can't be reached (%s)", repository, reason)
    return place


def _silence(repository: str, revision: str | None) -> str:
    """Why the hub can't be asked; "" where it answers, be it with a refusal, and where it is not to
    be asked (HF_HUB_OFFLINE)."""
    from huggingface_hub import HfApi, constants
    from huggingface_hub.errors import HfHubHTTPError

    if constants.HF_HUB_OFFLINE:
        return ""
    try:
        HfApi().model_info(repository, revision=revision, timeout=PATIENCE)
    except (HfHubHTTPError, ValueError):  # an answer, or a name that is none: told later
        return ""
    except Exception as error:  # httpx's, by whatever version of it the hub's library has
        return str(error) or type(error).__name__
    return ""

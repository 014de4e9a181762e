"""Uploads what W&B kept offline, by wandb's own `sync`, which marks what is done.

A run that went on after a stop has several parts, each a folder; a later one tells the whole story
again, where it came far enough.
"""

from __future__ import annotations

import os
import re
import struct
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gptasks.errors import ConfigError, UploadError
from gptasks.tracking.wandb import HOMES, has_key

PATIENCE = 10
"""Seconds that the server has to answer before anything is sent; wandb itself would wait on."""

FILES = "wandb/offline-run-*/*.wandb"
"""Where in a run folder W&B keeps what it was told offline."""

_BLOCK = 32 * 1024
_WHOLE, _LAST = 1, 4


@dataclass(frozen=True)
class Part:
    """One offline folder of a run."""

    file: Path
    """Its `.wandb` file."""

    project: str
    entity: str
    """User or team; empty where it is left to the key."""

    @property
    def is_synced(self) -> bool:
        """Whether wandb has marked it as uploaded."""
        return self.file.with_name(f"{self.file.name}.synced").exists()


@dataclass(frozen=True)
class Sent:
    """What came of an upload."""

    url: str
    """Of the run's page; empty where wandb named none."""

    is_whole: bool
    """False for a part that breaks off, as a killed run's does: what is there was sent."""


def offline_parts(run: Path) -> list[Part]:
    """The parts of a run folder that hold anything, in the order they were made."""
    parts = []
    for file in sorted(run.glob(FILES)):
        place = _destination(file)
        if place is not None:
            parts.append(Part(file, *place))
    return parts


def is_online(run: Path) -> bool:
    """Whether W&B was told of the run while it happened."""
    return any(run.glob("wandb/run-*"))


def waiting(parts: list[Part]) -> list[Part]:
    """Those that are to be sent: all after the last one that was. An earlier one, sent later, would
    put an old story over the new one."""
    after = max((n + 1 for n, part in enumerate(parts) if part.is_synced), default=0)
    return parts[after:]


def host() -> str:
    """Address of W&B's server, as wandb's settings say."""
    with _own_place():
        return str(_settings().base_url)


def account() -> str:
    """The user or team that runs without one go to: WANDB_ENTITY's, else the key's own.

    Raises ConfigError without a key, UploadError where the server can't be reached or refuses it.
    """
    with _own_place():
        import wandb

        settings = _settings()
        if not has_key(settings):
            raise ConfigError(
                f"there is no key for W&B at {settings.base_url}; run `wandb login`, or set "
                "WANDB_API_KEY."
            )
        _check_reach(settings.base_url)
        try:
            api = wandb.Api(timeout=PATIENCE)  # it tries the key
        except (Exception, SystemExit) as error:
            said = " ".join(str(error).split()) or type(error).__name__
            said = said.removeprefix(f"Failed to verify credentials with {settings.base_url}: ")
            raise UploadError(
                f"W&B at {settings.base_url} did not accept the key: {said}; `wandb login "
                "--relogin` takes another one."
            ) from error
        if settings.entity:
            return str(settings.entity)
        with suppress(Exception):  # of a server that tells less of its users
            return str(api.viewer.entity or "")
        return ""


def send(part: Part, entity: str = "") -> Sent:
    """Upload a part, and let wandb mark it. Raises UploadError with wandb's own reason.

    entity: whose the run becomes where the part names none; wandb asks WANDB_ENTITY only while a
    run is made.
    """
    asked = ["--entity", entity] if entity and not part.entity else []
    with _own_place() as spare:
        own = {"WANDB_DIR": spare, "WANDB_MODE": "online", "WANDB_SILENT": "false"}
        done = subprocess.run(
            [sys.executable, "-m", "wandb", "sync", *asked, str(part.file)],
            env={**os.environ, **own},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
    lines = [line.strip() for line in done.stdout.splitlines() if line.strip()]
    page = re.search(r"View run .* at (\S+)", done.stdout)
    url = page[1] if page else ""
    if part.is_synced:
        return Sent(url, is_whole=True)
    errors = [line.partition("ERROR ")[2] for line in lines if "ERROR " in line]
    others = [line for line in errors if "incomplete record" not in line]
    if errors and not others and done.returncode == 0:
        return Sent(url, is_whole=False)
    panic = [line for line in lines if line.startswith("panic: ")]
    said = next(iter([*panic, *others, *lines[-1:]]), f"exit code {done.returncode}")
    raise UploadError(f"wandb could not upload it: {said}")


def _settings() -> Any:
    """wandb's own, of its files and the environment."""
    import wandb

    try:
        return wandb.setup().settings
    except Exception as error:  # pydantic's, over several lines
        said = " ".join(str(error).split()).partition(" [type=")[0]
        raise ConfigError(f"wandb can't read its settings, WANDB_… among them: {said}") from error


def _check_reach(address: str) -> None:
    """Raise UploadError where nothing answers at all."""
    try:
        with urllib.request.urlopen(address, timeout=PATIENCE):
            pass
    except urllib.error.HTTPError:
        pass  # it is there, and says something
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        if "certificate" in str(reason).lower():
            return  # wandb has certificates of its own to try
        raise UploadError(
            f"W&B's server {address} can't be reached: {reason}. Nothing was sent; repeat the "
            "command when it can."
        ) from error


@contextmanager
def _own_place() -> Iterator[str]:
    """A spare folder, also for what wandb else puts into ~/.cache and ~/.local."""
    with tempfile.TemporaryDirectory(prefix="gptasks-", ignore_cleanup_errors=True) as spare:
        ours = {name: spare for name in HOMES if name not in os.environ}
        os.environ.update(ours)
        try:
            yield spare
        finally:
            for name in ours:
                os.environ.pop(name, None)


def _destination(file: Path) -> tuple[str, str] | None:
    """Project and entity that a `.wandb` file names; None where it breaks off before that."""
    from wandb.proto import wandb_internal_pb2

    messages: Any = wandb_internal_pb2  # whose names differ by the version of protobuf
    for data in _records(file):
        record = messages.Record()
        record.ParseFromString(data)
        if record.WhichOneof("record_type") == "run":
            return record.run.project, record.run.entity
    return None


def _records(file: Path) -> Iterator[bytes]:
    """The records of a `.wandb` file, up to where it breaks off.

    After 7 bytes of header come blocks of 32 KiB as in LevelDB's log: each piece is a CRC-32 (4
    bytes), a length (2), a kind (1) and the data; a record is one piece (kind 1) or several, the
    last of kind 4. A block's last 6 bytes or fewer are unused.
    """
    with file.open("rb") as stream:
        at, parts = len(stream.read(7)), b""
        while True:
            if _BLOCK - at % _BLOCK < 7:
                at += len(stream.read(_BLOCK - at % _BLOCK))
            head = stream.read(7)
            if len(head) < 7:
                return
            _, length, kind = struct.unpack("<IHB", head)
            piece = stream.read(length)
            if len(piece) < length:
                return
            at, parts = at + 7 + length, parts + piece
            if kind in (_WHOLE, _LAST):
                yield parts
                parts = b""

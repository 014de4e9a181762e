"""Reads a run's `.wandb` file back, which wandb itself ships no reader for.

The file is 7 bytes of header, then blocks of 32 KiB as in LevelDB's log: each piece is a CRC-32 (4
bytes), a length (2), a kind (1) and the data. A record is one piece (kind 1) or several (2, 3, 4:
first, middle, last); a block's last 6 bytes or fewer are unused.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

BLOCK = 32 * 1024
WHOLE, LAST = 1, 4


def records(path: Path) -> Iterator[Any]:
    """All records of the file, as wandb's own protobuf messages, in order."""
    from wandb.proto.wandb_internal_pb2 import Record

    data, at, parts = path.read_bytes(), 7, b""
    assert data[:4] == b":W&B", f"{path} is no W&B file"
    while at + 7 <= len(data):
        if BLOCK - at % BLOCK < 7:
            at += BLOCK - at % BLOCK
            continue
        crc, length, kind = struct.unpack_from("<IHB", data, at)
        piece = data[at + 7 : at + 7 + length]
        assert zlib.crc32(bytes([kind]) + piece) == crc, f"{path} is broken at byte {at}"
        at, parts = at + 7 + length, parts + piece
        if kind in (WHOLE, LAST):
            record = Record()
            record.ParseFromString(parts)
            yield record
            parts = b""


def values(items: Iterable[Any]) -> dict[str, Any]:
    """The keys and values of a record's items; nested keys are joined by dots."""
    return {".".join(item.nested_key) or item.key: json.loads(item.value_json) for item in items}

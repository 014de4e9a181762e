"""Small data files, written, and read as `gptasks.data.files` reads them."""

from __future__ import annotations

import gzip
import io
from pathlib import Path
from typing import Any

from gptasks.data.files import BadRow, read_file
from gptasks.task import DataOptions, Row


def write(path: Path, content: str | bytes, encoding: str = "utf-8") -> Path:
    content = content if isinstance(content, bytes) else content.encode(encoding)
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def read(path: Path, **options: Any) -> list[Row | BadRow]:
    return list(read_file(path, DataOptions(**options), origin=path.name))


def seen(path: Path, **options: Any) -> list[Any]:
    """Each record as (id, columns) or (id, reason)."""
    records = read(path, **options)
    return [(r.id, dict(r)) if isinstance(r, Row) else (r.id, r.reason) for r in records]


def parquet(path: Path, **columns: list[Any]) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    return write(path, buffer.getvalue())

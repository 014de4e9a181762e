"""Records of a parquet file, a batch at a time."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gptasks.data.opening import File, opened_bytes
from gptasks.errors import DataError


def parquet_records(path: File) -> Iterator[dict[str, Any]]:
    """Each row as column name to value; none if the file is empty.

    Raises DataError where the file is broken, or names a column twice.
    """
    with opened_bytes(path) as packed:
        if not packed.read(1):
            return
    with _opened(path) as file:
        names = list(file.schema_arrow.names)
        twice = [name for name in names if names.count(name) > 1]
        if twice:
            raise DataError(f"{path} has the column {twice[0]!r} twice.")
        for batch in file.iter_batches(batch_size=4096):
            yield from _plain_rows(path, batch)


def _plain_rows(path: File, batch: Any) -> list[dict[str, Any]]:
    """The rows of a pyarrow.RecordBatch, their values being Python's own."""
    try:
        return batch.to_pylist()
    except UnicodeError:
        raise
    except Exception:  # OverflowError for a date before year 1, and others
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            try:
                column.to_pylist()
            except Exception as error:
                raise DataError(
                    f"{path}, column {name!r}, of type {column.type}, can't be read: {error}; "
                    "write it as text, or leave it out."
                ) from error
        raise


@contextmanager
def _opened(path: File) -> Iterator[Any]:
    """The open pyarrow.parquet.ParquetFile; what pyarrow finds wrong is one DataError."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        source: File | io.BytesIO = path
        if not isinstance(path, Path) or path.name.lower().endswith(".gz"):
            with opened_bytes(path) as packed:
                source = io.BytesIO(packed.read())
        with pq.ParquetFile(source) as file:
            yield file
    except UnicodeError as error:
        raise DataError(f"{path} holds a text that is not utf-8: {error}.") from error
    except (pa.ArrowException, OSError) as error:
        why = str(error).partition("\n")[0]
        raise DataError(f"{path} is no whole parquet file: {why}.") from error

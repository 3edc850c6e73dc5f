"""Columns of records.parquet that repeat what the attempts hold, such as `text`: no leaf covers them, the file does."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from aigc.arrow import record_table
from aigc.export import PARQUET
from aigc.parquet_rows import BATCH_ROWS, read_rows


def changed_copies(path: Path) -> Iterator[str]:
    """Places where a file whose rows hold is not what those rows are written as: columns, and fields of rows.

    Raises:
        StoreError: a row cannot be read.
    """
    import pyarrow.parquet as pq

    rows, row = read_rows(path), 0
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(BATCH_ROWS):
            written = record_table([*islice(rows, len(batch))])
            if row == 0:
                names, known = batch.schema.names, written.schema.names
                yield from (f"{PARQUET}, column {name}" for name in dict.fromkeys([*names, *known])
                            if names.count(name) != known.count(name))
            for name in written.schema.names:
                if batch.schema.names.count(name) == 1:
                    yield from _changed(batch.column(name), written.column(name), name, row)
            row += len(batch)


def _changed(found: Any, written: Any, name: str, row: int) -> Iterator[str]:
    pairs = zip(found.to_pylist(), written.to_pylist(), strict=True)
    return (f"{PARQUET} row {number}, field {name}" for number, (one, other) in enumerate(pairs, row + 1)
            if one != other)

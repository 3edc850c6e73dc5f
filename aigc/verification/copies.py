"""Columns of records.parquet that repeat what the attempts hold, such as `text`: no leaf covers them, the file does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from aigc.arrow import record_table
from aigc.export import PARQUET
from aigc.parquet_rows import BATCH_ROWS, read_rows
from aigc.stamped import Stamped
from aigc.verification.findings import differing
from aigc.verification.rows import place_of


def changed_copies(path: Path) -> Iterator[str]:
    """Places where a file whose rows hold is not what those rows are written as: columns, and fields of rows.

    Raises:
        StoreError: a row cannot be read.
    """
    import pyarrow.parquet as pq

    rows, start = enumerate(read_rows(path)), 0
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(BATCH_ROWS):
            numbered = [*islice(rows, len(batch))]
            written = record_table([row for _, row in numbered])
            if start == 0:
                names, known = batch.schema.names, written.schema.names
                yield from (f"{PARQUET}, column {name}" for name in dict.fromkeys([*names, *known])
                            if names.count(name) != known.count(name))
            for name in written.schema.names:
                if batch.schema.names.count(name) == 1:
                    yield from _changed(name, batch.column(name), written.column(name), numbered)
            start += len(batch)


def _changed(name: str, found: Any, written: Any, rows: Sequence[tuple[int, Stamped]]) -> Iterator[str]:
    for (number, row), one, other in zip(rows, found.to_pylist(), written.to_pylist(), strict=True):
        if one != other:
            yield from (f"{place_of(number, row)}, field {path}" for path in differing({name: one}, {name: other}))

"""review.csv: all texts in one table, for programs that have no workbooks."""

from __future__ import annotations

from codecs import BOM_UTF8
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from aigc.cells import csv_line
from aigc.disk import write_atomically
from aigc.review.reviewable import Reviewable
from aigc.review.standing import Standing
from aigc.review.words import Language
from aigc.review_sheet.columns import columns_of
from aigc.review_sheet.rows import cells_of
from aigc.review_sheet.spelling import csv_cell

CSV = "review.csv"


def write_csv(
    folder: Path,
    run_id: str,
    rows: Callable[[], Iterable[Reviewable]],
    standing: Mapping[str, Standing],
    language: Language,
) -> Path:
    """Write review.csv of `rows`, which are gone through twice. Raises StoreError where the disk refuses."""
    fields = dict.fromkeys(name for row in rows() for name in row.fields)
    columns = columns_of([*fields])

    def lines() -> Iterable[bytes]:
        yield BOM_UTF8 + csv_line([csv_cell(column.words[language]) for column in columns])
        for row in rows():
            cells = cells_of(row, standing.get(row.record.record_id), run_id, language)
            yield csv_line([csv_cell(cells.get(column.name, "")) for column in columns])

    path = folder / CSV
    write_atomically(path, lambda file: file.writelines(lines()))
    return path

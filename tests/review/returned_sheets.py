"""Review sheets as they come back: written, changed as editors and programs change them, and read."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from runs_to_review import NOW, RUN, TEXTS, record_id, reviewed

from aigc.review.decisions import Decision
from aigc.review.intake import Reading
from aigc.review.reviewable import reviewables
from aigc.review_sheet.delimited import write_csv
from aigc.review_sheet.returned import read_decisions
from aigc.review_sheet.workbook import write_workbook

Rows = list[dict[str, str]]


def read(path: Path, folder: Path, editor: str = "Ana") -> Reading:
    return read_decisions(path, reviewed(folder), editor, NOW)


def said(reading: Reading) -> dict[str, Decision]:
    """Decisions by id of the brief."""
    names = {record_id(name): name for name in [*TEXTS, "scene", "held", "rejected", "odd", "other"]}
    return {names[offer.decision.record_id]: offer.decision for offer in reading.offered}


def in_workbook(folder: Path, tmp_path: Path, change: Callable[[Any], None]) -> Path:
    """review.xlsx after `change` to its book."""
    from openpyxl import load_workbook

    book = load_workbook(write_workbook(folder, RUN, lambda: reviewables(folder), {}, "en"))
    change(book)
    path = tmp_path / "back.xlsx"
    book.save(path)
    return path


def with_cells(folder: Path, tmp_path: Path, cells: Mapping[tuple[str, str], object]) -> Path:
    """review.xlsx with other cells, by id of the brief and heading."""

    def change(book: Any) -> None:
        left = dict(cells)
        for sheet in book.worksheets[1:]:
            headings = [cell.value for cell in sheet[1]]
            for row in sheet.iter_rows(min_row=2):
                for name, heading in [key for key in left if key[0] == row[0].value]:
                    cell = row[headings.index(heading)]
                    cell.value = left.pop((name, heading))
                    if name == "formula":  # as Excel keeps it that was given it as a text
                        cell.data_type = "s"
        assert not left

    return in_workbook(folder, tmp_path, change)


def in_table(
    folder: Path, tmp_path: Path, change: Callable[[Rows], object] = lambda _: None, encoding: str = "utf-8-sig",
    errors: str = "strict", **form: Any,
) -> Path:
    """review.csv after `change` to its rows, saved in another encoding or form."""
    written = write_csv(folder, RUN, lambda: reviewables(folder), {}, "en")
    rows = list(csv.DictReader(io.StringIO(written.read_text("utf-8-sig"), newline="")))
    change(rows)
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, [*dict.fromkeys(name for row in rows for name in row)], **form)
    writer.writeheader()
    writer.writerows(rows)
    path = tmp_path / "back.csv"
    path.write_bytes(text.getvalue().encode(encoding, errors))
    return path


def setting(cells: Mapping[tuple[str, str], str]) -> Callable[[Rows], None]:
    def change(rows: Rows) -> None:
        for (name, heading), value in cells.items():
            next(row for row in rows if row["id"] == name)[heading] = value

    return change


def approve_all(rows: Rows) -> None:
    for row in rows:
        row["decision"] = "approve"

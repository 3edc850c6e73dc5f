"""Published texts as an Excel workbook: a sheet for each content type, in which every cell is a text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from aigc.cells import is_formula
from aigc.labels.carriers import write_label
from aigc.publishing.tables import field_cells, heading, last_cells
from aigc.publishing.values import Issue
from aigc.review_sheet.spelling import workbook_cell
from aigc.review_sheet.workbook import titles

FIRST_COLUMNS, LAST_COLUMNS = ("id", "variant", "language"), (
    "text", "disclosure", "human_oversight", "digital_source_type", "edit_source_type", "record_id")
WIDE, NARROW = 60, 18


def write_workbook(issue: Issue) -> list[Path]:
    """`approved.xlsx`, with the hidden label as a property."""
    from openpyxl import Workbook

    fields: dict[str, dict[str, None]] = {}
    for row in issue.rows():
        fields.setdefault(row.content_type, {}).update(dict.fromkeys(row.fields))
    book = Workbook(write_only=True)
    names, whole = titles(fields), f"{issue.kind}.jsonl"
    sheets = {kind: _sheet(book, names[kind], [*fields[kind]]) for kind in fields} or {"": book.create_sheet("texts")}
    for row in issue.rows():
        sheet = sheets[row.content_type]
        texts = [row.language, *field_cells(row, [*fields[row.content_type]]), row.text, *last_cells(row)]
        sheet.append([_cell(sheet, row.id, whole), row.variant, *(_cell(sheet, text, whole) for text in texts)])
    path = issue.folder / f"{issue.kind}.xlsx"
    book.save(path)
    if issue.label:
        write_label(path, issue.label)
    return [path]


def _sheet(book: Any, title: str, fields: list[str]) -> Any:
    from openpyxl.utils import get_column_letter

    sheet = book.create_sheet(title)
    sheet.freeze_panes = "B2"
    columns = [*FIRST_COLUMNS, *(heading(name) for name in fields), *LAST_COLUMNS]
    for at, name in enumerate(columns, 1):
        is_wide = name == "text" or name not in (*FIRST_COLUMNS, *LAST_COLUMNS)
        sheet.column_dimensions[get_column_letter(at)].width = WIDE if is_wide else NARROW
    sheet.append([_cell(sheet, name) for name in columns])
    return sheet


def _cell(sheet: Any, text: str, whole: str = "") -> Any:
    """A cell that holds `text`, whatever it looks like."""
    from openpyxl.cell import WriteOnlyCell

    cell = WriteOnlyCell(sheet, workbook_cell(text, whole))
    cell.data_type = "s"  # the library takes a text that starts with `=` for a formula, and `#N/A` for an error
    if is_formula(text):
        cell.quotePrefix = True  # so that it stays a text when somebody opens and closes the cell
    return cell

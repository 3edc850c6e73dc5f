"""Published texts as an Excel workbook: a sheet for each content type, in which every cell is a text."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from aigc.cells import is_formula
from aigc.labels.carriers import write_label
from aigc.publishing.tables import field_cells, heading, last_cells
from aigc.publishing.values import Issue
from aigc.review_sheet.dress import FONT, height_points
from aigc.review_sheet.spelling import workbook_cell
from aigc.review_sheet.workbook import titles_of

FIRST_COLUMNS, LAST_COLUMNS = ("id", "variant", "name", "language"), (
    "text", "disclosure", "human_oversight", "digital_source_type", "edit_source_type", "record_id")
WIDE, NARROW, WIDTHS = 60, 18, {"variant": 8, "name": 30, "language": 10, "record_id": 38}


def write_workbook(issue: Issue) -> list[Path]:
    """`approved.xlsx`, with the hidden label as a property."""
    from openpyxl import Workbook

    fields: dict[str, dict[str, None]] = {}
    for row in issue.rows():
        fields.setdefault(row.content_type, {}).update(dict.fromkeys(row.fields))
    book = Workbook(write_only=True)
    names = titles_of({name: issue.titles.get(name, name) for name in fields})
    dress = _Dress(f"{issue.kind}.jsonl")
    sheets = {kind: _sheet(book, names[kind], [*fields[kind]], dress) for kind in fields}
    if not sheets:
        book.create_sheet("texts")
    rows = dict.fromkeys(sheets, 1)
    for row in issue.rows():
        sheet, own = sheets[row.content_type], [*fields[row.content_type]]
        texts = [row.name, row.language, *field_cells(row, own), row.text, *last_cells(row)]
        rows[row.content_type] += 1
        number = rows[row.content_type]
        sheet.row_dimensions[number].height = height_points((text, WIDE) for text in (row.text, *field_cells(row, own)))
        cells: list[str | int] = [row.id, row.variant, *texts]
        sheet.append([dress.cell(sheet, cell) for cell in cells])
        del sheet.row_dimensions[number]  # it is written; a run may have a hundred thousand
    for kind, sheet in sheets.items():
        sheet.auto_filter.ref = f"A1:{_last_letter(fields[kind])}{rows[kind]}"
    path = issue.folder / f"{issue.kind}.xlsx"
    book.save(path)
    if issue.label:
        write_label(path, issue.label)
    return [path]


class _Dress:
    """How cells look, each look made once: the library takes longer over the style of a cell than over all else."""

    def __init__(self, whole: str) -> None:
        from openpyxl.styles import Alignment, Font, PatternFill

        self._whole, self._made = whole, dict[tuple[bool, bool], Any]()
        self._wrapped = Alignment(wrap_text=True, vertical="top")
        self._bold, self._fill = Font(name=FONT, bold=True), PatternFill("solid", start_color="D9E2EC")

    def cell(self, sheet: Any, value: str | int, *, is_heading: bool = False) -> Any:
        """A cell that holds `value`; of a text what it says, whatever it looks like."""
        from openpyxl.cell import WriteOnlyCell

        text = value if isinstance(value, str) else ""
        cell = WriteOnlyCell(sheet, workbook_cell(text, self._whole) if isinstance(value, str) else value)
        if isinstance(value, str):
            cell.data_type = "s"  # the library takes a text that starts with `=` for a formula, and `#N/A` for an error
        look = is_heading, is_formula(text)
        if look not in self._made:
            cell.alignment = self._wrapped
            cell.quotePrefix = look[1]  # so that it stays a text when somebody opens and closes the cell
            if is_heading:
                cell.font, cell.fill = self._bold, self._fill
            self._made[look] = cell._style
        cell._style = self._made[look]
        return cell


def _last_letter(fields: Collection[str]) -> str:
    from openpyxl.utils import get_column_letter

    return str(get_column_letter(len(FIRST_COLUMNS) + len(fields) + len(LAST_COLUMNS)))


def _sheet(book: Any, title: str, fields: list[str], dress: _Dress) -> Any:
    from openpyxl.utils import get_column_letter

    sheet = book.create_sheet(title)
    sheet.freeze_panes = "D2"
    sheet.page_setup.orientation, sheet.page_setup.fitToHeight = "landscape", 0
    sheet.sheet_properties.pageSetUpPr.fitToPage = True  # who prints it has all columns on a page, under headings
    sheet.print_title_rows = "1:1"
    columns = [*FIRST_COLUMNS, *(heading(name) for name in fields), *LAST_COLUMNS]
    for at, name in enumerate(columns, 1):
        is_wide = name == "text" or name not in (*FIRST_COLUMNS, *LAST_COLUMNS)
        sheet.column_dimensions[get_column_letter(at)].width = WIDE if is_wide else WIDTHS.get(name, NARROW)
    sheet.append([dress.cell(sheet, name, is_heading=True) for name in columns])
    return sheet

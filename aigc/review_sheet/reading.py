"""Rows of a sheet that came back: .xlsx, or CSV in whatever encoding and order of columns it was saved.

A workbook may have sheets of the editors' own, more columns, a title above the headings; a sheet is one of ours where
a row among its first has the heading `record_id`.
"""

from __future__ import annotations

import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from aigc.cells import CELL_UNITS
from aigc.errors import BriefsError, ReviewError, shown, writable
from aigc.review.intake import Reported, place_of
from aigc.review_sheet.columns import EDITOR, column_named
from aigc.review_sheet.spelling import from_csv, from_workbook
from aigc.settings import InputSettings
from aigc.sheets import DAMAGE
from aigc.sheets.cells import Problem, RawRow, is_blank
from aigc.sheets.delimited import DelimitedSheet

WORKBOOKS, TABLES = (".xlsx", ".xlsm"), (".csv", ".tsv", ".txt")
HEADINGS_WITHIN = 10
"""Rows among which the headings are looked for."""
GBK = "gb18030"
CODE_PAGES = ("utf-8", GBK, "cp1252", "mac_roman", "cp950", "cp932", "cp949")
"""What a table that is no UTF-8 may be in: UTF-8 with damage, or what Excel takes for plain CSV in one country or
another."""
SAMPLE_ROWS = 300
"""Rows by which code pages are told apart."""
_RECORD_ID = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")
_COMMON = re.compile(rb"[\xa1-\xa9\xb0-\xd7]")
"""How signs, letters and level 1 of GB 2312 begin: 3,755 characters in the order of their sounds."""
_NEEDED = ("record_id", "decision")


class Formula:
    """Stands for a cell that has a formula."""


@dataclass(frozen=True)
class SheetRow:
    """A row that came back: where it is, and its cells by column. `problem` where it could not be taken apart."""

    place: str
    cells: dict[str, object]
    problem: Problem | None = None


@dataclass(frozen=True)
class ReturnedSheet:
    """A file that came back. `encoding` is that of a CSV file, in which characters may have been lost.

    `problems` are parts of it that could not be read.
    """

    name: str
    rows: list[SheetRow]
    editor: str = ""
    encoding: str = "utf-8"
    problems: Sequence[Reported] = ()


def read_sheet(path: Path, is_as_written: Callable[[SheetRow, str], bool]) -> ReturnedSheet:
    """The rows of a review sheet.

    `is_as_written` is whether a row that was read in an encoding has its text as it was made: of a table that is no
    UTF-8, the encoding is the one in which most rows have.

    Raises:
        ReviewError: it cannot be read, or lacks the columns by which its rows are known.
    """
    suffix = path.suffix.lower()
    if suffix not in (*WORKBOOKS, *TABLES):
        raise ReviewError(writable(path), f"the extension {shown(path.suffix)}", f"{', '.join((*WORKBOOKS, *TABLES))}",
                          "Save the sheet in one of these formats; what review.html exports ends with .jsonl.")
    try:
        sheet = _read_workbook(path) if suffix in WORKBOOKS else _read_table(path, is_as_written)
    except BriefsError as exc:  # the reader of tables is that of briefs
        raise ReviewError(exc.place, exc.found, exc.expected, exc.remedy) from exc
    except DAMAGE as exc:
        reason = (exc.strerror if isinstance(exc, OSError) else str(exc).strip()) or type(exc).__name__
        raise ReviewError(writable(path), f"a file that cannot be read ({shown(reason, 120)})", "an undamaged sheet",
                          "Save or copy it again: it may have been cut short, or have a password.") from exc
    return sheet


def _read_workbook(path: Path) -> ReturnedSheet:
    import warnings

    from openpyxl import load_workbook

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # "no default style" and the like
        book = load_workbook(path, read_only=True, keep_links=False)
        try:
            rows: list[SheetRow] = []
            problems: list[Reported] = []
            editor, is_ours = "", False
            for sheet in book.worksheets:
                sheet.reset_dimensions()  # some programs write a wrong extent, which would cut cells off
                lines = [(number, [_value(cell) for cell in cells])
                         for number, cells in enumerate(sheet.iter_rows(), start=1)]
                name = f"{writable(path.name)}, sheet {sheet.title}"
                headings = _headings(name, lines)
                editor = editor or _editor(lines)
                is_ours = is_ours or headings is not None
                rows += _rows(name, lines, headings) if headings else []
                problems += [_headless(name)] if headings is None and _has_texts(lines) else []
        finally:
            book.close()
    if not is_ours:
        raise _not_ours(path)
    return ReturnedSheet(path.name, rows, editor, problems=problems)


def _value(cell: Any) -> object:
    if cell.data_type == "f":
        return Formula()
    return from_workbook(cell.value) if isinstance(cell.value, str) else cell.value


def _headings(place: str, lines: Sequence[tuple[int, Sequence[object]]]) -> tuple[int, list[str]] | None:
    """The number of the row of headings, and the columns that they name; None where it is no sheet of ours."""
    for number, cells in lines[:HEADINGS_WITHIN]:
        if {column_named(cell) for cell in cells if isinstance(cell, str)}.issuperset(_NEEDED):
            return number, _columns(f"{place}, row {number}", cells)
    return None


def _has_texts(lines: Sequence[tuple[int, Sequence[object]]]) -> bool:
    """Whether rows of ours stand in a sheet."""
    return any(isinstance(cell, str) and _RECORD_ID.fullmatch(cell.strip()) for _, cells in lines for cell in cells)


def _headless(name: str) -> Reported:
    return Reported(place=name, code="no_headings", found="texts without the headings record_id and decision",
                    expected="a row of headings above them",
                    remedy="Restore the headings as they were written, or delete the sheet.")


def _editor(lines: Sequence[tuple[int, Sequence[object]]]) -> str:
    """What stands beside the word for the editor on the first sheet."""
    for _, cells in lines[:HEADINGS_WITHIN]:
        if len(cells) > 1 and isinstance(cells[0], str) and cells[0].strip() in EDITOR.words.values():
            return " ".join(str(cells[1]).split()) if cells[1] is not None and not isinstance(cells[1], Formula) else ""
    return ""


def _rows(
    name: str, lines: Sequence[tuple[int, Sequence[object]]], found: tuple[int, list[str]]
) -> Iterator[SheetRow]:
    at, columns = found
    for number, cells in lines:
        if number > at and not is_blank(cells):
            yield _row(name, f"row {number}", _by_column(columns, cells))


def _row(file: str, at: str, cells: dict[str, object], problem: Problem | None = None) -> SheetRow:
    """A row whose place names the brief first: the lines of a table are not the rows that a spreadsheet shows."""
    name, variant = cells.get("id"), str(cells.get("variant") or "0").strip()
    return SheetRow(f"{file if is_blank([name]) else place_of(file, name, variant)}, {at}", cells, problem)


def _by_column(columns: Sequence[str], cells: Sequence[object]) -> dict[str, object]:
    return {column: cell for column, cell in zip(columns, cells, strict=False) if column}


def _columns(place: str, headings: Sequence[object]) -> list[str]:
    """The columns that headings name, empty where one names none; raises ReviewError where two name the same."""
    columns = [column_named(heading) if isinstance(heading, str) and heading.strip() else "" for heading in headings]
    if twice := next((heading for heading, column in zip(headings, columns, strict=True)
                      if column and columns.count(column) > 1), None):
        raise ReviewError(place, f"two columns named {shown(twice)}", "each heading once", "Rename or remove one.")
    return columns


def _read_table(path: Path, is_as_written: Callable[[SheetRow, str], bool]) -> ReturnedSheet:
    encodings = _encodings(path)
    encoding = encodings[0] if len(encodings) == 1 else _likeliest(path, encodings, is_as_written)
    return ReturnedSheet(path.name, [*_table_rows(path, encoding)], encoding=encoding)


def _likeliest(path: Path, encodings: Sequence[str], is_as_written: Callable[[SheetRow, str], bool]) -> str:
    """The encoding in which most texts are as they were made. In English ones that is all: then Chinese that editors
    wrote beside them tells it, and other bytes are left as damage, since what they say would be guessed."""
    found = {encoding: _as_written(path, encoding, is_as_written) for encoding in encodings}
    most = max(found.values())
    if found[GBK] == most and _is_common_chinese(path.read_bytes()):
        return GBK
    return next(encoding for encoding, rows in found.items() if rows == most)


def _is_common_chinese(data: bytes) -> bool:
    """Whether nearly all bytes above ASCII are what is most in use of GB 2312, or have the form of four bytes, which
    bytes of another encoding hardly have."""
    try:
        beyond = [char for char in data.decode(GBK) if not char.isascii()]
    except UnicodeDecodeError:
        return False
    common = sum(_COMMON.match(char.encode("gb2312", "ignore")) is not None or len(char.encode(GBK)) > 2
                 for char in beyond)
    return common >= 0.8 * len(beyond)


def _as_written(path: Path, encoding: str, is_as_written: Callable[[SheetRow, str], bool]) -> int:
    """How many of the first rows have their texts as they were made; -1 where not even the headings are to be read."""
    try:
        return sum(is_as_written(row, encoding) for row in islice(_table_rows(path, encoding), SAMPLE_ROWS))
    except (ReviewError, BriefsError):  # which the one that is chosen raises again, where none is better
        return -1


def _encodings(path: Path) -> Sequence[str]:
    """The encoding of a table, or those that it may be in."""
    data = path.read_bytes()
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return ["utf-16"] if data[:2] in (BOM_UTF16_LE, BOM_UTF16_BE) else CODE_PAGES
    return ["utf-8-sig"]


def _table_rows(path: Path, encoding: str) -> Iterator[SheetRow]:
    table = DelimitedSheet(path, InputSettings(encoding=encoding, max_cell_chars=2 * CELL_UNITS))
    name = writable(path.name)
    headings = [from_csv(str(cell).lstrip("\ufeff")) for cell in table.header.cells]
    columns = _columns(f"{name} line {table.header.line}", headings)
    if not set(columns).issuperset(_NEEDED):
        raise _not_ours(path)
    for row in table.rows(len(columns)):
        if row.problem or not is_blank(row.cells):
            yield _table_row(name, columns, row)


def _table_row(name: str, columns: Sequence[str], row: RawRow) -> SheetRow:
    cells = [from_csv(cell) if isinstance(cell, str) else cell for cell in row.cells]
    return _row(name, f"line {row.line}", _by_column(columns, cells), row.problem)


def _not_ours(path: Path) -> ReviewError:
    return ReviewError(writable(path), "no row of headings with record_id and decision", "a sheet that aigc wrote",
                       "Restore the headings as they were written; other columns may be added or moved.")

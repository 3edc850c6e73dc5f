"""How cells of a workbook look, and what may be done to them."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from aigc.review_sheet.spelling import workbook_cell

FONT = "Calibri"
"""That of all other cells: a font without a name is whatever a program likes."""
LINE_POINTS, MAX_LINES = 15, 24
"""Height of a line, and how many a row shows at most: the rest is seen in the cell itself."""
MAX_FORMULA = 255
"""UTF-16 units of a list of choices, with its quotes."""


class Look(NamedTuple):
    """What decides how a cell looks and what it allows. A formula's stays a text when an editor opens and closes it."""

    is_open: bool
    from_right: bool
    is_short: bool
    is_formula: bool


class Styles:
    """Styles of cells, each made once: the library takes longer over the style of a cell than over all else."""

    def __init__(self) -> None:
        from openpyxl.styles import Alignment, Border, Font, PatternFill, Protection, Side

        line, thick = Side("thin", color="CCCCCC"), Side("medium", color="B7791F")
        self.frame = Border(left=line, right=line, top=line, bottom=line)  # a fill hides the sheet's own lines
        self.strong_frame = Border(left=thick, right=thick, top=thick, bottom=thick)
        self.open, self.locked = Protection(locked=False), Protection(locked=True)
        self.bold, self.title = Font(name=FONT, bold=True), Font(name=FONT, bold=True, size=16)
        self.large, self.hint = Font(name=FONT, bold=True, size=14), Font(name=FONT, color="B7791F", bold=True)
        self.grey = PatternFill("solid", start_color="F2F2F2")
        self.heading = PatternFill("solid", start_color="D9E2EC")
        self.to_fill = PatternFill("solid", start_color="FFF3BF")
        self.wrapped = Alignment(wrap_text=True, vertical="top")
        self.middle = Alignment(vertical="center", indent=1)
        self.from_right = Alignment(wrap_text=True, vertical="top", horizontal="right", readingOrder=2)
        self._made: dict[Look, Any] = {}

    def dress(self, cell: Any, look: Look) -> None:
        """Give `cell` its look."""
        if look not in self._made:
            cell.alignment = self.from_right if look.from_right else self.wrapped
            cell.protection, cell.border = self.open if look.is_open else self.locked, self.frame
            if not look.is_open:
                cell.fill = self.grey
            if look.is_short:
                cell.number_format = "@"
            cell.quotePrefix = look.is_formula
            self._made[look] = cell._style
        cell._style = self._made[look]


def text_cell(sheet: Any, text: str) -> Any:
    """A cell that holds `text`, whatever it looks like."""
    from openpyxl.cell import WriteOnlyCell

    cell = WriteOnlyCell(sheet, text)
    cell.data_type = "s"  # the library takes a text that starts with `=` for a formula, and `#N/A` for an error
    return cell


def lock(sheet: Any) -> None:
    """Let editors write in open cells alone: without a password, against accidents."""
    sheet.protection.sheet = True
    for allowed in ("formatColumns", "formatRows", "autoFilter", "sort"):  # what is set, is forbidden
        setattr(sheet.protection, allowed, False)


class Choice(NamedTuple):
    """A list to choose from. `wrong` is said where something else is written; it is kept where `is_strict` is not."""

    words: Sequence[str]
    wrong: str
    is_strict: bool


def choice(of: Choice, column: str, rows: Iterable[int]) -> Any:
    """`of` for cells of a column in `rows`, ascending."""
    from openpyxl.worksheet.cell_range import MultiCellRange
    from openpyxl.worksheet.datavalidation import DataValidation

    cells = [f"{column}{first}:{column}{last}" if last > first else f"{column}{first}"
             for first, last in _stretches(rows)]
    # All cells at once: added one by one, each is compared with all before it.
    return DataValidation(type="list", formula1=f'"{",".join(of.words)}"', allow_blank=True, showErrorMessage=True,
                          error=of.wrong, errorStyle="stop" if of.is_strict else "warning",
                          sqref=MultiCellRange(" ".join(cells)))


def can_choose(words: Sequence[str]) -> bool:
    """Whether a list in a cell can have these words: as they are, and not as what a program reads in their place."""
    units = len(",".join(words).encode("utf-16-le", "surrogatepass")) // 2
    return units + 2 <= MAX_FORMULA and not any(
        "," in word or '"' in word or workbook_cell(word) != word for word in words)


def height_points(cells: Iterable[tuple[str, int]], *, min_lines: int = 2, max_lines: int = MAX_LINES) -> int:
    """The height of a row of texts, each with the width of its column: a program that opens it measures none."""
    return LINE_POINTS * min(max([min_lines, *(_lines(text, width) for text, width in cells)]), max_lines)


def _lines(text: str, width: int) -> int:
    """How many lines a text takes in a column: a Chinese character is as wide as two letters, its lines are higher, and
    all lines end early."""
    lines, filled = text[: MAX_LINES * width].split("\n"), max(1, width * 9 // 10)
    wide = [sum(unicodedata.east_asian_width(char) in "WF" for char in line) for line in lines]
    taken = sum(1 + (len(line) + more) // filled for line, more in zip(lines, wide, strict=True))
    return taken + taken // 8 if any(wide) else taken


def _stretches(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """Ascending numbers as the first and last of each unbroken stretch."""
    found: list[tuple[int, int]] = []
    for number in numbers:
        if found and number == found[-1][1] + 1:
            found[-1] = found[-1][0], number
        else:
            found.append((number, number))
    return found

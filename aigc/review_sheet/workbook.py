"""review.xlsx: a sheet for each content type, in which nothing but the editor's cells can be written."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from aigc.cells import is_formula
from aigc.content import base_language
from aigc.disk import write_atomically
from aigc.review.decisions import REASONS, VERBS
from aigc.review.reviewable import Reviewable
from aigc.review.standing import Standing
from aigc.review.words import REASON_WORDS, VERB_WORDS, Language
from aigc.review_sheet.columns import EDITOR, FIELD, TEXT, Column, columns_of, is_open
from aigc.review_sheet.rows import cells_of, outcome_word
from aigc.review_sheet.spelling import workbook_cell

if TYPE_CHECKING:
    from openpyxl import Workbook

XLSX = "review.xlsx"
FONT = "Calibri"
"""That of all other cells: a font without a name is whatever a program likes."""
RIGHT_TO_LEFT = frozenset({"ar", "ckb", "dv", "fa", "he", "ps", "sd", "ug", "ur", "yi"})
KEPT_AS_TEXT_CHARS = 255
"""Cells of the format "text" keep `1-2` from becoming a date; older Excel shows longer ones as `####`."""
LINE_POINTS, MAX_LINES = 15, 24
"""Height of a line, and how many a row shows at most: the rest is seen in the cell itself."""
FIRST_SHEET = {"en": "review", "zh": "说明"}
_GUIDE: dict[Language, list[str]] = {
    "en": [
        "1. Write your name into the white cell beside 'editor'.",
        "2. Go through the other sheets, one for each content type. In each row choose a decision: approve, edit or "
        "reject. A row without one stays open.",
        "3. To edit, change the white cells: the text, or the fields that it is made of. Then choose edit.",
        "4. When you reject, choose a reason. A note is for your colleagues and for the model, should it write again.",
        "5. Save the file as .xlsx, under any name, and send it to who gave it to you. Grey cells cannot be changed.",
    ],
    "zh": [
        "1. 请在“编辑人”旁边的白色单元格写上姓名。",
        "2. 逐张查看其他工作表，每种内容类型一张。每一行请选择决定：通过、修改或退回。没有决定的行保持待审。",
        "3. 要修改，请直接改白色单元格：正文，或组成正文的各字段；然后选“修改”。",
        "4. 退回时请选择理由。备注写给同事；如需重写，也会告诉模型。",
        "5. 完成后另存为 .xlsx（文件名不限），发给给你此文件的人。灰色单元格不能改动。",
    ],
}
_COUNTED: dict[Language, tuple[str, str, str]] = {"en": ("sheet", "outcome", "texts"), "zh": ("工作表", "状态", "篇数")}
_WRONG_CHOICE = {"en": "Choose one of the list, or leave the cell empty.", "zh": "请从列表中选择，或留空。"}


def write_workbook(
    folder: Path,
    run_id: str,
    rows: Callable[[], Iterable[Reviewable]],
    standing: Mapping[str, Standing],
    language: Language,
) -> Path:
    """Write review.xlsx of `rows`, which are gone through twice. Raises StoreError where the disk refuses."""
    from openpyxl import Workbook

    fields: dict[str, dict[str, None]] = {}
    counts: Counter[tuple[str, str]] = Counter()
    for row in rows():
        fields.setdefault(row.record.content_type, {}).update(dict.fromkeys(row.fields))
        counts[row.record.content_type, row.record.outcome] += 1
    book = Workbook(write_only=True)
    styles = _Styles()
    first = book.create_sheet(FIRST_SHEET[language])
    names = titles(fields, FIRST_SHEET[language])
    sheets = {name: _TypeSheet(book, names[name], [*fields[name]], language, styles) for name in fields}
    for row in rows():
        cells = cells_of(row, standing.get(row.record.record_id), run_id, language)
        sheets[row.record.content_type].add(cells, row.record.language)
    for sheet in sheets.values():
        sheet.finish()
    _write_first(first, run_id, counts, language, styles)
    path = folder / XLSX
    write_atomically(path, book.save)
    return path


class _Look(NamedTuple):
    """What decides how a cell looks and what it allows. A formula's stays a text when an editor opens and closes it."""

    is_open: bool
    from_right: bool
    is_short: bool
    is_formula: bool


class _Styles:
    """Styles of cells, each made once: the library takes longer over the style of a cell than over all else."""

    def __init__(self) -> None:
        from openpyxl.styles import Alignment, Border, Font, PatternFill, Protection, Side

        line = Side("thin", color="CCCCCC")
        self.frame = Border(left=line, right=line, top=line, bottom=line)  # a fill hides the sheet's own lines
        self.open, self.locked = Protection(locked=False), Protection(locked=True)
        self.bold, self.title = Font(name=FONT, bold=True), Font(name=FONT, bold=True, size=14)
        self.grey = PatternFill("solid", start_color="F2F2F2")
        self.heading = PatternFill("solid", start_color="D9E2EC")
        self.wrapped = Alignment(wrap_text=True, vertical="top")
        self.from_right = Alignment(wrap_text=True, vertical="top", horizontal="right", readingOrder=2)
        self._made: dict[_Look, Any] = {}

    def dress(self, cell: Any, look: _Look) -> None:
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


class _TypeSheet:
    """The sheet of one content type, written row by row."""

    def __init__(self, book: Workbook, title: str, fields: list[str], language: Language, styles: _Styles) -> None:
        from openpyxl.utils import get_column_letter

        self._sheet, self._styles, self._language = book.create_sheet(title), styles, language
        self._columns = {get_column_letter(at): column for at, column in enumerate(columns_of(fields), 1)}
        self._rows = 1
        self._sheet.freeze_panes = "D2"
        for letter, column in self._columns.items():
            self._sheet.column_dimensions[letter].width = column.width
            self._sheet.column_dimensions[letter].hidden = column.is_hidden
        self._sheet.append([self._heading(column) for column in self._columns.values()])

    def add(self, cells: Mapping[str, str], language: str) -> None:
        """A row whose texts are in `language`."""
        self._rows += 1
        texts = [workbook_cell(cells.get(column.name, "")) for column in self._columns.values()]
        self._sheet.row_dimensions[self._rows].height = height_points(
            (text, column.width) for text, column in zip(texts, self._columns.values(), strict=True)
            if not column.is_hidden)
        from_right = base_language(language) in RIGHT_TO_LEFT
        self._sheet.append([
            self._cell(text, column, is_open=is_open(column, cells), from_right=from_right)
            for text, column in zip(texts, self._columns.values(), strict=True)
        ])
        del self._sheet.row_dimensions[self._rows]  # it is written; a run may have a hundred thousand

    def finish(self) -> None:
        """Lists of choices, a filter, and the lock: without a password, against accidents alone."""
        last = max(self._rows, 2)
        letters = {column.name: letter for letter, column in self._columns.items()}
        verbs = [VERB_WORDS[self._language][verb] for verb in VERBS]
        reasons = [REASON_WORDS[self._language][reason] for reason in REASONS]
        for name, words in (("decision", verbs), ("reason", reasons)):
            self._sheet.data_validations.append(_choice(words, f"{letters[name]}2:{letters[name]}{last}",
                                                        _WRONG_CHOICE[self._language]))
        self._sheet.auto_filter.ref = f"A1:{[*self._columns][-1]}{last}"
        _lock(self._sheet)

    def _heading(self, column: Column) -> Any:
        cell = _text_cell(self._sheet, workbook_cell(column.words[self._language]))
        cell.font, cell.fill, cell.alignment = self._styles.bold, self._styles.heading, self._styles.wrapped
        return cell

    def _cell(self, text: str, column: Column, *, is_open: bool, from_right: bool) -> Any:
        cell = _text_cell(self._sheet, text)
        is_content = column.name == TEXT.name or column.name.startswith(FIELD)
        self._styles.dress(cell, _Look(is_open=is_open, from_right=from_right and is_content,
                                       is_short=len(text) <= KEPT_AS_TEXT_CHARS, is_formula=is_formula(text)))
        return cell


def _text_cell(sheet: Any, text: str) -> Any:
    """A cell that holds `text`, whatever it looks like."""
    from openpyxl.cell import WriteOnlyCell

    cell = WriteOnlyCell(sheet, text)
    cell.data_type = "s"  # the library takes a text that starts with `=` for a formula, and `#N/A` for an error
    return cell


def _choice(words: list[str], where: str, wrong: str) -> Any:
    from openpyxl.worksheet.datavalidation import DataValidation

    found = DataValidation(type="list", formula1=f'"{",".join(words)}"', allow_blank=True, showErrorMessage=True,
                           error=wrong)
    found.add(where)
    return found


def _lock(sheet: Any) -> None:
    sheet.protection.sheet = True
    for allowed in ("formatColumns", "formatRows", "autoFilter", "sort"):  # what is set, is forbidden
        setattr(sheet.protection, allowed, False)


def _write_first(
    sheet: Any, run_id: str, counts: Mapping[tuple[str, str], int], language: Language, styles: _Styles
) -> None:
    """The sheet that says what to do, takes the editor's name, and counts the texts."""
    sheet.column_dimensions["A"].width, sheet.column_dimensions["B"].width = 24, 30
    title, editor, name = (_text_cell(sheet, text) for text in (f"aigc {run_id}", EDITOR[language], ""))
    title.font, editor.font = styles.title, styles.bold
    name.protection, name.border = styles.open, styles.frame
    for row in ([title], [], [editor, name], [], *([_text_cell(sheet, line)] for line in _GUIDE[language]), []):
        sheet.append(row)
    headings = [_text_cell(sheet, word) for word in _COUNTED[language]]
    for heading in headings:
        heading.font, heading.fill = styles.bold, styles.heading
    sheet.append(headings)
    for (content_type, outcome), count in sorted(counts.items()):
        words = workbook_cell(content_type), outcome_word(outcome, language)
        sheet.append([*(_text_cell(sheet, word) for word in words), count])
    _lock(sheet)


def titles(names: Iterable[str], taken: str = "") -> dict[str, str]:
    """Titles of sheets: of at most 31 characters, without those that Excel forbids, each once."""
    found: dict[str, str] = {}
    used = {taken.casefold()}
    for name in names:
        plain = re.sub(r"[\[\]:*?/\\]", "_", name)[:31].strip("'") or "_"
        title, number = plain, 2
        while title.casefold() in used:
            title, number = f"{plain[:27]} {number}", number + 1
        used.add(title.casefold())
        found[name] = title
    return found


def height_points(cells: Iterable[tuple[str, int]]) -> int:
    """The height of a row of texts, each with the width of its column: a program that opens it measures none."""
    return LINE_POINTS * min(max(2, *(_lines(text, width) for text, width in cells)), MAX_LINES)


def _lines(text: str, width: int) -> int:
    """How many lines a text takes in a column: a Chinese character is as wide as two letters, and lines end early."""
    lines, filled = text[: MAX_LINES * width].split("\n"), max(1, width * 9 // 10)
    return sum(1 + (len(line) + sum(unicodedata.east_asian_width(char) in "WF" for char in line)) // filled
               for line in lines)

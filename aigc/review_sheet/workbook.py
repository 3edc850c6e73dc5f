"""review.xlsx: a sheet for each content type, in which nothing but the editor's cells can be written."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aigc.cells import cell_text, is_formula
from aigc.content import base_language
from aigc.disk import write_atomically
from aigc.review.decisions import REASONS, VERBS
from aigc.review.reviewable import Reviewable
from aigc.review.standing import Standing
from aigc.review.words import REASON_WORDS, VERB_WORDS, Language, as_colleague
from aigc.review_sheet.columns import FIELD, TEXT, VERSIONS, Column, columns_of, is_open
from aigc.review_sheet.dress import Choice, Look, Styles, can_choose, choice, height_points, lock, text_cell
from aigc.review_sheet.front import FIRST_SHEET, Front
from aigc.review_sheet.rows import Telling, cells_of
from aigc.review_sheet.spelling import workbook_cell
from aigc.review_sheet.versions import Known

if TYPE_CHECKING:
    from openpyxl import Workbook

XLSX = "review.xlsx"
RIGHT_TO_LEFT = frozenset({"ar", "ckb", "dv", "fa", "he", "ps", "sd", "ug", "ur", "yi"})
KEPT_AS_TEXT_CHARS = 255
"""Cells of the format "text" keep `1-2` from becoming a date; older Excel shows longer ones as `####`."""
TEXT_LINES, OTHER_LINES = 16, 6
"""How many lines of the texts, and of all that stands beside them, the height of a row takes in."""
_WIDTHS = ((60, 26), (240, 44))
"""Of output fields, by the characters of the longest; longer ones have `_WIDEST`."""
_WIDEST = 64
_WRONG_CHOICE = {"en": "Choose one of the list, or leave the cell empty.", "zh": "请从列表中选择，或留空。"}
_WRONG_OR_COLLEAGUE = {
    "en": "This is none of the list. It is read where it is 'as' and the name of a colleague who decided on the text.",
    "zh": "不在列表中。如写的是“同”加同事姓名，且该同事对此文作过决定，则可以保留。",
}


class _Kind:
    """What is gathered of the texts of one content type before they are written."""

    def __init__(self) -> None:
        self.longest: dict[str, int] = {}
        self.outcomes: Counter[str] = Counter()
        self.has_decisions = False

    def add(self, row: Reviewable, *, is_decided: bool) -> None:
        for name, text in row.fields.items():
            self.longest[name] = max(self.longest.get(name, 0), len(cell_text(text)))
        self.outcomes[row.record.outcome] += 1
        self.has_decisions = self.has_decisions or is_decided

    def columns(self) -> list[Column]:
        widths = {FIELD + name: _width(chars) for name, chars in self.longest.items()}
        if widths:
            widths[TEXT.name] = _WIDEST  # it only repeats its fields
        return [column._replace(width=widths.get(column.name, column.width))
                for column in columns_of([*self.longest], has_decisions=self.has_decisions)]


def write_workbook(
    folder: Path,
    run_id: str,
    rows: Callable[[], Iterable[Reviewable]],
    standing: Mapping[str, Standing],
    language: Language,
) -> Path:
    """Write review.xlsx of `rows`, which are gone through twice. Raises StoreError where the disk refuses."""
    from openpyxl import Workbook

    telling = Telling(run_id, language, standing, Known(folder))
    kinds: dict[str, _Kind] = {}
    for row in rows():
        kind = kinds.setdefault(row.record.content_type, _Kind())
        kind.add(row, is_decided=row.record.record_id in standing)
    book, styles = Workbook(write_only=True), Styles()
    front = Front(book, language, styles)
    names = titles_of({name: telling.title(name) for name in kinds}, FIRST_SHEET[language])
    sheets = {name: _TypeSheet(book, names[name], kind.columns(), language, styles) for name, kind in kinds.items()}
    for row in rows():
        stands = standing.get(row.record.record_id)
        colleagues = [one.editor for one in stands.latest] if stands and stands.state == "in_conflict" else []
        sheets[row.record.content_type].add(cells_of(row, telling), row.record.language, colleagues)
    for sheet in sheets.values():
        sheet.finish()
    counts = {(names[name], outcome): count for name, kind in kinds.items() for outcome, count in kind.outcomes.items()}
    front.write(run_id, counts, has_decisions=any(kind.has_decisions for kind in kinds.values()))
    path = folder / XLSX
    write_atomically(path, book.save)
    return path


class _TypeSheet:
    """The sheet of one content type, written row by row."""

    def __init__(
        self, book: Workbook, title: str, columns: Sequence[Column], language: Language, styles: Styles
    ) -> None:
        from openpyxl.utils import get_column_letter

        self._sheet, self._styles, self._language = book.create_sheet(title), styles, language
        self._columns = {get_column_letter(at): column for at, column in enumerate(columns, 1)}
        self._rows = 1
        self._in_conflict: dict[tuple[str, ...], list[int]] = {}
        self._sheet.freeze_panes = "D2"
        for letter, column in self._columns.items():
            self._sheet.column_dimensions[letter].width = column.width
            self._sheet.column_dimensions[letter].hidden = column.is_hidden
        self._sheet.append([self._heading(column) for column in self._columns.values()])

    def add(self, cells: Mapping[str, str], language: str, colleagues: Sequence[str] = ()) -> None:
        """A row whose texts are in `language`; `colleagues` are in conflict about it."""
        self._rows += 1
        if colleagues:
            self._in_conflict.setdefault(tuple(colleagues), []).append(self._rows)
        texts = [workbook_cell(cells.get(column.name, "")) for column in self._columns.values()]
        self._sheet.row_dimensions[self._rows].height = self._height(texts)
        from_right = base_language(language) in RIGHT_TO_LEFT
        self._sheet.append([
            self._cell(text, column, is_open=is_open(column, cells), from_right=from_right)
            for text, column in zip(texts, self._columns.values(), strict=True)
        ])
        del self._sheet.row_dimensions[self._rows]  # it is written; a run may have a hundred thousand

    def finish(self) -> None:
        """Lists of choices, a filter, and the lock."""
        last = max(self._rows, 2)
        letters = {column.name: letter for letter, column in self._columns.items()}
        reasons = [REASON_WORDS[self._language][reason] for reason in REASONS]
        for validation in self._decisions(letters["decision"], last):
            self._sheet.data_validations.append(validation)
        self._sheet.data_validations.append(
            choice(Choice(reasons, _WRONG_CHOICE[self._language], is_strict=True), letters["reason"],
                   range(2, last + 1)))
        self._sheet.auto_filter.ref = f"A1:{[*self._columns][-1]}{last}"
        lock(self._sheet)

    def _decisions(self, letter: str, last: int) -> list[Any]:
        """The lists of decisions. One in conflict has its editors' too: as far as a list can have their names.

        A sheet may be sorted, and its lists stay where they are: so that where a row is in conflict any decision may
        be typed in all rows.
        """
        verbs = [VERB_WORDS[self._language][verb] for verb in VERBS]
        listed: dict[tuple[str, ...], set[int]] = {}
        for colleagues, rows in self._in_conflict.items():
            words = list(verbs)
            for word in (as_colleague(name, self._language) for name in colleagues):
                words += [word] if can_choose([*words, word]) else []
            listed.setdefault(tuple(words), set()).update(rows)
        special = set().union(*listed.values())
        listed.setdefault(tuple(verbs), set()).update(row for row in range(2, last + 1) if row not in special)
        wrong = (_WRONG_OR_COLLEAGUE if special else _WRONG_CHOICE)[self._language]
        return [choice(Choice(words, wrong, is_strict=not special), letter, sorted(rows))
                for words, rows in sorted(listed.items(), key=lambda item: len(item[0])) if rows]

    def _height(self, texts: Sequence[str]) -> int:
        """Of a row, by its texts above all: what stands beside them makes no row high."""
        sized = [(text, column) for text, column in zip(texts, self._columns.values(), strict=True)
                 if not column.is_hidden]
        long = [(text, column.width) for text, column in sized if _is_text(column) or column.name == VERSIONS.name]
        others = [(text, column.width) for text, column in sized if not _is_text(column)]
        return max(height_points(long, max_lines=TEXT_LINES), height_points(others, max_lines=OTHER_LINES))

    def _heading(self, column: Column) -> Any:
        cell = text_cell(self._sheet, workbook_cell(column.words[self._language]))
        cell.font, cell.fill, cell.alignment = self._styles.bold, self._styles.heading, self._styles.wrapped
        return cell

    def _cell(self, text: str, column: Column, *, is_open: bool, from_right: bool) -> Any:
        cell = text_cell(self._sheet, text)
        self._styles.dress(cell, Look(is_open=is_open, from_right=from_right and _is_text(column),
                                      is_short=len(text) <= KEPT_AS_TEXT_CHARS, is_formula=is_formula(text)))
        return cell


def titles_of(wanted: Mapping[str, str], taken: str = "") -> dict[str, str]:
    """Titles of sheets, by name, of what is wanted for each: of at most 31 characters that Excel allows, each once."""
    found: dict[str, str] = {}
    used = {taken.casefold()}
    for name, text in wanted.items():
        plain = re.sub(r"[\[\]:*?/\\]", "_", text)[:31].strip("'") or "_"
        title, number = plain, 2
        while title.casefold() in used:
            title, number = f"{plain[:27]} {number}", number + 1
        used.add(title.casefold())
        found[name] = title
    return found


def _is_text(column: Column) -> bool:
    """Whether a column has what is published."""
    return column.name == TEXT.name or column.name.startswith(FIELD)


def _width(chars: int) -> int:
    return next((width for most, width in _WIDTHS if chars <= most), _WIDEST)

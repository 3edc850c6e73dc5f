"""The first sheet of review.xlsx: where to sign, what to do, and what there is to read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from aigc.review.words import Language, outcome_words
from aigc.review_sheet.columns import EDITOR
from aigc.review_sheet.dress import Styles, height_points, lock, text_cell
from aigc.review_sheet.spelling import workbook_cell

if TYPE_CHECKING:
    from openpyxl import Workbook

FIRST_SHEET: dict[Language, str] = {"en": "review", "zh": "说明"}
_WIDTHS = (24, 100, 30)
_ROOM_POINTS = 6
"""Between two points."""
_SIGN: dict[Language, str] = {"en": "◄ your name here", "zh": "◄ 请在此签名"}
_Points = list[tuple[str, str]]
_GUIDE: dict[Language, _Points] = {
    "en": [
        ("1. Sign", "Write your name into the yellow cell above."),
        ("2. Read", "Go through the other sheets: there is one for each content type."),
        ("3. Decide", "Choose a decision in each row. A row without one stays open."),
        ("   approve", "The text is good as you see it."),
        ("   edit", "Change the white cells: the text, or the fields that it is made of. Then choose edit."),
        ("   reject", "The text is not to be published. Choose a reason too."),
        ("   note", "For your colleagues, and for the model, should it write the text again."),
        ("4. Send back", "Save the file as .xlsx, under any name, and send it to who gave it to you."),
        ("Grey cells", "They cannot be changed. Where a text is longer than its row, make the row higher."),
    ],
    "zh": [
        ("1. 签名", "请在上方黄色单元格写上姓名。"),
        ("2. 阅读", "逐张查看其他工作表，每种内容类型一张。"),
        ("3. 决定", "每一行请选择一个决定。没有决定的行保持待审。"),
        ("   通过", "正文照现在的样子采用。"),
        ("   修改", "直接改白色单元格：正文，或组成正文的各字段；然后选“修改”。"),
        ("   退回", "不发布。请同时选择理由。"),
        ("   备注", "写给同事；如需重写，也会告诉模型。"),
        ("4. 交回", "另存为 .xlsx（文件名不限），发给提供此文件的人。"),
        ("灰色单元格", "不能改动。正文比行高长时，请把行拉高。"),
    ],
}
_GUIDE_DECIDED: dict[Language, _Points] = {
    "en": [
        ("What others decided", "'decided so far' and 'versions so far' tell it. A text that a colleague edited is "
         "shown as edited: approve takes it so, and 'versions so far' has it as it was made."),
        ("as NAME", "Where colleagues differ, the list of decisions has their names too: as Ana decides as Ana did."),
    ],
    "zh": [
        ("同事的决定", "见“已有决定”和“已有版本”。同事改过的正文按修改后显示：选“通过”即采用；原稿见“已有版本”。"),
        ("同 某人", "同事意见不一时，决定列表中也有他们的姓名：选“同 Ana”即与 Ana 的决定相同。"),
    ],
}
_COUNTED: dict[Language, tuple[str, str]] = {"en": ("Sheet", "Texts"), "zh": ("工作表", "篇数")}


class Front:
    """The first sheet, written row by row after all others: it tells how many texts they have."""

    def __init__(self, book: Workbook, language: Language, styles: Styles) -> None:
        self._sheet, self._language, self._styles = book.create_sheet(FIRST_SHEET[language]), language, styles
        self._rows = 0
        self._sheet.sheet_view.showGridLines = False
        for letter, width in zip("ABC", _WIDTHS, strict=True):
            self._sheet.column_dimensions[letter].width = width

    def write(self, run_id: str, counts: Mapping[tuple[str, str], int], *, has_decisions: bool) -> None:
        """Fill the sheet; `counts` are texts by title of their sheet and by outcome."""
        title = text_cell(self._sheet, f"aigc {run_id}")
        title.font = self._styles.title
        self._add([title], 26)
        self._add([], 8)
        self._add(self._signature(), 30)
        self._add([], 12)
        for point in _GUIDE[self._language] + (_GUIDE_DECIDED[self._language] if has_decisions else []):
            self._add_point(point)
        self._add([], 12)
        headings = [text_cell(self._sheet, word) for word in _COUNTED[self._language]]
        for heading in headings:
            heading.font, heading.fill = self._styles.bold, self._styles.heading
        self._add(headings, 18)
        for name in dict.fromkeys(name for name, _ in counts):
            of_sheet = {outcome: count for (of, outcome), count in counts.items() if of == name}
            self._add_point((name, self._told(of_sheet)))
        lock(self._sheet)

    def _told(self, outcomes: Mapping[str, int]) -> str:
        told = [f"{outcome_words(outcome, self._language)} {count:,}" for outcome, count in sorted(outcomes.items())]
        return f"{sum(outcomes.values()):,} ({', '.join(told)})"

    def _signature(self) -> list[Any]:
        """The cell that takes the editor's name, between the word for it and what says that it does."""
        texts = EDITOR.words[self._language], "", _SIGN[self._language]
        word, name, hint = (text_cell(self._sheet, text) for text in texts)
        word.font, name.font, hint.font = self._styles.large, self._styles.large, self._styles.hint
        name.protection, name.border = self._styles.open, self._styles.strong_frame
        name.fill, name.number_format = self._styles.to_fill, "@"
        for cell in (word, name, hint):
            cell.alignment = self._styles.middle
        return [word, name, hint]

    def _add_point(self, point: tuple[str, str]) -> None:
        cells = [text_cell(self._sheet, workbook_cell(text)) for text in point]
        cells[0].font = self._styles.bold
        for cell in cells:
            cell.alignment = self._styles.wrapped
        self._add(cells, height_points(zip(point, _WIDTHS, strict=False), min_lines=1) + _ROOM_POINTS)

    def _add(self, cells: list[Any], height: int) -> None:
        self._rows += 1
        self._sheet.row_dimensions[self._rows].height = height
        self._sheet.append(cells)

r"""Texts as cells can hold them, and cells as they were before a spreadsheet wrote them.

A workbook is XML, which has no control characters; programs write them, and the carriage return, as `_x000D_`
(ECMA-376 part 1, 22.9.2.19 ST_Xstring), and so a text that has such a sequence must have its underscore escaped.
"""

from __future__ import annotations

import re

from aigc.cells import cell, cut, is_formula
from aigc.characters import CONTROL

WHOLE = "review.html"
"""Where a text is whole that a cell is too small for."""
_NOT_XML = re.compile("[\ud800-\udfff\ufffe\uffff]")
"""With `CONTROL`, what XML 1.0 cannot hold (section 2.2)."""
_LOOKS_ESCAPED = re.compile(r"_(?=x[0-9A-Fa-f]{4}_)")
_ESCAPE = re.compile(r"_x([0-9A-Fa-f]{4})_")
_LINE_ENDS = re.compile(r"\r\n?|\x85|\u2028|\u2029")


def shown(text: str) -> str:
    """`text` without what no cell can show; lines end with `\\n`."""
    return _NOT_XML.sub("", CONTROL.sub("", _LINE_ENDS.sub("\n", text)))


def workbook_cell(text: str, whole: str = WHOLE) -> str:
    """`text` as a cell of a workbook holds it. That it is no formula, its cell must say. `whole` has it uncut."""
    return _LOOKS_ESCAPED.sub("_x005F_", cut(shown(text), whole))


def csv_cell(text: str) -> str:
    """`text` as a cell of a CSV file: never a formula."""
    return cell(shown(text), WHOLE)


def from_workbook(text: str) -> str:
    """What a cell of a workbook says."""
    return _ESCAPE.sub(lambda match: chr(int(match[1], 16)), text)


def from_csv(text: str) -> str:
    """What a cell of a CSV file says: without the apostrophe that keeps a text from being a formula."""
    return text[1:] if text[:1] == "'" and is_formula(text[1:]) else text


def is_cut(text: str) -> bool:
    """Whether a cell can hold only the beginning of `text`."""
    visible = shown(text)
    return cut(visible, WHOLE) != visible

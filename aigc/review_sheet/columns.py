"""The columns of a review sheet: what they are called in each language, and who writes in them."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Sequence
from typing import NamedTuple

from aigc.review.words import LANGUAGES, Language


class Column(NamedTuple):
    """`width` in characters. Editors write in an open one in every row; a hidden one is for the way back."""

    name: str
    words: dict[Language, str]
    width: int
    is_open: bool = False
    is_hidden: bool = False


_FIRST = (
    Column("id", {"en": "id", "zh": "编号"}, 14),
    Column("variant", {"en": "variant", "zh": "版本"}, 8),
    Column("decision", {"en": "decision", "zh": "决定"}, 11, is_open=True),
    Column("reason", {"en": "reason", "zh": "理由"}, 14, is_open=True),
    Column("note", {"en": "note", "zh": "备注"}, 26, is_open=True),
)
TEXT = Column("text", {"en": "text", "zh": "正文"}, 90)
VERSIONS = Column("versions so far", {"en": "versions so far", "zh": "已有版本"}, 70)
"""What colleagues made of the text. Its name and those of the two below are their headings, which no field has."""
SHOWN = Column("aigc:shown", dict.fromkeys(("en", "zh"), "aigc:shown"), 12, is_hidden=True)
"""Whose edit the cells of the text show: empty where they show it as it was made."""
SEEN = Column("aigc:seen", dict.fromkeys(("en", "zh"), "aigc:seen"), 12, is_hidden=True)
"""Which decisions the row tells of."""
STANDING = Column("standing", {"en": "decided so far", "zh": "已有决定"}, 30)
_LAST = (
    Column("findings", {"en": "findings", "zh": "检查结果"}, 40),
    Column("brief", {"en": "brief", "zh": "需求"}, 44),
    Column("outcome", {"en": "outcome", "zh": "状态"}, 15),
    STANDING,
    Column("other_texts", {"en": "other attempts", "zh": "其他稿"}, 50),
    Column("content_type", {"en": "content type", "zh": "类型"}, 14),
    Column("language", {"en": "language", "zh": "语言"}, 9),
    Column("source", {"en": "source", "zh": "来源"}, 22),
    Column("record_id", {"en": "record_id", "zh": "record_id"}, 12, is_hidden=True),
    Column("run_id", {"en": "run_id", "zh": "run_id"}, 12, is_hidden=True),
    Column("base", {"en": "base", "zh": "base"}, 12, is_hidden=True),
)
GUIDE = Column("guide", {"en": "how to decide", "zh": "怎样填写"}, 40)
"""Of a table, which has no page of its own that tells what to write."""
EDITOR = Column("editor", {"en": "editor", "zh": "编辑人"}, 14, is_open=True)
"""Of a table: who decided, once or in each row. A workbook asks for it on its first sheet, beside the same word."""
FIELD = "output."
"""Before the name of an output field, so that it is never taken for another column."""
_MARKS: dict[Language, str] = {"en": " (field)", "zh": "（字段）"}
"""Behind the name of an output field that is the heading of another column."""


def columns_of(fields: Sequence[str], *more: Column, has_decisions: bool = False) -> list[Column]:
    """The columns of texts with these output fields; `more` stand behind those that an editor fills in.

    Where something was decided before, what became of the texts stands beside them.
    """
    own = [Column(FIELD + name, {language: _field_heading(name, language) for language in LANGUAGES}, 44)
           for name in fields]
    if not has_decisions:
        return [*_FIRST, *more, *own, TEXT, *_LAST]
    last = [column for column in _LAST if column is not STANDING]
    return [*_FIRST, *more, *own, TEXT, STANDING, VERSIONS, *last, SHOWN, SEEN]


def is_open(column: Column, filled: Collection[str]) -> bool:
    """Whether editors write in a cell: in a text's fields, or in the text where it has none. `filled` has its cells."""
    if column.name == TEXT.name:
        return not any(name.startswith(FIELD) for name in filled)
    return column.is_open or (column.name.startswith(FIELD) and column.name in filled)


def column_named(heading: str) -> str:
    """The name of the column with this heading in any language; of an output field's, `output.NAME`."""
    known = _HEADINGS.get(_folded(heading))
    name = heading.strip().removeprefix(FIELD)
    if mark := next((mark for mark in _MARKS.values() if name.endswith(mark)), ""):
        name = name.removesuffix(mark) if _folded(name.removesuffix(mark)) in _HEADINGS else name
    return known or FIELD + name


def heading_of(column: str) -> str:
    """What a column of texts is called in a sheet, in English."""
    return _field_heading(column.removeprefix(FIELD), "en") if column.startswith(FIELD) else column


def _field_heading(name: str, language: Language) -> str:
    return name + _MARKS[language] if _folded(name) in _HEADINGS else name


def _folded(heading: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", heading).casefold().replace("_", " ").split())


_HEADINGS = {
    _folded(word): column.name for column in (*_FIRST, EDITOR, GUIDE, TEXT, VERSIONS, *_LAST, SHOWN, SEEN)
    for word in (column.name, *column.words.values())
}

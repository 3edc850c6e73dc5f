"""The columns of a review sheet: what they are called in each language, and who writes in them."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Sequence
from typing import NamedTuple

from aigc.review.words import Language


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
TEXT = Column("text", {"en": "text", "zh": "正文"}, 70)
_LAST = (
    Column("findings", {"en": "findings", "zh": "检查结果"}, 36),
    Column("brief", {"en": "brief", "zh": "需求"}, 36),
    Column("outcome", {"en": "outcome", "zh": "状态"}, 10),
    Column("standing", {"en": "decided so far", "zh": "已有决定"}, 18),
    Column("other_texts", {"en": "other attempts", "zh": "其他稿"}, 30),
    Column("content_type", {"en": "content type", "zh": "类型"}, 14),
    Column("language", {"en": "language", "zh": "语言"}, 9),
    Column("source", {"en": "source", "zh": "来源"}, 22),
    Column("record_id", {"en": "record_id", "zh": "record_id"}, 12, is_hidden=True),
    Column("run_id", {"en": "run_id", "zh": "run_id"}, 12, is_hidden=True),
    Column("base", {"en": "base", "zh": "base"}, 12, is_hidden=True),
)
GUIDE = Column("guide", {"en": "how to decide", "zh": "怎样填写"}, 40)
"""Of a table, which has no page of its own that tells what to write."""
EDITOR = {"en": "editor", "zh": "编辑人"}
"""In the workbook's first sheet, beside the cell that takes the editor's name."""
FIELD = "output."
"""Before the name of an output field, so that it is never taken for another column."""


def columns_of(fields: Sequence[str], *more: Column) -> list[Column]:
    """The columns of texts with these output fields; `more` stand behind those that an editor fills in."""
    own = [*more] + [Column(FIELD + name, dict.fromkeys(("en", "zh"), _field_heading(name)), 44) for name in fields]
    return [*_FIRST, *own, TEXT, *_LAST]


def is_open(column: Column, filled: Collection[str]) -> bool:
    """Whether editors write in a cell: in a text's fields, or in the text where it has none. `filled` has its cells."""
    if column.name == TEXT.name:
        return not any(name.startswith(FIELD) for name in filled)
    return column.is_open or (column.name.startswith(FIELD) and column.name in filled)


def column_named(heading: str) -> str:
    """The name of the column with this heading in any language; of an output field's, `output.NAME`."""
    known = _HEADINGS.get(_folded(heading))
    return known or FIELD + heading.strip().removeprefix(FIELD)


def heading_of(column: str) -> str:
    """What a column of texts is called in a sheet, in English."""
    return _field_heading(column.removeprefix(FIELD)) if column.startswith(FIELD) else column


def _field_heading(name: str) -> str:
    return FIELD + name if _folded(name) in _HEADINGS else name


def _folded(heading: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", heading).casefold().replace("_", " ").split())


_HEADINGS = {
    _folded(word): column.name for column in (*_FIRST, GUIDE, TEXT, *_LAST)
    for word in (column.name, *column.words.values())
}

"""What people call a text: its product, its title, else what it is about. Its id says that to nobody."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from aigc.publishing.prose import blocks
from aigc.records import FieldValue, OutputValue

MOST_NAME_CHARS = 100
_NAMED_BY_BRIEF = ("title", "name", "product", "product_name", "标题", "名称", "产品", "产品名称", "商品名称")
_NAMED_BY_TEXT = ("title", "headline", "subject", "heading", "标题")
_ABOUT = ("topic", "setting", "customer", "situation", "主题", "场景", "顾客", "客户", "情境")
"""No message that somebody wrote, and no order to the model: a name is for readers."""


def name_of(text: str, fields: Mapping[str, OutputValue], brief: Mapping[str, FieldValue]) -> str:
    """The name of a text on one line; empty where neither its brief nor the text itself has one."""
    first = next(blocks(text), None)
    heading = first.plain if first and first.kind == "heading" else ""
    given = (*_texts(brief, _NAMED_BY_BRIEF), heading, *_texts(fields, _NAMED_BY_TEXT), *_texts(brief, _ABOUT))
    return next((_short(name) for name in given if name.strip()), "")


def _texts(table: Mapping[str, object], names: Iterable[str]) -> list[str]:
    return [value for name in names if isinstance(value := table.get(name), str)]


def _short(name: str) -> str:
    """On one line, cut between words where it is long."""
    line = " ".join(name.split())
    if len(line) <= MOST_NAME_CHARS:
        return line
    cut = line[:MOST_NAME_CHARS]
    words = cut.rpartition(" ")[0]
    return f"{(words if len(words) > MOST_NAME_CHARS // 2 else cut).rstrip(' ,;:，；：')}…"

"""Markdown that will not show as meant, and its marks where plain text was asked for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, ClassVar, Literal

from aigc.filters.verdicts import MAX_SPANS, FilterAction, asked, leaf_texts, readable, wording
from aigc.records import Brief, Completion, Span, Verdict

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

_TRIGGERS = ("```", "~~~", "|", "](", "<", "**", "__")
"""Without one of these nothing below can be wrong, and the text is not parsed (0.3 ms)."""
_LINE = re.compile(r"[^\r\n]*(?:\r\n?|\n)|[^\r\n]+")
"""As markdown-it counts lines: str.splitlines knows more ends of line."""
_MOST_CHARS = 20_000
_TABLE_LINE = re.compile(r"\s{0,3}\|.*\|\s*")
_CELL_END = re.compile(r"(?<!\\)\|")
_CODE_SPAN = re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)")
_BROKEN_LINK = re.compile(r"!?\[[^\[\]\n]{1,200}\]\([^()\n]{0,200}")
_STRAY = re.compile(r"(?<!\*)\*\*(?!\*)|(?<!\w)__(?![_\s])|(?<![_\s])__(?!\w)")
"""Not a line of underscores to write on."""
_MARKS = re.compile(
    r"^#{1,6} (?=\S)|^ {0,3}(?:```|~~~)|\*\*(?=\S)[^*\n]{1,200}\*\*|(?<!\w)__(?=\S)[^_\n]{1,200}__(?!\w)"
    r"|`[^`\n]{1,200}`|!?\[[^\[\]\n]{1,200}\]\([^()\s]{1,400}\)|^\|.+\|\s*$|^>{1,3} (?=\S)",
    re.MULTILINE)
_HTML = re.compile(
    r"</?(?:a|b|i|u|p|br|hr|em|strong|span|div|font|img|ul|ol|li|h[1-6]|table|t[rdh]|tbody|thead|blockquote|code|pre"
    r"|sup|sub|small|center|section|article|style|script)(?:\s[^<>\n]{0,200})?/?>|&(?:nbsp|amp|lt|gt|quot|#\d{2,5});",
    re.IGNORECASE)
_ADVICE = {
    "unclosed_fence": ("Close every code fence with ```.", "代码块要用 ``` 收尾。"),
    "broken_table": ("Give every row of a table as many cells as its heading, and put |---|---| under the heading.",
                     "表格每一行的格数要和表头一样，表头下面要有 |---|---| 这一行。"),
    "broken_link": ("Write links whole, as [words](https://address).", "链接要写完整：[文字](https://地址)。"),
    "stray_emphasis": ("Close every ** that you open, next to the words it marks.", "** 要成对，紧贴要强调的文字。"),
    "html": ("Do not use HTML tags.", "不要使用 HTML 标签。"),
    "markdown_marks": ("Write plain text, without marks of Markdown such as ** or #.",
                       "只写纯文本，不要有 **、# 之类的标记。"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkdownFilter:
    """In Markdown: fences and emphasis left open, broken tables and links, HTML. In plain text: marks of Markdown.

    `form` says which the text is. `auto` takes a text for Markdown where it has its marks, and the fields of a
    structured output for plain text: their Markdown is made by the layout.
    """

    name: ClassVar[str] = "markdown"
    action: FilterAction = "flag"
    form: Literal["auto", "markdown", "plain"] = "auto"

    def __call__(self, brief: Brief, completion: Completion) -> Verdict:
        text = readable(completion)
        fields = completion.content.fields if completion.content else {}
        if self.form == "plain" or (self.form == "auto" and fields):
            leaves = [leaf for value in fields.values() for leaf in leaf_texts(value)]
            return self._verdict(brief, _plain_faults(text, leaves or [text]))
        if len(text) > _MOST_CHARS or not any(trigger in text for trigger in _TRIGGERS):
            return Verdict(filter=self.name, action="pass", measured=0, limit=0)
        return self._verdict(brief, _markdown_faults(text))

    def _verdict(self, brief: Brief, faults: dict[str, list[Span]]) -> Verdict:
        if not faults:
            return Verdict(filter=self.name, action="pass", measured=0, limit=0)
        reason, count = next(iter(faults)), sum(map(len, faults.values()))
        counts = ", ".join(f"{len(spans)} {name.replace('_', ' ')}" for name, spans in faults.items())
        spans = sorted((span for spans in faults.values() for span in spans), key=lambda span: span.start)
        return Verdict(
            filter=self.name, action=asked(self.action), reason=reason, measured=count, limit=0,
            spans=spans[:MAX_SPANS], message=f"The text will not show as meant: {counts}.",
            advice=" ".join(wording(brief, en=_ADVICE[name][0], zh=_ADVICE[name][1]) for name in faults),
        )


def _plain_faults(text: str, parts: list[str]) -> dict[str, list[Span]]:
    faults: dict[str, list[Span]] = {}
    for part in parts:
        base = max(text.find(part), 0)
        for reason, pattern in (("markdown_marks", _MARKS), ("html", _HTML)):
            spans = [Span(start=base + m.start(), end=base + m.end()) for m in pattern.finditer(part)
                     if base + m.end() <= len(text)]
            if spans:
                faults.setdefault(reason, []).extend(spans)
    return faults


def _markdown_faults(text: str) -> dict[str, list[Span]]:
    lines = _LINE.findall(text)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    faults: dict[str, list[Span]] = {}
    for reason, first, last in _faults(_parser().parse(text), lines):
        start, end = starts[first], starts[min(last, len(lines))]
        if spans := _within(reason, text[start:end].rstrip(), start):
            faults.setdefault(reason, []).extend(spans)
    return dict(sorted(faults.items(), key=lambda item: list(_ADVICE).index(item[0])))


def _faults(tokens: list[Token], lines: list[str]) -> Iterator[tuple[str, int, int]]:
    """Each fault with its first line and the one after its last."""
    row_lines: set[int] = set()
    for token in tokens:
        first, last = token.map or (0, 0)
        if token.type == "fence" and not _is_closed(token, lines):
            yield "unclosed_fence", first, first + 1
        elif token.type == "table_open":
            rows = [at for at in range(first, last) if lines[at].strip()]
            row_lines.update(rows)
            wanted = _cells(lines[first])
            yield from (("broken_table", at, at + 1) for at in rows if _cells(lines[at]) != wanted)
        elif token.type == "html_block" and not token.content.lstrip().startswith("<!--"):
            yield "html", first, last
        elif token.type == "inline" and first not in row_lines:
            yield from ((reason, first, last) for reason in _inline_faults(token, lines[first:last]))


def _inline_faults(token: Token, lines: list[str]) -> Iterator[str]:
    children = token.children or []
    words = "".join(child.content for child in children if child.type == "text")
    if len(lines) > 1 and all(_TABLE_LINE.fullmatch(line.rstrip()) for line in lines):
        yield "broken_table"
    if "](" in words or any(child.type == "link_open" and not child.attrs.get("href") for child in children):
        yield "broken_link"
    if _STRAY.search(words) and _STRAY.search(_CODE_SPAN.sub("", token.content)):
        yield "stray_emphasis"
    if any(child.type == "html_inline" for child in children):
        yield "html"


def _within(reason: str, block: str, start: int) -> list[Span]:
    """The places of a fault in its block; the whole block where they cannot be told apart."""
    pattern = {"broken_link": _BROKEN_LINK, "stray_emphasis": _STRAY, "html": _HTML}.get(reason)
    found = [match.span() for match in pattern.finditer(block)] if pattern else []
    return [Span(start=start + a, end=start + b) for a, b in found or [(0, len(block))] if a < b]


def _is_closed(fence: Token, lines: list[str]) -> bool:
    first, last = fence.map or (0, 0)
    while last > first + 1 and not lines[last - 1].strip(" >\t\r\n"):
        last -= 1
    closing = lines[last - 1].strip(" >\t\r\n")
    return last - 1 > first and closing.startswith(fence.markup) and set(closing) == set(fence.markup)


def _cells(line: str) -> int:
    inner = _CODE_SPAN.sub("", line.strip()).strip()
    return len(_CELL_END.findall(inner.removeprefix("|").removesuffix("|") if not inner.endswith("\\|") else inner))


@cache
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark").enable("table")

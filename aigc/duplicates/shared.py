"""Where a text says the same as another: the stretches that an editor is shown."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from aigc.records import Span

MAX_SPANS = 50
WORDS, CJK_CHARS = 5, 8
"""A stretch of this many words or Chinese characters in both texts is no accident."""

_CJK = r"\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_CJK_CHAR = re.compile(f"[{_CJK}]")
_TOKEN = re.compile(rf"[{_CJK}]|[^\W{_CJK}]+")


def shared_spans(text: str, other: str) -> list[Span]:
    """Stretches of `text` that stand in `other` too, whatever the case, width, spaces and punctuation."""
    spans: list[Span] = []
    known = {stretch for stretch, _, _ in _stretches(other)}
    for stretch, start, end in _stretches(text):
        if stretch not in known:
            continue
        if spans and start <= spans[-1].end:
            spans[-1] = Span(start=spans[-1].start, end=end)
        else:
            spans.append(Span(start=start, end=end))
    return spans[:MAX_SPANS]


def _stretches(text: str) -> Iterator[tuple[tuple[str, ...], int, int]]:
    """Every stretch of the least length, with its place."""
    tokens = [(unicodedata.normalize("NFKC", match[0]).casefold(), *match.span()) for match in _TOKEN.finditer(text)]
    for at, (first, start, _) in enumerate(tokens):
        size = CJK_CHARS if _CJK_CHAR.match(first) else WORDS
        if at + size <= len(tokens):
            yield tuple(token for token, _, _ in tokens[at : at + size]), start, tokens[at + size - 1][2]

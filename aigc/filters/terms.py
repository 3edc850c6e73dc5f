"""The words a brief demands, and the words it rules out."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import ClassVar

from aigc.filters.verdicts import MAX_SPANS, FilterAction, asked, readable, wording
from aigc.records import Brief, Completion, Span, Verdict

_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
_HAS_UNSPACED = re.compile(f"[{_UNSPACED}]")
_LETTER = rf"[^\W_{_UNSPACED}]"
"""A letter or digit that forms words with spaces between: `iPhone` in 用iPhone拍 is a whole word."""
_SPAN_CHARS = 100_000
_GAP = re.compile(r"[\s-]+")
_TO_CHANGE = re.compile("[\u00ad\u200b-\u200d\u2060\ufeff’‘ʼ‐-―]")
_INVISIBLE = dict.fromkeys(map(ord, "\u00ad\u200b\u200c\u200d\u2060\ufeff"))
_CHANGES = _INVISIBLE | str.maketrans("’‘ʼ‐‑‒–—―", "'''------")


@dataclass(frozen=True, slots=True, kw_only=True)
class RequiredTermsFilter:
    """Fails texts that leave out one of the brief's keywords. Plurals and possessives count as the keyword."""

    name: ClassVar[str] = "required_terms"
    action: FilterAction = "retry"

    def __call__(self, brief: Brief, completion: Completion) -> Verdict:
        terms, text = _terms(brief.limits.keywords), readable(completion)
        if not terms or not text.strip():
            return Verdict(filter=self.name, action="pass")
        folded = _fold(text)
        missing = [term for term in terms if not _stands_in(folded, term)]
        used, count = len(terms) - len(missing), len(terms)
        if not missing:
            return Verdict(filter=self.name, action="pass", measured=used, limit=count)
        return Verdict(
            filter=self.name, action=asked(self.action), reason="missing_keyword", measured=used, limit=count,
            message=f"The text uses {used} of {count} keywords; missing: {', '.join(missing)}.",
            advice=wording(brief, en=f"Use these words: {', '.join(missing)}.", zh=f"必须用到：{'、'.join(missing)}。"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ForbiddenTermsFilter:
    """Fails texts that mention what the brief rules out, as whole words with their plurals."""

    name: ClassVar[str] = "forbidden_terms"
    action: FilterAction = "retry"

    def __call__(self, brief: Brief, completion: Completion) -> Verdict:
        terms, text = _terms(brief.limits.must_not_mention), readable(completion)
        if not terms or not text.strip():
            return Verdict(filter=self.name, action="pass")
        folded = _fold(text)
        found = [term for term in terms if _stands_in(folded, term)]
        if not found:
            return Verdict(filter=self.name, action="pass", measured=0, limit=0)
        return Verdict(
            filter=self.name, action=asked(self.action), reason="forbidden_term", measured=len(found), limit=0,
            spans=_original_spans(text, found),
            message=f"The text mentions {len(found)} of {len(terms)} terms ruled out: {', '.join(found)}.",
            advice=wording(brief, en=f"Do not mention: {', '.join(found)}.", zh=f"不要提到：{'、'.join(found)}。"),
        )


def _terms(given: list[str]) -> list[str]:
    return [term for term in dict.fromkeys(map(str.strip, given)) if _fold(term).strip()]


def _fold(text: str) -> str:
    """`text` as terms are compared: compatibility forms, case, invisible characters and dashes made alike."""
    if text.isascii():
        return text.lower()
    if _TO_CHANGE.search(text):
        text = text.translate(_CHANGES)
    return unicodedata.normalize("NFKC", text).casefold()


def _matches(folded: str, term: str) -> Iterator[re.Match[str]]:
    first, pattern = _pattern(term)
    # A search for a plain string is tens of times faster than for a pattern that starts with a look-behind.
    return pattern.finditer(folded) if first in folded else iter(())


def _stands_in(folded: str, term: str) -> bool:
    return next(_matches(folded, term), None) is not None


@lru_cache(maxsize=4096)
def _pattern(term: str) -> tuple[str, re.Pattern[str]]:
    """The first characters of a term, which must stand in the text, and the pattern of the whole."""
    parts = [part for part in _GAP.split(_fold(term)) if part] or [_fold(term)]
    body = r"[\s-]+".join(map(re.escape, parts))
    if _HAS_UNSPACED.search(term):
        return parts[0], re.compile(body)
    if re.fullmatch(r"[a-z]", parts[-1][-1]):
        # battery, batteries; dress, dresses; the possessive's apostrophe ends a word anyway
        is_ies = re.search(r"[^aeiou]y$", parts[-1])
        body = f"{body[:-1]}(?:y|ies)" if is_ies else f"{body}(?:e?s)?"
    before = f"(?<!{_LETTER})" if re.match(_LETTER, parts[0]) else ""
    after = f"(?!{_LETTER})" if re.match(_LETTER, parts[-1][-1]) else ""
    return parts[0].removesuffix("y"), re.compile(before + body + after)


def _original_spans(text: str, terms: list[str]) -> list[Span]:
    """Where `terms` stand in `text`: each folded character is traced back to the cluster it came from."""
    clusters = _clusters(text[:_SPAN_CHARS])
    pieces = [_fold(text[start:end]) for start, end in clusters]
    origin = [cluster for cluster, piece in zip(clusters, pieces, strict=True) for _ in piece]
    folded = "".join(pieces)
    matches = [match for term in terms for match in islice(_matches(folded, term), MAX_SPANS)]
    found = {(origin[match.start()][0], origin[match.end() - 1][1]) for match in matches}
    return [Span(start=start, end=end) for start, end in sorted(found)[:MAX_SPANS]]


def _clusters(text: str) -> list[tuple[int, int]]:
    """Each character with the marks that combine with it, which must be normalised together (also Hangul's parts)."""
    cuts = [at for at, char in enumerate(text)
            if at == 0 or not (unicodedata.combining(char) or "\u1160" <= char <= "\u11ff")]
    return list(zip(cuts, [*cuts[1:], len(text)], strict=True))

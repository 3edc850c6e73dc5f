"""Finding terms in a text as people mean them: whatever the case, width, dashes and invisible characters."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import islice

from aigc.filters.verdicts import MAX_SPANS
from aigc.records import Span

_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
_HAS_UNSPACED = re.compile(f"[{_UNSPACED}]")
_LETTER = rf"[^\W_{_UNSPACED}]"
"""A letter or digit that forms words with spaces between: `iPhone` in 用iPhone拍 is a whole word."""
_SPAN_CHARS = 100_000
_GAP = re.compile(r"[\s-]+")
_TO_CHANGE = re.compile("[\u00ad\u200b-\u200d\u2060\ufeff’‘ʼ‐-―]")
_INVISIBLE = dict.fromkeys(map(ord, "\u00ad\u200b\u200c\u200d\u2060\ufeff"))
_CHANGES = _INVISIBLE | str.maketrans("’‘ʼ‐‑‒–—―", "'''------")


class TermList:
    """Thousands of terms, looked for in one go. Its time hardly depends on how many there are."""

    def __init__(self, terms: Iterable[str]) -> None:
        import ahocorasick

        self.terms = clean_terms(terms)
        by_head: dict[str, list[str]] = {}
        for term in self.terms:
            by_head.setdefault(_head(_parts(term)), []).append(term)
        self._heads = ahocorasick.Automaton()
        for head, found in by_head.items():
            self._heads.add_word(head, found)
        self._heads.make_automaton()

    def found_in(self, folded: str) -> list[str]:
        """The terms that stand in a `fold`ed text, in the list's order."""
        if not self.terms:
            return []
        maybe = {term for _, terms in self._heads.iter(folded) for term in terms}
        found = {term for term in maybe if stands_in(folded, term)}
        return [term for term in self.terms if term in found] if found else []


def clean_terms(given: Iterable[str]) -> list[str]:
    """Without doubles, space around them, and what has nothing to look for."""
    return [term for term in dict.fromkeys(map(str.strip, given)) if fold(term).strip()]


def fold(text: str) -> str:
    """`text` as terms are compared: compatibility forms, case, invisible characters and dashes made alike."""
    if text.isascii():
        return text.lower()
    if _TO_CHANGE.search(text):
        text = text.translate(_CHANGES)
    return unicodedata.normalize("NFKC", text).casefold()


def stands_in(folded: str, term: str) -> bool:
    return next(_matches(folded, term), None) is not None


def _matches(folded: str, term: str) -> Iterator[re.Match[str]]:
    head, pattern = _pattern(term)
    # A search for a plain string is tens of times faster than for a pattern that starts with a look-behind.
    return pattern.finditer(folded) if head in folded else iter(())


def _parts(term: str) -> list[str]:
    """The words of a term, which may be joined by any space or dash."""
    folded = fold(term)
    return [part for part in _GAP.split(folded) if part] or [folded]


def _head(parts: list[str]) -> str:
    """What stands in every text that holds the term: `batter` also stands in `batteries`."""
    return parts[0].removesuffix("y") or parts[0]


@lru_cache(maxsize=4096)
def _pattern(term: str) -> tuple[str, re.Pattern[str]]:
    """The head of a term, and the pattern of the whole."""
    parts = _parts(term)
    body = r"[\s-]+".join(map(re.escape, parts))
    if _HAS_UNSPACED.search(term):
        return _head(parts), re.compile(body)
    if re.fullmatch(r"[a-z]", parts[-1][-1]):
        # battery, batteries; dress, dresses; the possessive's apostrophe ends a word anyway
        is_ies = re.search(r"[^aeiou]y$", parts[-1])
        body = f"{body[:-1]}(?:y|ies)" if is_ies else f"{body}(?:e?s)?"
    before = f"(?<!{_LETTER})" if re.match(_LETTER, parts[0]) else ""
    after = f"(?!{_LETTER})" if re.match(_LETTER, parts[-1][-1]) else ""
    return _head(parts), re.compile(before + body + after)


def spans_of(text: str, terms: list[str]) -> list[Span]:
    """Where `terms` stand in `text`: each folded character is traced back to the cluster it came from."""
    clusters = _clusters(text[:_SPAN_CHARS])
    pieces = [fold(text[start:end]) for start, end in clusters]
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

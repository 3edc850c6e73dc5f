"""Scripts inside a text: simplified or traditional characters, passages in another script, letters mixed in a word."""

from __future__ import annotations

import re
from functools import cache
from itertools import islice
from typing import Literal

from aigc.filters.verdicts import MAX_SPANS
from aigc.records import Brief, Span

Variant = Literal["Hans", "Hant"]
_REGIONS: dict[str, Variant] = {"cn": "Hans", "sg": "Hans", "my": "Hans", "tw": "Hant", "hk": "Hant", "mo": "Hant"}
_ALSO_TRADITIONAL = "着"
"""Written so in Hong Kong; Big5 knows only 著."""
_OTHER_LETTERS = "\u0400-\u052f\u0590-\u1cff\u3041-\u3096\u30a1-\u30fa\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff"
"""Letters of other scripts than Latin. Greek is left out: formulas have it in any language."""
_IN_LATIN = re.compile(f"[{_OTHER_LETTERS}]+(?:[ ,.·-]?[{_OTHER_LETTERS}]+)*")
_IN_HAN = re.compile(r"[A-Za-z][A-Za-z'’-]*(?:[ ,;:\"“”()-]{1,3}[A-Za-z][A-Za-z'’-]*){7,}")
"""Eight words in one sentence: names of products, films and songs are shorter."""
_MIXED_WORD = re.compile(r"\w*(?:[A-Za-z][\u0400-\u04ff]|[\u0400-\u04ff][A-Za-z])\w*")
_OPEN, _CLOSE = "(（[【\"“”'‘’「『《<", ")）]】\"”“'’‘」』》>"
_GLOSS = re.compile(r"\s?[(（\[]")
"""A translation in brackets follows."""


def wanted_variant(language: str) -> Variant | None:
    """`Hant` of zh-Hant and zh-TW, `Hans` of zh-Hans and zh-CN, None of plain zh and other languages."""
    base, *tags = language.replace("_", "-").lower().split("-")
    if base != "zh":
        return None
    if "hant" in tags or "hans" in tags:
        return "Hant" if "hant" in tags else "Hans"
    return next((_REGIONS[tag] for tag in tags if tag in _REGIONS), None)


def other_variant(text: str, wanted: Variant) -> tuple[float, list[Span]]:
    """The share of characters of the other variant among those that belong to one alone, and where they stand."""
    simplified, traditional = _variants()
    wrong, right = (traditional, simplified) if wanted == "Hans" else (simplified, traditional)
    spans = [Span(start=match.start(), end=match.end()) for match in wrong.finditer(text)]
    count = sum(span.end - span.start for span in spans)
    others = sum(map(len, right.findall(text)))
    return (count / (count + others) if count else 0.0), spans


def foreign_passages(text: str, scripts: tuple[str, ...], brief: Brief) -> list[Span]:
    """Words in a script that the language does not use; not in brackets or quotation marks, nor from the brief."""
    pattern = _IN_LATIN if scripts == ("Latin",) else _IN_HAN if "Han" in scripts else None
    if pattern is None or (pattern is _IN_LATIN and text.isascii()):
        return []
    cells = " ".join(map(str, brief.fields.values()))
    found = (match for match in pattern.finditer(text)
             if len(match[0]) > 1 and match[0] not in cells and not _is_set_off(text, match))
    return [Span(start=match.start(), end=match.end()) for match in islice(found, MAX_SPANS)]


def mixed_words(text: str) -> list[Span]:
    """Words with Latin and Cyrillic letters: another letter than it seems, which search does not find."""
    if text.isascii():
        return []
    return [Span(start=match.start(), end=match.end()) for match in islice(_MIXED_WORD.finditer(text), MAX_SPANS)]


def _is_set_off(text: str, match: re.Match[str]) -> bool:
    before, after = text[max(match.start() - 2, 0):match.start()].strip(), text[match.end():match.end() + 2].strip()
    return (before[-1:] in _OPEN if before else False) or (after[:1] in _CLOSE if after else False) or bool(
        _GLOSS.match(text, match.end()))


@cache
def _variants() -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Characters that are simplified only, and traditional only.

    What the character sets of the mainland (GB 2312) and of Taiwan (Big5) have alone; both come with Python. Against
    OpenCC's dictionaries: 26% of simplified and 29% of traditional texts are such characters, 0.01% of the others'.
    """
    every = "".join(map(chr, range(0x4E00, 0xA000)))
    simplified = set(_in(every, "gb2312")) - set(_ALSO_TRADITIONAL)
    traditional = set(_in(every, "big5"))
    return _one_of(simplified - traditional), _one_of(traditional - set(_in(every, "gb2312")))


def _in(text: str, codec: str) -> str:
    return text.encode(codec, "ignore").decode(codec)


def _one_of(characters: set[str]) -> re.Pattern[str]:
    return re.compile(f"[{''.join(sorted(characters))}]+")

"""Term packs: TOML files of claims that users edit, with the rule behind each, read and compiled."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import msgspec

from aigc.errors import SettingsError
from aigc.filters.facts.numerals import plain
from aigc.filters.files import kept

_NEAR = 60
_NOT_BEFORE = re.compile(
    r"(?:\b(?:not|no|never|without|cannot|neither|nor)\b|n't\b)[^.!?;\n]{0,20}\Z|[不非]\Z"
    r"|(?:不是|并非|并不|不能|不会|不可能|不得|不要|不用|不说|无法|没有|从不|绝不|不敢|不保证|不承诺|禁止|切勿|拒绝|而非)"
    r"[^,。!?;\n]{0,8}\Z")


class Claims(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One [[claims]] of a pack, as written: words of one kind, with the rule that they come under."""

    reason: str
    source: str
    why: str
    advice: dict[str, str]
    terms: list[str] = []
    patterns: list[str] = []
    unless: list[str] = []
    brief_may_say: bool = False


class PackFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    title: str
    claims: list[Claims]


class Place(NamedTuple):
    """Characters `start:end` of a text that make one of `claims`."""

    start: int
    end: int
    claims: Claims


class TermPack:
    """The claims of one file. Terms are found in one pass, patterns one by one."""

    def __init__(self, claims: list[Claims], path: Path) -> None:
        import ahocorasick

        self._automaton = ahocorasick.Automaton()
        for kind in claims:
            for term in filter(None, map(_usual, kind.terms)):
                if term not in self._automaton:
                    self._automaton.add_word(term, (len(term), kind))
        self._automaton.make_automaton()
        self._has_terms = len(self._automaton) > 0
        self._patterns = [(kind, _pattern(text, kind, path)) for kind in claims for text in kind.patterns]
        self._unless = {id(kind): [_pattern(text, kind, path) for text in kind.unless] for kind in claims}

    def places(self, text: str) -> list[Place]:
        """Where `text` makes a claim, in its order, none inside another. What is denied, or benign, is none."""
        reading = _usual(text)
        found: list[Place] = []
        for place in sorted(chain(self._terms_in(reading), self._patterns_in(reading)),
                            key=lambda place: (place.start, -place.end)):
            if found and place.start < found[-1].end:
                continue
            if _is_whole(reading, place) and not self._is_harmless(reading, place):
                found.append(place)
        return found

    def _terms_in(self, reading: str) -> Iterator[Place]:
        if self._has_terms:
            for last, (length, kind) in self._automaton.iter(reading):
                yield Place(last + 1 - length, last + 1, kind)

    def _patterns_in(self, reading: str) -> Iterator[Place]:
        for kind, pattern in self._patterns:
            for match in pattern.finditer(reading):
                if match.end() > match.start():
                    yield Place(match.start(), match.end(), kind)

    def _is_harmless(self, reading: str, place: Place) -> bool:
        near = max(0, place.start - _NEAR)
        if _NOT_BEFORE.search(reading, near, place.start):
            return True
        around = min(len(reading), place.end + _NEAR)
        return any(match.start() < place.end and place.start < match.end()
                   for unless in self._unless[id(place.claims)] for match in unless.finditer(reading, near, around))


def term_pack(path: Path) -> TermPack:
    """The pack at `path` as it was last opened.

    Raises:
        SettingsError: it is no term pack.
    """
    return _term_pack(path, kept(path).digest)


@lru_cache(maxsize=32)
def _term_pack(path: Path, _digest: str) -> TermPack:
    try:
        pack = msgspec.convert(tomllib.loads(kept(path).text), PackFile)
    except tomllib.TOMLDecodeError as exc:
        raise SettingsError(str(path), f"broken TOML: {exc}", "valid TOML", "Correct the line named.") from exc
    except msgspec.ValidationError as exc:
        raise SettingsError(str(path), str(exc), "a title and [[claims]] with reason, source, why, advice and terms",
                            "Correct it; the packs that come with aigc show how.") from exc
    return TermPack(pack.claims, path)


def _pattern(text: str, kind: Claims, path: Path) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as exc:
        raise SettingsError(f"{path}, reason {kind.reason}", f"the pattern {text}, which is broken ({exc})",
                            "a regular expression", "Correct it.") from exc


def _usual(text: str) -> str:
    """`text` as terms and patterns are written: plain, with a space for every dash and line break."""
    return plain(text).replace("-", " ").replace("\n", " ")


def _is_whole(reading: str, place: Place) -> bool:
    """Whether a place begins and ends between words: `best in class` is not in `best in classic`."""
    return not (_is_inside_word(reading, place.start) or _is_inside_word(reading, place.end))


def _is_inside_word(reading: str, at: int) -> bool:
    pair = reading[at - 1:at + 1] if at else ""
    return len(pair) == 2 and pair.isascii() and pair.isalnum()

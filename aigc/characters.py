"""Characters that readers never see or cannot read: control codes, invisible marks, bytes decoded wrongly."""

from __future__ import annotations

import re

from aigc.content import base_language

CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
"""C0 and C1 without tab, line feed and carriage return."""
INVISIBLE = re.compile(
    "[\u180e\u200b\u2060-\u2064\ufeff]|(?<=[A-Za-z\u4e00-\u9fff])[\u200c\u200d](?=[A-Za-z\u4e00-\u9fff])")
"""Zero width. Joiners count only between Latin letters or Chinese characters: emoji and many scripts need them."""
_MAY_BREAK_WORDS = frozenset({"th", "km", "lo", "my", "bo"})
"""Languages written without spaces in which a zero-width space shows where a line may end."""
_CONTINUATION = "\x80-\xbf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc\u2013-\u203a\u20ac\u2122"
_WRONG_LATIN = re.compile(f"[\xc2-\xf4][{_CONTINUATION}]|\u201a\xc4[\xee-\xfa\u2211\u2013-\u203a]")
"""UTF-8's first byte with one of its next, read as Latin-1, Windows-1252 or Mac Roman. Where it is absent, ftfy, which
decides, need not be asked (it takes 0.4 ms)."""
_WRONG_GBK = re.compile(
    "锟斤拷|烫烫烫|屯屯屯|(?:[锛銆鈥][^\n]{0,200}){2}")
"""UTF-8's replacement character read as GBK, empty memory of a debugger, and ，。“ read as GBK: 锛 銆 鈥 are rare."""


def wrongly_decoded(text: str) -> list[tuple[int, int]]:
    """Where `text` has bytes that were decoded with the wrong table (mojibake)."""
    if text.isascii():
        return []
    places = [match.span() for match in _WRONG_GBK.finditer(text)]
    if _WRONG_LATIN.search(text) and _restored(text) != text:
        places += [match.span() for match in _WRONG_LATIN.finditer(text)]
    return sorted(places)


def mended(text: str, language: str) -> tuple[str, str]:
    """`text` without what no reader would miss, and what was done; nothing where it was sound.

    Wrong decoding is undone where ftfy is certain of it, control codes and invisible marks are left out. Quotation
    marks and the width of characters stay: ftfy's defaults would change nine Chinese texts in ten.
    """
    done = []
    if not text.isascii() and _WRONG_LATIN.search(text) and (restored := _restored(text)) != text:
        text = restored
        done.append("wrongly decoded characters restored")
    text, count = CONTROL.subn("", text)
    if count:
        done.append(f"{count} control characters removed")
    if not text.isascii() and base_language(language) not in _MAY_BREAK_WORDS:
        text, count = INVISIBLE.subn("", text)
        if count:
            done.append(f"{count} invisible characters removed")
    return text, ", ".join(done)


def _restored(text: str) -> str:
    import ftfy

    # A lossy sequence would come back as U+FFFD, which is no better.
    return ftfy.fix_encoding(text, ftfy.TextFixerConfig(
        uncurl_quotes=False, fix_character_width=False, replace_lossy_sequences=False))

"""What a model reads where a person sees nothing or something else: encoded, hidden and disguised text.

Invisible characters and look-alikes: Boucher et al. 2022, Bad Characters. Text in tag characters: Rehberger 2024, ASCII
Smuggler. Hidden markup: Greshake et al. 2023, Not what you've signed up for.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import html
import re
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import unquote

_TAGS = re.compile("[\U000e0001-\U000e007f]{2,}")
_FLAG = re.compile("\U0001f3f4[\U000e0061-\U000e007a\U000e0030-\U000e0039]{2,6}\U000e007f")
_SELECTORS = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]{3,}")
_ZERO_WIDTH_RUN = re.compile("[\u200b-\u200d\u2060-\u2064\u180e\ufeff]{6,}")
_RIGHT_TO_LEFT = re.compile("[\u202e\u2067]([^\u202c\u2069\n]{3,400})")
_INVISIBLE = re.compile("[\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f"
                        "\ufe00-\ufe0f\ufeff\U000e0000-\U000e01ef]")
_OTHER_LETTERS = "[\u0131\u0251\u0261\u0370-\u04ff\u2460-\u24ff\uff21-\uff3a\uff41-\uff5a\U0001d400-\U0001d7ff]"
_ODD = re.compile(f"{_INVISIBLE.pattern}|{_OTHER_LETTERS}")
_LIKE_LATIN = str.maketrans("аеорсухіѕјԁһӏԛԝүɑɡıοανρτυικεАВЕКМНОРСТУХІЅЈΑΒΕΖΗΙΚΜΝΟΡΤΥΧ",
                            "aeopcyxisjdhlqwyagioavptuikeABEKMHOPCTYXISJABEZHIKMNOPTYX")
_MIXED_WORD = re.compile("[a-zA-Z][\u0370-\u04ff]|[\u0370-\u04ff][a-zA-Z]")
_SPACED = re.compile(r"(?<![^\W_])[^\W\d_](?:[ .\-_*·|]{1,2}[^\W\d_]){7,}(?![^\W_])")
_DIGITS = str.maketrans("01345@$7", "oieasast")
_DIGIT_WORD = re.compile(r"(?<![A-Za-z0-9@$])(?:[a-zA-Z]+[0-9@$]|[0-9@$]+[a-zA-Z]{2})[a-zA-Z0-9@$]{2,}")
_DIGIT_IN_WORD = re.compile(r"[a-z][01345@$7][a-z]|[01345@$7][a-z]{3}")
_WRITTEN_WITH_DIGITS = ("ignore", "instruction", "prompt", "previous", "disregard", "answer", "system")
_FEWEST_GAPS = 7
_LINE = re.compile("[^\n\x1e]+")
_SHORTEST_CODE = 20
_BASE64 = re.compile(r"(?<![\w+/=-])[A-Za-z0-9+/_-]{20,4000}={0,2}(?![\w+/=-])")
_HEX = re.compile(r"(?<!\w)(?:(?:0x|\\x)?[0-9a-fA-F]{2}[ :]?){12,2000}(?!\w)")
_HEX_PAIRS = re.compile(r"\b[0-9a-fA-F]{2}[ :][0-9a-fA-F]{2}[ :][0-9a-fA-F]{2}\b")
_PERCENT = re.compile(r"(?:%[0-9a-fA-F]{2}|[\w+.-]){12,2000}")
_ENTITIES = re.compile(r"(?:&#x?[0-9a-fA-F]{2,6};[ ]?){6,2000}")
_ESCAPES = re.compile(r"(?:\\u[0-9a-fA-F]{4}|[\w ]){12,2000}")
_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})")
_ROT13 = ("vtaber", "vafgehpgvba", "cebzcg", "qvfertneq")
"""`ignore`, `instruction`, `prompt` and `disregard`."""
_COMMENT = re.compile(r"<!--(.{4,4000}?)-->", re.DOTALL)
_NOT_SHOWN = (r"(?:\bhidden\b|display\s*:\s*none|visibility\s*:\s*hidden|font-size\s*:\s*0|opacity\s*:\s*0(?![.\d])"
              r"|color\s*:\s*(?:white|#fff(?:fff)?\b|transparent))")
_HIDDEN = re.compile(rf"<(\w{{1,12}})\b[^<>]{{0,300}}?{_NOT_SHOWN}[^<>]{{0,300}}>(.{{4,4000}}?)</\1",
                     re.DOTALL | re.IGNORECASE)
_WORDS = re.compile(r"[a-zA-Z]{2,}(?:[ ,.'’-]+[a-zA-Z]+){2,}|[\u4e00-\u9fff]{4,}")


class View(NamedTuple):
    """Another reading of `start:end` of a text. `smuggled`: no honest text is written so, whatever it says."""

    text: str
    start: int
    end: int
    smuggled: bool = False


def hidden(text: str) -> Iterator[View]:
    """Markup that a browser does not show: comments and elements made invisible."""
    if "<" in text:
        for match in _COMMENT.finditer(text):
            yield View(match[1], *match.span())
        for match in _HIDDEN.finditer(text):
            yield View(match[2], *match.span())


def encoded(text: str) -> Iterator[View]:
    """Runs that decode to words: base64, hexadecimal, percent signs, character references, escapes, ROT13."""
    for decode in (_base64, _hex, _percent, _references, _escapes, _rot13):
        yield from (view for view in decode(text) if _WORDS.search(view.text))


def _has_code(text: str) -> bool:
    """Whether a word is as long as words seldom are. Chinese and Japanese put no spaces between theirs."""
    return max(map(len, text.split()), default=0) >= _SHORTEST_CODE


def _base64(text: str) -> Iterator[View]:
    if _has_code(text):
        yield from (View(_text_of_base64(match[0]), *match.span()) for match in _BASE64.finditer(text))


def _hex(text: str) -> Iterator[View]:
    for match in _HEX.finditer(text) if _has_code(text) or _HEX_PAIRS.search(text) else ():
        yield View(_utf8(bytes.fromhex(re.sub(r"0x|\\x|[ :]", "", match[0]))), *match.span())


def _percent(text: str) -> Iterator[View]:
    if text.count("%") >= 6:
        for match in _PERCENT.finditer(text):
            yield View(unquote(match[0]), *match.span())


def _references(text: str) -> Iterator[View]:
    if "&#" in text:
        yield from (View(html.unescape(match[0]), *match.span()) for match in _ENTITIES.finditer(text))


def _escapes(text: str) -> Iterator[View]:
    for match in _ESCAPES.finditer(text) if "\\u" in text else ():
        if match[0].count("\\u") >= 4:
            yield View(_ESCAPE.sub(lambda code: chr(int(code[1], 16)), match[0]), *match.span())


def _rot13(text: str) -> Iterator[View]:
    lower = text.lower()
    if any(word in lower for word in _ROT13):
        yield from (View(codecs.encode(line[0], "rot13"), *line.span()) for line in _LINE.finditer(text))


def smuggled(text: str) -> Iterator[View]:
    """Text in characters that nobody sees: tags, variation selectors, zero-width bits; and text turned round."""
    if text.isascii():
        return
    flags = [match.span() for match in _FLAG.finditer(text)]
    for match in _TAGS.finditer(text):
        if not any(start < match.start() < end for start, end in flags):
            yield View("".join(chr(ord(char) - 0xE0000) for char in match[0]), *match.span(), smuggled=True)
    for match in _SELECTORS.finditer(text):
        yield View("", *match.span(), smuggled=True)
    for match in _ZERO_WIDTH_RUN.finditer(text):
        yield View("", *match.span(), smuggled=True)
    for match in _RIGHT_TO_LEFT.finditer(text):
        yield View(match[1][::-1], *match.span())


def unmasked(text: str) -> Iterator[View]:
    """Lines of `text` without invisible characters, look-alikes, gaps between letters and digits in their stead."""
    if (text.isascii() or not _ODD.search(text)) and not _may_be_masked(text.lower()):
        return
    for line in _LINE.finditer(text):
        plain = _plain(line[0])
        if plain != line[0]:
            yield View(plain, *line.span())
        if _is_backwards(plain.lower()):
            yield View(plain[::-1], *line.span())


def _may_be_masked(lower: str) -> bool:
    if _is_backwards(lower) or (_DIGIT_IN_WORD.search(lower) and _is_written_with_digits(lower)):
        return True
    single = sum(len(word) == 1 for word in lower.split())
    return single + sum(map(lower.count, ".-_*·|")) >= _FEWEST_GAPS and _SPACED.search(lower) is not None


def _is_written_with_digits(lower: str) -> bool:
    letters = lower.translate(_DIGITS)
    return any(word in letters and word not in lower for word in _WRITTEN_WITH_DIGITS)


def _is_backwards(lower: str) -> bool:
    return "snoitcurtsni" in lower or "tpmorp" in lower or "erongi" in lower


def _plain(line: str) -> str:
    if not line.isascii() and _ODD.search(line):
        line = unicodedata.normalize("NFKC", _INVISIBLE.sub("", line))
        if _MIXED_WORD.search(line):
            line = line.translate(_LIKE_LATIN)
    line = _SPACED.sub(lambda run: _joined(run[0]), line)
    return _DIGIT_WORD.sub(lambda word: word[0].lower().translate(_DIGITS), line)


def _joined(run: str) -> str:
    """`i g n o r e  a l l` as `ignore all`: wider gaps part words."""
    return " ".join(re.sub(r"[ .\-_*·|]", "", word) for word in re.split(r"[ .\-_*·|]{2}", run))


def _text_of_base64(run: str) -> str:
    data = run.replace("-", "+").replace("_", "/").rstrip("=")
    try:
        return _utf8(base64.b64decode(data + "=" * (-len(data) % 4), validate=True))
    except (binascii.Error, ValueError):
        return ""


def _utf8(data: bytes) -> str:
    """`data` as a text; empty where it is none. A key or digest hardly ever is valid UTF-8 without control codes."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return ""
    return text if all(char.isprintable() or char in "\n\t" for char in text) else ""

"""Web addresses, e-mail addresses and telephone numbers in a text."""

from __future__ import annotations

import re
from collections.abc import Iterator

from aigc.filters.facts.fact import Fact
from aigc.filters.facts.numerals import at_numbers

_EMAIL = re.compile(r"[a-z0-9][a-z0-9._%+-]{0,63}@[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63}){1,5}")
_PATH = r"[a-z0-9._~:/?#@!$&'()*+,;=%-]"
_URL = re.compile(rf"(?:https?://|(?<![a-z0-9])www\.){_PATH}{{1,2000}}")
_ENDING = re.compile(r"\.(?:com|net|org|io|ai|app|dev|shop|store|co|cn|uk|de|fr|eu|info|biz|edu|gov|tv|jp|xyz|club"
                     rf"|example|test)(?![a-z0-9-]|\.[a-z0-9])(?:[/?#]{_PATH}{{0,2000}})?")
"""How a bare domain ends. Few endings, since the space after a sentence may be missing."""
_HOST_BEFORE = re.compile(r"(?<![a-z0-9@._-])(?:[a-z0-9][a-z0-9-]{0,62}\.){0,4}[a-z0-9][a-z0-9-]{0,62}\Z")
_TRAILING = ".,;:!?'()*"

_PHONE = re.compile(r"(?<![a-z0-9$€£¥.,/_-])(?:\+\d|\(\d{2,5}\)|\d)[\d .-]{4,22}\d(?![a-z0-9])")
"""Letters are named since \\w also means Chinese ones, which stand beside a number without a space."""
_NUMBER_HEAD = re.compile(r"[+(]?\d+")
_CALL = re.compile(r"(?:\b(?:tel|phone|call|fax|dial|text|whatsapp|mobile|hotline)\b|电话|热线|拨打|致电|手机|传真|客服"
                   r"|微信号?|联系方式)[^\d\n]{0,12}\Z")
_MOBILE_ZH = re.compile(r"(?:\+?86[ -]?)?1[3-9]\d(?:[ -]?\d{4}){2}")
_HOTLINE = re.compile(r"[48]00[ -]?\d{3,4}[ -]?\d{3,4}")
_LOCAL = re.compile(r"\d{3,4}-\d{4}")
_YEARS = re.compile(r"(?:1[5-9]|20)\d\d ?[-/.] ?(?:1[5-9]|20)\d\d")
_THOUSANDS = re.compile(r"[1-9]\d{0,2}(?: \d{3})+")


def urls_and_emails_in(text: str, original: str) -> Iterator[Fact]:
    """Of `plain` text. `original` has the case of `word.Word`, which lacks a space and is no address."""
    if "@" in text:
        for match in _EMAIL.finditer(text):
            yield Fact("email", match.start(), match.end(), key=match[0])
        text = _EMAIL.sub(_blank, text)
    if "://" in text or "www." in text:
        for match in _URL.finditer(text):
            yield _url(match[0], match.start())
        text = _URL.sub(_blank, text)
    for match in _ENDING.finditer(text):
        if original[match.start() + 1].isupper() and not original[match.start() - 1].isupper():
            continue
        if host := _HOST_BEFORE.search(text, max(0, match.start() - 200), match.start()):
            yield _url(host[0] + match[0], host.start())


def _blank(match: re.Match[str]) -> str:
    return "\0" * len(match[0])


def _url(found: str, start: int) -> Fact:
    found = found.rstrip(_TRAILING)
    return Fact("url", start, start + len(found), key=usual_form(found))


def usual_form(url: str) -> str:
    """`shop.example/a` of `https://www.shop.example/a/`."""
    return url.removeprefix("http://").removeprefix("https://").removeprefix("www.").rstrip("/")


def phones_in(text: str) -> Iterator[Fact]:
    """Of `plain` text without its dates: what is written as a telephone number is, or stands behind `call`."""
    for match in at_numbers(_PHONE, text, _NUMBER_HEAD):
        digits = re.sub(r"\D", "", match[0])
        if 7 <= len(digits) <= 15 and _is_phone(match[0], text[max(0, match.start() - 30):match.start()]):
            yield Fact("phone", match.start(), match.end(), key=digits)


def _is_phone(found: str, before: str) -> bool:
    if found.startswith("+") or _MOBILE_ZH.fullmatch(found) or _HOTLINE.fullmatch(found):
        return True
    if _YEARS.fullmatch(found):
        return False
    if _CALL.search(before):
        return True
    groups = re.findall(r"\d+", found)
    if len(groups) == 1 or "." in found or _THOUSANDS.fullmatch(found):
        return False
    if not re.search(r"[^\d ]", found):
        return found.startswith("0") and len(groups) >= 3
    has_area = found.startswith(("(", "0")) and len(groups[0]) >= 3 and len(groups[-1]) >= 4
    in_three = len(groups) >= 3 and len(groups[-1]) == 4 and min(map(len, groups[-3:])) >= 3
    return has_area or in_three or bool(_LOCAL.fullmatch(found))

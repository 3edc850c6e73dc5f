"""Dates and times of day in a text, in the ways that English and Chinese write them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from aigc.filters.facts.fact import Date, Fact
from aigc.filters.facts.numerals import ZH_RUN, at_numbers, chinese_value

_MONTHS = {name: at for at, name in enumerate("jan feb mar apr may jun jul aug sep oct nov dec".split(), 1)}
_MONTH = re.compile(
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sep(?:t(?:ember)?)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?)(?![a-z])(?:(?<![a-z]{5})\.(?=\s?\d|,))?")
_TH = r"(?:st|nd|rd|th)?"
_AND = r"\s?(?:-|to|until|and|&)\s?"
_DAY = rf"(?<![\d.:$€£¥])(\d{{1,2}}){_TH}"
_DAY_BEFORE = re.compile(rf"(?:{_DAY}{_AND})?{_DAY}(?:\s(?:of\s)?|-)?\Z")
_DAY_AFTER = re.compile(
    rf"\s(?:the\s)?(\d{{1,2}}){_TH}(?:{_AND}(\d{{1,2}}){_TH})?(?![\d:%a-z]|[.,]\d|\s?(?:%|[ap]\.?m\b))")
_ON = re.compile(r"(?:\b(?:on|by|until|from|of|before|after|since|till|day)|,)\s\Z")
_YEAR_AFTER = re.compile(r"(?:,|\sof)?[\s-]((?:1[5-9]|20)\d\d)(?!\d)")
_ISO = re.compile(r"(?<![\d.])((?:1[5-9]|20)\d\d)([-/.])(\d{1,2})\2(\d{1,2})(?!\d)")
_NUMERIC = re.compile(r"(?<![\d./-])(\d{1,2})([/.-])(\d{1,2})\2((?:19|20)\d\d|\d\d)(?![\d/-]|\.\d)")
_NO_YEAR = re.compile(r"(?<![\d./])(\d{1,2})[/.-](\d{1,2})(?![\d/%]|\.\d)")
_YEAR_MONTH = re.compile(r"(?<![\d.-])((?:19|20)\d\d)[-/.](0?[1-9]|1[0-2])(?![\d/-]|\.\d)")

_ZH_YEAR = r"(?:(?:1[5-9]|20)\d\d|[一二][〇零一二三四五六七八九]{3})"
_ZH_MONTH = r"(?:1[0-2]|0?[1-9]|十[一二]?|[一二三四五六七八九])"
_ZH_DAY = r"(?:[12]\d|3[01]|0?[1-9]|[二三]?十[一二三四五六七八九]?|[一二三四五六七八九]|廿[一二三四五六七八九]?)"
_ZH_DATE = re.compile(
    rf"(?:({_ZH_YEAR})\s?年\s?)?(?<![\d一二三四五六七八九十])({_ZH_MONTH})\s?月份?"
    rf"(?:\s?({_ZH_DAY})\s?[日号](?:\s?(?:-|~|至|到|和|、)\s?({_ZH_DAY})\s?[日号])?)?")
_ZH_YEAR_ONLY = re.compile(rf"(?<!\d)({_ZH_YEAR})\s?年")

_HALF_DAY = r"凌晨|清晨|早晨|早上|上午|中午|下午|午后|傍晚|晚上|夜里|夜间|今晚|明早|早|晚"
_ZH_HOUR = r"(?:[01]?\d|2[0-4]|二十[一二三四]?|十[一二三四五六七八九]?|[一二两三四五六七八九])"
_ZH_TIME = re.compile(
    rf"(?<![\d.一二三四五六七八九十第])({_ZH_HOUR})\s?[点时](?!间|候|代|尚|光|机|刻表)"
    r"(?:(钟|整|半|一刻|三刻)|([0-5]?\d(?!\d)|[二三四五]?十[一二三四五六七八九]?)分?)?")
_HALF_BEFORE = re.compile(rf"({_HALF_DAY})\s?\Z")
_CLOCK = re.compile(r"(?<![\d:.,$€£¥])([01]?\d|2[0-4])(?:[:.]([0-5]\d))?(?::\d\d)?\s?([ap])(?:m\b|\.\s?m\.)"
                    r"|(?<![\da-z:.,])([01]?\d|2[0-4]):([0-5]\d)(?::\d\d)?(?!\d|:\d)"
                    r"|(?<![\d:.,])(1[0-2]|[1-9]) o'clock")
_FIRST_OF_TWO = re.compile(r"(?<![\d:.,$€£¥])([01]?\d|2[0-4])(?:[:.]([0-5]\d))?\s?(?:-|to|until|till|and)\s?\Z")
_NOON = {"noon": 720, "midday": 720, "midnight": 0, "正午": 720, "午夜": 0, "零点": 0}
DAY = 1440


def dates_in(text: str, *, is_ground: bool) -> Iterator[Fact]:
    """Dates in `plain` text. A ground's may be written shorter: `5/1`, `2026-05`."""
    yield from _numeric(text, is_ground=is_ground)
    yield from _english(text, is_ground=is_ground)
    if "年" in text or "月" in text:
        yield from _chinese(text)


def _numeric(text: str, *, is_ground: bool) -> Iterator[Fact]:
    for match in at_numbers(_ISO, text):
        yield _date(match.start(), match.end(), [(int(match[1]), int(match[3]), int(match[4]))])
    for match in at_numbers(_NUMERIC, text):
        year = int(match[4]) if len(match[4]) == 4 else 2000 + int(match[4])
        first, second = int(match[1]), int(match[3])
        if found := [day for day in ((year, second, first), (year, first, second)) if _is_date(day)]:
            yield _date(match.start(), match.end(), found)
    if is_ground:
        yield from _short(text)


def _date(start: int, end: int, found: Sequence[Date]) -> Fact:
    return Fact("date", start, end, dates=tuple(found))


def _is_date(date: Date) -> bool:
    return 1 <= (date[1] or 1) <= 12 and 1 <= (date[2] or 1) <= 31


def _english(text: str, *, is_ground: bool) -> Iterator[Fact]:
    for match in _months(text):
        month, start, end = _MONTHS[match[0][:3]], match.start(), match.end()
        days = []
        if before := _DAY_BEFORE.search(text, max(0, start - 20), start):
            days, start = [day for day in before.groups() if day], before.start()
        elif after := _DAY_AFTER.match(text, end):
            days, end = [day for day in after.groups() if day], after.end()
        year = _YEAR_AFTER.match(text, end)
        # "it may 2" and "march 3 miles" are verbs; with a day before it or a year behind it is a month
        is_month = match[0] not in ("may", "march") or before or year or is_ground or _is_after_on(text, start)
        if not (days or year) or not is_month:
            continue
        said = int(year[1]) if year else None
        found: list[Date] = [(said, month, int(day)) for day in days] or [(said, month, None)]
        if all(map(_is_date, found)):
            for date in found:
                yield _date(start, year.end() if year else end, [date])


def _months(text: str) -> Iterator[re.Match[str]]:
    for name in _MONTHS:
        at = text.find(name)
        while at >= 0:
            if not (text[at - 1:at].isascii() and text[at - 1:at].isalpha()) and (match := _MONTH.match(text, at)):
                yield match
            at = text.find(name, at + 3)


def _is_after_on(text: str, start: int) -> bool:
    return bool(_ON.search(text, max(0, start - 8), start))


def _chinese(text: str) -> Iterator[Fact]:
    done = set()
    for match in at_numbers(_ZH_DATE, text, ZH_RUN):
        year = _number(match[1])
        done.add(match.start() if year else -1)
        for day in [match[3], match[4]] if match[4] else [match[3]]:
            date = (year, _number(match[2]), _number(day))
            if _is_date(date):
                yield _date(match.start(), match.end(), [date])
    for match in at_numbers(_ZH_YEAR_ONLY, text, ZH_RUN):
        if match.start() not in done:
            yield Fact("year", match.start(), match.end(), dates=((_number(match[1]), None, None),))


def _short(text: str) -> Iterator[Fact]:
    for match in at_numbers(_NO_YEAR, text):
        first, second = int(match[1]), int(match[2])
        if found := [day for day in ((None, second, first), (None, first, second)) if 0 not in day and _is_date(day)]:
            yield _date(match.start(), match.start(), found)
    for match in at_numbers(_YEAR_MONTH, text):
        yield _date(match.start(), match.start(), [(int(match[1]), int(match[2]), None)])


def _number(numeral: str | None) -> int | None:
    if not numeral:
        return None
    value = float(numeral) if numeral.isdigit() else chinese_value(numeral)
    return None if value is None else int(value)


def times_in(text: str, *, is_ground: bool) -> Iterator[Fact]:
    """Times of day in `plain` text. A ground's may be as vague as 三点 and `noon`."""
    for match in at_numbers(_CLOCK, text):
        hour, minute = match[1] or match[4] or match[6], match[2] or match[5]
        minutes = _minutes(int(hour), int(minute or 0), match[3] or "")
        yield Fact("time", match.start(), match.end(), minutes=minutes)
        if first := _FIRST_OF_TWO.search(text, max(0, match.start() - 16), match.start()):
            minutes = _minutes(int(first[1]), int(first[2] or 0), "")
            yield Fact("time", first.start(), first.end(2) if first[2] else first.end(1), minutes=minutes)
    if "点" in text or "时" in text:
        yield from _chinese_times(text, is_ground=is_ground)
    if is_ground:
        yield from (Fact("time", 0, 0, minutes=(minutes,)) for name, minutes in _NOON.items() if name in text)


def _minutes(hour: int, minute: int, half: str) -> tuple[int, ...]:
    """Minutes since midnight: both that an hour up to 12 can mean where `half` ("a", "p") is not said."""
    at = hour % 12 * 60 + minute
    if half:
        return (at + 720 if half == "p" else at,)
    return (at, at + 720) if hour <= 12 else (hour % 24 * 60 + minute,)


def _chinese_times(text: str, *, is_ground: bool) -> Iterator[Fact]:
    last = -10
    for match in at_numbers(_ZH_TIME, text, ZH_RUN):
        hour, word, minute = match.groups()
        before = _HALF_BEFORE.search(text, max(0, match.start() - 4), match.start())
        half, start = (before[1], before.start()) if before else ("", match.start())
        # 三点建议 are three points: without 下午 or 钟 an hour is one only behind another
        if not (half or word or minute or is_ground or re.fullmatch(r"\s?(?:-|~|至|到)\s?", text[last:start])):
            continue
        last = match.end()
        past = {"半": 30, "一刻": 15, "三刻": 45}.get(word or "", _number(minute) or 0)
        yield Fact("time", start, match.end(), minutes=_minutes(_number(hour) or 0, past, _half_of(half)))


def _half_of(word: str) -> str:
    if word in ("下午", "午后", "傍晚"):
        return "p"
    return "a" if word in ("凌晨", "清晨", "早晨", "早上", "上午", "早", "明早") else ""

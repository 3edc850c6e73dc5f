"""Numbers as people write them: digits of any script and grouping, English words, Chinese numerals."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

ZH_DIGITS = "〇零一二三四五六七八九两"
ZH_NUMERAL = f"[{ZH_DIGITS}十百千万亿廿]{{1,24}}(?:点[{ZH_DIGITS}]{{1,6}})?"
DIGIT_RUN = re.compile("[0-9]+")
ZH_RUN = re.compile(f"[0-9{ZH_DIGITS}十廿]+")
_ZH_VALUES = {**{char: at for at, char in enumerate("零一二三四五六七八九")}, "〇": 0, "两": 2}
_ZH_TENS = {"十": 10, "百": 100, "千": 1000}
_ZH_MYRIADS = {"万": 10_000, "亿": 100_000_000}

_ONES = {word: at for at, word in enumerate(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen".split())}
_TENS = {word: 10 * at for at, word in enumerate(
    "twenty thirty forty fifty sixty seventy eighty ninety".split(), 2)}
_MULTIPLES = {"thousand": 1000, "million": 10**6, "billion": 10**9}
_EN_WORD = "(?:" + "|".join(sorted([*_ONES, *_TENS, *_MULTIPLES, "hundred"], key=len, reverse=True)) + ")"
EN_NUMERAL = re.compile(
    rf"[^a-z0-9\0-]({_EN_WORD}(?:(?:[ -]| and ){_EN_WORD}){{0,12}}"
    rf"(?: point(?: (?:{'|'.join(_ONES)})){{1,6}})?)(?![a-z])")
"""In lower-case text, with the character before it: a look-behind would be tried at every character."""

_GROUPED = re.compile(r"[1-9]\d{0,2}(?:(?P<sep>[,.'])\d{3})(?:(?P=sep)\d{3})*(?:(?!(?P=sep))[.,]\d+)?")
_DECIMAL = re.compile(r"\d+(?:[.,]\d+)?")
_ASCII: dict[int, str] = {code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)} | {
    ord(char): form for chars, form in (
        ("\u00a0\u2007\u2009\u202f\u3000", " "), ("‐‑‒–—−", "-"), ("’‘", "'"), ("￥", "¥"), ("￡", "£"), ("～〜", "~"))
    for char in chars
}
_OTHER_DIGIT = re.compile(r"[^\D0-9]")


@lru_cache(maxsize=8)
def plain(text: str) -> str:
    """`text` in lower case, digits and signs of every width and script as ASCII; no character changes its place."""
    if not text.isascii():
        text = text.translate(_ASCII)
        text = _OTHER_DIGIT.sub(lambda match: str(unicodedata.decimal(match[0])), text)
    lower = text.lower()
    return lower if len(lower) == len(text) else "".join(
        low if len(low := char.lower()) == 1 else char for char in text)


def at_numbers(pattern: re.Pattern[str], text: str, runs: re.Pattern[str] = DIGIT_RUN) -> Iterator[re.Match[str]]:
    """Matches of `pattern` that begin with a number, none inside another.

    A pattern that begins with a look-behind is slow to search for: it is tried at every character.
    """
    done = 0
    for run in runs.finditer(text):
        if run.start() >= done and (match := pattern.match(text, run.start())):
            done = match.end()
            yield match


def digit_values(token: str) -> tuple[float, ...]:
    """The values that digits with separators can have: `1.200` is 1200 or 1.2, `1,200` only 1200, `1.2.3` none."""
    if token.isdigit():
        return (float(token),)
    values = []
    if grouped := _GROUPED.fullmatch(token):
        values.append(float(token.replace(grouped["sep"], "").replace(",", ".")))
    if _DECIMAL.fullmatch(token) and (not grouped or "." in token[:5]):
        values.append(float(token.replace(",", ".")))
    return tuple(dict.fromkeys(values))


def chinese_value(numeral: str) -> float | None:
    """1200 of 一千二百, 2026 of 二〇二六, 120 of 一百二; None of what is no number, such as 三五 or 千万."""
    whole, point, fraction = numeral.partition("点")
    if point:
        value = chinese_value(whole)
        return None if value is None else value + float("0." + "".join(str(_ZH_VALUES[char]) for char in fraction))
    if all(char in _ZH_VALUES for char in whole):
        if len(whole) == 1:
            return _ZH_VALUES[whole]
        is_spelt = len(whole) >= 4 or "〇" in whole or "零" in whole
        return float("".join(str(_ZH_VALUES[char]) for char in whole)) if is_spelt else None
    return _added_up(whole.replace("廿", "二十"))


def _added_up(numeral: str) -> float | None:
    if numeral[0] not in _ZH_VALUES and numeral[0] != "十":
        return None  # 百, 千万: many, not a number
    total, section, pending, last = 0, 0, None, 1
    for char in numeral:
        if char in _ZH_VALUES:
            if pending:
                return None
            pending, last = _ZH_VALUES[char], 1 if char in "零〇" else last
        elif char in _ZH_TENS:
            last = _ZH_TENS[char]
            section, pending = section + (1 if pending is None else pending) * last, None
        else:
            section, pending, last = section + (pending or 0), None, _ZH_MYRIADS[char]
            # 三亿五千万: the hundred millions are done, while 万 counts its own section only
            total, section = (total + section) * last if last > total else total + section * last, 0
    # 一百二 is 120, 三万五 is 35,000; 一百零二 and 十二 are what they say
    return total + section + (pending or 0) * (last // 10 if last >= 100 else 1)


def english_value(numeral: str) -> float | None:
    """120 of `one hundred and twenty`; None where words stand beside each other that make no number."""
    whole, point, fraction = numeral.partition(" point ")
    total, section, previous = 0, 0, 0
    for word in re.findall(r"[a-z]+", whole):
        if word == "and":
            continue
        if word in _MULTIPLES:
            total, section, previous = total + max(section, 1) * _MULTIPLES[word], 0, 0
        elif word == "hundred":
            section, previous = max(section, 1) * 100, 0
        else:
            value = _ONES.get(word, _TENS.get(word, 0))
            if previous and not (previous >= 20 > 9 >= value > 0):
                return None
            section, previous = section + value, value
    decimals = "".join(str(_ONES[word]) for word in fraction.split()) if point else "0"
    return total + section + float(f"0.{decimals}")

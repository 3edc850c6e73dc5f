"""Numbers in a text with what they count or measure: prices, percentages, quantities, years, bare numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from aigc.filters.facts.fact import Fact, Kind, Reading
from aigc.filters.facts.numerals import EN_NUMERAL, ZH_NUMERAL, chinese_value, digit_values, english_value
from aigc.filters.facts.units import CURRENCIES, currency_before, scale_after, unit_after

_DIGITS = re.compile(r"[0-9]+(?:[.,'][0-9]+)*")
_CHINESE = re.compile(ZH_NUMERAL)
_SMALL = 10
"""Numbers in words up to here are how people talk (`one of them`, 一个), unless they are of money or per cent."""
_SAYS_MORE = ("eleven", "twelve", "teen", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety",
              "hundred", "thousand", "million", "billion", "percent", "per cent", "dollar", "euro", "pound", "yuan",
              "cents")
"""Without one of these no number in English words is worth a look."""
_BEFORE_MONEY_ZH = frozenset("元块美欧英日港折成个人角毛%")
"""What follows a small Chinese numeral that is of money or per cent. 一 alone is every thirtieth character."""
_LABEL = re.compile(
    r"(?:第|\b(?:no|nos|nr|vol|chapter|step|part|page|fig|figure|level|grade|year|room|route|section|act|scene|verse"
    r"|day|week|stage|phase|unit|lesson|question|tip|option|number|class|group|floor|type|item)\.?\s?)\Z")
_NAME = re.compile(r"(?:[2-6]G|[248]K|[23]D|24/7|7\s?[x×*]\s?24|\d+(?:st|nd|rd|th)|\d{1,3}0s)(?![A-Za-z0-9])")
"""5G, 4K, 24/7, 1st, the 60s: spelt with a number, but states none."""
_GLUED = re.compile(r"[a-z_#@]\Z|[a-z][-.]\Z|\d/\Z")
_LETTER = re.compile("[a-z]")
_ENUMERATED = re.compile(r"\s?[.)、）．:](?!\d)")
_LINE_HEAD = re.compile(r"(?:^|\n)[\s#>*([（【-]*\Z")
_BETWEEN = re.compile(r"\s?(?:-|~|to|至|到|or|and|或|x|×|by|\*)\s?")
_DISCOUNT = re.compile(r"\s?折(?![叠中磨腾射合返旧断算线痕衷回子])")
_TENTHS = re.compile(r"成([一二三四五六七八九])?(?![不为功就立长员品本分果熟绩交都年人名家语像形型双群对套])")
_HALF_PRICE = re.compile(r"half[ -]price|半价|对折")


def numbers_in(text: str, original: str, *, is_ground: bool) -> list[Fact]:
    """Numbers in `plain` text without its addresses, dates and times. `original` has the case of `5G`.

    A claim has no labels (`Step 3`), names (`5G`) and small numbers in words; a ground has every number.
    """
    found = [*_in_digits(text, original, is_ground=is_ground), *_in_english(text, is_ground=is_ground),
             *_in_chinese(text, is_ground=is_ground)]
    found += [Fact("percent", half.start(), half.end(), (Reading(50.0, "%"),)) for half in _HALF_PRICE.finditer(text)]
    return _with_shared_units(sorted(found, key=lambda fact: fact.start), text)


def _in_digits(text: str, original: str, *, is_ground: bool) -> Iterator[Fact]:
    for match in _DIGITS.finditer(text):
        values = digit_values(match[0])
        if is_ground or (values and not _is_name(text, original, match.start(), match.end())):
            yield from _measured(text, match.start(), match.end(), values)


def _is_name(text: str, original: str, start: int, end: int) -> bool:
    """Whether the number at `start:end` belongs to a name, a label or a list's numbering."""
    before, digits = text[max(0, start - 10):start], end - start
    if _GLUED.search(before) or _NAME.match(original, start):
        return True
    if (digits < 4 and _LABEL.search(before)) or (
            digits < 3 and _ENUMERATED.match(text, end) and _LINE_HEAD.search(before)):
        return True
    is_glued = _LETTER.match(text, end) and text[end] != "x"
    return bool(is_glued) and not unit_after(text, end)[0] and scale_after(text, end, is_money=True)[1] == end


def _measured(text: str, start: int, end: int, values: Sequence[float]) -> Iterator[Fact]:
    """The number at `start:end` with the currency before it and the scale and unit behind it."""
    if off := _DISCOUNT.match(text, end):
        yield from (_discount(start, off.end(), value) for value in values[:1])
        return
    currency, start = currency_before(text, start)
    scale, end = scale_after(text, end, is_money=bool(currency))
    readings: list[Reading] = [Reading(value * scale, currency) for value in values]
    if not currency:
        units, end = unit_after(text, end)
        readings = [unit._replace(value=value * scale) for unit in units for value in values] or readings
    kind = _kind(readings)
    is_year = (kind == "number" and end - start == 4 and scale == 1.0 and 1500 <= readings[0].value < 2100
               and text[end:end + 1] not in ("多", "余"))
    if is_year and readings[0].value == int(readings[0].value):
        yield Fact("year", start, end, tuple(readings), ((int(readings[0].value), None, None),))
    elif values:
        yield Fact(kind, start, end, tuple(readings))


def _kind(readings: Sequence[Reading]) -> Kind:
    dimensions = {reading.dimension for reading in readings}
    if dimensions == {""} or not dimensions:
        return "number"
    if dimensions <= CURRENCIES:
        return "price"
    return "percent" if dimensions == {"%"} else "quantity"


def _discount(start: int, end: int, value: float) -> Fact:
    """八折 is 20% off, and 80% of the price."""
    tenths = value if value <= 10 else value / 10
    return Fact("percent", start, end, (Reading(100 - 10 * tenths, "%"), Reading(10 * tenths, "%")))


def _in_english(text: str, *, is_ground: bool) -> Iterator[Fact]:
    if not is_ground and not any(word in text for word in _SAYS_MORE):
        return
    for match in EN_NUMERAL.finditer("\n" + text):
        value, start, end = english_value(match[1]), match.start(1) - 1, match.end(1) - 1
        if value is None or (match[1] in ("hundred", "thousand", "million", "billion") and not is_ground):
            continue
        yield from _worth_saying(_measured(text, start, end, [value]), is_ground)


def _in_chinese(text: str, *, is_ground: bool) -> Iterator[Fact]:
    for match in _CHINESE.finditer(text):
        numeral, start, end = match[0], match.start(), match.end()
        before = text[max(0, start - 3):start]
        if end - start == 1 and not (is_ground or text[end:end + 1] in _BEFORE_MONEY_ZH or before.endswith("之")):
            continue
        value = chinese_value(numeral)
        if value is None:
            if len(numeral) == 2 and (off := _DISCOUNT.match(text, end)):  # 八五折
                yield _discount(start, off.end(), sum(place * (chinese_value(digit) or 0)
                                                      for place, digit in zip((10, 1), numeral, strict=True)))
        elif before in ("百分之", "千分之"):
            yield Fact("percent", start - 3, end, (Reading(value / (1 if before == "百分之" else 10), "%"),))
        elif value < 10 and (tenths := _TENTHS.match(text, end)):
            share = 10 * value + (chinese_value(tenths[1]) or 0 if tenths[1] else 0)
            yield Fact("percent", start, tenths.end(), (Reading(share, "%"),))
        elif is_ground or not before.endswith("第"):
            yield from _worth_saying(_measured(text, start, end, [value]), is_ground)


def _worth_saying(found: Iterator[Fact], is_ground: bool) -> Iterator[Fact]:
    for fact in found:
        if is_ground or fact.kind in ("price", "percent") or fact.readings[0].value > _SMALL:
            yield fact


def _with_shared_units(found: list[Fact], text: str) -> list[Fact]:
    """`10–15 minutes` and `20 x 30 cm` are minutes and centimetres throughout."""
    for at in range(len(found) - 2, -1, -1):
        one, following = found[at], found[at + 1]
        if one.kind != "number" or following.kind not in ("price", "percent", "quantity"):
            continue
        if one.end <= following.start <= one.end + 5 and _BETWEEN.fullmatch(text, one.end, following.start):
            units = {(reading.dimension, reading.factor) for reading in following.readings}
            shared = [Reading(reading.value, *unit) for unit in sorted(units) for reading in one.readings]
            found[at] = one._replace(kind=following.kind, readings=tuple(shared))
    return found

"""What a brief says, ready to be asked whether it holds a fact."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import combinations

from aigc.filters.facts.fact import Date, Fact, Reading
from aigc.filters.facts.numerals import plain
from aigc.filters.facts.reading import facts_in
from aigc.filters.facts.units import CURRENCIES

_CONVERTED = 0.025
"""What a conversion may be off by where units differ: 15 inches are 38 cm."""
_WORDS = {
    "half": (50, .5), "halves": (50, .5), "半": (50, .5), "third": (33, 33.3, 30), "thirds": (66, 67, 66.7),
    "quarter": (25, .25), "quarters": (75, .75), "fifth": (20,), "tenth": (10,), "double": (2, 100, 200),
    "doubled": (2, 100, 200), "twice": (2, 200), "翻倍": (2, 100, 200), "翻番": (2, 100, 200), "triple": (3, 200, 300),
    "dozen": (12,), "free": (0,), "免费": (0,), "entirely": (100,), "百分百": (100,),
}
"""Numbers that a brief says without a numeral: as a count and as a percentage."""
_WORD = re.compile("|".join(rf"\b{word}\b" if word.isascii() else word for word in _WORDS))
_PRICED = re.compile(r"pric|cost|fee|fare|offer|off\b|discount|save|saving|sale|rrp|价|费|优惠|减|折|券|售|原|省")
_RATED = re.compile(r"off\b|discount|rate|share|percent|率|折|比例|占")
_ABOUT = re.compile(r"(?:\b(?:about|around|approximately|approx\.?|roughly|nearly|almost|close to|some|circa)|~|约|近"
                    r"|接近|差不多)\s?\Z")
_OVER = re.compile(r"(?:\b(?:over|more than|above|upwards of|at least|exceeding)|超过|超|逾|多于)\s?\Z")
_UNDER = re.compile(r"(?:\b(?:under|less than|below|fewer than|within)|不到|不足|低于|少于)\s?\Z")
_ABOUT_AFTER, _OVER_AFTER, _UNDER_AFTER = (
    re.compile(words) for words in (r"左右|上下| or so\b|-ish\b", r"[+多余]|以上| plus\b", "以下|以内|之内"))
_MOST_PRICES = 12


class Ground:
    """All that `cells` say. A cell that is a number alone may be of anything; its column says of what."""

    def __init__(self, cells: Sequence[str]) -> None:
        self._numbers: set[float] = set()
        self._bare: dict[str, set[float]] = {"": set(), "price": set(), "percent": set()}
        self._measured: dict[str, list[Reading]] = {}
        self._dates: set[Date] = set()
        self._years: set[int] = set()
        self._minutes: set[int] = set()
        self._addresses: set[str] = set()
        for cell in cells:
            self._read(cell)
        whole = plain("\0".join(cells))
        self._digits = re.sub(r"(?<=\d)[\s().+/-]{1,3}(?=\d)", "", whole)
        self._squeezed = re.sub(r"\s", "", whole)

    def holds(self, fact: Fact, text: str) -> bool:
        """Whether the brief says what `fact` of `text` says, in other words or units."""
        return self._says(fact, text) or self._stands_in(plain(text[fact.start:fact.end]))

    def _read(self, cell: str) -> None:
        is_alone = len(re.findall(r"\S+", cell)) == 1
        in_words = plain(cell)
        pools = [""] + ["price"] * bool(is_alone or _PRICED.search(in_words)) + [
            "percent"] * bool(is_alone or _RATED.search(in_words))
        for fact in facts_in(cell, is_ground=True):
            self._dates.update(fact.dates)
            self._minutes.update(fact.minutes)
            self._addresses |= {fact.key}
            said = [number for date in fact.dates for number in date if number is not None]
            said += [minute // 60 for minute in fact.minutes]
            self._years.update(date[0] for date in fact.dates if date[0])
            self._numbers.update(map(_key, [*said, *(reading.value for reading in fact.readings)]))
            for reading in fact.readings:
                if reading.dimension:
                    self._measured.setdefault(reading.dimension, []).append(reading)
                for pool in [] if reading.dimension else pools:
                    self._bare[pool].add(_key(reading.value))
        for match in _WORD.finditer(in_words):
            self._numbers.update(_WORDS[match[0]])
            self._measured.setdefault("%", []).extend(Reading(float(value), "%") for value in _WORDS[match[0]])

    def _says(self, fact: Fact, text: str) -> bool:
        if fact.key:
            return self._has_address(fact)
        if fact.kind == "date":
            return any(map(self._has_date, fact.dates))
        if fact.kind == "year":
            year = fact.dates[0][0]
            return year in self._years or _key(float(year or 0)) in self._numbers
        if fact.kind == "time":
            hours = {minute // 60 for minute in fact.minutes if minute % 60 == 0}
            return not self._minutes.isdisjoint(fact.minutes) or any(
                hour in self._numbers or hour - 12 in self._numbers for hour in hours)
        low, high = _slack(plain(text), fact)
        return any(self._has(reading, fact.kind, low, high) for reading in fact.readings) or (
            fact.kind in ("price", "percent") and any(map(self._follows, fact.readings)))

    def _has_address(self, fact: Fact) -> bool:
        if fact.kind == "phone":  # with or without its country's code and the 0 in front
            return fact.key[-max(7, len(fact.key) - 3):] in self._digits
        return any(known == fact.key or known.startswith(f"{fact.key}/") for known in self._addresses)

    def _has_date(self, date: Date) -> bool:
        year, month, day = date
        return any(month == known[1] and (day is None or day == known[2])
                   and (year is None or year == known[0] or (known[0] is None and year in self._years))
                   for known in self._dates)

    def _has(self, reading: Reading, kind: str, low: float, high: float) -> bool:
        for known in self._measured.get(reading.dimension, ()) if reading.dimension else ():
            off = 0.0 if known.factor == reading.factor else _CONVERTED
            stated, said = reading.value * reading.factor, known.value * known.factor
            if said * (low - off) - 1e-9 <= stated <= said * (high + off) + 1e-9:
                return True
        known_numbers = self._bare.get(kind, self._bare[""]) if reading.dimension else self._numbers
        if low == high:
            return _key(reading.value) in known_numbers
        return any(number * low <= reading.value <= number * high for number in known_numbers)

    def _follows(self, reading: Reading) -> bool:
        """Whether a price or percentage is what two of the brief's leave: the saving, or the price after a discount."""
        prices = [price.value for price in self._measured.get(reading.dimension, ())] if reading.dimension != "%" else [
            price.value for sign in CURRENCIES for price in self._measured.get(sign, ())]
        prices = [*prices, *self._bare["price"]][:_MOST_PRICES]
        pairs = [(max(pair), min(pair)) for pair in combinations(prices, 2) if max(pair) > 0]
        if reading.dimension == "%":
            return any(abs(100 * (high - low) / high - reading.value) <= 1 for high, low in pairs)
        if any(abs(high - low - reading.value) < .011 for high, low in pairs):
            return True
        shares = [share.value for share in self._measured.get("%", ())][:_MOST_PRICES]
        return any(abs(price * (1 - share / 100) - reading.value) <= max(.011, price * .005)
                   for price in prices for share in shares)

    def _stands_in(self, surface: str) -> bool:
        squeezed = re.sub(r"\s", "", surface)
        at = self._squeezed.find(squeezed)
        while at >= 0:
            before, after = self._squeezed[at - 1:at], self._squeezed[at + len(squeezed):][:2]
            if not (before.isdigit() or re.match(r"[0-9a-z]|[.,]\d", after)):
                return True
            at = self._squeezed.find(squeezed, at + 1)
        return False


def _key(value: float) -> float:
    return float(f"{value:.9g}")


def _slack(text: str, fact: Fact) -> tuple[float, float]:
    """What share of the brief's number a stated one may be: `over 1,000` may be said of 1,150, `nearly` of 970."""
    before, after = text[max(0, fact.start - 18):fact.start], text[fact.end:fact.end + 6]
    if _ABOUT.search(before) or _ABOUT_AFTER.match(after):
        return .9, 1.1
    if _OVER.search(before) or _OVER_AFTER.match(after) or re.search("[多余]", text[fact.start:fact.end]):
        return .8, 1.0
    return (1.0, 1.25) if _UNDER.search(before) or _UNDER_AFTER.match(after) else (1.0, 1.0)


@lru_cache(maxsize=256)
def ground_of(cells: tuple[str, ...]) -> Ground:
    """The ground of a brief's cells; kept for its variants and further attempts."""
    return Ground(cells)


def cells_of(values: Iterable[object]) -> tuple[str, ...]:
    """Every text among a brief's values, a list's entries each their own."""
    cells: list[str] = []
    for value in values:
        if isinstance(value, list):
            cells += cells_of(value)
        elif value is not None and not isinstance(value, bool):
            cells.append(str(value))
    return tuple(cells)

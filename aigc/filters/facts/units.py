"""Units as texts write them, with their dimension and their size in the dimension's basic unit."""

from __future__ import annotations

import re

from aigc.filters.facts.fact import Reading

CURRENCIES = frozenset("$€£¥₹₩")
_TABLE = """
% 1: %, percent, per cent, pct, percentage point, percentage points, 个百分点
% .1: ‰
$ 1: dollar, dollars, usd, us dollars, bucks, 美元, 美金, 港元, 港币, hkd
$ .01: cent, cents, 美分
€ 1: €, euro, euros, eur, 欧元
£ 1: pound, pounds, gbp, 英镑
¥ 1: 元, 块钱, 元人民币, 人民币, yuan, rmb, cny, 日元, yen, jpy, 円
mass .001: mg, milligrams, 毫克
mass 1: g, gram, grams, gramme, grammes, 克
mass 1000: kg, kgs, kilo, kilos, kilogram, kilograms, 千克, 公斤
mass 500: 斤
mass 1e6: t, ton, tons, tonne, tonnes, 吨
mass 28.35: oz, ounce, ounces, 盎司
mass 453.6: lb, lbs, pound, pounds, 磅
length 1: mm, millimetre, millimetres, millimeter, millimeters, 毫米
length 10: cm, centimetre, centimetres, centimeter, centimeters, 厘米, 公分
length 1000: m, metre, metres, meter, meters, 米
length 1e6: km, kilometre, kilometres, kilometer, kilometers, 公里, 千米
length 25.4: in, inch, inches, ", 英寸, 寸
length 304.8: ft, foot, feet, 英尺
length 914.4: yard, yards
length 1609344: mile, miles, mi, 英里
length 500000: 里地, 里路
volume 1: ml, millilitres, milliliters, 毫升
volume 10: cl
volume 1000: l, litre, litres, liter, liters, 升
volume 29.57: fl oz
volume 3785: gallon, gallons, 加仑
area 1: m², m2, sqm, square metres, square meters, 平方米, 平米, ㎡
area .0929: sq ft, square feet
area 666.7: 亩
area 1e4: hectare, hectares, ha, 公顷
area 4047: acre, acres
area 1e6: km², 平方公里, square kilometres
duration .001: ms, 毫秒
duration 1: s, sec, secs, second, seconds, 秒, 秒钟
duration 60: min, mins, minute, minutes, 分钟
duration 3600: h, hr, hrs, hour, hours, 小时, 钟头, 个小时, 个钟头
duration 86400: day, days, 天, 日
duration 604800: week, weeks, 周, 星期, 个星期, 个礼拜
duration 2629800: month, months, 个月
duration 31557600: year, years, yr, yrs, 年
celsius 1: °c, ° c, ℃, °, degree, degrees, degrees celsius, 摄氏度, 度
fahrenheit 1: °f, ° f, ℉, °, degree, degrees, degrees fahrenheit, 华氏度
power 1: w, watt, watts, 瓦
power 1000: kw, 千瓦
energy 1: kwh, 千瓦时
charge 1: mah, 毫安时
food 1: kcal, calories, 千卡, 大卡
data 1: mb
data 1000: gb
data 1e6: tb
frequency 1: hz, 赫兹
frequency 1e6: mhz
frequency 1e9: ghz
picture 1: px, pixels, 像素
"""

_UNITS: dict[str, tuple[Reading, ...]] = {}
for _line in _TABLE.strip().splitlines():
    _what, _, _names = _line.partition(": ")
    _dimension, _, _factor = _what.partition(" ")
    for _name in _names.split(", "):
        _UNITS[_name] = (*_UNITS.get(_name, ()), Reading(1.0, _dimension, float(_factor)))

_BEFORE = {"us$": "$", "ca$": "$", "a$": "$", "au$": "$", "nz$": "$", "hk$": "$", "nt$": "$", "s$": "$", "usd": "$",
           "eur": "€", "gbp": "£", "rmb": "¥", "cny": "¥", "人民币": "¥", **{sign: sign for sign in CURRENCIES}}
_SCALES = {"thousand": 1e3, "k": 1e3, "million": 1e6, "bn": 1e9, "billion": 1e9, "trillion": 1e12, "十": 10.0,
           "百": 1e2, "千": 1e3, "万": 1e4, "十万": 1e5, "百万": 1e6, "千万": 1e7, "亿": 1e8, "w": 1e4}
_OF_MONEY = {"m": 1e6, "b": 1e9}


_AFTER = re.compile(
    r"[\s-]?[多余]?[\s-]?([a-z]+(?:[²2]| [a-z]+)?|[%\"‰℃℉€㎡]|°(?: ?[cf](?![a-z]))?|[\u4e00-\u9fff]{1,5})")
_LONGEST = max(map(len, _UNITS))
_CURRENCY = re.compile(rf"({'|'.join(re.escape(sign) for sign in sorted(_BEFORE, key=len, reverse=True))})\s?\Z")


def currency_before(text: str, start: int) -> tuple[str, int]:
    """The currency whose sign stands before `start`, with where it starts; "" where there is none."""
    match = _CURRENCY.search(text, max(0, start - 5), start)
    return (_BEFORE[match[1]], match.start()) if match else ("", start)


def scale_after(text: str, end: int, *, is_money: bool) -> tuple[float, int]:
    """1,000,000 of `million` behind a number, and where it ends."""
    if not (match := _AFTER.match(text, end)) or match[0][0] == "-":
        return 1.0, end
    for name in _candidates(match[1], 2):
        if scale := _SCALES.get(name) or (_OF_MONEY.get(name) if is_money else None):
            return scale, match.start(1) + len(name)
    return 1.0, end


def unit_after(text: str, end: int) -> tuple[tuple[Reading, ...], int]:
    """What the unit behind a number can mean, each of value 1, and where it ends."""
    if match := _AFTER.match(text, end):
        for name in _candidates(match[1], _LONGEST):
            if name in _UNITS and not (name == "in" and match[0] != "-in"):  # "15 in the morning"
                return _UNITS[name], match.start(1) + len(name)
    return (), end


def _candidates(found: str, longest: int) -> list[str]:
    """What the name may be, longest first: whole words in Latin letters, any beginning in Chinese."""
    if found[0] < "\u4e00":
        return [found, found.partition(" ")[0]] if " " in found else [found]
    return [found[:length] for length in range(min(len(found), longest), 0, -1)]

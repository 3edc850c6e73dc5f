"""Numbers that name one person, account or machine: those with check digits are believed only if the check holds."""

from __future__ import annotations

import datetime
import hashlib
import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal[
    "email", "phone", "card", "iban", "ip_address", "us_ssn", "resident_id", "passport", "crypto_wallet"
]
Owner: TypeAlias = Literal["person", "unclear", "nobody"]
"""Whom a value leads to. Nobody: examples, reserved values, service lines, mailboxes of a role."""

_BEFORE = r"(?<![0-9A-Za-z])(?<![0-9]\.)(?<![^0-9][0-9],)"
_AFTER = r"(?![0-9A-Za-z])(?!\.[0-9])"
"""Not `\\b`: to it a Chinese character is part of a word, and no text in Chinese puts spaces around a number."""

_RESIDENT_ID = re.compile(rf"{_BEFORE}([1-8][0-9]{{5}})[ -]?((?:19|20)[0-9]{{6}})[ -]?([0-9]{{3}}[0-9Xx]){_AFTER}")
_PROVINCES = frozenset(
    "11 12 13 14 15 21 22 23 31 32 33 34 35 36 37 41 42 43 44 45 46 50 51 52 53 54 61 62 63 64 65 71 81 82 83".split())
_ID_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
"""GB 11643-1999, after ISO 7064 MOD 11-2."""

_CARD = re.compile(
    rf"{_BEFORE}(?:[0-9]{{12,19}}"
    r"|[0-9]{4}(?P<four>[ -])[0-9]{4}(?P=four)[0-9]{4}(?P=four)[0-9]{1,4}(?:(?P=four)[0-9]{1,3})?"
    rf"|[0-9]{{4}}(?P<six>[ -])[0-9]{{6}}(?P=six)[0-9]{{4,5}}|[0-9]{{6}}[ -][0-9]{{10,13}}){_AFTER}")
_ISSUED = re.compile(
    r"4(?:\d{15}|\d{18})|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}"  # Visa, Mastercard
    r"|3[47]\d{13}|3(?:0[0-59]|[689]\d)\d{11}|(?:2131|1800)\d{11}|35\d{14}"  # Amex, Diners, JCB
    r"|6(?:011|4[4-9]\d|5\d\d)\d{12}(?:\d{3})?|9558\d{15}"  # Discover, ICBC's own
    r"|(?:5[0678]|6[0-9])(?:\d{14}|\d{17})")  # UnionPay, Maestro
_SHORT_CARD = re.compile(r"4\d{12}|(?:5[0678]|6[0-9])\d{10,16}")
"""Rare lengths, in which order numbers, barcodes and wrong identity numbers come too: only behind a word for a card."""
_CARD_WORD = re.compile(r"\b(?:cards?|credit|debit|cc|visa|maestro)\b|卡", re.IGNORECASE)
_IBAN = re.compile(rf"{_BEFORE}(?=([A-Za-z]{{2}}[0-9]{{2}}(?:[ -]?[0-9A-Za-z]){{11,30}}))")
_IBAN_LENGTHS = {
    entry[:2]: int(entry[2:]) for entry in (
        "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 EE20 EG29 "
        "ES24 FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 "
        "LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 "
        "PT25 QA29 RO24 RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 "
        "YE30"
    ).split()}
"""Characters of an account number by country, from SWIFT's IBAN registry."""
_MOST_CANDIDATES = 2000
"""A text with more beginnings of account numbers than that is no text."""
_IPV4 = re.compile(r"(?<![0-9A-Za-z.])(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?![0-9A-Za-z])(?!\.[0-9])")
_IPV6 = re.compile(r"(?<![0-9A-Za-z:])[23][0-9A-Fa-f]{3}:(?:[0-9A-Fa-f]{0,4}:){2,6}[0-9A-Fa-f]{0,4}(?![0-9A-Za-z:])")
"""Global unicast only: 2000::/3."""
_VERSION_WORD = re.compile(
    r"(?:\b(?:v|ver|version|release|build|firmware|driver|section|clause)\.?|版本号?|固件|第)[ :：]{0,2}\Z",
    re.IGNORECASE)
_SSN = re.compile(rf"{_BEFORE}(?<![0-9]-)(?!000|666|9)[0-9]{{3}}-(?!00)[0-9]{{2}}-(?!0000)[0-9]{{4}}(?!-[0-9]){_AFTER}")
_PASSPORT = re.compile(
    r"(?:\bpassport\b[ a-z]{0,12}(?:[ :#.]|no\b){0,5}|护照(?:号码?|编号)?[ 为是：:]{0,3})"
    rf"(?P<number>[A-Za-z]{{0,2}}[0-9]{{6,9}}){_AFTER}", re.IGNORECASE)
"""No check digits, so only where the text itself says what the number is."""
_WALLET = re.compile(
    r"(?<![0-9A-Za-z])(?:0x[0-9a-fA-F]{40}|bc1[02-9ac-hj-np-z]{11,71}|[13][1-9A-HJ-NP-Za-km-z]{25,34})(?![0-9A-Za-z])")
_BASE58 = {char: value for value, char in
           enumerate("123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz")}
_ORDER_WORD = re.compile(
    r"(?:\b(?:order|invoice|tracking|serial|item|part|model|reference|ref|batch|ticket|parcel|lot)"
    r" ?(?:no\.?|number|id|code|#)|\b(?:isbn|issn|sku|ean|upc|doi|barcode)(?:-?1[03])?"
    r"|(?:订单|单|流水|批|型|货|书|序列|工单)号|编号|条形?码)码?[ 为是：:#]{0,3}\Z", re.IGNORECASE)
_NOBODYS = frozenset((
    # Card numbers that payment providers publish for tests
    "4111111111111111", "4242424242424242", "4012888888881881", "4000056655665556", "5555555555554444",
    "5105105105105100", "2223003122003222", "378282246310005", "371449635398431", "6011111111111117",
    "6011000990139424", "30569309025904", "38520000023237", "3530111333300000", "3566002020360505", "6200000000000005",
    # IBANs of the registry's and the encyclopaedias' examples
    "GB29NWBK60161331926819", "GB82WEST12345698765432", "DE89370400440532013000", "FR1420041010050500013M02606",
    # The examples of GB 11643, and cards that were printed for advertisements
    "11010519491231002X", "440524188001010014", "078051120", "219099999", "123456789",
))


@dataclass(frozen=True, slots=True)
class Found:
    """A value of some kind at `start:end`. `key` is the value as it is compared, never to be shown or logged."""

    kind: Kind
    start: int
    end: int
    key: str = field(repr=False)
    of: Owner = "person"


def resident_ids_in(text: str) -> Iterator[Found]:
    """Resident identity numbers of mainland China: known province, real birth date, check character."""
    for match in _RESIDENT_ID.finditer(text):
        number = "".join(match.groups()).upper()
        if number[:2] in _PROVINCES and _is_date(number[6:14]) and _id_check(number) == number[17]:
            yield _found("resident_id", match, number)


def cards_in(text: str) -> Iterator[Found]:
    """Payment card numbers: an issuer's prefix at its length, and Luhn's check digit."""
    for match in _CARD.finditer(text):
        number = re.sub("[ -]", "", match[0])
        is_card = _ISSUED.fullmatch(number) or (
            _SHORT_CARD.fullmatch(number) and _CARD_WORD.search(text, max(0, match.start() - 60), match.start()))
        if is_card and has_luhn(number) and not is_an_order(text, match.start()):
            yield _found("card", match, number)


def ibans_in(text: str) -> Iterator[Found]:
    """International bank account numbers: the country's length, and the remainder 1 by 97 (ISO 13616)."""
    for match in islice(_IBAN.finditer(text), _MOST_CANDIDATES):
        start, length = match.start(), _IBAN_LENGTHS.get(match[1][:2].upper())
        places = [at for at, char in enumerate(match[1]) if char.isalnum()]
        if length is None or len(places) < length:
            continue
        end = start + places[length - 1] + 1
        number = re.sub("[ -]", "", text[start:end]).upper()
        # A capital counts as 10 to 35, as in base 36.
        digits = "".join(str(int(char, 36)) for char in number[4:] + number[:4])
        if int(digits) % 97 == 1 and not re.match("[0-9A-Za-z]", text[end:end + 1]):
            yield Found("iban", start, end, number, "nobody" if number in _NOBODYS else "person")


def ip_addresses_in(text: str) -> Iterator[Found]:
    """Addresses in the public internet. Private, loopback and documentation addresses are no one's."""
    for match in _IPV4.finditer(text):
        parts = match[0].split(".")
        # All below ten: a section, a version, or a public resolver such as 8.8.8.8.
        if all(len(part) == 1 for part in parts) or _VERSION_WORD.search(text, max(0, match.start() - 12),
                                                                         match.start()):
            continue
        if _is_public(match[0]):
            yield _found("ip_address", match, "".join(parts))
    for match in _IPV6.finditer(text):
        if _is_public(match[0]):
            yield _found("ip_address", match, match[0].replace(":", "").upper())


def ssns_in(text: str) -> Iterator[Found]:
    """US social security numbers as they are written, without the ranges that are never given out."""
    for match in _SSN.finditer(text):
        yield _found("us_ssn", match, match[0].replace("-", ""))


def passports_in(text: str) -> Iterator[Found]:
    """Passport numbers, where the text calls them so."""
    for match in _PASSPORT.finditer(text):
        yield Found("passport", match.start("number"), match.end("number"), match["number"].upper())


def wallets_in(text: str) -> Iterator[Found]:
    """Bitcoin and Ethereum addresses; Bitcoin's older form with its checksum."""
    for match in _WALLET.finditer(text):
        if match[0][0] in "0b" or _has_base58_check(match[0]):
            yield _found("crypto_wallet", match, match[0].upper())


def is_an_order(text: str, start: int) -> bool:
    """Whether the text calls what begins at `start` the number of an order, a book, a batch and the like."""
    return _ORDER_WORD.search(text, max(0, start - 24), start) is not None


def has_luhn(number: str) -> bool:
    """Luhn's check of ISO/IEC 7812: every second digit from the right is doubled, with nines cast out."""
    doubled = sum(sum(divmod(2 * int(digit), 10)) for digit in number[-2::-2])
    return (doubled + sum(map(int, number[-1::-2]))) % 10 == 0


def _found(kind: Kind, match: re.Match[str], key: str) -> Found:
    return Found(kind, match.start(), match.end(), key, "nobody" if key in _NOBODYS else "person")


def _id_check(number: str) -> str:
    total = sum(weight * int(digit) for weight, digit in zip(_ID_WEIGHTS, number[:17], strict=True))
    return "10X98765432"[total % 11]


def _is_date(digits: str) -> bool:
    try:
        datetime.date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    except ValueError:
        return False
    return True


@lru_cache(maxsize=256)
def _is_public(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_global
    except ValueError:
        return False


def _has_base58_check(address: str) -> bool:
    value = 0
    for char in address:
        value = value * 58 + _BASE58[char]
    if value.bit_length() > 200:
        return False
    raw = value.to_bytes(25, "big")
    return hashlib.sha256(hashlib.sha256(raw[:21]).digest()).digest()[:4] == raw[21:]

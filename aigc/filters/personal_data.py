"""Personal data that the brief did not give: a model makes it up, or remembers someone's."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar

from aigc.filters.contacts import emails_in, phones_in
from aigc.filters.identifiers import (
    Found,
    Kind,
    cards_in,
    ibans_in,
    ip_addresses_in,
    passports_in,
    resident_ids_in,
    ssns_in,
    wallets_in,
)
from aigc.filters.verdicts import MAX_SPANS, FilterAction, asked, at_most_flag, readable, wording
from aigc.records import Brief, Completion, FieldValue, Span, Verdict

_WORDS: dict[Kind, tuple[str, str, str]] = {
    "email": ("e-mail address", "e-mail addresses", "电子邮箱"),
    "phone": ("phone number", "phone numbers", "电话号码"),
    "card": ("payment card number", "payment card numbers", "银行卡号"),
    "iban": ("bank account number", "bank account numbers", "银行账号"),
    "ip_address": ("IP address", "IP addresses", "IP 地址"),
    "us_ssn": ("social security number", "social security numbers", "社会保障号"),
    "resident_id": ("resident identity number", "resident identity numbers", "身份证号"),
    "passport": ("passport number", "passport numbers", "护照号"),
    "crypto_wallet": ("crypto wallet address", "crypto wallet addresses", "加密货币钱包地址"),
}
_ALIKE = (dict.fromkeys((0x3000, 0xA0, 0x2007, 0x202F), " ") | dict.fromkeys((*range(0x2010, 0x2016), 0x2212), "-")
          | {wide: chr(wide - 0xFEE0) for wide in range(0xFF01, 0xFF5F) if wide != 0xFF0C})
"""Full-width forms, dashes and spaces, one for one, so that places stay. A full-width comma parts two numbers."""
_SEVEN_DIGITS = re.compile(r"[0-9][0-9 .()/-]{5,}[0-9]")
"""What all numbers have but IBANs, wallets and IPv6; most texts have none, and are done."""
_MIXED = re.compile(r"(?<![0-9A-Za-z])(?:[A-Za-z]{2}[0-9]{2}|0x|bc1|[13][0-9A-Za-z]{25})|[0-9A-Fa-f]:[0-9A-Fa-f]{0,4}:")


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonalDataFilter:
    """Fails personal data that stands neither in the brief nor in `allowed`. Each kind can be switched off.

    A telephone number of no known numbering plan is flagged. What leads to nobody passes: examples and reserved
    values, service lines, mailboxes of a role; with `flag_nobodys` they are flagged too. Messages say kind and place,
    never the value.
    """

    name: ClassVar[str] = "personal_data"
    action: FilterAction = "retry"
    allowed: tuple[str, ...] = ()
    flag_nobodys: bool = False
    email: bool = True
    phone: bool = True
    card: bool = True
    iban: bool = True
    ip_address: bool = True
    us_ssn: bool = True
    resident_id: bool = True
    passport: bool = True
    crypto_wallet: bool = True

    def __call__(self, brief: Brief, completion: Completion) -> Verdict:
        found = self._not_given(brief, found_in(readable(completion), brief.language))
        if personal := [item for item in found if item.of == "person"]:
            return self._personal(brief, personal)
        if doubtful := [item for item in found if item.of == "unclear" or self.flag_nobodys]:
            return self._doubtful(doubtful)
        return Verdict(filter=self.name, action="pass", measured=0, limit=0)

    def _not_given(self, brief: Brief, found: list[Found]) -> list[Found]:
        wanted = [item for item in found if getattr(self, item.kind)]
        if not wanted:
            return []
        given = [_plain(cell) for cell in (*_cells(brief), *self.allowed)]
        emails = {item.key for cell in given for item in emails_in(cell)}
        compact = "|".join("".join(filter(str.isalnum, cell)).upper() for cell in given)
        return [item for item in wanted if item.key not in (emails if item.kind == "email" else compact)]

    def _personal(self, brief: Brief, found: list[Found]) -> Verdict:
        kinds = list(dict.fromkeys(item.kind for item in found))
        english, chinese = ", ".join(_WORDS[kind][1] for kind in kinds), "、".join(_WORDS[kind][2] for kind in kinds)
        return Verdict(
            filter=self.name, action=asked(self.action), reason="personal_data", measured=len(found), limit=0,
            spans=_spans(found), message=f"The text has personal data that the brief does not give: {_told(found)}.",
            advice=wording(brief, en=f"Leave out personal data that was not given to you: {english}.",
                           zh=f"不要写未提供给你的个人信息：{chinese}。"),
        )

    def _doubtful(self, found: list[Found]) -> Verdict:
        return Verdict(
            filter=self.name, action=at_most_flag(self.action), reason="possible_personal_data", measured=len(found),
            limit=0, spans=_spans(found),
            message=f"The text has what may be personal data and is not in the brief: {_told(found)}.",
        )


def found_in(text: str, language: str) -> list[Found]:
    """Everything of every kind in `text`, in its order; of two that overlap, the surer kind."""
    plain = _plain(text)
    return _apart(_all_in(plain, language), len(plain))


def _all_in(text: str, language: str) -> Iterator[Found]:
    """Everything found, the surest kinds first."""
    yield from emails_in(text)
    has_digits = _SEVEN_DIGITS.search(text) is not None
    if has_digits:
        yield from resident_ids_in(text)
    if _MIXED.search(text):
        yield from ibans_in(text)
        yield from wallets_in(text)
        yield from ip_addresses_in(text)
    elif has_digits:
        yield from ip_addresses_in(text)
    if has_digits:
        yield from cards_in(text)
        yield from ssns_in(text)
        yield from passports_in(text)
        yield from phones_in(text, language)


def _apart(found: Iterable[Found], length: int) -> list[Found]:
    """Those that overlap none before them, in the order of the text of `length` characters."""
    taken, kept = bytearray(length), []
    for item in found:
        if not any(taken[item.start:item.end]):
            taken[item.start:item.end] = b"\1" * (item.end - item.start)
            kept.append(item)
    return sorted(kept, key=lambda item: item.start)


def _plain(text: str) -> str:
    return text if text.isascii() else text.translate(_ALIKE)


def _cells(brief: Brief) -> Iterator[str]:
    """Every cell that may be repeated: all but what must not be mentioned."""
    values: list[FieldValue] = [*brief.fields.values(), brief.tone, brief.audience, brief.limits.keywords]
    for value in values:
        yield from value if isinstance(value, list) else [str(value)]


def _told(found: list[Found]) -> str:
    """`2 phone numbers (at characters 12, 40), 1 e-mail address (at character 7)`."""
    parts = []
    for kind, count in Counter(item.kind for item in found).items():
        places = ", ".join(str(item.start + 1) for item in found if item.kind == kind)[:60].rstrip(", ")
        parts.append(f"{count} {_WORDS[kind][count > 1]} (at character{'s' * (count > 1)} {places})")
    return ", ".join(parts)


def _spans(found: list[Found]) -> list[Span]:
    return [Span(start=item.start, end=item.end) for item in found[:MAX_SPANS]]

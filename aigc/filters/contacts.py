"""E-mail addresses and telephone numbers in a text, and whether they lead to a person."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING

from aigc.content import base_language
from aigc.filters.identifiers import Found, Owner, is_an_order

if TYPE_CHECKING:
    from phonenumbers import PhoneNumber

_EMAIL = re.compile(
    r"(?<![0-9A-Za-z._%+@/-])[0-9A-Za-z][0-9A-Za-z._%+-]{0,63}@((?:[0-9A-Za-z-]{1,63}\.){1,8}[A-Za-z]{2,24})"
    r"(?![0-9A-Za-z])")
"""ASCII classes, since `\\w` would take the Chinese words before an address for a part of it."""
_FILE_ENDINGS = frozenset("png jpg jpeg gif webp svg avif mp4 css js".split())
"""`logo@2x.png` is a file."""
_RESERVED = re.compile(r"(?:.*\.)?(?:example(?:\.(?:com|net|org|edu))?|test|invalid|localhost)|your[\w-]*\..*")
"""RFC 2606 and RFC 6761; and `yourcompany.com`."""
_ROLES = frozenset(
    # RFC 2142, and what companies add to it
    "info marketing sales support noc security abuse hostmaster postmaster webmaster www usenet news uucp ftp admin "
    "administrator billing bookings booking care careers contact customer customers customercare customerservice "
    "customersupport desk donations editor editorial enquiries enquiry events feedback help helpdesk hello hi hr "
    "inquiries inquiry jobs kefu kontakt kundenbetreuung kundenservice legal mail media membership newsletter noreply "
    "office orders order partners press privacy receptionist recruitment registration reservations returns service "
    "services shop store subscribe team tickets tips unsubscribe volunteer welcome git".split())
_BEFORE = r"(?<![0-9A-Za-z])(?<![0-9][.-])(?<![^0-9][0-9],)"
_ALONE = rf"{_BEFORE}(?<![0-9] )"
"""Not a group within a longer number, such as that of a card."""
_AFTER = r"(?![0-9A-Za-z])(?![.-][0-9])"
_CN_MOBILE = re.compile(
    rf"{_BEFORE}(?:(?:\+|00)?86[ -]?)?(?P<number>1[3-9][0-9][ -]?[0-9]{{4}}[ -]?[0-9]{{4}}){_AFTER}")
_ABROAD = re.compile(
    rf"(?P<number>(?:(?<![0-9A-Za-z+])\+|{_ALONE}00(?=[1-9][0-9]{{0,2}}[ -]))[1-9](?:[ .()/-]{{0,2}}[0-9]){{6,16}})"
    r"(?:x[0-9]{1,5})?(?![0-9A-Za-z])")
_NORTH_AMERICAN = re.compile(
    rf"{_ALONE}(?P<number>(?:1[ .-])?(?:\([2-9][0-9]{{2}}\) ?|[2-9][0-9]{{2}}[ .-])[2-9][0-9]{{2}}[ .-][0-9]{{4}}"
    r"|(?:\(123\) |123-)456-7890)(?:(?: ?x| ext\.? ?)[0-9]{1,5})?(?![0-9A-Za-z])(?![.-][0-9])")
_TRUNK = re.compile(
    rf"{_ALONE}(?P<number>\(?0[0-9]{{1,4}}(?:\)|[ .-])[ .-]?[0-9](?:[ .-]?[0-9]){{5,9}}){_AFTER}")
"""With the 0 of a call within the country, and parted in two at least."""
_CUED = re.compile(
    r"(?:\b(?:tele)?phone|\b(?:tel|mobile|cell|fax|call|calling|dial|ring|text|whatsapp|wechat|sms|hotline"
    r"|contact|messages|answering)\b|\b(?:desk|office):|电话|手机|致电|拨打|热线|传真|联系方式|微信|座机)"
    r"[^0-9\n+.!?。！？]{0,24}\n?"
    rf"{_BEFORE}(?P<number>\(?[0-9](?:[ .-]?[()]?[ .-]?[0-9]){{6,14}})(?:(?: ?x| ext\.? ?)[0-9]{{1,5}})?{_AFTER}",
    re.IGNORECASE)
_DATE = re.compile(r"(?:19|20)[0-9]{2}(?:[-./]?[0-9]{1,2}){2}\b|[0-9]{1,2}[-./][0-9]{1,2}[-./](?:19|20)[0-9]{2}\b")
_MOST_CANDIDATES = 300
"""Of each form; a text of nothing but digits is none to spend a minute on."""
_REGIONS = {"de": ("DE", "AT", "CH"), "fr": ("FR", "BE"), "es": ("ES", "MX"), "it": ("IT",), "pt": ("BR", "PT"),
            "ja": ("JP",), "ko": ("KR",), "nl": ("NL", "BE"), "zh": ("CN",), "ru": ("RU",), "pl": ("PL",)}
_EVERYWHERE = ("US", "GB", "CN")
_BEGIN_WITH_0 = frozenset({"GB", "DE", "AT", "CH", "FR", "BE", "NL", "JP", "KR", "CN"})
_HOTLINE = re.compile(r"[48]00")
"""China's service lines. phonenumbers does not mind a missing 0: to it (555) 123-4567 is a number of Ma'anshan."""
_FICTION = re.compile(
    r"\+1[0-9]{3}55501[0-9]{2}"  # kept free for fiction in North America
    # Ofcom's numbers for drama
    r"|\+44(?:7700900|2079460|1632960|1(?:1[3-8]|[2-6]1)4960|8081570|9098790|3069990)[0-9]{3}"
    r"|\+8613800138000")  # China Mobile's own, which every form shows as its example


def emails_in(text: str) -> Iterator[Found]:
    """E-mail addresses. Reserved domains and mailboxes of a role lead to no person."""
    if "@" not in text:
        return
    for match in _EMAIL.finditer(text):
        local, _, domain = match[0].lower().partition("@")
        if domain.rpartition(".")[2] in _FILE_ENDINGS:
            continue
        is_role = not _ROLES.isdisjoint(re.split(r"[._+-]", local)) or local.startswith("your")
        yield Found("email", match.start(), match.end(), match[0].lower(),
                    "nobody" if is_role or _RESERVED.fullmatch(domain) else "person")


def phones_in(text: str, language: str) -> Iterator[Found]:
    """Telephone numbers in the forms of `language` and its regions, of the US, Britain and China, and with a + of all.

    Whose a number is that no numbering plan asked has is unclear: it may be of another country, or of nobody.
    """
    regions = _regions(language)
    for match in _CN_MOBILE.finditer(text):
        if not is_an_order(text, match.start()):
            number = re.sub("[ -]", "", match["number"])
            yield Found("phone", match.start(), match.end(), number,
                        "nobody" if _FICTION.fullmatch(f"+86{number}") else "person")
    for pattern in (_ABROAD, _NORTH_AMERICAN, _TRUNK, _CUED):
        for match in islice(pattern.finditer(text), _MOST_CANDIDATES):
            start = match.start("number")
            if _DATE.match(match["number"]) or is_an_order(text, start):
                continue
            found = _phone(match["number"], start, regions)
            # A 0 and groups of digits alone may be anything.
            if found and (found.of != "unclear" or pattern is not _TRUNK):
                yield found


def _regions(language: str) -> tuple[str, ...]:
    parts = language.replace("_", "-").split("-")
    own = tuple(part.upper() for part in parts[1:] if len(part) == 2 and part.isalpha())
    return tuple(dict.fromkeys((*own, *_REGIONS.get(base_language(language), ()), *_EVERYWHERE)))


def _phone(number: str, start: int, regions: tuple[str, ...]) -> Found | None:
    """A number by the first plan that has it; None for one with + that is too short or too long for its country."""
    import phonenumbers

    if number[0] == "+" or re.match("00[1-9]", number):
        return _abroad(number, start)
    begins_well = number.lstrip("(")[0] == "0" or _HOTLINE.match(number)
    for region in regions if begins_well else [one for one in regions if one not in _BEGIN_WITH_0]:
        parsed = _parsed(number, region)
        if parsed and phonenumbers.is_valid_number_for_region(parsed, region):
            return Found("phone", start, start + len(number), str(parsed.national_number), _owner(parsed))
    return Found("phone", start, start + len(number), re.sub("[^0-9]", "", number), "unclear")


def _abroad(number: str, start: int) -> Found | None:
    import phonenumbers

    while number:
        parsed = _parsed("+" + number.removeprefix("00").lstrip("+"), None)
        if parsed and phonenumbers.is_possible_number(parsed):
            return Found("phone", start, start + len(number), str(parsed.national_number), _owner(parsed))
        # The next number in the text may have been taken in.
        number = number.rpartition(" ")[0]
    return None


def _parsed(number: str, region: str | None) -> PhoneNumber | None:
    import phonenumbers

    try:
        return phonenumbers.parse(number, region)
    except phonenumbers.NumberParseException:
        return None


def _owner(parsed: PhoneNumber) -> Owner:
    import phonenumbers
    from phonenumbers import PhoneNumberType

    services = (PhoneNumberType.TOLL_FREE, PhoneNumberType.SHARED_COST, PhoneNumberType.PREMIUM_RATE,
                PhoneNumberType.UAN)
    if _FICTION.fullmatch(f"+{parsed.country_code}{parsed.national_number}"):
        return "nobody"
    if not phonenumbers.is_valid_number(parsed):
        return "unclear"
    return "nobody" if phonenumbers.number_type(parsed) in services else "person"

"""The code of a service provider: 27 characters, in a hidden label's `ContentProducer` and `ContentPropagator`.

    00 1 1 91440300708461136T 1 XGW3
    │  │ │ │                  │ └ a model or an application, named by the provider
    │  │ │ │                  └ service: 1 generates, 2 passes on; with 0000 behind it, 0 where neither is told
    │  │ │ └ the subject's number: a unified social credit code (GB 32100-2015), a resident's identity number
    │  │ └ what binds the number to the subject
    │  └ subject: 1 an organisation, 2 a person
    └ format: 00, the one that TC260-PG-20252A defines

The code itself has no check digit. The subject's number has one, and a slip of the pen shows there. What binds a person
other than an identity number, and how shorter numbers are filled up to 18 characters, could not be found in public:
those are checked for their length and characters alone. docs/labels.md tells the sources.
"""

from __future__ import annotations

import re
from typing import NamedTuple

LENGTH = 27
FORMAT = "00"
_CREDIT_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
"""GB 32100-2015: no I, O, S, V and Z."""
_CREDIT_CODE = re.compile(rf"[{_CREDIT_ALPHABET}]{{2}}[0-9]{{6}}[{_CREDIT_ALPHABET}]{{10}}")
_PERSON_NUMBER = re.compile("[1-9][0-9]{16}[0-9X]")


class ProviderCode(NamedTuple):
    """The parts of a code. `subject` is `organisation` or `person`, `service` is empty where none is told."""

    subject: str
    number: str
    service: str
    model: str


def code_problem(code: str) -> str:
    """What is wrong with a code, as words that follow "found"; empty where nothing is known to be.

    The subject's number is never part of the words: of a person it is secret.
    """
    if len(code) != LENGTH:
        return f"{len(code)} characters"
    if not re.fullmatch("[0-9A-Z]+", code):
        return "other characters than digits and capital letters"
    if not code.startswith(FORMAT):
        return f"a format {code[:2]}"
    if code[2] not in "12":
        return f"a subject of kind {code[2]}"
    return _number_problem(code[2:4], code[4:22]) or _service_problem(code[22], code[23:])


def read_code(code: str) -> ProviderCode:
    """The parts of a sound code.

    Raises:
        ValueError: it is none.
    """
    if problem := code_problem(code):
        raise ValueError(problem)
    service = {"1": "generates", "2": "passes on"}.get(code[22], "")
    return ProviderCode("organisation" if code[2] == "1" else "person", code[4:22], service, code[23:])


def looks_like_a_code(text: str) -> bool:
    """Whether a name of a provider is meant as a code, so that its check digit is worth a look."""
    return len(text) == LENGTH and text.startswith(FORMAT) and text.isascii() and text.isalnum()


def credit_check_character(number: str) -> str:
    """The last character of a unified social credit code by its first 17: GB 32100-2015, after ISO 7064 modulo 31."""
    total = sum(_CREDIT_ALPHABET.index(char) * pow(3, place, 31) for place, char in enumerate(number[:17]))
    return _CREDIT_ALPHABET[-total % 31]


def person_check_character(number: str) -> str:
    """The last character of a resident's identity number by its first 17: GB 11643-1999, ISO 7064 MOD 11-2."""
    total = sum(int(char) * (1 << (17 - place)) for place, char in enumerate(number[:17]))
    return "0123456789X"[(12 - total) % 11]


def _number_problem(kind: str, number: str) -> str:
    if kind[0] == "1":
        if kind[1] != "1":
            return f"an organisation bound by {kind[1]}"
        if not _CREDIT_CODE.fullmatch(number):
            return "no unified social credit code in its characters 5 to 22"
        if credit_check_character(number) != number[17]:
            return "a unified social credit code whose check character does not fit"
    elif kind[1] == "1":
        if not _PERSON_NUMBER.fullmatch(number):
            return "no identity number in its characters 5 to 22"
        if person_check_character(number) != number[17]:
            return "an identity number whose check character does not fit"
    return ""


def _service_problem(service: str, model: str) -> str:
    if service not in "012":
        return f"a service of kind {service}"
    return "a model without a service" if service == "0" and model != "0000" else ""

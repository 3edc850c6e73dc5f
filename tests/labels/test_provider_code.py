"""Codes of service providers: those that companies write into their files, and the slips that a check finds."""

from __future__ import annotations

import pytest

from aigc.labels.provider_code import (
    ProviderCode,
    code_problem,
    credit_check_character,
    looks_like_a_code,
    person_check_character,
    read_code,
)

TENCENT = "001191440300708461136T1XGW3"


@pytest.mark.parametrize("code", [
    TENCENT,
    "001191110102MAD55U9H0F10002",
    "001191320118MAK93FC72D10001",
    "001191110114MACY9KQ17M1O345",
    "001191350100M000100Y4300000",  # GB 32100-2015's own example, without a service
    "001191440300708461136T2APP1",
    "002111010519491231002X00000",  # GB 11643's own example
    "0024E12345678000000000" + "00000",
])
def test_sound_codes_pass(code: str) -> None:
    assert code_problem(code) == ""


@pytest.mark.parametrize(("code", "problem"), [
    ("", "0 characters"),
    (TENCENT[:-1], "26 characters"),
    (TENCENT + "0", "28 characters"),
    (TENCENT.lower(), "other characters than digits and capital letters"),
    (TENCENT[:-1] + "三", "other characters than digits and capital letters"),
    ("01" + TENCENT[2:], "a format 01"),
    ("003" + TENCENT[3:], "a subject of kind 3"),
    ("0012" + TENCENT[4:], "an organisation bound by 2"),
    ("001191440300708461136X1XGW3", "a unified social credit code whose check character does not fit"),
    ("001191440300708461163T1XGW3", "a unified social credit code whose check character does not fit"),
    ("0011914403007O8461136T1XGW3", "no unified social credit code in its characters 5 to 22"),
    ("0011" + "9144030070846113" + "IT" + "1XGW3", "no unified social credit code in its characters 5 to 22"),
    ("002111010519491231002000000", "an identity number whose check character does not fit"),
    ("0021A1010519491231002X00000", "no identity number in its characters 5 to 22"),
    ("001191440300708461136T3XGW3", "a service of kind 3"),
    ("001191440300708461136T0XGW3", "a model without a service"),
])
def test_a_slip_is_named_without_the_number(code: str, problem: str) -> None:
    assert code_problem(code) == problem


@pytest.mark.parametrize("number", [
    "91440300708461136T", "91110102MAD55U9H0F", "91320118MAK93FC72D", "91110114MACY9KQ17M", "91350100M000100Y43",
])
def test_every_change_of_one_character_of_a_credit_code_is_found(number: str) -> None:
    assert credit_check_character(number) == number[17]
    others = [number[:place] + char + number[place + 1:] for place in range(17)
              for char in "0123456789ABCDEFGHJKLMNPQRTUWXY" if char != number[place]]
    assert [other for other in others if credit_check_character(other) == number[17]] == []


def test_the_check_character_of_identity_numbers_may_be_an_x() -> None:
    assert person_check_character("11010519491231002") == "X"
    assert person_check_character("44052418800101001") == "4"


def test_a_code_is_read_in_its_parts() -> None:
    assert read_code(TENCENT) == ProviderCode("organisation", "91440300708461136T", "generates", "XGW3")
    assert read_code("002111010519491231002X00000") == ProviderCode("person", "11010519491231002X", "", "0000")
    with pytest.raises(ValueError, match="3 characters"):
        read_code("001")


@pytest.mark.parametrize(("text", "is_one"), [
    (TENCENT, True), ("0" * 27, True), ("Example-Bakery", False), ("x" * 27, False), ("", False),
])
def test_a_name_is_told_from_a_code(text: str, is_one: bool) -> None:
    assert looks_like_a_code(text) is is_one

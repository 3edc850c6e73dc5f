from __future__ import annotations

import datetime
import socket

import pytest
from filter_cases import GOOD_EN, GOOD_ZH, a_brief, a_completion, marked, verdict_of
from hypothesis import given
from hypothesis import strategies as st

from aigc.filters import FILTERS, build_filters
from aigc.filters.identifiers import has_luhn
from aigc.records import FieldValue, Verdict
from aigc.settings import FilterTables

WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)


def judged(text: str, language: str = "en", table: FilterTables | None = None, **fields: FieldValue) -> Verdict:
    (item,) = (item for item in build_filters(table or {}, "aigc.toml") if item.name == "personal_data")
    return item(a_brief(language, fields=fields), a_completion(text))


@pytest.mark.parametrize(("language", "text", "value"), [
    ("en", "Write to uta.kortig@jourrapide.com for a copy.", "uta.kortig@jourrapide.com"),
    ("zh", "请发邮件至li.lei@qq.com索取样品。", "li.lei@qq.com"),
    ("zh", "邮箱：ｌｉ＠ｑｑ．ｃｏｍ", "ｌｉ＠ｑｑ．ｃｏｍ"),
    ("en", "Charge my card 4454794511390933.", "4454794511390933"),
    ("en", "Charge my card 4454 7945 1139 0933, please.", "4454 7945 1139 0933"),
    ("en", "The Amex is 3474-159773-07943.", "3474-159773-07943"),
    ("en", "card number 630427373398 is lost", "630427373398"),
    ("zh", "请打到我的卡6222021234567890128上。", "6222021234567890128"),
    ("en", "Pay to GB59 IFUE 4022 6315 4991 37 by noon.", "GB59 IFUE 4022 6315 4991 37"),
    ("en", "my iban is gb42nawi04454264788619", "gb42nawi04454264788619"),
    ("zh", "汇款到DE75512108001245126199即可。", "DE75512108001245126199"),
    ("en", "The visitor came from 86.121.97.248.", "86.121.97.248"),
    ("zh", "他的地址是41.173.96.26，已被封。", "41.173.96.26"),
    ("en", "Reach it at 2a02:26f0:6c00::210:ba8 tonight.", "2a02:26f0:6c00::210:ba8"),
    ("en", "Here's my SSN: 460-89-9847", "460-89-9847"),
    ("zh", "张三，身份证号110101199003074514，北京人。", "110101199003074514"),
    ("zh", "身份证 110101 19900307 4530", "110101 19900307 4530"),
    ("zh", "护照号码：E12345678。", "E12345678"),
    ("en", "Her passport number is 533380006.", "533380006"),
    ("en", "Send coins to 1BoatSLRHtKNngkdXEeobR76b53LETtpyT now.", "1BoatSLRHtKNngkdXEeobR76b53LETtpyT"),
    ("en", "Send it to 0xde0B295669a9FD93d5F28D9Ec85E40f4cb697BAe.", "0xde0B295669a9FD93d5F28D9Ec85E40f4cb697BAe"),
    ("en", "Call us on (415) 867-5309 today.", "(415) 867-5309"),
    ("en", "Ring 020 8943 1111 before noon.", "020 8943 1111"),
    ("en", "WhatsApp: +49 30 901820", "+49 30 901820"),
    ("fr", "Appelez le 06 12 34 56 78.", "06 12 34 56 78"),
    ("zh", "加微信13912345678领券", "13912345678"),
    ("zh", "联系人王芳 139-1234-5678。", "139-1234-5678"),
    ("zh", "联系人王芳＋８６　１３９１２３４５６７８。", "＋８６　１３９１２３４５６７８"),
    ("zh", "前台电话（021）6552 9988转3。", "（021）6552 9988"),
])
def test_personal_data_that_nobody_gave_is_sent_back(language: str, text: str, value: str) -> None:
    verdict = judged(text, language)
    assert (verdict.action, verdict.reason, verdict.measured) == ("retry", "personal_data", 1)
    assert marked(verdict, text) == [value]
    assert verdict.message.startswith("The text has personal data that the brief does not give: 1 ")
    assert f"(at character {text.index(value) + 1})" in verdict.message
    assert value not in verdict.message + verdict.advice


@pytest.mark.parametrize(("language", "text"), [
    ("en", GOOD_EN),
    ("zh", GOOD_ZH),
    ("en", "Order no. 305-123-4567 left on 2024-11-24 at 10:20:30, version 10.1.2.33 of the form."),
    ("en", "ISBN 978-0-306-40615-7, barcode 4006381333931, invoice number 4454794511390933."),
    ("en", "It grew from 1,234,567 to 2.345.678, by 100-200-300 or 0.45814536 of 10 000 000, from 1999-2004."),
    ("en", "The card 4454794511390934 fails its check, and so does GB59 IFUE 4022 6315 4991 38."),
    ("en", "Sections 1.2.3.4 and 2.3.4.5; the router is 192.168.0.1, the mask 255.255.255.0; ask 8.8.8.8."),
    ("en", "The ids 1700000000123 and 1838129471946240001 are milliseconds and a snowflake."),
    ("en", "std::vector a::b, cafe::1, logo@2x.png, @harbour, user@host and git@github.com:harbour/site.git"),
    ("en", "000-12-3456, 666-12-3456 and 123-00-4567 are no social security numbers; 2270-66-1551 neither."),
    ("en", "Call 911. Call us in 2024 or 2025. Text 12345 to win."),
    ("en", "The hash 0xde0B295669a9FD93d5F28D9Ec85E40f4cb697BAe12 and the id 1BoatSLRHtKNngkdXEeobR76b53LETtpyU."),
    ("zh", "订单号：13812345678，流水号2024031512304567，ISBN 9787111123453。"),
    ("zh", "身份证号110101199003074515校验位不对，110101199002304516没有这一天。"),
    ("zh", "拨打110、12345或95588；客服热线400-820-8820。"),
    ("zh", "全长13912.345678米，编号139123456789，圆周率3.14159265358979。"),
    ("zh", "护照要随身带，卡里余额不足，电话随时畅通。"),
])
def test_order_numbers_dates_versions_and_failed_checks_are_no_personal_data(language: str, text: str) -> None:
    assert judged(text, language).action == "pass"


@pytest.mark.parametrize("text", [
    "Write to jane@example.com, info@mail.example.org or your.name@gmail.com.",
    "Write to support@harbour-street.co.uk or customer-service@harbour.shop.",
    "Call (212) 555-0147, +44 7700 900123 or 020 7946 0018; in China 13800138000.",
    "Call 1-800-829-1040, toll-free.",
    "Test with 4111 1111 1111 1111, 4242424242424242 and GB82 WEST 1234 5698 7654 32.",
    "Documentation uses 192.0.2.17, 198.51.100.4 and 2001:db8::1.",
    "身份证示例：11010519491231002X。",
    "The form shows 078-05-1120.",
])
def test_examples_reserved_values_and_service_lines_lead_to_nobody(text: str) -> None:
    assert judged(text).action == "pass"
    if "192.0.2" not in text:
        verdict = judged(text, table={"personal_data": {"flag_nobodys": True}})
        assert (verdict.action, verdict.reason, verdict.advice) == ("flag", "possible_personal_data", "")


@pytest.mark.parametrize("text", [
    "Phone: 467 3395", "Call (555) 123-4567 now", "They're not answering at 78 651 450", "Mobile +1-984-182-0190",
])
def test_a_number_in_no_plan_is_flagged_since_it_may_be_nobodys(text: str) -> None:
    verdict = judged(text)
    assert (verdict.action, verdict.reason) == ("flag", "possible_personal_data")
    assert verdict.message == (
        "The text has what may be personal data and is not in the brief: 1 phone number "
        f"(at character {verdict.spans[0].start + 1}).")


@pytest.mark.parametrize(("text", "cell"), [
    ("Mail Uta.Kortig@Jourrapide.com.", "contact: uta.kortig@jourrapide.com"),
    ("Call (415) 867-5309.", "+1 415.867.5309"),
    ("Call +1 415 867 5309.", 4158675309),
    ("Ring 020 8943 1111.", "+44 (0)20 8943 1111"),
    ("致电13912345678", "139-1234-5678"),
    ("致电+86 139 1234 5678", "１３９１２３４５６７８"),
    ("致电13912345678", 13912345678.0),
    ("Card 4454 7945 1139 0933", ["a", "4454794511390933"]),
    ("IBAN GB59IFUE40226315499137", "gb59 ifue 4022 6315 4991 37"),
    ("From 86.121.97.248", "86.121.97.248"),
])
def test_what_the_brief_gave_in_any_cell_and_any_form_may_be_said(text: str, cell: FieldValue) -> None:
    assert judged(text, facts=cell).action == "pass"
    assert judged(text, facts="nothing of it").action == "retry"


def test_a_longer_address_that_ends_like_the_briefs_is_another() -> None:
    assert judged("Mail rossi@rhyta.com", facts="milena.rossi@rhyta.com").action == "retry"


def test_values_in_the_settings_may_always_be_said() -> None:
    table: FilterTables = {"personal_data": {"allowed": ["+1 (415) 867-5309"]}}
    assert judged("Call 415-867-5309", table=table).action == "pass"


def test_a_kind_can_be_switched_off() -> None:
    text = "Card 4454794511390933, from 86.121.97.248"
    verdict = judged(text, table={"personal_data": {"ip_address": False}})
    assert marked(verdict, text) == ["4454794511390933"]


def test_the_message_counts_by_kind_and_the_advice_speaks_the_briefs_language() -> None:
    text = "王芳：13912345678、13812345679，li.lei@qq.com"
    assert judged(text, "zh").message == (
        "The text has personal data that the brief does not give: 2 phone numbers (at characters 4, 16), "
        "1 e-mail address (at character 28).")
    assert judged(text, "zh").advice == "不要写未提供给你的个人信息：电话号码、电子邮箱。"
    assert judged(text, "en").advice == (
        "Leave out personal data that was not given to you: phone numbers, e-mail addresses.")


@pytest.mark.parametrize("text", [
    "13912345678,13812345679", "13912345678，13812345679，100元", "13912345678、13812345679", "13912345678/13812345679",
    "110101199003074514,110101199003074530", "rossi@rhyta.com;uta@rhyta.com", "4454794511390933,4735237677106546.",
    "(415) 867-5309, (415) 867-5310", "020 8943 1111/020 8943 1112",
])
def test_lists_are_taken_apart_whatever_stands_between(text: str) -> None:
    assert judged(text, "zh").measured == 2


def test_what_is_found_does_not_show_its_value() -> None:
    from aigc.filters.contacts import emails_in

    assert "rossi" not in repr(list(emails_in("Mail rossi@rhyta.com")))


@given(
    region=st.sampled_from(["110101", "310115", "440305", "510107", "620102"]), order=st.integers(0, 999),
    born=st.dates(datetime.date(1920, 1, 1), datetime.date(2020, 12, 31)), around=st.text("证号是的，。 ", max_size=5),
)
def test_every_valid_resident_id_is_found_and_none_with_a_wrong_check(
    region: str, order: int, born: datetime.date, around: str
) -> None:
    body = f"{region}{born:%Y%m%d}{order:03}"
    check = "10X98765432"[sum(w * int(d) for w, d in zip(WEIGHTS, body, strict=True)) % 11]
    verdict = judged(f"{around}{body}{check}{around}", "zh")
    assert verdict.action == "retry"
    assert "resident identity number" in verdict.message
    wrong = "0123456789X".replace(check, "")[order % 10]
    assert "resident identity number" not in judged(f"{around}{body}{wrong}{around}", "zh").message


@given(st.integers(10**14, 10**15 - 1), st.sampled_from(["4", "51", "6222", "35"]))
def test_a_card_is_believed_only_with_its_check_digit(digits: int, prefix: str) -> None:
    body = (prefix + str(digits))[:15]
    passing = [body + last for last in "0123456789" if has_luhn(body + last)]
    assert len(passing) == 1
    for last in "0123456789":
        found = "payment card" in verdict_of("personal_data", f"Paid with {body}{last} today").message
        assert found == (body + last in passing)


def test_both_privacy_filters_work_without_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    assert judged("rossi@rhyta.com, +49 30 901820, 86.121.97.248").measured == 3
    assert FILTERS["secrets"]()(a_brief(), a_completion("AKIA" "QYLPMN5HHHFPZAM2")).action == "hold"

from __future__ import annotations

import pytest
from filter_cases import GOOD_EN, GOOD_ZH, marked, verdict_of


@pytest.mark.parametrize(
    ("text", "reason", "found"),
    [
        ("Good\x00 bread", "control_character", ["\x00"]),
        ("Good\x1b[1m bread\x85", "control_character", ["\x1b", "\x85"]),
        ("好茶\x07。", "control_character", ["\x07"]),
        ("Good \ud83d bread", "lone_surrogate", ["\ud83d"]),
        ("Caf\ufffd au lait", "replacement_character", ["\ufffd"]),
        ("price \u202e00.21 €", "bidi_override", ["\u202e"]),
        ("Tea\U000e0041\U000e0042 time", "hidden_text", ["\U000e0041\U000e0042"]),
        ("Tea\ufe01\ufe02\ufe03 time", "hidden_text", ["\ufe01\ufe02\ufe03"]),
        ("Itâ€™s good", "mojibake", ["â€"]),
        ("CafÃ© BrÃ©vaud", "mojibake", ["Ã©", "Ã©"]),
        ("It‚Äôs good", "mojibake", ["‚Äô"]),
        ("海港街".encode().decode("latin-1"), "mojibake", None),
        ("锟斤拷锟斤拷", "mojibake", ["锟斤拷", "锟斤拷"]),
    ],
)
def test_characters_that_no_reader_should_meet_are_caught(text: str, reason: str, found: list[str] | None) -> None:
    verdict = verdict_of("encoding", text)
    assert (verdict.action, verdict.reason) == ("retry", reason)
    assert found is None or marked(verdict, text) == found
    assert f"the first at character {verdict.spans[0].start + 1}: U+" in verdict.message
    assert verdict.advice.startswith("Write in ordinary characters only")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Good\u200b bread", "zero_width"),
        ("\ufeffGood bread", "zero_width"),
        ("好\u200d茶", "zero_width"),
        ("Good \u200ebread", "bidi_mark"),
        ("Good \ue001 bread", "private_use"),
    ],
)
def test_characters_that_do_little_harm_are_flagged(text: str, reason: str) -> None:
    verdict = verdict_of("encoding", text, "zh")
    assert (verdict.action, verdict.reason, verdict.advice) == ("flag", reason, "")


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", GOOD_EN),
        ("zh", GOOD_ZH),
        ("en", "Line one.\r\nLine two.\tTabbed.\xa0Unbroken."),
        ("fr", "À la maison : « pain », 26,50 €, œufs, É…"),
        ("de", "GRÖSSE, größer, Ärger, “Straße” – schön"),
        ("pt", "SÃO PAULO, AÇÃO, pães, Ânimo"),
        ("en", "family \U0001f468\u200d\U0001f469\u200d\U0001f467, heart ❤\ufe0f, 1\ufe0f\u20e3"),
        ("en", "Wales \U0001f3f4\U000e0067\U000e0062\U000e0077\U000e006c\U000e0073\U000e007f"),
        ("fa", "می\u200cخواهم نان تازه"),
        ("he", "\u200fלחם טרי\u200e (rye)"),
        ("zh", "“全麦”面包：￥１２，全角也好。"),
        ("zh", "一把锛子，银鈎铁画。"),
        ("ja", "葛\U000e0100飾区のパン"),
    ],
)
def test_characters_that_are_meant_pass(language: str, text: str) -> None:
    assert verdict_of("encoding", text, language).action == "pass"

"""empty, format, cut_off and length."""

from __future__ import annotations

import pytest
from filter_cases import GOOD_EN, GOOD_ZH, a_brief, a_completion, default, unread, verdict_of
from msgspec.structs import replace

from aigc.filters.length import LengthFilter
from aigc.records import Limits

STEPS = "1. Mix the flour and the water.\n2. Let the dough rest for an hour or two.\n3. Light the oven early."


@pytest.mark.parametrize("text", ["", "  \n", "...", "***", "🍞🍞", "____", "。"])
def test_a_text_without_a_letter_or_digit_is_empty(text: str) -> None:
    verdict = verdict_of("empty", text)
    assert (verdict.action, verdict.reason) == ("retry", "empty")
    assert verdict.message == "The text is empty: it has no letter or digit."
    assert verdict.advice == "The last answer was empty. Write the whole text."


@pytest.mark.parametrize("text", ["a", "7", "茶", "Ω"])
def test_one_letter_is_not_empty(text: str) -> None:
    assert verdict_of("empty", text).action == "pass"


def test_blank_fields_of_a_structured_output_are_named() -> None:
    completion = a_completion(
        fields={"headline": " ", "lines": ["One.", ""], "cues": [{"speaker": "Mara", "line": "Go."}], "notes": []}
    )
    verdict = default("empty")(a_brief("zh"), completion)
    assert (verdict.reason, verdict.measured) == ("empty_field", 3)
    assert verdict.message == "3 of the fields are blank: headline, lines, notes."
    assert verdict.advice == "每个字段都要填写。上一稿这些字段是空的：headline, lines, notes。"


def test_output_that_could_not_be_read_is_not_in_form() -> None:
    verdict = default("format")(a_brief(), unread("Sure! Here it is"))
    assert (verdict.action, verdict.reason) == ("retry", "not_in_form")
    assert verdict.message == "The output (16 characters) does not have the form that its type declares."
    assert verdict.advice.startswith("Answer only in the form asked for")
    assert default("format")(a_brief(), a_completion()).action == "pass"


def test_a_text_at_its_token_limit_is_cut_off_and_says_what_was_repaired() -> None:
    verdict = default("cut_off")(
        a_brief("zh"), a_completion("茶很香", finish_reason="length", repaired="closed 2 brackets")
    )
    assert (verdict.action, verdict.reason, verdict.measured) == ("retry", "cut_off", 64)
    assert verdict.message == (
        "The text stopped at its token limit (64 tokens), not at its end. It was repaired: closed 2 brackets."
    )
    assert verdict.advice == "上一稿没写完就被截断了，请写得短一些，并写到结尾。"


def test_fields_that_met_their_limit_are_named_and_no_name_stands_as_what_was_measured() -> None:
    completion = replace(a_completion(), cut_fields={"verse_2": 160, "title": 40})
    verdict = default("cut_off")(a_brief(), completion)
    assert (verdict.action, verdict.reason, verdict.measured, verdict.limit) == ("retry", "field_cut_off", None, 160)
    assert verdict.message == "Cut at the limit of characters: verse_2 (160), title (40)."
    assert verdict.advice == "The verse 2 was too long. Keep it short and finish it."


def test_repaired_output_is_flagged() -> None:
    verdict = default("cut_off")(a_brief(), a_completion(repaired="removed a code fence"))
    assert (verdict.action, verdict.reason) == ("flag", "repaired")
    assert verdict.message == "The output was broken. It was repaired: removed a code fence."


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", GOOD_EN[:-1]),
        ("en", GOOD_EN + " And then,"),
        ("zh", GOOD_ZH[:-1]),
        ("zh", GOOD_ZH + "还有、"),
        ("en", f"{STEPS}\n4. Shape a loaf on a board. Then bake it"),
        ("en", f"{STEPS}\n4. Shape a good loaf"),
        ("en", GOOD_EN + "\n\nRemember that a crust needs steam, and a baker needs time and the"),
        ("zh", GOOD_ZH + "\n\n记住，烤"),
        ("zh", "第一步：和面，面粉和水要揉匀。\n第二步：醒面，在温暖的地方等一小时。\n第三步：整形，放在案板上"),
        ("zh", GOOD_ZH + "\n\n她说：“明早七点来拿，给你留"),
    ],
)
def test_long_prose_without_an_end_mark_is_flagged(language: str, text: str) -> None:
    verdict = verdict_of("cut_off", text, language)
    assert (verdict.action, verdict.reason) == ("flag", "no_end_mark")
    assert verdict.advice == ""


@pytest.mark.parametrize(
    "ending",
    [
        "",
        "\n\n#tea #freshbread",
        "\n\nThe Harbour Bakery",
        "\n\n- rye\n- seeded rolls",
        "\n\n**Come early**",
        " 🍞",
        "\n\nhttps://harbour.example/bread",
        "\n\n| rye | 4.20 |",
        '\n\n"Slice it thick."',
        "\n\n# Come early, stay until noon",
        "\n\nWith love, the Bakers",
        "\n\nWhere: Harbour Street",
    ],
)
def test_endings_that_need_no_full_stop_pass(ending: str) -> None:
    assert verdict_of("cut_off", GOOD_EN + ending).action == "pass"


@pytest.mark.parametrize(
    "ending", ["", "\n\n#早餐 #面包", "\n\n海港街面包店 敬上", "\n\n地址：海港街九号", "\n\n- 黑麦\n- 杂粮"]
)
def test_chinese_endings_that_need_no_full_stop_pass(ending: str) -> None:
    assert verdict_of("cut_off", GOOD_ZH + ending, "zh").action == "pass"


@pytest.mark.parametrize("text", ["Bread worth getting up for", "Slow bread. Good mornings", "慢一点，更好吃"])
def test_a_short_slogan_needs_no_full_stop(text: str) -> None:
    assert verdict_of("cut_off", text).action == "pass"


@pytest.mark.parametrize(
    ("language", "text", "limits", "reason", "message", "advice"),
    [
        (
            "en",
            "one two three four",
            {"max_words": 3},
            "too_long",
            "The text has 4 words; the brief asks for at most 3.",
            "The last text had 4 words. Write at most 3 words.",
        ),
        (
            "en",
            "don't well-known 1,200.50",
            {"min_words": 4},
            "too_short",
            "The text has 3 words; the brief asks for at least 4.",
            "The last text had 3 words. Write at least 4 words.",
        ),
        (
            "zh",
            "明前龙井iPhone",
            {"max_words": 4},
            "too_long",
            "The text has 5 characters; the brief asks for at most 4.",
            "上一稿有 5 字，请控制在 4 字以内。",
        ),
        (
            "zh-Hant",
            "明前龍井",
            {"min_words": 5},
            "too_short",
            "The text has 4 characters; the brief asks for at least 5.",
            "上一稿有 4 字，请写到 5 字以上。",
        ),
        (
            "ja",
            "お茶です",
            {"max_words": 3},
            "too_long",
            "The text has 4 characters; the brief asks for at most 3.",
            "The last text had 4 characters. Write at most 3 characters.",
        ),
    ],
)
def test_length_counts_as_the_language_does_and_tells_the_model_what_to_do(
    language: str, text: str, limits: dict[str, int], reason: str, message: str, advice: str
) -> None:
    verdict = verdict_of("length", text, language, **limits)
    assert (verdict.reason, verdict.message, verdict.advice) == (reason, message, advice)


@pytest.mark.parametrize(("words", "passes"), [(90, True), (89, False), (110, True), (111, False)])
def test_tolerance_widens_both_limits(words: int, passes: bool) -> None:
    brief = a_brief(limits=Limits(min_words=100, max_words=100))
    verdict = LengthFilter(tolerance=0.1)(brief, a_completion("tea " * words))
    assert (verdict.action == "pass") is passes


def test_a_pass_tells_what_was_measured() -> None:
    verdict = verdict_of("length", "one two three", min_words=2, max_words=4)
    assert (verdict.measured, verdict.limit) == (3, "2–4")
    assert verdict_of("length", "one two three").limit is None

"""Marks and words that a brief's tone rules out."""

from __future__ import annotations

import pytest
from filter_cases import GOOD_EN, GOOD_ZH, a_brief, a_completion, marked
from msgspec.structs import replace

from aigc.filters.tone import ToneFilter
from aigc.records import Limits, Verdict


def in_tone(tone: str, text: str, language: str = "en", **settings: int) -> Verdict:
    return ToneFilter(**settings)(replace(a_brief(language), tone=tone), a_completion(text))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("tone", "text", "reason", "found"),
    [
        ("no exclamation marks", "Come in! Warm bread!", "too_many_exclamations", ["!", "!"]),
        ("warm, without exclamation points", "Come in!", "too_many_exclamations", ["!"]),
        ("at most one exclamation mark", "Come in! Warm bread!", "too_many_exclamations", ["!", "!"]),
        ("formal", "Welcome! Warm bread! Come in!!", "too_many_exclamations", ["!", "!", "!!"]),
        ("calm", "Welcome! Warm bread!", "too_many_exclamations", ["!", "!"]),
        ("no emoji", "Warm bread 🥖 and tea ☕️", "emoji", ["🥖", "☕️"]),
        ("no emojis please", "Warm bread :)", "emoji", [":)"]),
        ("clear, professional", "Warm bread 👩‍🍳", "emoji", ["👩‍🍳"]),
        ("no rhetorical questions", "Who does not like bread?", "questions", ["?"]),
        ("formal", "Hey folks, this is gonna be good.", "casual_words", ["Hey folks", "gonna"]),
        ("不用感叹号", "快来！面包刚出炉。", "too_many_exclamations", ["！"]),
        ("最多一个感叹号", "快来！面包刚出炉！", "too_many_exclamations", ["！", "！"]),
        ("正式", "欢迎！欢迎！", "too_many_exclamations", ["！", "！"]),
        ("亲切，不要表情符号", "面包刚出炉😋", "emoji", ["😋"]),
        ("不要反问", "谁不爱面包？", "questions", ["？"]),
        ("书面语", "家人们，面包刚出炉，绝绝子。", "casual_words", ["家人们", "绝绝子"]),
    ],
)
def test_what_the_tone_rules_out_is_flagged(tone: str, text: str, reason: str, found: list[str]) -> None:
    verdict = in_tone(tone, text, "zh" if not tone.isascii() else "en")
    assert (verdict.action, verdict.reason, marked(verdict, text)) == ("flag", reason, found)


@pytest.mark.parametrize(
    ("tone", "text"),
    [
        ("", "Wow!!! 😀 lol? Why?"),
        ("friendly", "Wow! 😀"),
        ("formal", GOOD_EN),
        ("formal", "Welcome! The bread is warm. Who would like some?"),
        ("informal", "Wow! Great! 😀"),
        ("not too formal", "Wow! Great! 😀"),
        ("less formal", "Wow! Great!"),
        ("formal, with a few emoji", "Warm bread 🥖"),
        ("no exclamation marks", "if a != b: see ✓ and ★ and © 2026"),
        ("no questions", "See shop.example/a?b=1"),
        ("no nonsense, no emoji", "Warm bread."),
        ("正式", GOOD_ZH),
        ("非正式", "太好了！快来！😀"),
        ("不那么正式", "太好了！快来！"),
        ("活泼，可以用表情", "太好了😀"),
        ("不要感叹号", "面包刚出炉。"),
    ],
)
def test_a_text_in_its_tone_passes(tone: str, text: str) -> None:
    assert in_tone(tone, text, "zh" if not tone.isascii() else "en").action == "pass"


def test_what_must_not_be_mentioned_may_be_a_mark() -> None:
    brief = a_brief(limits=Limits(must_not_mention=["emoji", "Exclamation marks", "Acme"]))
    assert ToneFilter()(brief, a_completion("Bread 🥖!")).measured == 1
    assert ToneFilter()(brief, a_completion("Bread and no emoji.")).action == "pass"


def test_limits_of_settings_hold_for_every_brief_and_a_tone_overrules_them() -> None:
    assert in_tone("", "A! B!", max_exclamations=1).action == "flag"
    assert in_tone("", "A 😀", max_emoji=0).action == "flag"
    assert in_tone("", "A?", max_questions=0).action == "flag"
    assert in_tone("at most three exclamation marks", "A! B!", max_exclamations=1).action == "pass"
    assert in_tone("formal", "A! B!", formal_exclamations=2).action == "pass"


def test_it_is_told_what_was_counted_and_what_is_allowed() -> None:
    text = "Hey guys! Come! Now! 🥖"
    verdict = in_tone("formal", text)
    assert (verdict.measured, verdict.limit) == (3, 1)
    assert verdict.message == (
        "The text is not in the tone asked for: exclamation marks 3 (at most 1), emoji 1 (at most 0), "
        "slang 1 (at most 0)."
    )
    assert verdict.advice == "Use at most 1 exclamation mark. Use no emoji. Use no slang."
    assert in_tone("正式", "来！来！😀", "zh").advice == "感叹号最多用1个。不要用表情符号。"


def test_slang_is_flagged_at_most() -> None:
    retry = ToneFilter(action="retry")
    brief = replace(a_brief(), tone="formal")
    assert retry(brief, a_completion("This is gonna be good.")).action == "flag"
    assert retry(brief, a_completion("A! B! C!")).action == "retry"

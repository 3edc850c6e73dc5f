from __future__ import annotations

import pytest
from filter_cases import GOOD_EN, GOOD_ZH, a_brief, a_completion, marked
from hypothesis import given, settings
from hypothesis import strategies as st

from aigc.filters.echo import EchoFilter
from aigc.records import FieldValue, Message, OutputValue, Verdict

FACTS_EN: dict[str, FieldValue] = {
    "product": "Ovenbird No. 3 Gooseneck Kettle",
    "facts": [
        "Holds any temperature from 60 to 100 °C for 30 minutes",
        "Boils a full kettle in 4 minutes",
        "Narrow gooseneck spout for slow, even pouring",
    ],
}
FACTS_ZH: dict[str, FieldValue] = {
    "product": "海港街全麦面包",
    "facts": ["面粉来自九英里外的磨坊", "用三十年的老酵种整夜慢慢发酵"],
}
ASK_EN = (
    "Write a short advertisement for the Ovenbird No. 3 Gooseneck Kettle. Say one thing in plain words and give one "
    "good reason to act. Use only the facts that you are given: Holds any temperature from 60 to 100 °C for 30 "
    "minutes. Boils a full kettle in 4 minutes. Narrow gooseneck spout for slow, even pouring."
)
ASK_ZH = (
    "请为“海港街全麦面包”写一则广告，标题抓住最打动人的一点，不喊口号，不堆感叹号。"
    "只用资料里的事实：面粉来自九英里外的磨坊；用三十年的老酵种整夜慢慢发酵。"
)
EXAMPLE = (
    "For example: Every spoon in our drawer was bent by hand in a shed behind the station, and none of them is alike."
)


def judged(text: str, ask: str, fields: dict[str, FieldValue], language: str = "en", **output: OutputValue) -> Verdict:
    brief = a_brief(language, fields=fields)
    messages = [Message(role="system", content="You write advertisements."), Message(role="user", content=ask)]
    return EchoFilter().against(brief, a_completion(text, fields=output), messages)


@pytest.mark.parametrize(
    ("language", "text", "ask", "fields", "part"),
    [
        ("en", ASK_EN, ASK_EN, FACTS_EN, "Say one thing in plain words and give one good reason to act"),
        ("en", f"{ASK_EN[:160]} {GOOD_EN}", ASK_EN, FACTS_EN, "Say one thing in plain words"),
        ("en", EXAMPLE.removeprefix("For example: ") + " " + GOOD_EN, EXAMPLE, {}, "bent by hand in a shed"),
        ("zh", ASK_ZH, ASK_ZH, FACTS_ZH, "标题抓住最打动人的一点"),
        ("zh", ASK_ZH[:40] + GOOD_ZH, ASK_ZH, FACTS_ZH, "标题抓住最打动人的一点"),
    ],
)
def test_instructions_and_examples_in_the_text_are_caught(
    language: str, text: str, ask: str, fields: dict[str, FieldValue], part: str
) -> None:
    verdict = judged(text, ask, fields, language)
    assert (verdict.action, verdict.reason) == ("retry", "prompt_echo")
    assert any(part in place for place in marked(verdict, text))
    assert verdict.message.endswith("of the text stands word for word in the prompt.")
    assert verdict.advice.startswith("不要照抄" if language == "zh" else "Do not repeat")


@pytest.mark.parametrize(
    ("language", "text", "ask", "fields"),
    [
        ("en", GOOD_EN, ASK_EN, FACTS_EN),
        ("zh", GOOD_ZH, ASK_ZH, FACTS_ZH),
        (
            "en",
            "The Ovenbird No. 3 Gooseneck Kettle holds any temperature from 60 to 100 °C for 30 minutes. "
            "Boils a full kettle in 4 minutes. Narrow gooseneck spout for slow, even pouring.",
            ASK_EN,
            FACTS_EN,
        ),
        ("zh", "海港街全麦面包：面粉来自九英里外的磨坊；用三十年的老酵种整夜慢慢发酵。", ASK_ZH, FACTS_ZH),
        ("en", "Say one thing in plain words.", ASK_EN, FACTS_EN),
        ("en", "", ASK_EN, FACTS_EN),
    ],
)
def test_own_words_and_quoted_facts_pass(language: str, text: str, ask: str, fields: dict[str, FieldValue]) -> None:
    assert judged(text, ask, fields, language).action == "pass"


def test_a_field_that_is_its_own_description_is_caught() -> None:
    ask = 'Answer as {"headline": "a short headline with one idea"} for the Kettle.'
    verdict = judged(f"# A short headline with one idea\n\n{GOOD_EN}", ask, FACTS_EN,
                     headline="A short headline with one idea", body=GOOD_EN)
    assert (verdict.action, verdict.reason) == ("retry", "copied_instruction")
    assert verdict.message == "1 fields are a piece of the prompt, word for word."


def test_a_field_that_quotes_the_brief_passes() -> None:
    assert judged(GOOD_EN, ASK_EN, FACTS_EN, bullets=["Boils a full kettle in 4 minutes"]).action == "pass"


def test_without_the_prompt_nothing_is_measured() -> None:
    assert EchoFilter()(a_brief(), a_completion(ASK_EN)).action == "pass"
    assert EchoFilter().against(a_brief(), a_completion(ASK_EN), []).action == "pass"


@settings(max_examples=100, deadline=None)
@given(
    text=st.lists(st.sampled_from(["tea", "面包", "İ", "ß", ".", "\n", "e\u0301", "\ud800", "rye bread"]), max_size=60),
    language=st.sampled_from(["en", "zh", "th"]),
)
def test_a_text_that_is_its_own_prompt_fails_or_is_short_and_spans_lie_in_it(text: list[str], language: str) -> None:
    whole = " ".join(text)
    completion = a_completion(whole, fields={"body": whole})
    verdict = EchoFilter().against(a_brief(language), completion, [Message(role="user", content=whole)])
    assert all(0 <= span.start < span.end <= len(whole) for span in verdict.spans)
    words = [word for piece in text for word in piece.split() if any(map(str.isalnum, word))]
    assert verdict.action == "retry" or len(words) < 12 or language == "zh"

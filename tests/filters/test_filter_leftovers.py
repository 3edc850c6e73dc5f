from __future__ import annotations

import pytest
from filter_cases import GOOD_EN, GOOD_ZH, a_brief, a_completion, default, marked, unread, verdict_of

from aigc.filters.leftovers import LeftoversFilter


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Dear [Your Name], welcome.", ["[Your Name]"]),
        ("Sincerely,\n[Company Name]", ["[Company Name]"]),
        ("Call [insert phone number here] or visit [Link].", ["[insert phone number here]", "[Link]"]),
        ("Hello {{ first_name }} and {product_name}!", ["{{ first_name }}", "{product_name}"]),
        ("Hi ${name}, {% if x %}hello", ["${name}", "{% if x %}"]),
        ("Dear <name>, from <your company>.", ["<name>", "<your company>"]),
        ("Call XXX-XXX-XXXX today.", ["XXX", "XXX", "XXXX"]),
        ("Lorem ipsum dolor.", ["Lorem ipsum"]),
        ("尊敬的【姓名】，您好！", ["【姓名】"]),
        ("请联系[插入电话号码]。", ["[插入电话号码]"]),
        ("此致\n[您的名字]\n【请填写日期】", ["[您的名字]", "【请填写日期】"]),
        ("感谢选择XX公司。", ["XX"]),
        ("××先生您好", ["××"]),
    ],
)
def test_unfilled_placeholders_are_caught_where_they_stand(text: str, found: list[str]) -> None:
    verdict = verdict_of("leftovers", text)
    assert (verdict.action, verdict.reason, verdict.measured) == ("retry", "placeholder", len(found))
    assert sorted(marked(verdict, text)) == sorted(found)
    assert found[0] in verdict.message
    assert found[0] in verdict.advice


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Good bread.<|im_end|>", "chat_token"),
        ("[INST] Good bread. [/INST]", "chat_token"),
        ("Good bread.</s>", "chat_token"),
        ("<｜end▁of▁sentence｜>好茶", "chat_token"),
        ("Good.<end_of_turn>", "chat_token"),
        ("Good.\n### Response: More", "chat_token"),
        ("<think>Let me see.</think>Good bread.", "thinking_tag"),
        ("Okay.</think>\nGood bread.", "thinking_tag"),
    ],
)
def test_the_models_own_marks_are_caught(text: str, reason: str) -> None:
    verdict = verdict_of("leftovers", text, "zh")
    assert (verdict.action, verdict.reason) == ("retry", reason)
    assert verdict.spans
    assert verdict.advice.startswith("只写正文")


@pytest.mark.parametrize(
    "text",
    [
        GOOD_EN,
        GOOD_ZH,
        "[Verse 1]\nBread and light\n[Chorus]\nOh",
        "[laughs] Really? [Enter Mara]",
        "See [the link](https://a.example).",
        "【限时优惠】全场八折",
        "【地址】海港街九号\n【时间】周六上午",
        "Size XXL fits well.",
        "With love, xxx",
        "XX染色体",
        "price < 5 and > 3",
        "<s>12.00</s> now 9.00",
        "Now 9.00, was <s>12.00</s>",
        "$d_{min} = a$ and \\frac{max}{b}",
        "a set {x, y}",
        "### Ingredients",
        "Use [brackets] and {} well.",
        "I think <b>bread</b> is good.",
        "（您的选择，我们的荣幸）",
    ],
)
def test_brackets_that_mean_something_pass(text: str) -> None:
    assert verdict_of("leftovers", text).action == "pass"


def test_placeholders_of_the_brief_or_the_settings_are_meant() -> None:
    completion = a_completion("Hello {{first_name}}, welcome.")
    assert default("leftovers")(a_brief(fields={"offer": "greet with {{first_name}}"}), completion).action == "pass"
    assert LeftoversFilter(allowed=("{{first_name}}",))(a_brief(), completion).action == "pass"


def test_a_token_that_the_reading_took_away_is_flagged_without_spans() -> None:
    verdict = default("leftovers")(a_brief(), a_completion("Good bread.", raw="Good bread.<|im_end|>"))
    assert (verdict.action, verdict.reason, verdict.spans) == ("flag", "chat_token", [])
    assert verdict.message == "The raw output has 1 chat tokens: <|im_end|>."


def test_a_whole_thought_before_the_answer_is_how_some_models_work() -> None:
    completion = a_completion("Good bread.", raw="<think>\nLet me see.\n</think>\n\nGood bread.")
    assert default("leftovers")(a_brief(), completion).action == "pass"


def test_raw_output_that_could_not_be_read_tells_of_its_tags() -> None:
    verdict = default("leftovers")(a_brief(), unread('<think>Let me see. {"headline":'))
    assert (verdict.action, verdict.reason) == ("retry", "thinking_tag")


def test_a_verdict_shows_at_most_fifty_places() -> None:
    verdict = verdict_of("leftovers", "[Your Name] " * 200)
    assert (verdict.measured, len(verdict.spans)) == (200, 50)

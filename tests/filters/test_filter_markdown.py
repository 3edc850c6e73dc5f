from __future__ import annotations

import time
from typing import Literal

import pytest
from filter_cases import GOOD_EN, GOOD_ZH, a_brief, a_completion, marked

from aigc.filters.markdown import MarkdownFilter
from aigc.records import OutputValue

TABLE = "| loaf | price |\n|---|---|\n| rye | 4.20 |\n| seeded | 1.10 |"


@pytest.mark.parametrize(
    ("text", "reason", "found"),
    [
        ("Mix:\n\n```\nflour\nwater\n\nand wait", "unclosed_fence", ["```"]),
        (TABLE + "\n| wheat | 3.00 | new |", "broken_table", ["| wheat | 3.00 | new |"]),
        (TABLE + "\n| wheat |", "broken_table", ["| wheat |"]),
        ("| loaf | price |\n| rye | 4.20 |", "broken_table", ["| loaf | price |\n| rye | 4.20 |"]),
        ("See [us](https://harbour.example and come.", "broken_link", ["[us](https://harbour.example and come."]),
        ("See [our page]() soon.", "broken_link", ["[our page]("]),
        ("Our **best loaf is rye.", "stray_emphasis", ["**"]),
        # CommonMark does not open emphasis between a character and a Chinese quotation mark.
        ("本店**“最好”**的面包。", "stray_emphasis", ["**", "**"]),
        ("Our <b>best</b> loaf.", "html", ["<b>", "</b>"]),
        ("<div>\nBread\n</div>", "html", ["<div>", "</div>"]),
    ],
)
def test_markdown_that_will_not_show_as_meant_is_flagged(text: str, reason: str, found: list[str]) -> None:
    verdict = MarkdownFilter()(a_brief(), a_completion(text))
    assert (verdict.action, verdict.reason) == ("flag", reason)
    assert marked(verdict, text) == found
    assert verdict.message.startswith("The text will not show as meant: 1 " if len(found) == 1 else "The text will not")
    assert verdict.advice


@pytest.mark.parametrize(
    "text",
    [
        GOOD_EN,
        GOOD_ZH,
        TABLE,
        "# Bread\n\n**Rye** and *wheat*.\n\n- one\n- two\n\n> Slice it thick.\n\n[Come](https://harbour.example)!",
        "```py\nprint('<b>')\n```",
        "- a list\n\n  ```\n  with code\n  ```",
        "> ```\n> quoted\n> ```",
        "Write `a | b` and `<b>` and `**x`.",
        "| `a|b` | 2 |\n|---|---|\n| 1 \\| 2 | 3 |".replace("`a|b`", "`ab`"),
        "Name: ____________ Date: ______",
        "price < 5 and > 3, 2 ** 3 = 8".replace("**", "^"),
        "a line\r\nwith \x0b odd \u2028 breaks and **bold**",
        "一杯**好茶**，配[面包](https://harbour.example)。",
        "<!-- made on Tuesday -->\n\nBread.",
    ],
)
def test_sound_markdown_and_prose_pass(text: str) -> None:
    assert MarkdownFilter()(a_brief(), a_completion(text)).action == "pass"
    assert MarkdownFilter(form="markdown")(a_brief(), a_completion(text)).action == "pass"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Our **best** loaf.", ["**best**"]),
        ("# Bread\nRye.", ["# "]),
        ("Mix:\n```\nflour\n```", ["```", "```"]),
        ("Come [here](https://harbour.example).", ["[here](https://harbour.example)"]),
        ("| rye | 4.20 |", ["| rye | 4.20 |"]),
        ("最好的**面包**。", ["**面包**"]),
    ],
)
def test_marks_left_in_plain_text_are_flagged(text: str, found: list[str]) -> None:
    verdict = MarkdownFilter(form="plain")(a_brief("zh"), a_completion(text))
    assert (verdict.action, verdict.reason, marked(verdict, text)) == ("flag", "markdown_marks", found)
    assert verdict.advice == "只写纯文本，不要有 **、# 之类的标记。"


@pytest.mark.parametrize(
    "text",
    ["#tea #bread", "3 * 4 * 5 = 60", "- rye\n- wheat", "1. rye", "*laughs* Ha!", "a snake_case__name", "C# > Java"],
)
def test_marks_that_plain_text_has_pass(text: str) -> None:
    assert MarkdownFilter(form="plain")(a_brief(), a_completion(text)).action == "pass"


def test_fields_are_plain_text_while_their_layout_is_markdown() -> None:
    fields: dict[str, OutputValue] = {"headline": "Bread", "lines": [{"speaker": "Mara", "says": "**Run!**"}]}
    text = "# Bread\n\n**Mara:** **Run!**"
    verdict = MarkdownFilter()(a_brief(), a_completion(text, fields=fields))
    assert (verdict.reason, marked(verdict, text)) == ("markdown_marks", ["**Run!**"])
    whole: dict[str, OutputValue] = {"headline": "Bread", "body": "Come early."}
    assert MarkdownFilter()(a_brief(), a_completion("# Bread\n\nCome early.", fields=whole)).action == "pass"


@pytest.mark.parametrize("form", ["auto", "markdown", "plain"])
@pytest.mark.parametrize("text", ["[" * 10**6, "**a " * 5000, "[](" * 6000, "|a\n|-\n" * 3000, "<" * 20_000])
def test_hostile_text_is_read_in_bounded_time(form: Literal["auto", "markdown", "plain"], text: str) -> None:
    began_s = time.process_time()
    verdict = MarkdownFilter(form=form)(a_brief(), a_completion(text))
    assert verdict.action in ("pass", "flag")
    assert time.process_time() - began_s < 5

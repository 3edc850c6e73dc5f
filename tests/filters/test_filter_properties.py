"""What holds for every filter on any text."""

from __future__ import annotations

from filter_cases import a_brief, a_completion
from hypothesis import given, settings
from hypothesis import strategies as st

from aigc.filters import build_filters, judge
from aigc.records import Limits

FILTERS_BY_DEFAULT = build_filters({}, "defaults")
PIECES = st.sampled_from(
    [
        "tea ",
        "茶",
        "。",
        "\n",
        "I can't assist with that. ",
        "[Your Name]",
        "<think>",
        "</s>",
        "XX公司",
        "İ",
        "ß",
        "e\u0301",
        "\u200b",
        "\ud800",
        "\U0001f375",
        "ｔｅａ",
        "ﬁ",
        "각",
        "【姓名】",
        "抱歉，我不能回答",
        "{{",
        "}}",
        "\x00",
        "la ",
        "- ",
    ]
)
TEXTS = st.one_of(
    st.text(max_size=300),
    st.lists(PIECES, max_size=60).map("".join),
    st.tuples(st.lists(PIECES, min_size=1, max_size=5).map("".join), st.integers(1, 60)).map(
        lambda pair: pair[0] * pair[1]
    ),
)
TERMS = st.lists(st.one_of(st.text(max_size=6), PIECES), max_size=3)


@settings(max_examples=300, deadline=None)
@given(text=TEXTS, language=st.sampled_from(["en", "zh", "fr", "ja", "xx", ""]), terms=TERMS)
def test_no_text_breaks_a_filter_and_every_span_lies_in_the_text(text: str, language: str, terms: list[str]) -> None:
    brief = a_brief(language, limits=Limits(min_words=3, max_words=40, keywords=terms, must_not_mention=terms))
    completion = a_completion(text, fields={"body": text, "tags": terms})
    verdicts = judge(brief, completion, FILTERS_BY_DEFAULT)
    assert verdicts == judge(brief, completion, FILTERS_BY_DEFAULT)
    for verdict in verdicts:
        assert verdict.reason != "filter_error", verdict.message
        assert (verdict.action == "pass") == (verdict.message == "")
        assert all(0 <= span.start < span.end <= len(text) for span in verdict.spans)
        assert verdict.action != "retry" or verdict.advice


@settings(max_examples=100, deadline=None)
@given(
    unit=st.text(alphabet="abcdefghij klmno,.", min_size=3, max_size=120).filter(
        lambda unit: len(set(unit) - set(" ,.")) > 1
    )
)
def test_every_loop_of_a_stretch_is_caught(unit: str) -> None:
    text = "Once there was bread. " + unit * (200 // len(unit) + 4)
    by_name = {item.name: item for item in FILTERS_BY_DEFAULT}
    assert by_name["repetition"](a_brief(), a_completion(text)).action == "retry"

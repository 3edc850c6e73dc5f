from __future__ import annotations

import pytest
from filter_cases import marked, verdict_of


@pytest.mark.parametrize(
    ("keyword", "text"),
    [
        ("olive oil", "Cold-pressed Olive\nOil from Crete."),
        ("loaf", "The LOAF is warm."),
        ("roll", "Warm rolls."),
        ("dress", "Two dresses."),
        ("battery", "Spare batteries."),
        ("baker", "The baker's hands."),
        ("baker", "The bakers’ hands."),
        ("hand-made", "It is hand made."),
        ("hand made", "It is hand‑made."),
        ("C++", "Learn C++ now."),
        ("#rye", "Eat #rye daily."),
        ("café", "A cafe\u0301 nearby."),
        ("ＡＢＣ", "abc"),
        ("ﬁne", "So fine."),
        ("organic", "or\u00adgan\u200bic"),
        ("iPhone", "用iPhone拍照"),
        ("龙井", "明前龙井茶"),
        ("5G手机", "新款５Ｇ手机"),
        ("straße", "In der STRASSE."),
        ("100%", "100% rye"),
        ("", "anything"),
        (" rye ", "rye"),
    ],
)
def test_a_keyword_counts_in_every_usual_form(keyword: str, text: str) -> None:
    assert verdict_of("required_terms", text, keywords=[keyword]).action == "pass"


@pytest.mark.parametrize(
    ("keyword", "text"),
    [
        ("rye", "Great breakfasts, fryers."),
        ("art", "party"),
        ("loaf", "loafers"),
        ("龙井", "龙 和 井"),
        ("roll", "rolling"),
        ("iPhone", "iPhones6x"),
    ],
)
def test_a_part_of_another_word_is_not_the_keyword(keyword: str, text: str) -> None:
    verdict = verdict_of("required_terms", text, keywords=[keyword])
    assert (verdict.action, verdict.reason) == ("retry", "missing_keyword")


def test_missing_keywords_are_named_in_the_briefs_language() -> None:
    verdict = verdict_of("required_terms", "Warm rye bread.", keywords=["rye", "starter", "crust", "rye"])
    assert (verdict.measured, verdict.limit) == (1, 3)
    assert verdict.message == "The text uses 1 of 3 keywords; missing: starter, crust."
    assert verdict.advice == "Use these words: starter, crust."
    assert verdict_of("required_terms", "好茶", "zh", keywords=["龙井", "春天"]).advice == "必须用到：龙井、春天。"


@pytest.mark.parametrize(
    ("term", "text", "found"),
    [
        ("Acme", "Better than ACME's.", ["ACME"]),
        ("refund", "No refunds, no Refund.", ["refunds", "Refund"]),
        ("cheap", "ch\u200beap", ["ch\u200beap"]),
        ("café", "Le cafe\u0301 noir", ["cafe\u0301"]),
        ("最佳", "这是最佳选择", ["最佳"]),
        ("ＡＢ", "see ab.", ["ab"]),
        ("best-ever", "the best ever, best–ever", ["best ever", "best–ever"]),
        ("ß", "Maß ß ss", ["ß", "ss"]),
    ],
)
def test_forbidden_terms_are_marked_in_the_text_as_it_stands(term: str, text: str, found: list[str]) -> None:
    verdict = verdict_of("forbidden_terms", text, must_not_mention=[term])
    assert (verdict.action, verdict.reason) == ("retry", "forbidden_term")
    assert marked(verdict, text) == found


def test_forbidden_terms_are_named_to_people_and_model() -> None:
    verdict = verdict_of("forbidden_terms", "Cheap and cheerful.", must_not_mention=["cheap", "Acme"])
    assert verdict.message == "The text mentions 1 of 2 terms ruled out: cheap."
    assert verdict.advice == "Do not mention: cheap."
    assert verdict_of("forbidden_terms", "最佳", "zh", must_not_mention=["最佳"]).advice == "不要提到：最佳。"


@pytest.mark.parametrize(
    ("term", "text"), [("ad", "bread and bad salad"), ("cheap", "cheaper"), ("Acme", "Acmeistic"), ("最佳", "最 好")]
)
def test_a_forbidden_term_inside_another_word_is_not_meant(term: str, text: str) -> None:
    assert verdict_of("forbidden_terms", text, must_not_mention=[term]).action == "pass"

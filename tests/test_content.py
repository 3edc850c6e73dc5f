"""What a content type declares: lengths as people count them, and the schema of its output."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigc.content import PLAIN_LINE, PLAIN_TEXT, PerLanguage, base_language, count_words, for_language, help_for
from aigc.job import shipped
from aigc.packs import load_packs

PACKS = load_packs(shipped("templates"))


@pytest.mark.parametrize(
    ("text", "language", "count"),
    [
        ("", "en", 0),
        (" … — !", "en", 0),
        ("Don't panic: it's well-known.", "en", 4),
        ("It costs 1,200.50 euros", "en", 4),
        ("isn’t U.S.A. 'quoted'", "en", 3),
        ("one,two, three", "en", 2),
        ("été Straße naïve", "fr", 3),
        ("Москва и Киев", "ru", 3),
        ("春天来了。", "zh", 4),
        ("用 iPhone 15 拍照", "zh", 5),
        ("1,200 元", "zh", 2),
        ("お茶とコーヒー", "ja", 7),
        ("春天来了", "zh-Hant-TW", 4),
        ("春天 来了", "en", 2),
        ("- One\n- Two\n\n# Three", "en", 3),
    ],
)
def test_words_are_counted_as_readers_of_the_language_count(text: str, language: str, count: int) -> None:
    assert count_words(text, language) == count


@given(first=st.text(max_size=60), second=st.text(max_size=60), language=st.sampled_from(["en", "zh", "ja"]))
def test_a_text_of_two_paragraphs_has_the_words_of_both(first: str, second: str, language: str) -> None:
    assert count_words(f"{first}\n{second}", language) == count_words(first, language) + count_words(second, language)


@pytest.mark.parametrize(
    ("language", "base"), [("zh", "zh"), ("zh-Hant-TW", "zh"), ("zh_CN", "zh"), ("EN-gb", "en"), ("", "")]
)
def test_a_language_tag_has_a_base(language: str, base: str) -> None:
    assert base_language(language) == base


@pytest.mark.parametrize(
    ("value", "language", "figure"),
    [
        (None, "en", None),
        (7, "zh", 7),
        ({"en": 5}, "en", 5),
        ({"en": 5}, "zh", None),
        ({"en": 5}, "en-GB", 5),
        ({"en": 5, "en-GB": 6}, "en-GB", 6),
        ({"en-GB": 6}, "en", None),
        ({"zh": 9}, "zh_TW", 9),
    ],
)
def test_a_figure_is_for_all_languages_or_for_one(value: PerLanguage, language: str, figure: int | None) -> None:
    assert for_language(value, language) == figure


@pytest.mark.parametrize(
    ("value", "language", "text"),
    [
        ("all", "zh", "all"),
        ({"en": "one", "zh": "一"}, "zh", "一"),
        ({"en": "one", "zh": "一"}, "zh-TW", "一"),
        ({"en": "one", "zh": "一", "zh-TW": "壹"}, "zh-TW", "壹"),
        ({"en": "one"}, "zh", "one"),
        ({"zh": "一"}, "en", ""),
    ],
)
def test_help_falls_back_to_english(value: dict[str, str] | str, language: str, text: str) -> None:
    assert help_for(value, language) == text


def test_the_schema_of_an_output_bounds_every_part() -> None:
    kind = load_packs(Path(__file__).parent / "packs")["product_description"].type
    assert kind.json_schema("zh-TW") == kind.json_schema("zh")
    assert json.loads(kind.json_schema("zh") or "") == {
        "type": "object",
        "properties": {
            "headline": {"type": "string", "minLength": 6, "maxLength": 30, "pattern": PLAIN_TEXT},
            "body": {"type": "string", "minLength": 80, "maxLength": 200, "pattern": PLAIN_TEXT},
            "bullets": {
                "type": "array",
                "items": {"type": "string", "minLength": 6, "maxLength": 28, "pattern": PLAIN_LINE},
                "minItems": 3,
                "maxItems": 4,
            },
        },
        "required": ["headline", "body", "bullets"],
        "additionalProperties": False,
    }


@pytest.mark.parametrize("name", list(PACKS))
def test_the_bounds_of_a_shipped_type_leave_room_for_its_length(name: str) -> None:
    kind = PACKS[name].type
    for language in kind.languages:
        low, high = kind.min_words(language), kind.max_words(language)
        assert low is None or high is None or low < high
        if kind.output.format not in ("json", "dialogue"):
            assert kind.json_schema(language) is None
            continue
        for part in json.loads(kind.json_schema(language) or "")["properties"].values():
            bounds = part.get("items", part)
            assert bounds.get("minLength", 1) < bounds.get("maxLength", 10**6)

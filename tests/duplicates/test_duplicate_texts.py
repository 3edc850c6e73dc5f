"""How alike two texts are, and what of them is their own."""

from __future__ import annotations

import pytest
from duplicate_cases import (
    EN,
    EN_EDITED,
    EN_OTHER,
    FACTS,
    FACTS_TOLD,
    FACTS_ZH,
    FACTS_ZH_TOLD,
    ZH,
    ZH_EDITED,
    ZH_OTHER,
)
from hypothesis import given
from hypothesis import strategies as st

from aigc.duplicates import Text, masked, shingles, similarity
from aigc.duplicates.shared import MAX_SPANS, shared_spans
from aigc.duplicates.texts import MASK, alike, normalised
from aigc.records import FieldValue

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=60)


@pytest.mark.parametrize(("one", "other"), [
    ("Café  au\tlait,\nplease", "cafe\u0301 AU LAIT, please"),
    ("ＡＢＣ１２３", "abc123"),
    ("面包\n刚刚  出炉", "面包刚刚出炉"),
    ("用 AI 写 的", "用AI写的"),
    ("soft\u00adhyphen and\u200bnothing", "softhyphen andnothing"),
    ("STRASSE", "straße"),
], ids=["accents and spaces", "full width", "Chinese line breaks", "spaces at Chinese", "invisible", "sharp s"])
def test_what_readers_do_not_see_makes_no_difference(one: str, other: str) -> None:
    assert normalised(one) == normalised(other)
    assert similarity(one, other) == 1.0


@pytest.mark.parametrize(("one", "other", "least", "most"), [
    (EN, EN, 1.0, 1.0), (EN, EN_EDITED, 0.6, 0.95), (EN, EN_OTHER, 0.0, 0.1),
    (ZH, ZH, 1.0, 1.0), (ZH, ZH_EDITED, 0.6, 0.95), (ZH, ZH_OTHER, 0.0, 0.1),
    (EN, ZH, 0.0, 0.0), (EN, "", 0.0, 0.0), ("", "", 1.0, 1.0), ("好", "好", 1.0, 1.0), ("好", "坏", 0.0, 0.0),
    ("yes", "yes", 1.0, 1.0),
])
def test_an_edited_text_is_alike_and_another_is_not(one: str, other: str, least: float, most: float) -> None:
    assert least <= similarity(one, other) <= most


@pytest.mark.parametrize(("text", "count"), [
    ("abcdef", 2), ("abcd", 0), ("面包店", 2), ("面", 0), ("パンです", 2), ("面abcde", 2), ("", 0), ("aaaaaaaaaa", 1),
])
def test_a_shingle_is_five_letters_two_characters_or_three_kana(text: str, count: int) -> None:
    assert len(shingles(text)) == count


@pytest.mark.parametrize(("text", "fields", "expected"), [
    ("The Tide bag.", {"brand": "Tide"}, "the | bag."),
    ("Untidy tidesmen", {"brand": "Tide"}, "untidy tidesmen"),
    ("It holds 20 litres and weighs just 740 g.", {"facts": ["Holds 20 litres and weighs 740 g"]}, "it |just 740 g."),
    ("Only £12 until 30 June", {"price": 12, "offer": "£12 until 30 June"}, "only |"),
    ("海港街的面包都从前一晚开始", {"place": "海港街的面包店"}, "|都从前一晚开始"),
    ("用茶泡，喝茶时", {"product": "茶"}, "用茶泡,喝茶时"),
    ("绿茶配红茶", {"product": "绿茶"}, "|配红茶"),
    ("Nothing of it", {"facts": [], "x": None, "y": True, "z": ""}, "nothing of it"),
    ("All of it", {"a": "All of it"}, "|"),
    ("a\0b", {}, "a b"),
])
def test_what_the_brief_gave_is_masked(text: str, fields: dict[str, FieldValue], expected: str) -> None:
    assert masked(text, fields).replace(MASK, "|") == expected


@pytest.mark.parametrize(("one", "other", "facts", "told"), [
    (EN_OTHER[:100], EN[:100], FACTS, FACTS_TOLD), (ZH_OTHER[:30], ZH[:30], FACTS_ZH, FACTS_ZH_TOLD),
], ids=["en", "zh"])
def test_texts_that_share_only_their_briefs_facts_are_not_alike(
    one: str, other: str, facts: dict[str, FieldValue], told: str
) -> None:
    assert similarity(one + told, other + told) > 0.5
    assert alike(Text.of(one + told, facts), Text.of(other + told, facts)) < 0.1


def test_texts_of_one_template_with_other_facts_are_not_alike() -> None:
    frame = "Meet the {}. It is {} and {}, and it costs {}."
    bag = ["Fennick 20 L Roll-Top Backpack", "waxed cotton outside, nylon inside", "repaired free for years", "€148"]
    kettle = ["Ovenbird No. 3 Gooseneck Kettle", "0.9 litres of stainless steel", "at the boil in four minutes", "$89"]
    one, other = (Text.of(frame.format(*facts), {"facts": facts}) for facts in (bag, kettle))
    assert alike(one, other) < 0.3


def test_copies_are_alike_though_all_of_them_is_the_briefs() -> None:
    assert alike(Text.of(FACTS_TOLD, FACTS), Text.of(FACTS_TOLD, FACTS)) == 1.0


def test_versions_with_the_same_facts_and_nearly_the_same_words_are_alike() -> None:
    assert alike(Text.of(EN + FACTS_TOLD, FACTS), Text.of(EN_EDITED + FACTS_TOLD, FACTS)) > 0.5
    assert alike(Text.of(ZH + FACTS_ZH_TOLD, FACTS_ZH), Text.of(ZH_EDITED + FACTS_ZH_TOLD, FACTS_ZH)) > 0.5


@given(ANY_TEXT, ANY_TEXT)
def test_similarity_is_symmetric_and_a_share(one: str, other: str) -> None:
    assert similarity(one, other) == similarity(other, one)
    assert 0.0 <= similarity(one, other) <= 1.0
    assert similarity(one, one) == 1.0


@given(ANY_TEXT, st.lists(ANY_TEXT, max_size=3))
def test_masks_take_away_and_never_add(text: str, values: list[str]) -> None:
    left = masked(text, {"facts": values})
    assert "".join(left.split(MASK)) in ("", *[left.replace(MASK, "")])
    assert len(left.replace(MASK, "")) <= len(normalised(text))
    assert Text.of(text, {"facts": values}).own.tolist() == sorted(set(Text.of(text, {"facts": values}).own.tolist()))


@given(ANY_TEXT)
def test_normalising_twice_changes_nothing_more(text: str) -> None:
    assert shingles(normalised(text)) == shingles(text)


@pytest.mark.parametrize(("text", "other", "expected"), [
    (EN, EN_OTHER, []),
    ("Well: every loaf starts the evening before, they say.", "Every loaf starts the EVENING before",
     ["every loaf starts the evening before"]),
    ("她说：面粉来自九英里外的磨坊。", "面粉来自 九英里外的磨坊", ["面粉来自九英里外的磨坊"]),
    ("one two three four", "one two three four", []),
    ("", EN, []),
])
def test_shared_stretches_are_shown_where_they_stand(text: str, other: str, expected: list[str]) -> None:
    assert [text[span.start : span.end] for span in shared_spans(text, other)] == expected


def test_no_more_than_fifty_places_are_shown() -> None:
    shared = "one two three four five"
    text = " and ".join(f"{shared} {number}" for number in range(80))
    assert len(shared_spans(text, shared)) == MAX_SPANS

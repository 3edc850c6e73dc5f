"""Of many texts in memory the one that was edited is found."""

from __future__ import annotations

import pytest
from duplicate_cases import EN, EN_EDITED, EN_OTHER, FACTS, FACTS_TOLD, ZH, ZH_EDITED, edited, formulaic, many

from aigc.duplicates import Neighbours, Text
from aigc.duplicates.lsh import due
from aigc.duplicates.neighbours import MOST_COMPARED, RECENT


def test_each_edited_text_finds_the_one_it_was_whether_in_a_table_or_not() -> None:
    texts = many(2 * RECENT + 40)
    seen: Neighbours[int] = Neighbours()
    for number, text in enumerate(texts):
        seen.add(number, text)
    asked = [*range(0, len(texts), 29), len(texts) - 1]
    assert [number for number in asked if (seen.nearest(edited(texts[number])) or (-1, 0))[0] != number] == []


def test_a_text_like_none_finds_none() -> None:
    seen: Neighbours[int] = Neighbours()
    for number, text in enumerate(many(RECENT + 10)):
        seen.add(number, text)
    assert [seen.nearest(text) for text in many(20, seed=2)] == [None] * 20


@pytest.mark.parametrize(("kept", "asked", "key"), [
    (EN, EN_EDITED, "a"), (ZH, ZH_EDITED, "a"), (EN, EN_OTHER, None), (EN, "", None), ("", "", None),
    ("hi", "hi", None),
])
def test_nearest_is_the_key_and_similarity_or_nothing(kept: str, asked: str, key: str | None) -> None:
    seen: Neighbours[str] = Neighbours()
    seen.add("a", kept)
    found = seen.nearest(asked)
    assert (found and found[0]) == key
    assert found is None or 0.5 < found[1] < 1.0


def test_the_nearest_of_several_is_found() -> None:
    seen: Neighbours[str] = Neighbours()
    seen.add("edited", EN_EDITED)
    seen.add("same", EN)
    assert seen.nearest(EN) == ("same", 1.0)


def test_shared_facts_make_no_neighbours() -> None:
    seen: Neighbours[str] = Neighbours()
    seen.add("a", EN[:100] + FACTS_TOLD, FACTS)
    assert seen.nearest(EN_OTHER[:100] + FACTS_TOLD, FACTS) is None
    assert seen.nearest(EN_EDITED[:100] + FACTS_TOLD, FACTS) is not None


@pytest.mark.parametrize(("sizes", "last"), [
    ([5], 1), ([8, 1], 1), ([7, 1], 2), ([64, 8, 1], 1), ([64, 7, 1], 2), ([60, 7, 1], 3), ([100, 1, 1, 1], 3),
])
def test_small_tables_are_merged_before_they_are_many(sizes: list[int], last: int) -> None:
    assert due(sizes) == last


def test_texts_of_the_same_brief_are_neither_compared_nor_read() -> None:
    texts, asked = [edited(EN, every) for every in range(6, 100)], list[int]()

    def read(key: int) -> Text:
        asked.append(key)
        return Text.of(texts[key])

    seen: Neighbours[int] = Neighbours(read)
    for number, text in enumerate(texts):
        seen.add_prepared(number, Text.of(text), group=2 if number == 50 else 1)
    found = seen.nearest_of(Text.of(EN), group=1)
    assert (found.nearest and found.nearest.key, found.compared, found.maybe, asked) == (50, 1, 1, [50])
    assert seen.nearest_of(Text.of(EN), group=3).maybe == len(texts)


def test_of_many_that_may_be_alike_the_likeliest_are_compared_and_the_others_counted() -> None:
    seen: Neighbours[int] = Neighbours()
    for number, text in enumerate(formulaic(200)):
        seen.add(number, text)
    other = seen.nearest_of(Text.of(formulaic(1, seed=2)[0]))
    assert (other.nearest, other.compared) == (None, MOST_COMPARED)
    assert other.maybe > 5 * MOST_COMPARED
    copy = seen.nearest_of(Text.of(edited(formulaic(200)[77])))
    assert (copy.nearest and copy.nearest.key, copy.compared) == (77, MOST_COMPARED)

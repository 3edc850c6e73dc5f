"""Splits are decided by a hash of the brief: nothing moves when data grows, and nothing is in two of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigc.training_data.splits import grouped, split

KEYS = st.lists(st.lists(st.sampled_from("abcdefghijkl"), min_size=1, max_size=3), min_size=1, max_size=12)


@given(KEYS, st.randoms())
def test_keys_given_together_are_in_one_group_in_any_order(keys: list[list[str]], random: object) -> None:
    found = grouped(keys)
    assert all(len({found[key] for key in together}) == 1 for together in keys)
    shuffled = [*keys]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert grouped(shuffled) == found


def test_what_has_nothing_in_common_is_apart() -> None:
    found = grouped([("a", "b"), ("c", "d"), ("b", "e")])
    assert found == {"a": "a", "b": "a", "e": "a", "c": "c", "d": "c"}


@given(st.sets(st.text(min_size=1, max_size=4), min_size=3, max_size=60), st.floats(0.01, 0.4))
def test_of_three_briefs_or_more_every_split_has_one(groups: set[str], held_out: float) -> None:
    found = split(groups, held_out)
    assert found.keys() == groups
    assert {*found.values()} == {"train", "validation", "test"}


@pytest.mark.parametrize(("briefs", "least"), [(3, 1), (10, 2), (20, 4), (30, 6), (50, 6)])
def test_of_few_briefs_enough_are_held_out_to_show_something(briefs: int, least: int) -> None:
    found = [*split([f"brief {number}" for number in range(briefs)], 0.05).values()]
    assert (found.count("test"), found.count("validation")) == (least, least)


def test_too_few_briefs_are_all_for_training() -> None:
    assert {*split({"a", "b"}, 0.1).values()} == {"train"}
    assert {*split({"a", "b", "c", "d"}, 0.0).values()} == {"train"}


def test_a_brief_stays_in_its_split_when_others_are_added() -> None:
    names = [f"brief {number}" for number in range(2_000)]
    before, after = split(names[:1_000], 0.1), split(names, 0.1)
    assert all(after[name] == before[name] for name in names[:1_000])
    for name in ("test", "validation"):
        assert 150 < sum(found == name for found in after.values()) < 250, "about a tenth of them"

"""A worse model is never called better, nor one whose gain may be chance."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigc.tuning.comparison import ALL_SIGNS, SURE, Measured, Name, Shift, chance, finding, shift, told


def of(name: Name, before: list[float], after: list[float], groups: str = "") -> Shift:
    names = groups or [f"brief {at}" for at in range(len(before))]
    pairs = list(zip(names, before, after, strict=True))
    found = shift(name, [Measured(group=group, value=old) for group, old, _ in pairs],
                  [Measured(group=group, value=new) for group, _, new in pairs])
    assert found
    return found


@pytest.mark.parametrize(("gains", "expected"), [
    ([], 1.0), ([0.0, 0.0], 1.0), ([-1.0, -2.0], 1.0), ([1.0], 0.5), ([1.0, 1.0, 1.0], 0.125), ([3.0, -1.0], 0.5),
    ([1.0] * 5, 1 / 32), ([1.0, 0.0, 0.0, 1.0], 0.25),
])
def test_chance_counts_the_signs_that_would_look_as_good(gains: list[float], expected: float) -> None:
    assert chance(gains) == pytest.approx(expected)


def test_drawn_signs_agree_with_all_signs() -> None:
    gains = [0.5, -0.2, 0.9, 0.4, -0.6, 0.3, 0.8, 0.1, 0.7, -0.1, 0.2, 0.6, -0.4, 0.35, 0.15]
    assert len(gains) == ALL_SIGNS + 1
    sums = [sum(sign * gain for sign, gain in zip(signs, gains, strict=True))
            for signs in itertools.product((1, -1), repeat=len(gains))]
    exact = sum(one >= sum(gains) - 1e-9 for one in sums) / len(sums)
    assert chance(gains) == pytest.approx(exact, abs=0.005)
    assert chance(gains) == chance(gains), "the same every time"


@given(st.lists(st.floats(-1, 1), max_size=8))
def test_chance_is_never_below_what_so_few_can_show(gains: list[float]) -> None:
    assert chance(gains) >= 0.5 ** len(gains) * 0.999


LOSS_FELL = of("loss", [3.0, 2.9, 3.1, 2.8, 3.2, 3.0], [2.0, 2.1, 2.2, 1.9, 2.0, 2.5])


@pytest.mark.parametrize(("shifts", "call", "words"), [
    ([LOSS_FELL], "better", "loss of held-out answers 3.000 → 2.117 (6 briefs), which chance brings less than 5%"),
    ([], "not_shown", "no held-out answer, so nothing was measured"),
    ([of("loss", [2.0] * 6, [3.0] * 6)], "worse", "loss of held-out answers 2.000 → 3.000 (6 briefs), which is no"),
    ([of("loss", [2.0] * 6, [2.0] * 6)], "not_shown", "2.000 → 2.000 (6 briefs), which chance brings 100% of the time"),
    ([of("loss", [2.0, 2.0, 2.0, 2.0, 2.0, 2.0], [1.9, 2.1, 1.9, 2.1, 1.9, 2.0])], "not_shown", "of the time"),
    ([of("loss", [3.0] * 3, [1.0] * 3)], "not_shown",
     "chance brings 12% of the time (with so few briefs it always may: make data with a larger --held-out)"),
    ([LOSS_FELL, of("accepted", [1.0] * 8, [0.0] * 8)], "worse", "that the filters accept 8 → 0 of 8 (8 briefs)"),
    ([LOSS_FELL, of("accepted", [1.0] * 8, [1.0] * 7 + [0.0])], "not_shown",
     "held-out texts that the filters accept 8 → 7 of 8 (8 briefs), which may be chance, and is not better"),
    ([LOSS_FELL, of("preferred", [1.0, 1.0, 0.0], [1.0, 0.0, 0.0])], "not_shown", "pairs whose better answer is"),
    ([LOSS_FELL, of("accepted", [0.0] * 8, [1.0] * 8), of("preferred", [0.0], [1.0])], "better", "which chance brings"),
    ([of("accepted", [0.0] * 8, [1.0] * 8)], "not_shown", "no held-out answer"),
], ids=["loss fell", "nothing", "loss rose", "no change", "mixed", "too few briefs", "texts worse", "texts a bit worse",
        "pairs a bit worse", "all better", "texts alone"])
def test_a_call_needs_a_loss_that_fell_beyond_chance_and_nothing_worse(
    shifts: list[Shift], call: str, words: str
) -> None:
    found = finding(shifts)
    assert (found.call, [words in why for why in found.why][:1]) == (call, [True]), found.why


LEAD_GREW = of("lead", [-0.5, -0.2, 0.1, -0.4, -0.3, 0.0], [0.5, 0.8, 0.4, 0.3, 0.6, 0.9])


@pytest.mark.parametrize(("shifts", "call", "words"), [
    ([LEAD_GREW, LOSS_FELL], "better", "lead of a pair's better answer, for each token -0.217 → 0.583 (6 briefs)"),
    ([LOSS_FELL], "not_shown", "no held-out pair, so nothing was measured"),
    ([of("lead", [0.5] * 6, [0.1] * 6), LOSS_FELL], "worse", "lead of a pair's better answer, for each token 0.500"),
    ([LEAD_GREW, of("loss", [2.0] * 6, [2.9] * 6)], "worse", "loss of held-out answers 2.000 → 2.900"),
    ([LEAD_GREW, of("loss", [2.0] * 2, [2.1] * 2)], "not_shown", "2.000 → 2.100 (2 briefs), which may be chance"),
    ([of("lead", [0.0] * 3, [1.0] * 3)], "not_shown", "chance brings 12% of the time (with so few briefs it always"),
], ids=["lead grew", "no pairs", "lead fell", "answers less likely", "answers a bit less likely", "too few briefs"])
def test_a_model_that_learned_from_pairs_is_called_by_their_lead(shifts: list[Shift], call: str, words: str) -> None:
    found = finding(shifts, of="lead")
    assert (found.call, [words in why for why in found.why][:1]) == (call, [True]), found.why


@given(st.lists(st.tuples(st.floats(0, 5), st.floats(0, 5)), min_size=1, max_size=10))
def test_a_model_whose_loss_did_not_fall_is_never_better(losses: list[tuple[float, float]]) -> None:
    before, after = [old for old, _ in losses], [new for _, new in losses]
    if sum(after) >= sum(before):
        assert finding([of("loss", before, after)]).call != "better"


def test_texts_of_one_brief_count_as_one() -> None:
    one = of("loss", [3.0] * 6, [2.0] * 6, groups="aaaaab")
    assert (one.items, one.briefs) == (6, 2)
    assert one.chance_better == 0.25 > SURE
    assert told(one) == "loss of held-out answers 3.000 → 2.000 (2 briefs)"

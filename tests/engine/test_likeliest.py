from __future__ import annotations

import math
import struct

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from aigc.engine.likeliest import likeliest

COUNTS = [1, 64, 128, 200, 1024]
VOCABULARIES = [1, 5, 63, 2048, 2049, 4095, 16_421]
VALUES = [-math.inf, -3.5, -1.0, -1e-40, -0.0, 0.0, 1e-40, 0.25, 3.5]


def of_sort(row: torch.Tensor, count: int) -> tuple[list[float], list[int]]:
    """The `count` largest by a stable sort: the lower id first of a tie."""
    ids = sorted(range(len(row)), key=lambda token: -float(row[token]))[:count]
    return [float(row[token]) for token in ids], ids


def nan(*, negative: bool) -> float:
    """The NaN of either sign; what inf - inf gives on x86 is the negative one."""
    return float(struct.unpack("<f", struct.pack("<I", 0xFFC00000 if negative else 0x7FC00000))[0])


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("vocabulary", VOCABULARIES)
def test_they_are_those_of_a_sort_with_the_lower_id_first_of_a_tie(vocabulary: int, count: int) -> None:
    generator = torch.Generator().manual_seed(vocabulary + count)
    logits = (torch.randn(3, vocabulary, generator=generator) * 3).bfloat16().float()  # rounded so that many tie
    values, ids = likeliest(logits, count)
    for row in range(3):
        assert (values[row].tolist(), ids[row].tolist()) == of_sort(logits[row], count)


@settings(max_examples=60, deadline=None)
@example(seed=0, vocabulary=40, pool=[-0.0, 0.0], count=30)
@example(seed=0, vocabulary=4200, pool=[-0.0, 0.0], count=64)
@given(
    seed=st.integers(0, 2**31),
    vocabulary=st.sampled_from([40, 2100, 4200]),
    pool=st.lists(st.sampled_from(VALUES), min_size=1, max_size=5),
    count=st.sampled_from([1, 30, 64]),
)
def test_signs_of_zero_infinities_and_the_smallest_numbers_order_as_numbers_do(
    seed: int, vocabulary: int, pool: list[float], count: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.tensor(pool)[torch.randint(len(pool), (1, vocabulary), generator=generator)]
    _, ids = likeliest(logits, count)
    assert ids[0].tolist() == of_sort(logits[0], count)[1]


@pytest.mark.parametrize("negative", [False, True], ids=["positive", "negative"])
@pytest.mark.parametrize("vocabulary", [40, 5000])
@pytest.mark.parametrize("at", [0, 17, -1])
def test_a_nan_of_either_sign_comes_first(vocabulary: int, at: int, negative: bool) -> None:
    logits = torch.linspace(-5.0, 5.0, vocabulary).repeat(2, 1)
    logits[0, at] = nan(negative=negative)
    values, ids = likeliest(logits, 4)
    assert math.isnan(values[0, 0])
    assert ids[0, 0] == at % vocabulary
    assert ids[1].tolist() == [vocabulary - 1 - rank for rank in range(4)], "the other row is left alone"


@pytest.mark.parametrize("vocabulary", [100, 5000])
def test_a_row_gives_the_same_alone_and_among_others(vocabulary: int) -> None:
    logits = torch.randn(7, vocabulary, generator=torch.Generator().manual_seed(3)).bfloat16().float()
    values, ids = likeliest(logits, 64)
    for row in range(7):
        alone = likeliest(logits[row : row + 1], 64)
        assert torch.equal(alone[0][0], values[row])
        assert torch.equal(alone[1][0], ids[row])

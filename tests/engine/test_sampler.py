from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from aigc.engine.sampler import WIDTH, Sampler, counter_hash, gumbel
from aigc.records import Sampling

CPU = torch.device("cpu")


def choose(
    logits: list[list[float]],
    samplings: list[Sampling],
    seeds: list[int],
    at: int = 0,
    seen: torch.Tensor | None = None,
    allowed: torch.Tensor | None = None,
) -> list[int]:
    positions = torch.full((len(logits),), at)
    tokens, _ = Sampler(samplings, seeds, CPU).choose(torch.tensor(logits), positions, seen, allowed)
    return tokens.tolist()


def drawn(logits: list[float], sampling: Sampling, draws: int = 4000) -> dict[int, float]:
    """Shares of the tokens drawn from one row's logits under many seeds."""
    tokens = choose([logits] * draws, [sampling] * draws, list(range(1, draws + 1)))
    return {token: tokens.count(token) / draws for token in set(tokens)}


def test_greedy_takes_the_likeliest_and_the_lowest_id_of_a_tie() -> None:
    greedy = Sampling(temperature=0.0)
    assert choose([[0.0, 3.0, 1.0], [2.0, 5.0, 5.0]], [greedy, greedy], [1, 2]) == [1, 1]


@pytest.mark.parametrize("top_k", [0, 3])
def test_draws_follow_the_softmax_of_the_logits(top_k: int) -> None:
    shares = drawn([math.log(0.6), math.log(0.3), math.log(0.1)], Sampling(temperature=1.0, top_k=top_k))
    assert shares[0] == pytest.approx(0.6, abs=0.04)
    assert shares[1] == pytest.approx(0.3, abs=0.04)
    assert shares[2] == pytest.approx(0.1, abs=0.03)


def test_temperature_sharpens_the_draws() -> None:
    logits = [math.log(0.6), math.log(0.4)]
    # At temperature 0.5 odds are squared: 0.36 to 0.16.
    assert drawn(logits, Sampling(temperature=0.5))[0] == pytest.approx(0.36 / 0.52, abs=0.04)


@pytest.mark.parametrize(
    ("sampling", "kept"),
    [
        (Sampling(temperature=1.0, top_k=2), {0, 1}),
        (Sampling(temperature=1.0, top_p=0.55), {0, 1}),
        (Sampling(temperature=1.0, top_p=0.5), {0}),
        (Sampling(temperature=1.0, top_p=0.81), {0, 1, 2}),
        (Sampling(temperature=1.0, min_p=0.5), {0, 1}),
        (Sampling(temperature=1.0, top_k=3, top_p=0.7), {0, 1}),
        (Sampling(temperature=1.0, top_k=1), {0}),
    ],
)
def test_limits_keep_the_tokens_they_name(sampling: Sampling, kept: set[int]) -> None:
    logits = [math.log(p) for p in (0.5, 0.3, 0.15, 0.05)]
    assert set(drawn(logits, sampling)) == kept


def test_the_repetition_penalty_divides_positive_and_multiplies_negative_logits() -> None:
    greedy = Sampling(temperature=0.0, repetition_penalty=2.0)
    seen = torch.tensor([[True, False, False], [False, True, False]])
    assert choose([[4.0, 3.0, 0.0], [-3.0, -2.0, -9.0]], [greedy, greedy], [1, 2], seen=seen) == [1, 0]


def test_only_tokens_the_grammar_allows_are_chosen() -> None:
    allowed = torch.tensor([[False, False, True, True]])
    tokens = {
        choose([[9.0, 8.0, 0.0, 0.0]], [Sampling(temperature=1.0)], [seed], allowed=allowed)[0] for seed in range(40)
    }
    assert tokens == {2, 3}


@pytest.mark.parametrize("logits", [[-math.inf, -math.inf], [math.nan, 0.0]])
def test_a_row_without_a_finite_choice_says_so_and_others_go_on(logits: list[float]) -> None:
    sampling = Sampling(temperature=1.0)
    tokens, finite = Sampler([sampling, sampling], [1, 2], CPU).choose(
        torch.tensor([logits, [0.0, 99.0]]), torch.zeros(2, dtype=torch.int64), None, None
    )
    assert finite.tolist() == [False, True]
    assert tokens[1] == 1


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_a_rows_choice_does_not_depend_on_its_neighbours(data: st.DataObject) -> None:
    sampling = st.builds(
        Sampling,
        temperature=st.sampled_from([0.0, 0.7, 1.3]),
        top_k=st.sampled_from([0, 1, 20, WIDTH, WIDTH + 9, 1500]),
        top_p=st.sampled_from([0.3, 0.9, 0.999, 1.0]),
        min_p=st.sampled_from([0.0, 0.1]),
        repetition_penalty=st.sampled_from([1.0, 1.2]),
    )
    samplings = data.draw(st.lists(sampling, min_size=2, max_size=6))
    rows = len(samplings)
    generator = torch.Generator().manual_seed(data.draw(st.integers(0, 99)))
    # bf16 values, so that ties occur as they do in real logits
    logits = (torch.randn(rows, 1300, generator=generator) * 3).bfloat16().float()
    seen = torch.rand(rows, 1300, generator=generator) < 0.1
    seeds = data.draw(st.lists(st.integers(0, 2**63 - 1), min_size=rows, max_size=rows))
    positions = torch.arange(rows)
    together, _ = Sampler(samplings, seeds, CPU).choose(logits.clone(), positions, seen, None)
    for row in range(rows):
        alone, _ = Sampler([samplings[row]], [seeds[row]], CPU).choose(
            logits[row : row + 1].clone(), positions[row : row + 1], seen[row : row + 1], None
        )
        assert alone[0] == together[row]


def test_the_hash_is_pinned_so_that_old_texts_can_be_made_again() -> None:
    values = counter_hash(torch.tensor([0, 1, 2**62 + 3]), torch.tensor([0, 5, 7]), torch.tensor([0, 49151, 2]))
    assert values.tolist() == PINNED


def test_the_hash_changes_with_seed_position_and_token() -> None:
    base = (7, 3, 11)
    changed = [(8, 3, 11), (7, 4, 11), (7, 3, 12), (7 + 2**40, 3, 11)]
    columns = [torch.tensor(column) for column in zip(base, *changed, strict=True)]
    assert len(set(counter_hash(*columns).tolist())) == 5


def test_gumbel_noise_has_the_mean_of_its_distribution() -> None:
    noise = gumbel(torch.tensor(5), torch.tensor(9), torch.arange(200_000))
    assert noise.isfinite().all()
    assert noise.mean().item() == pytest.approx(0.5772, abs=0.01)  # Euler's constant


PINNED = [625124839522304, 543257931177066, 2043411203026281]


@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(temperature=1.0, top_p=0.95),
        Sampling(temperature=1.0, top_p=0.9, min_p=0.01),
    ],
)
def test_a_flat_distribution_over_more_tokens_than_are_weighed_first_keeps_them_all(sampling: Sampling) -> None:
    """3,000 tokens equally likely: top-p 0.95 keeps 2,850 of them, of which 1,024 are no fair share."""
    tokens = [choose([[0.0] * 3000], [sampling], [seed])[0] for seed in range(60)]
    kept = round(sampling.top_p * 3000)
    assert len(set(tokens)) > 50
    assert sorted(tokens)[30] == pytest.approx(kept / 2, rel=0.35)


def test_min_p_holds_without_sorting_the_vocabulary() -> None:
    logits = [0.0] * 50 + [math.log(0.4)] * 2000
    tokens = {choose([logits], [Sampling(temperature=1.0, min_p=0.5)], [seed])[0] for seed in range(200)}
    assert tokens <= set(range(50))
    assert len(tokens) > 30

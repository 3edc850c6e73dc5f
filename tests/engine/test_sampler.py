from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import RepetitionPenaltyLogitsProcessor

from aigc.engine.choice import CHUNK_NOISE, NUCLEUS_WIDTH, WIDTHS
from aigc.engine.noise import counter_hash, gumbel
from aigc.engine.sampler import HISTORY_BLOCK, Sampler
from aigc.engine.weights import CHUNK
from aigc.records import Sampling

CPU = torch.device("cpu")
GREEDY = Sampling(temperature=0.0)
PROMPT = [4, 1]


def choose(
    logits: Sequence[Sequence[float]],
    samplings: Sequence[Sampling],
    seeds: Sequence[int],
    *,
    at: int = 0,
    prompts: Sequence[list[int]] | None = None,
    allowed: torch.Tensor | None = None,
) -> list[int]:
    """The tokens that rows with these parameters choose, each in a slot of its own."""
    rows = list(range(len(logits)))
    sampler = Sampler(len(rows), CPU)
    for row in rows:
        sampler.open(row, samplings[row], seeds[row], prompts[row] if prompts else PROMPT)
    return sampler.choose(torch.tensor(logits), rows, [at] * len(rows), allowed)[0].tolist()


def drawn(logits: list[float], sampling: Sampling, draws: int = 4000) -> dict[int, float]:
    """Shares of the tokens that one row draws from the same logits, at as many positions."""
    sampler = Sampler(1, CPU)
    sampler.open(0, sampling, 20260101, PROMPT)
    tokens = sampler.choose(torch.tensor([logits] * draws), [0] * draws, list(range(draws)), None)[0].tolist()
    return {token: tokens.count(token) / draws for token in set(tokens)}


def plainly(logits: torch.Tensor, sampling: Sampling, seed: int, at: int) -> int:
    """The choice of one row, written down as it is defined: sort, cut by top-k, min-p and top-p, add the noise."""
    order = sorted(range(len(logits)), key=lambda token: -float(logits[token]))
    if sampling.temperature == 0:
        return order[0]
    scaled, kept = limited(logits, order, sampling)
    if not sampling.top_k and sampling.top_p == 1.0:
        return by_chunks(dict(zip(order, scaled.masked_fill(~kept, -math.inf), strict=True)), seed, at)
    noise = gumbel(torch.tensor(seed), torch.tensor(at), torch.tensor(order))
    return order[int((scaled + noise).masked_fill(~kept, -math.inf).argmax())]


def limited(logits: torch.Tensor, order: list[int], sampling: Sampling) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits by temperature in this order, relative to the best, and which of them the limits keep."""
    scaled = (logits[order] - logits.max()) / sampling.temperature
    weight = scaled.double().exp()
    kept = (torch.arange(len(order)) < (sampling.top_k or len(order))) & (weight >= sampling.min_p)
    weight = weight * kept
    upto = weight.cumsum(0) - weight
    return scaled, kept & ((upto < sampling.top_p * weight.sum()) | (torch.arange(len(order)) == 0))


def by_chunks(scaled: dict[int, torch.Tensor], seed: int, at: int) -> int:
    """First a chunk of neighbours, then one of it, each by Gumbel-max."""

    def best(values: dict[int, float], noise_of: int) -> int:
        ids = torch.tensor(list(values))
        noise = gumbel(torch.tensor(seed), torch.tensor(at), ids + noise_of)
        return int(ids[(torch.tensor(list(values.values())).double() + noise).argmax()])

    chunks: dict[int, float] = {}
    for token, value in scaled.items():
        chunks[token // CHUNK] = chunks.get(token // CHUNK, 0.0) + math.exp(value)
    logs = {chunk: math.log(weight) if weight else -math.inf for chunk, weight in sorted(chunks.items())}
    chunk = best(logs, CHUNK_NOISE)
    return best({token: float(scaled[token]) for token in sorted(scaled) if token // CHUNK == chunk}, 0)


samplings = st.builds(
    Sampling,
    temperature=st.sampled_from([0.0, 0.7, 1.3]),
    top_k=st.sampled_from([0, 1, 20, *WIDTHS, WIDTHS[-1] + 9, 1100]),
    top_p=st.sampled_from([0.3, 0.9, 0.999, 1.0]),
    min_p=st.sampled_from([0.0, 0.1]),
    repetition_penalty=st.sampled_from([1.0, 1.2]),
    min_new_tokens=st.sampled_from([0, 3]),
)


def test_greedy_takes_the_likeliest_and_the_lowest_id_of_a_tie() -> None:
    assert choose([[0.0, 3.0, 1.0], [2.0, 5.0, 5.0], [-0.0, 0.0, 0.0]], [GREEDY] * 3, [1, 2, 3]) == [1, 1, 0]


@pytest.mark.parametrize("vocabulary", [3000, 50_000])
def test_greedy_is_argmax_over_a_whole_vocabulary_full_of_ties(vocabulary: int) -> None:
    logits = (torch.randn(16, vocabulary, generator=torch.Generator().manual_seed(1))).bfloat16().float()
    assert choose(logits.tolist(), [GREEDY] * 16, list(range(16))) == logits.argmax(-1).tolist()


def test_draws_from_a_whole_vocabulary_follow_the_softmax_within_and_across_chunks() -> None:
    """Five chunks and a rest, each token as likely as it is told: chi-square over 600 of them by groups of 20."""
    generator = torch.Generator().manual_seed(3)
    logits = torch.randn(5 * CHUNK + 20, generator=generator)
    shares = drawn(logits.tolist(), Sampling(temperature=1.0), 20_000)
    expected = logits.double().softmax(0)
    groups = torch.arange(len(logits)) // 20
    found = torch.zeros(len(logits), dtype=torch.float64)
    for token, share in shares.items():
        found[token] = share
    sums = [torch.zeros(33, dtype=torch.float64).index_add_(0, groups, each) for each in (found, expected)]
    chi_square = float(((sums[0] - sums[1]) ** 2 / sums[1]).sum() * 20_000)
    assert chi_square < 62, "32 degrees of freedom: beyond this one time in a thousand"


@pytest.mark.parametrize("top_k", [0, 3])
def test_draws_follow_the_softmax_of_the_logits(top_k: int) -> None:
    shares = drawn([math.log(0.6), math.log(0.3), math.log(0.1)], Sampling(temperature=1.0, top_k=top_k))
    assert shares[0] == pytest.approx(0.6, abs=0.04)
    assert shares[1] == pytest.approx(0.3, abs=0.04)
    assert shares[2] == pytest.approx(0.1, abs=0.03)


def test_draws_of_many_seeds_follow_the_softmax_too() -> None:
    logits = [math.log(0.6), math.log(0.3), math.log(0.1)]
    tokens = choose([logits] * 2000, [Sampling(temperature=1.0)] * 2000, range(1, 2001))
    assert [tokens.count(token) / 2000 for token in range(3)] == pytest.approx([0.6, 0.3, 0.1], abs=0.04)


def test_temperature_sharpens_the_draws() -> None:
    logits = [math.log(0.6), math.log(0.4)]
    # At temperature 0.5 odds are squared: 0.36 to 0.16.
    assert drawn(logits, Sampling(temperature=0.5))[0] == pytest.approx(0.36 / 0.52, abs=0.04)


@pytest.mark.parametrize(("sampling", "kept"), [
    (Sampling(temperature=1.0, top_k=2), {0, 1}),
    (Sampling(temperature=1.0, top_p=0.55), {0, 1}),
    (Sampling(temperature=1.0, top_p=0.5), {0}),
    (Sampling(temperature=1.0, top_p=0.81), {0, 1, 2}),
    (Sampling(temperature=1.0, min_p=0.5), {0, 1}),
    (Sampling(temperature=1.0, top_k=3, top_p=0.7), {0, 1}),
    (Sampling(temperature=1.0, top_k=1), {0}),
])
def test_limits_keep_the_tokens_they_name(sampling: Sampling, kept: set[int]) -> None:
    logits = [math.log(p) for p in (0.5, 0.3, 0.15, 0.05)]
    assert set(drawn(logits, sampling)) == kept


@settings(max_examples=150, deadline=None)
@given(
    sampling=samplings,
    vocabulary=st.sampled_from([5, 70, 1030, 2500]),
    spread=st.sampled_from([0.0, 0.2, 3.0]),
    seed=st.integers(0, 2**63 - 1),
    at=st.integers(0, 5000),
)
def test_a_choice_is_that_of_its_plain_definition(
    sampling: Sampling, vocabulary: int, spread: float, seed: int, at: int
) -> None:
    """However few candidates are weighed: flat rows and ties of bf16 logits included."""
    generator = torch.Generator().manual_seed(seed % 997)
    logits = (torch.randn(vocabulary, generator=generator) * spread).bfloat16().float()
    sampler = Sampler(1, CPU)
    sampler.open(0, sampling, seed, [0])
    logits[0] = -50.0  # what the penalty meets
    penalised = logits.clone()
    penalised[0] *= sampling.repetition_penalty
    tokens, finite, _ = sampler.choose(logits.unsqueeze(0), [0], [at], None)
    assert finite.tolist() == [True]
    if not sampling.temperature or sampling.top_k or sampling.top_p == 1.0 or vocabulary <= NUCLEUS_WIDTH:
        assert tokens.tolist() == [plainly(penalised, sampling, seed, at)]
    else:  # a nucleus of more tokens than are listed is drawn from in another way
        order = sorted(range(vocabulary), key=lambda token: -float(penalised[token]))
        assert bool(limited(penalised, order, sampling)[1][order.index(tokens.item())])


@pytest.mark.parametrize("sampling", [Sampling(temperature=1.0, top_p=0.95),
                                      Sampling(temperature=1.0, top_p=0.9, min_p=0.01)])
def test_a_flat_distribution_over_more_tokens_than_are_weighed_first_keeps_them_all(sampling: Sampling) -> None:
    """3,000 tokens equally likely: top-p 0.95 keeps 2,850 of them, of which 1,024 are no fair share."""
    tokens = sorted(choose([[0.0] * 3000] * 60, [sampling] * 60, range(60)))
    assert len(set(tokens)) > 50
    assert tokens[30] == pytest.approx(round(sampling.top_p * 3000) / 2, rel=0.35)


def test_a_large_nucleus_is_drawn_from_by_its_weights() -> None:
    """Two thousand tokens of three kinds, of which top-p keeps all of the first, half of the second, none of the third.
    """
    kinds = [(900, 3.0), (600, 2.0), (1500, 1.0)]
    logits = [math.log(weight) for count, weight in kinds for _ in range(count)]
    shares = drawn(logits, Sampling(temperature=1.0, top_p=(2700 + 600) / 5400), 3000)
    assert max(shares) < 1200
    assert sum(share for token, share in shares.items() if token < 900) == pytest.approx(2700 / 3300, abs=0.03)


def test_a_nucleus_that_is_hardly_ever_drawn_is_found_by_sorting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aigc.engine.choice.MOST_DRAWS", 1)
    tokens = choose([[0.0] * 9000] * 30, [Sampling(temperature=1.0, top_p=0.2)] * 30, range(30))
    assert max(tokens) < 1800
    assert len(set(tokens)) > 20


def test_min_p_holds_without_sorting_the_vocabulary() -> None:
    logits = [0.0] * 50 + [math.log(0.4)] * 2000
    tokens = set(drawn(logits, Sampling(temperature=1.0, min_p=0.5), 200))
    assert tokens <= set(range(50))
    assert len(tokens) > 30


def test_only_tokens_the_grammar_allows_are_chosen() -> None:
    allowed = torch.tensor([[False, False, True, True]] * 40)
    tokens = choose([[9.0, 8.0, 0.0, 0.0]] * 40, [Sampling(temperature=1.0)] * 40, range(40), allowed=allowed)
    assert set(tokens) == {2, 3}


@pytest.mark.parametrize("sampling", [Sampling(temperature=1.0), Sampling(temperature=1.0, top_p=0.9), GREEDY])
@pytest.mark.parametrize("bad", [
    [-math.inf] * 3, [math.nan, 0.0, 1.0], [0.0, float(torch.tensor(math.inf) - torch.tensor(math.inf)), 1.0],
    [math.inf, 0.0, 0.0],
], ids=["no token", "nan", "nan of inf - inf", "infinite"])
def test_a_row_without_a_finite_choice_says_so_and_others_go_on(bad: list[float], sampling: Sampling) -> None:
    sampler = Sampler(2, CPU)
    for slot in (0, 1):
        sampler.open(slot, sampling, slot, PROMPT)
    tokens, finite, _ = sampler.choose(torch.tensor([bad, [0.0, 99.0, 0.0]]), [0, 1], [0, 0], None)
    assert finite.tolist() == [False, True]
    assert tokens[1] == 1


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_a_rows_choices_do_not_depend_on_its_neighbours_or_its_slot(data: st.DataObject) -> None:
    drawn_samplings = data.draw(st.lists(samplings, min_size=2, max_size=6))
    rows = len(drawn_samplings)
    generator = torch.Generator().manual_seed(data.draw(st.integers(0, 99)))
    # bf16 values, so that ties occur as they do in real logits; flat rows too
    logits = torch.randn(3, rows, 1300, generator=generator) * data.draw(st.sampled_from([0.1, 3.0]))
    logits = logits.bfloat16().float()
    seeds = data.draw(st.lists(st.integers(0, 2**63 - 1), min_size=rows, max_size=rows))
    said = st.lists(st.integers(0, 1299), min_size=1, max_size=300)
    prompts = data.draw(st.lists(said, min_size=rows, max_size=rows))
    slots = data.draw(st.permutations(range(rows)))
    together, alone = Sampler(rows, CPU, [7, 8]), [Sampler(1, CPU, [7, 8]) for _ in range(rows)]
    for row in range(rows):
        together.open(slots[row], drawn_samplings[row], seeds[row], prompts[row])
        alone[row].open(0, drawn_samplings[row], seeds[row], prompts[row])
    for step in range(3):
        found, *_ = together.choose(logits[step].clone(), list(slots), [step] * rows, None)
        for row in range(rows):
            own, *_ = alone[row].choose(logits[step, row : row + 1].clone(), [0], [step], None)
            assert own[0] == found[row]


@pytest.mark.parametrize("penalty", [0.5, 1.1, 2.0])
def test_the_repetition_penalty_is_that_of_transformers_over_prompt_and_own_tokens(penalty: float) -> None:
    """Over more tokens than the record of them has at first, and in a slot that another row had before."""
    sampling = Sampling(temperature=0.0, repetition_penalty=penalty)
    processor = RepetitionPenaltyLogitsProcessor(penalty)
    generator = torch.Generator().manual_seed(5)
    sampler = Sampler(2, CPU)
    for length in (3, HISTORY_BLOCK - 2):
        said = [torch.randint(40, (length,), generator=generator).tolist() for _ in range(2)]
        for slot in (0, 1):
            sampler.open(slot, sampling, slot, said[slot])
        for step in range(12):
            logits = torch.randn(2, 60, generator=generator)
            expected = torch.cat([processor(torch.tensor([said[row]]), logits[row : row + 1]) for row in range(2)])
            tokens, *_ = sampler.choose(logits, [0, 1], [step, step], None)
            assert torch.equal(logits, expected)
            assert tokens.tolist() == expected.argmax(-1).tolist()
            said = [[*own, token] for own, token in zip(said, tokens.tolist(), strict=True)]


def test_the_penalty_of_one_row_leaves_its_neighbours_logits_alone() -> None:
    penalised = Sampling(temperature=0.0, repetition_penalty=2.0)
    logits = [[4.0, 3.0, 0.0], [4.0, 3.0, 0.0], [-3.0, -2.0, -9.0]]
    assert choose(logits, [penalised, GREEDY, penalised], [1, 2, 3], prompts=[[0], [0], [1]]) == [1, 0, 0]


@pytest.mark.parametrize(("least", "chosen"), [(0, [2, 2, 2]), (1, [0, 2, 2]), (2, [0, 0, 2])])
def test_end_tokens_are_forbidden_until_enough_tokens_are_out(least: int, chosen: list[int]) -> None:
    sampler = Sampler(2, CPU, [2, 3])
    sampler.open(0, Sampling(temperature=0.0, min_new_tokens=least), 1, PROMPT)
    sampler.open(1, GREEDY, 1, PROMPT)
    logits = torch.tensor([[2.0, 1.0, 9.0, 8.0]] * 2)
    found = [sampler.choose(logits.clone(), [0, 1], [at, at], None)[0].tolist() for at in range(3)]
    assert [mine for mine, _ in found] == chosen
    assert [other for _, other in found] == [2, 2, 2], "a neighbour may end"


def test_a_row_that_something_else_ends_may_end_at_once() -> None:
    sampler = Sampler(1, CPU, [2])
    sampler.open(0, Sampling(temperature=0.0, min_new_tokens=5), 1, PROMPT, may_end=True)
    assert sampler.choose(torch.tensor([[2.0, 1.0, 9.0]]), [0], [0], None)[0].tolist() == [2]


def test_the_hash_is_pinned_so_that_old_texts_can_be_made_again() -> None:
    values = counter_hash(torch.tensor([0, 1, 2**62 + 3]), torch.tensor([0, 5, 7]), torch.tensor([0, 49151, 2]))
    assert values.tolist() == [625124839522304, 543257931177066, 2043411203026281]


def test_the_hash_changes_with_seed_position_and_token() -> None:
    base = (7, 3, 11)
    changed = [(8, 3, 11), (7, 4, 11), (7, 3, 12), (7 + 2**40, 3, 11)]
    columns = [torch.tensor(column) for column in zip(base, *changed, strict=True)]
    assert len(set(counter_hash(*columns).tolist())) == 5


def test_gumbel_noise_has_the_mean_of_its_distribution() -> None:
    noise = gumbel(torch.tensor(5), torch.tensor(9), torch.arange(200_000))
    assert noise.isfinite().all()
    assert noise.mean().item() == pytest.approx(0.5772, abs=0.01)  # Euler's constant

from __future__ import annotations

import math

import pytest
import torch

from aigc.engine.weights import CHUNK, _sum_chunks, chunk_weights, total


def plain(logits: torch.Tensor, temperature: torch.Tensor, least: float) -> torch.Tensor:
    weights = ((logits.double() - logits.double().amax(-1, keepdim=True)) / temperature.double()).exp()
    weights[weights < least] = 0.0
    return torch.stack([part.sum(-1) for part in weights.split(CHUNK, dim=-1)], dim=-1)


@pytest.mark.parametrize("vocabulary", [7, CHUNK, 5 * CHUNK + 31, 3000])
@pytest.mark.parametrize("least", [0.0, 0.1])
def test_chunks_weigh_what_their_tokens_weigh(vocabulary: int, least: float) -> None:
    logits = torch.randn(9, vocabulary) * 4
    logits[4, : vocabulary // 2] = -math.inf
    temperature = torch.linspace(0.3, 2.0, 9).unsqueeze(1)
    best = logits.amax(-1, keepdim=True)
    found = chunk_weights(logits, best, temperature, torch.full((9, 1), least))
    torch.testing.assert_close(found.double(), plain(logits, temperature, least), rtol=1e-5, atol=1e-7)


def test_a_rows_weights_have_the_same_bits_among_any_number_of_rows() -> None:
    logits, temperature = torch.randn(40, 1000) * 3, torch.full((40, 1), 0.8)
    whole = chunk_weights(logits, logits.amax(-1, keepdim=True), temperature)
    for count in (1, 2, 7, 39):
        part = logits[-count:]
        found = chunk_weights(part, part.amax(-1, keepdim=True), temperature[-count:])
        assert torch.equal(found, whole[-count:]), count


@pytest.mark.parametrize("vocabulary", [7, CHUNK, 5 * CHUNK + 31, 3000])
def test_where_there_is_no_kernel_whole_chunks_are_summed_and_the_last_is_filled_up(vocabulary: int) -> None:
    """As on a GPU: every sum is of as many numbers, so that none depends on how many rows there are."""
    weights = torch.rand(9, vocabulary)
    sums = _sum_chunks(weights)
    expected = [part.double().sum(-1) for part in weights.split(CHUNK, dim=-1)]
    torch.testing.assert_close(sums.double(), torch.stack(expected, dim=-1), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("chunks", [1, 2, 3, 96, 384, 1187])
def test_the_total_of_a_row_has_the_same_bits_among_any_number_of_rows(chunks: int) -> None:
    sums = torch.rand(40, chunks) * 10.0 ** torch.randint(-6, 2, (40, chunks))
    whole = total(sums)
    torch.testing.assert_close(whole, sums.double().sum(-1, keepdim=True), rtol=1e-12, atol=0.0)
    for count in (1, 2, 15, 16, 39):
        assert torch.equal(total(sums[-count:]), whole[-count:]), count


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
@pytest.mark.parametrize("vocabulary", [1000, 49_152, 151_936, 262_144])
def test_on_a_gpu_a_rows_weights_and_their_total_have_the_same_bits_among_any_number_of_rows(vocabulary: int) -> None:
    logits = torch.randn(70, vocabulary, device="cuda") * 3
    temperature = torch.full((70, 1), 0.8, device="cuda")
    whole = chunk_weights(logits, logits.amax(-1, keepdim=True), temperature)
    for count in (1, 2, 7, 15, 16, 33, 69):
        part = logits[-count:]
        found = chunk_weights(part, part.amax(-1, keepdim=True), temperature[-count:])
        assert torch.equal(found, whole[-count:]), count
        assert torch.equal(total(found), total(whole)[-count:]), count

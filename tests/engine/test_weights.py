from __future__ import annotations

import math

import pytest
import torch

from aigc.engine.weights import CHUNK, chunk_weights


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

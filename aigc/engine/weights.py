"""What whole chunks of a vocabulary weigh."""

from __future__ import annotations

import torch

from aigc.engine.cpu.weights import weigh_chunks

CHUNK = 128
"""Tokens that are weighed together."""


def chunk_weights(
    logits: torch.Tensor, best: torch.Tensor, temperature: torch.Tensor, least: torch.Tensor | None = None
) -> torch.Tensor:
    """Sums of exp((logit - best) / temperature) over chunks of the vocabulary, float32 [rows, chunks].

    Args:
        logits: float32 [rows, vocabulary].
        best: the largest logit of each row, [rows, 1].
        temperature: float32 [rows, 1].
        least: tokens that weigh less count as nothing (min-p), [rows, 1].
    """
    least = torch.zeros_like(best) if least is None else least.float()
    whole = logits.shape[1] // CHUNK * CHUNK
    rest = _weights(logits[:, whole:], best, temperature, least).sum(-1, keepdim=True)
    if logits.device.type == "cpu":
        sums = weigh_chunks(logits, best.flatten(), 1 / temperature.flatten(), least.flatten(), CHUNK)
    else:
        weights = _weights(logits[:, :whole], best, temperature, least)
        sums = weights.view(len(logits), whole // CHUNK, CHUNK).sum(-1)
    return torch.cat([sums, rest], dim=1) if whole < logits.shape[1] else sums


def _weights(
    logits: torch.Tensor, best: torch.Tensor, temperature: torch.Tensor, least: torch.Tensor
) -> torch.Tensor:
    weights = (logits - best).div_(temperature).exp_()
    return weights.masked_fill_(weights < least, 0.0)

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
    if logits.device.type != "cpu":
        return _sum_chunks(_weights(logits, best, temperature, least))
    sums = weigh_chunks(logits, best.flatten(), 1 / temperature.flatten(), least.flatten(), CHUNK)
    whole = sums.shape[1] * CHUNK
    if whole == logits.shape[1]:
        return sums
    rest = _weights(logits[:, whole:], best, temperature, least).sum(-1, keepdim=True)
    return torch.cat([sums, rest], dim=1)


def total(sums: torch.Tensor) -> torch.Tensor:
    """What all chunks of each row weigh together, float64 [rows, 1].

    Each half is added to the other until one number is left: in this order whatever the number of rows. A GPU's own
    sum of one row takes another order than that of sixteen.
    """
    sums = sums.double()
    while (width := sums.shape[1]) > 1:
        half = (width + 1) // 2
        if width % 2:
            sums = torch.nn.functional.pad(sums, (0, 1))
        sums = sums[:, :half] + sums[:, half:]
    return sums


def _sum_chunks(weights: torch.Tensor) -> torch.Tensor:
    """Sums of chunks, of which the last is filled up with nothing.

    So every one is of CHUNK numbers side by side, which a GPU adds in one order however many sums there are: threads
    that share a sum are more where sums are few, but of 128 numbers no more than 32 can (`setReduceConfig` in PyTorch).
    """
    chunks = -(-weights.shape[1] // CHUNK)
    if short := chunks * CHUNK - weights.shape[1]:
        weights = torch.nn.functional.pad(weights, (0, short))
    return weights.view(len(weights), chunks, CHUNK).sum(-1)


def _weights(
    logits: torch.Tensor, best: torch.Tensor, temperature: torch.Tensor, least: torch.Tensor
) -> torch.Tensor:
    weights = (logits - best).div_(temperature).exp_()
    return weights.masked_fill_(weights < least, 0.0)

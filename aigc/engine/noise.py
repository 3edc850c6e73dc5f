"""Noise that is a hash of what it is for: integer arithmetic, the same on every device and beside every neighbour."""

from __future__ import annotations

import torch

from aigc.watermark.scheme import COUNTER_MASK, FACTORS


def gumbel(seeds: torch.Tensor, positions: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
    """Gumbel noise, float64, for int64 tensors that broadcast together."""
    uniform = (counter_hash(seeds, positions, tokens).double() + 0.5) * 2.0**-52
    return -(-uniform.log()).log()


def counter_hash(seeds: torch.Tensor, positions: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
    """52 well-mixed bits of (seed, position, token id): two 26-bit halves, each from a 32-bit finaliser chain."""
    low = _mix(_mix(_mix(seeds & _MASK) ^ positions) ^ tokens)
    high = _mix(_mix(_mix((seeds >> 32) & _MASK ^ 0x5BD1E995) ^ low) ^ positions)
    return ((high >> 6) << 26) | (low >> 6)


def context_keys(
    factors: torch.Tensor, bases: torch.Tensor, contexts: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Seeds and counters, int64 [rows], that stand for rows' last tokens: `aigc.watermark.scheme` in torch.

    Args:
        factors: of each token of a context, by lane, [lanes, tokens].
        bases: what a row's sums begin with, its salt in them, [rows, lanes].
        contexts: [rows, tokens].
    """
    sums = (contexts.unsqueeze(1) * factors).sum(-1) + bases  # int64 wraps, as uint64 does
    for factor in FACTORS:
        sums = (sums ^ ((sums >> 33) & _HIGH_31)) * signed(factor)
    keys = sums ^ ((sums >> 33) & _HIGH_31)
    return keys[:, 0], keys[:, 1] & COUNTER_MASK


def signed(number: int) -> int:
    """The int64 that has the low 64 bits of a number."""
    return (number + (1 << 63)) % (1 << 64) - (1 << 63)


_MASK = 0xFFFFFFFF
_HIGH_31 = 0x7FFFFFFF
"""Shifting right repeats the sign, which an unsigned number has not."""


def _mix(x: torch.Tensor) -> torch.Tensor:
    """The 32-bit finaliser `lowbias32` of Chris Wellons' hash prospector, in int64 kept to 32 bits."""
    x = x & _MASK
    x = ((x ^ (x >> 16)) * 0x7FEB352D) & _MASK
    x = ((x ^ (x >> 15)) * 0x846CA68B) & _MASK
    return x ^ (x >> 16)

"""Noise that is a hash of what it is for: integer arithmetic, the same on every device and beside every neighbour."""

from __future__ import annotations

import torch


def gumbel(seeds: torch.Tensor, positions: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
    """Gumbel noise, float64, for int64 tensors that broadcast together."""
    uniform = (counter_hash(seeds, positions, tokens).double() + 0.5) * 2.0**-52
    return -(-uniform.log()).log()


def counter_hash(seeds: torch.Tensor, positions: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
    """52 well-mixed bits of (seed, position, token id): two 26-bit halves, each from a 32-bit finaliser chain."""
    low = _mix(_mix(_mix(seeds & _MASK) ^ positions) ^ tokens)
    high = _mix(_mix(_mix((seeds >> 32) & _MASK ^ 0x5BD1E995) ^ low) ^ positions)
    return ((high >> 6) << 26) | (low >> 6)


_MASK = 0xFFFFFFFF


def _mix(x: torch.Tensor) -> torch.Tensor:
    """The 32-bit finaliser `lowbias32` of Chris Wellons' hash prospector, in int64 kept to 32 bits."""
    x = x & _MASK
    x = ((x ^ (x >> 16)) * 0x7FEB352D) & _MASK
    x = ((x ^ (x >> 15)) * 0x846CA68B) & _MASK
    return x ^ (x >> 16)

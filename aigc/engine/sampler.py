"""One sampler for all rows of a step: repetition penalty, mask, temperature, top-k, min-p, top-p, then Gumbel-max.

Choosing argmax(log p + Gumbel noise) samples from p exactly (Gumbel 1954; Maddison, Tarlow, Minka 2014). The noise is a
hash of (row seed, position, token id), integer arithmetic, so a row's choice depends on nothing but itself.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from aigc.records import Sampling

WIDTH = 128
"""Candidates kept when every row limits itself to at most as many (`top_k`), else the whole vocabulary."""


class Sampler:
    """Sampling parameters of the rows of a step.

    Rows that keep at most `WIDTH` candidates and rows that weigh the whole vocabulary are computed apart, so that a row
    takes the same way whatever its neighbours ask for.
    """

    def __init__(self, samplings: Sequence[Sampling], seeds: Sequence[int], device: torch.device) -> None:
        narrow = [row for row, s in enumerate(samplings) if 0 < s.top_k <= WIDTH or s.temperature == 0]
        wide = sorted(set(range(len(samplings))) - set(narrow))
        self._groups = [
            _Group([samplings[row] for row in rows], [seeds[row] for row in rows], rows, width, device)
            for rows, width in ((narrow, WIDTH), (wide, None))
            if rows
        ]
        self._rows = len(samplings)
        self._penalty = torch.tensor([s.repetition_penalty for s in samplings], device=device).unsqueeze(1)
        self.penalises = any(s.repetition_penalty != 1.0 for s in samplings)

    def choose(
        self, logits: torch.Tensor, positions: torch.Tensor, seen: torch.Tensor | None, allowed: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Token ids, int64 [rows], and whether each row had a finite choice, bool [rows].

        Args:
            logits: float32 [rows, vocabulary]; changed in place.
            positions: int64 [rows], how many tokens each row has so far; the noise's counter.
            seen: bool [rows, vocabulary], tokens that the repetition penalty meets.
            allowed: bool [rows, vocabulary], tokens that the grammar allows; all where None.
        """
        if seen is not None and self.penalises:
            # CTRL's repetition penalty (Keskar et al. 2019): seen logits are divided, or multiplied below zero.
            punished = torch.where(logits > 0, logits / self._penalty, logits * self._penalty)
            logits = torch.where(seen, punished, logits)
        if allowed is not None:
            logits = logits.masked_fill(~allowed, float("-inf"))
        if len(self._groups) == 1:
            return self._groups[0].choose(logits, positions)
        tokens = torch.empty(self._rows, dtype=torch.int64, device=logits.device)
        finite = torch.empty(self._rows, dtype=torch.bool, device=logits.device)
        for group in self._groups:
            tokens[group.rows], finite[group.rows] = group.choose(logits[group.rows], positions[group.rows])
        return tokens, finite


class _Group:
    """Rows with one number of candidates."""

    def __init__(
        self,
        samplings: Sequence[Sampling],
        seeds: Sequence[int],
        rows: list[int],
        width: int | None,
        device: torch.device,
    ) -> None:
        def column(values: Sequence[float | int], dtype: torch.dtype) -> torch.Tensor:
            return torch.tensor(values, dtype=dtype, device=device).unsqueeze(1)

        self.rows = torch.tensor(rows, device=device)
        self._width = width
        self._temperature = column([s.temperature for s in samplings], torch.float32)
        self._top_p = column([s.top_p for s in samplings], torch.float64)
        self._top_k = column([s.top_k for s in samplings], torch.int64)
        self._min_p = column([s.min_p for s in samplings], torch.float64)
        self._seeds = column(list(seeds), torch.int64)

    def choose(self, logits: torch.Tensor, positions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        values, tokens = logits.topk(min(self._width or logits.shape[1], logits.shape[1]), dim=-1)
        finite = values[:, 0].isfinite()
        scaled = values / self._temperature.clamp(min=1e-6)
        scaled = scaled.masked_fill(self._cut(scaled), float("-inf"))
        noise = gumbel(self._seeds, positions.unsqueeze(1), tokens)
        sampled = tokens.gather(1, (scaled.double() + noise).argmax(-1, keepdim=True)).squeeze(1)
        # bf16 logits tie often: the lowest id of the likeliest, on every device.
        greedy = tokens.masked_fill(values < values[:, :1], logits.shape[1]).amin(-1)
        greedy = greedy.clamp(max=logits.shape[1] - 1)
        return torch.where(self._temperature.squeeze(1) > 0, sampled, greedy), finite

    def _cut(self, scaled: torch.Tensor) -> torch.Tensor:
        """Which candidates fall to top-k, min-p or top-p, in that order. `scaled`: [rows, width], likeliest first."""
        rank = torch.arange(scaled.shape[1], device=scaled.device).unsqueeze(0)
        beyond = rank >= torch.where(self._top_k > 0, self._top_k, scaled.shape[1])
        weight = (scaled - scaled[:, :1]).double().exp().masked_fill(beyond, 0.0)
        beyond |= weight < self._min_p
        weight = weight.masked_fill(beyond, 0.0)
        upto = weight.cumsum(-1)
        cut = beyond | (upto - weight >= self._top_p * upto[:, -1:])
        cut[:, 0] = False  # the likeliest token always stays
        return cut


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

"""One sampler for all rows of a step: repetition penalty, mask, temperature, top-k, min-p, top-p, then Gumbel-max.

Choosing argmax(log p + Gumbel noise) samples from p exactly (Gumbel 1954; Maddison, Tarlow, Minka 2014). The noise is a
hash of (row seed, position, token id), integer arithmetic, so a row's choice depends on nothing but itself.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from aigc.records import Sampling

WIDTH = 128
"""Candidates weighed for a row that keeps at most as many (`top_k`)."""
NUCLEUS_WIDTH = 1024
"""Candidates weighed first for a row that `top_p` alone limits; all of them where these do not hold its share."""


class Sampler:
    """Sampling parameters of the rows of a step.

    Rows are computed apart by how many candidates they weigh, so that a row takes the same way whatever its neighbours
    ask for.
    """

    def __init__(self, samplings: Sequence[Sampling], seeds: Sequence[int], device: torch.device) -> None:
        by_width: dict[int, list[int]] = {}
        for row, sampling in enumerate(samplings):
            by_width.setdefault(_width(sampling), []).append(row)
        self._groups = [
            _Group([samplings[row] for row in rows], [seeds[row] for row in rows], rows, width, device)
            for width, rows in by_width.items()
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


def _width(sampling: Sampling) -> int:
    """Candidates to weigh for a row, likeliest first; 0 for all, in the vocabulary's order, without sorting them."""
    if sampling.temperature == 0 or 0 < sampling.top_k <= WIDTH:
        return WIDTH
    if 0 < sampling.top_k <= NUCLEUS_WIDTH or sampling.top_p < 1.0:
        return NUCLEUS_WIDTH
    return 0 if sampling.top_k == 0 else sampling.top_k


class _Group:
    """Rows that weigh one number of candidates."""

    def __init__(
        self, samplings: Sequence[Sampling], seeds: Sequence[int], rows: list[int], width: int, device: torch.device
    ) -> None:
        def column(values: Sequence[float | int], dtype: torch.dtype) -> torch.Tensor:
            return torch.tensor(values, dtype=dtype, device=device).unsqueeze(1)

        self.rows = torch.tensor(rows, device=device)
        self._samplings, self._given, self._width = samplings, seeds, width
        self._temperature = column([max(s.temperature, 1e-6) for s in samplings], torch.float32)
        self._greedy = torch.tensor([s.temperature == 0 for s in samplings], device=device)
        self._top_p = column([s.top_p for s in samplings], torch.float64)
        self._top_k = column([s.top_k or NUCLEUS_WIDTH**3 for s in samplings], torch.int64)
        self._min_p = column([s.min_p for s in samplings], torch.float64)
        self._seeds = column(list(seeds), torch.int64)

    def choose(self, logits: torch.Tensor, positions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Token ids and whether they are a choice at all, each [rows of the group]."""
        positions = positions.unsqueeze(1)
        if self._width == 0:
            return self._choose_of_all(logits, positions)
        values, tokens = logits.topk(min(self._width, logits.shape[1]), dim=-1)
        chosen, enough = self._choose(values, tokens, positions, self._whole(logits, values))
        for row in (~enough).nonzero().flatten().tolist():  # rare: a flat distribution under a high top_p
            one = slice(row, row + 1)
            every = logits[one].sort(dim=-1, descending=True, stable=True)
            alone = _Group([self._samplings[row]], [self._given[row]], [0], len(every.indices[0]), logits.device)
            chosen[one], _ = alone._choose(every.values, every.indices, positions[one], None)
        return chosen, values[:, 0].isfinite()

    def _choose_of_all(self, logits: torch.Tensor, positions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        best = logits.amax(-1, keepdim=True)
        scaled = (logits - best) / self._temperature
        scaled = scaled.masked_fill(scaled.double().exp() < self._min_p, float("-inf"))
        noise = gumbel(self._seeds, positions, torch.arange(logits.shape[1], device=logits.device).unsqueeze(0))
        return (scaled + noise).argmax(-1), best.squeeze(1).isfinite()

    def _whole(self, logits: torch.Tensor, values: torch.Tensor) -> torch.Tensor | None:
        """Weight of the whole vocabulary relative to the likeliest token, [rows, 1]; None where none is cut by it."""
        if self._width != NUCLEUS_WIDTH:
            return None
        return ((logits - values[:, :1]) / self._temperature).double().exp().sum(-1, keepdim=True)

    def _choose(
        self, values: torch.Tensor, tokens: torch.Tensor, positions: torch.Tensor, whole: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Token ids, and whether the candidates were enough to know what top-p keeps. `values`: likeliest first.

        top-k, then min-p, then top-p of what is left: the share is of the tokens that top-k kept.
        """
        scaled = (values - values[:, :1]) / self._temperature
        rank = torch.arange(values.shape[1], device=values.device).unsqueeze(0)
        cut = rank >= self._top_k
        weight = scaled.double().exp().masked_fill(cut, 0.0)
        cut |= weight < self._min_p
        weight, ended = weight.masked_fill(cut, 0.0), cut[:, -1:].clone()
        upto = weight.cumsum(-1)
        kept = upto[:, -1:]
        beyond = self._top_k > values.shape[1]  # rows whose candidates may not be all that top-k keeps
        total = kept if whole is None else torch.where(beyond & (self._min_p == 0), whole, kept)
        cut |= upto - weight >= self._top_p * total
        cut[:, 0] = False  # the likeliest token always stays
        reached = torch.where(self._min_p > 0, ended, kept >= self._top_p * total)
        enough = (reached | ~beyond).squeeze(1) | self._greedy | (whole is None)
        noise = gumbel(self._seeds, positions, tokens)
        sampled = tokens.gather(1, (scaled + noise).masked_fill(cut, float("-inf")).argmax(-1, keepdim=True)).squeeze(1)
        # bf16 logits tie often: the lowest id of the likeliest, on every device.
        likeliest = tokens.masked_fill(values < values[:, :1], torch.iinfo(tokens.dtype).max).amin(-1)
        return torch.where(self._greedy, likeliest.clamp(max=tokens.amax(-1)), sampled), enough


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

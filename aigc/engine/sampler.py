"""One sampler for all rows of a step: repetition penalty, mask, temperature, top-k, min-p, top-p, then Gumbel-max.

Choosing argmax(log p + Gumbel noise) samples from p exactly (Gumbel 1954; Maddison, Tarlow, Minka 2014). The noise is a
hash of (row seed, position, token id), integer arithmetic, so a row's choice depends on nothing but itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch

from aigc.engine.device import to_device
from aigc.engine.likeliest import likeliest
from aigc.records import Sampling

WIDTHS = (64, 128)
"""Candidates weighed for a row that keeps at most as many (`top_k`)."""
NUCLEUS_WIDTH = 1024
"""Candidates weighed first for a row that `top_p` alone limits; all of them where these do not hold its share."""
HISTORY_BLOCK = 256
"""Tokens by which the record of what rows have said grows."""


class Sampler:
    """Sampling parameters and tokens so far of every slot.

    Rows are computed apart by how many candidates they weigh, so that a row takes the same way whatever its neighbours
    ask for.
    """

    def __init__(self, slots: int, device: torch.device, end_tokens: Iterable[int] = ()) -> None:
        self._device = device
        self._ends = torch.tensor(sorted(end_tokens), dtype=torch.int64, device=device)
        self._least = [0] * slots
        self._numbers = torch.zeros(4, slots, dtype=torch.float64, device=device)  # temperature, top_p, min_p, penalty
        self._integers = torch.zeros(2, slots, dtype=torch.int64, device=device)  # seed, top_k
        self._width, self._penalises = [0] * slots, [False] * slots
        self._said = [0] * slots
        self._history = torch.zeros(slots, HISTORY_BLOCK, dtype=torch.int64, device=device)

    def open(self, slot: int, sampling: Sampling, seed: int, prompt: Sequence[int], *, may_end: bool = False) -> None:
        """Take a row in.

        Args:
            prompt: what its repetition penalty meets besides what it says itself.
            may_end: an end token may be its first, whatever `sampling` says: something else decides when it ends.
        """
        numbers = [max(sampling.temperature, 1e-6), sampling.top_p, sampling.min_p, sampling.repetition_penalty]
        greedy = sampling.temperature == 0
        self._numbers[:, slot] = to_device(numbers, self._device, torch.float64)
        top_k = 1 if greedy else sampling.top_k or NUCLEUS_WIDTH**3
        self._integers[:, slot] = self._ids([seed, top_k])
        self._width[slot] = _width(sampling)
        self._least[slot] = 0 if may_end else sampling.min_new_tokens
        self._penalises[slot] = sampling.repetition_penalty != 1.0
        if self._penalises[slot]:
            self._reserve(len(prompt) + 1)
            self._history[slot] = prompt[0]  # what is not yet said repeats the first: penalised once all the same
            self._history[slot, : len(prompt)] = self._ids(prompt)
        self._said[slot] = len(prompt)

    def choose(
        self, logits: torch.Tensor, slots: list[int], positions: list[int], allowed: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Token ids, int64 [rows], and whether each row had a finite choice, bool [rows].

        Args:
            logits: float32 [rows, vocabulary]; changed in place.
            slots: whose they are.
            positions: how many tokens each row has so far; the noise's counter.
            allowed: bool [rows, vocabulary], tokens that the grammar allows; all where None.
        """
        self._penalise(logits, slots)
        self._forbid_ends(logits, slots, positions)
        if allowed is not None:
            logits = logits.masked_fill_(~allowed, float("-inf"))
        where, at = (self._ids(values) for values in (slots, positions))
        tokens = torch.empty(len(slots), dtype=torch.int64, device=self._device)
        finite = torch.empty(len(slots), dtype=torch.bool, device=self._device)
        widths = [self._width[slot] for slot in slots]
        for width in set(widths):
            rows = self._ids([row for row, own in enumerate(widths) if own == width])
            group = _Group(self._numbers[:3, where[rows]], self._integers[:, where[rows]], at[rows], width)
            mine = logits if len(rows) == len(slots) else logits[rows]
            tokens[rows], finite[rows] = group.choose(mine)
        self._remember(tokens, slots)
        return tokens, finite

    def _penalise(self, logits: torch.Tensor, slots: list[int]) -> None:
        """CTRL's repetition penalty (Keskar et al. 2019): seen logits are divided, or multiplied below zero."""
        held = [row for row, slot in enumerate(slots) if self._penalises[slot]]
        if not held:
            return
        rows = self._ids(held).unsqueeze(1)
        where = self._ids([slots[row] for row in held])
        seen = self._history[where, : max(self._said[slots[row]] for row in held)]
        penalty = self._numbers[3, where].float().unsqueeze(1)
        found = logits[rows, seen]
        logits[rows, seen] = torch.where(found > 0, found / penalty, found * penalty)

    def _forbid_ends(self, logits: torch.Tensor, slots: list[int], positions: list[int]) -> None:
        short = [row for row, slot in enumerate(slots) if positions[row] < self._least[slot]]
        if short:
            logits[self._ids(short).unsqueeze(1), self._ends] = float("-inf")

    def _remember(self, tokens: torch.Tensor, slots: list[int]) -> None:
        for slot in slots:
            self._said[slot] += 1
        held = [row for row, slot in enumerate(slots) if self._penalises[slot]]
        if not held:
            return
        self._reserve(max(self._said[slots[row]] for row in held))
        where = self._ids([slots[row] for row in held])
        at = self._ids([self._said[slots[row]] - 1 for row in held])
        self._history[where, at] = tokens[self._ids(held)]

    def _ids(self, values: Sequence[int]) -> torch.Tensor:
        return to_device(values, self._device, torch.int64)

    def _reserve(self, tokens: int) -> None:
        if (short := tokens - self._history.shape[1]) > 0:
            more = -(-short // HISTORY_BLOCK) * HISTORY_BLOCK
            self._history = torch.cat([self._history, self._history[:, :1].expand(-1, more)], dim=1)


def _width(sampling: Sampling) -> int:
    """Candidates to weigh for a row, likeliest first; 0 for all, in the vocabulary's order, without sorting them."""
    if sampling.temperature == 0:
        return WIDTHS[0]
    if sampling.top_k:  # all that it keeps, whatever their number: top-p's share is of them
        return next((width for width in (*WIDTHS, NUCLEUS_WIDTH) if sampling.top_k <= width), sampling.top_k)
    return NUCLEUS_WIDTH if sampling.top_p < 1.0 else 0


class _Group:
    """Rows of a step that weigh one number of candidates."""

    def __init__(self, numbers: torch.Tensor, integers: torch.Tensor, positions: torch.Tensor, width: int) -> None:
        self._numbers, self._integers, self._width = numbers, integers, width
        self._temperature = numbers[0].float().unsqueeze(1)
        self._top_p, self._min_p = numbers[1].unsqueeze(1), numbers[2].unsqueeze(1)
        self._seeds, self._top_k = integers[0].unsqueeze(1), integers[1].unsqueeze(1)
        self._positions = positions.unsqueeze(1)

    def choose(self, logits: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Token ids and whether they are a choice at all, each [rows of the group]."""
        if self._width == 0:
            return self._choose_of_all(logits)
        values, tokens = likeliest(logits, self._width)
        chosen, enough = self._choose(values, tokens, self._whole(logits, values))
        if self._width == NUCLEUS_WIDTH:
            for row in (~enough).nonzero().flatten().tolist():  # rare: a flat distribution under a high top_p
                one = slice(row, row + 1)
                every = likeliest(logits[one], logits.shape[1])
                alone = _Group(self._numbers[:, one], self._integers[:, one], self._positions[one, 0], -1)
                chosen[one], _ = alone._choose(*every, None)
        return chosen, values[:, 0].isfinite()

    def _choose_of_all(self, logits: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        best = logits.amax(-1, keepdim=True)
        scaled = (logits - best) / self._temperature
        scaled = scaled.masked_fill(scaled.double().exp() < self._min_p, float("-inf"))
        noise = gumbel(self._seeds, self._positions, torch.arange(logits.shape[1], device=logits.device).unsqueeze(0))
        return (scaled + noise).argmax(-1), best.squeeze(1).isfinite()

    def _whole(self, logits: torch.Tensor, values: torch.Tensor) -> torch.Tensor | None:
        """Weight of the whole vocabulary relative to the likeliest token, [rows, 1]; None where none is cut by it."""
        if self._width != NUCLEUS_WIDTH:
            return None
        return ((logits - values[:, :1]) / self._temperature).double().exp().sum(-1, keepdim=True)

    def _choose(
        self, values: torch.Tensor, tokens: torch.Tensor, whole: torch.Tensor | None
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
        noise = gumbel(self._seeds, self._positions, tokens)
        best = (scaled + noise).masked_fill(cut, float("-inf")).argmax(-1, keepdim=True)
        return tokens.gather(1, best).squeeze(1), (reached | ~beyond).squeeze(1)


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

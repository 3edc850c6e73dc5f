"""One sampler for all rows of a step: repetition penalty, mask, temperature, top-k, min-p, top-p, then Gumbel-max.

Choosing argmax(log p + Gumbel noise) samples from p exactly (Gumbel 1954; Maddison, Tarlow, Minka 2014). The noise is a
hash of (row seed, position, token id), integer arithmetic, so a row's choice depends on nothing but itself. A row with
a watermark has noise of (key, salt, last tokens, token id) instead, of the same distribution (Aaronson 2022).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch

from aigc.engine.choice import NO_LIMIT, Group, way_of
from aigc.engine.device import to_device
from aigc.engine.marking import Marks
from aigc.engine.weights import chunk_weights, total
from aigc.records import Sampling
from aigc.watermark import Mark

HISTORY_BLOCK = 256
"""Tokens by which the record of what rows have said grows."""


class Chosen(NamedTuple):
    """Token ids, int64 [rows]; whether each row had a finite choice, bool [rows]; and the logarithms of the tokens'
    probabilities under the model, float64 [rows], of the rows that want to know: None where none does."""

    tokens: torch.Tensor
    finite: torch.Tensor
    logprobs: torch.Tensor | None


class _Penalised(NamedTuple):
    """Rows that a penalty met, the tokens that it met, and their logits before, each [rows, ...]."""

    rows: torch.Tensor
    seen: torch.Tensor
    found: torch.Tensor


class Sampler:
    """Sampling parameters and tokens so far of every slot.

    Rows are computed apart by the way in which they choose, so that a row takes the same way whatever its neighbours
    ask for.
    """

    def __init__(
        self, slots: int, device: torch.device, end_tokens: Iterable[int] = (), mark: Mark | None = None
    ) -> None:
        """`mark` is given to rows whose sampling names a watermark."""
        self._device = device
        self._marks = Marks(mark, slots, device) if mark else None
        self._ends = torch.tensor(sorted(end_tokens), dtype=torch.int64, device=device)
        self._never = torch.full((), float("-inf"), device=device)  # a number of the host's would be waited for
        self._least = [0] * slots
        self._numbers = torch.zeros(4, slots, dtype=torch.float64, device=device)  # temperature, top_p, min_p, penalty
        self._integers = torch.zeros(2, slots, dtype=torch.int64, device=device)  # seed, top_k
        self._ways, self._penalises = [way_of(Sampling())] * slots, [False] * slots
        self._measures = [False] * slots
        self._said = [0] * slots
        self._history = torch.zeros(slots, HISTORY_BLOCK, dtype=torch.int64, device=device)

    def open(
        self, slot: int, sampling: Sampling, seed: int, prompt: Sequence[int], *, may_end: bool = False,
        logprob: bool = False,
    ) -> None:
        """Take a row in.

        Args:
            prompt: what its repetition penalty meets besides what it says itself.
            may_end: an end token may be its first, whatever `sampling` says: something else decides when it ends.
            logprob: tell how likely its tokens were.
        """
        numbers = [max(sampling.temperature, 1e-6), sampling.top_p, sampling.min_p, sampling.repetition_penalty]
        self._numbers[:, slot] = to_device(numbers, self._device, torch.float64)
        self._integers[:, slot] = self._ids([seed, sampling.top_k or NO_LIMIT])
        self._ways[slot] = way_of(sampling)
        if self._marks:
            self._marks.open(slot, seed, marked=bool(sampling.watermark))
        self._least[slot] = 0 if may_end else sampling.min_new_tokens
        self._penalises[slot], self._measures[slot] = sampling.repetition_penalty != 1.0, logprob
        if self._penalises[slot]:
            self._reserve(len(prompt) + 1)
            self._history[slot] = prompt[0]  # what is not yet said repeats the first: penalised once all the same
            self._history[slot, : len(prompt)] = self._ids(prompt)
        self._said[slot] = len(prompt)

    def choose(
        self, logits: torch.Tensor, slots: list[int], positions: list[int], allowed: torch.Tensor | None
    ) -> Chosen:
        """Each row's next token.

        Args:
            logits: float32 [rows, vocabulary]; changed in place.
            slots: whose they are.
            positions: how many tokens each row has so far; the noise's counter.
            allowed: bool [rows, vocabulary], tokens that the grammar allows; all where None.
        """
        norms = self._norms(logits, slots)  # before anything is changed
        penalised = self._penalise(logits, slots)
        self._forbid_ends(logits, slots, positions)
        if allowed is not None:
            logits = logits.masked_fill_(~allowed, float("-inf"))
        where, at = (self._ids(values) for values in (slots, positions))
        integers, counters = self._integers[:, where], at
        marks = self._marks if self._marks and self._marks.has(slots) else None
        if marks:
            integers[0], counters = marks.keys(where, at, max(positions), integers[0])
        tokens = torch.empty(len(slots), dtype=torch.int64, device=self._device)
        finite = torch.empty(len(slots), dtype=torch.bool, device=self._device)
        ways = [self._ways[slot] for slot in slots]
        for way in set(ways):
            rows = self._ids([row for row, own in enumerate(ways) if own == way])
            group = Group(self._numbers[:3, where[rows]], integers[:, rows], counters[rows], way)
            mine = logits if len(rows) == len(slots) else logits[rows]
            tokens[rows], finite[rows] = group.choose(mine)
        self._remember(tokens, slots)
        if marks:
            marks.remember(where, tokens)
        return Chosen(tokens, finite, None if norms is None else _logits_of(tokens, logits, penalised) - norms)

    def _norms(self, logits: torch.Tensor, slots: list[int]) -> torch.Tensor | None:
        """What a row's logits exceed the logarithms of probabilities by, float64 [rows]; None where no row asks.

        Of the model itself: before penalty, grammar, temperature and limits.
        """
        held = [row for row, slot in enumerate(slots) if self._measures[slot]]
        if not held:
            return None
        rows = self._ids(held)
        mine = logits if len(held) == len(slots) else logits[rows]
        best = mine.amax(-1, keepdim=True)
        sums = total(chunk_weights(mine, best, torch.ones_like(best))).squeeze(1)
        norms = torch.zeros(len(slots), dtype=torch.float64, device=self._device)
        norms[rows] = best.squeeze(1).double() + sums.log()
        return norms

    def _penalise(self, logits: torch.Tensor, slots: list[int]) -> _Penalised | None:
        """CTRL's repetition penalty (Keskar et al. 2019): seen logits are divided, or multiplied below zero."""
        held = [row for row, slot in enumerate(slots) if self._penalises[slot]]
        if not held:
            return None
        rows = self._ids(held).unsqueeze(1)
        where = self._ids([slots[row] for row in held])
        seen = self._history[where, : max(self._said[slots[row]] for row in held)]
        penalty = self._numbers[3, where].float().unsqueeze(1)
        found = logits[rows, seen]
        logits[rows, seen] = torch.where(found > 0, found / penalty, found * penalty)
        return _Penalised(rows.squeeze(1), seen, found)

    def _forbid_ends(self, logits: torch.Tensor, slots: list[int], positions: list[int]) -> None:
        short = [row for row, slot in enumerate(slots) if positions[row] < self._least[slot]]
        if short:
            logits[self._ids(short).unsqueeze(1), self._ends] = self._never

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


def _logits_of(tokens: torch.Tensor, logits: torch.Tensor, penalised: _Penalised | None) -> torch.Tensor:
    """The logits of the chosen tokens as the model gave them, float64 [rows]."""
    chosen = logits.gather(1, tokens.unsqueeze(1)).squeeze(1).double()
    if penalised:
        rows, seen, found = penalised
        hits = seen == tokens[rows].unsqueeze(1)
        before = found.gather(1, hits.int().argmax(1, keepdim=True)).squeeze(1).double()
        chosen[rows] = torch.where(hits.any(1), before, chosen[rows])
    return chosen

"""What keys the noise of rows with a watermark: their last tokens, where those come for the first time.

All of it is computed on the device from the tokens that lie there: the host may be a step behind. It is integer
arithmetic on one row at a time, so neighbours change nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from aigc.engine.chat import PromptFault
from aigc.engine.device import to_device
from aigc.engine.noise import context_keys, signed
from aigc.records import Sampling
from aigc.watermark import Mark, salt_of

SEEN_BLOCK = 256
"""Contexts by which the record of those that rows have had grows."""


class Marks:
    """Contexts of every slot, and which of its rows are marked."""

    def __init__(self, mark: Mark, slots: int, device: torch.device) -> None:
        self._mark, self._device, self._held = mark, device, [False] * slots
        words = torch.tensor(mark.words, dtype=torch.int64, device=device)
        self._factors, self._context_tokens = words[:, :-2], mark.context_tokens
        self._bases = torch.zeros(slots, len(words), dtype=torch.int64, device=device)
        self._marked = torch.zeros(slots, dtype=torch.bool, device=device)
        self._said = torch.zeros(slots, mark.context_tokens, dtype=torch.int64, device=device)
        self._seen = torch.zeros(slots, SEEN_BLOCK, dtype=torch.int64, device=device)
        """Seeds of the contexts that a row has had, by position; 0 where it had none."""

    def open(self, slot: int, seed: int, *, marked: bool) -> None:
        """Take a row in. Its seed gives it the salt by which other rows have other noise for the same tokens."""
        self._held[slot] = self._marked[slot] = marked
        if marked:
            bases = [signed(base + factor * salt_of(seed)) for *_, factor, base in self._mark.words]
            self._bases[slot] = to_device(bases, self._device, torch.int64)
            self._seen[slot] = 0

    def has(self, slots: Sequence[int]) -> bool:
        """Whether any row of these is marked."""
        return any(self._held[slot] for slot in slots)

    def keys(
        self, where: torch.Tensor, at: torch.Tensor, longest: int, seeds: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """What the noise of each row's next token is of, in place of its seed and its position, int64 [rows].

        These themselves for a row without a mark, for one whose context is not yet whole, and where it had the same
        context before: what repeats must not be chosen by the same noise, or it would repeat for ever.

        Args:
            where, at, seeds: slots, positions and own seeds of the rows, int64 [rows].
            longest: the largest of the positions.
        """
        self._reserve(longest + 1)
        keys, counters = context_keys(self._factors, self._bases[where], self._said[where])
        keys = torch.where(self._marked[where] & (at >= self._context_tokens), keys, 0)
        seen = (self._seen[where, : longest + 1] == keys.unsqueeze(1)).any(1)
        self._seen[where, at] = keys
        fresh = (keys != 0) & ~seen
        return torch.where(fresh, keys, seeds), torch.where(fresh, counters, at)

    def remember(self, where: torch.Tensor, tokens: torch.Tensor) -> None:
        """The tokens just chosen."""
        self._said[where] = torch.cat([self._said[where, 1:], tokens.unsqueeze(1)], dim=1)

    def _reserve(self, positions: int) -> None:
        if (short := positions - self._seen.shape[1]) > 0:
            more = -(-short // SEEN_BLOCK) * SEEN_BLOCK
            self._seen = torch.nn.functional.pad(self._seen, (0, more))


def check_mark(sampling: Sampling, mark: Mark | None) -> None:
    """Raise PromptFault for a prompt that asks for a mark which it cannot be given: no text goes without in silence."""
    if not sampling.watermark:
        return
    if sampling.temperature == 0:
        raise PromptFault("watermark_needs_chance", "temperature 0, where nothing is left to chance",
                          "a temperature above 0, since texts are to have a watermark",
                          "Raise it, or set watermark.on = false.")
    if mark is None or mark.ref != sampling.watermark:
        raise PromptFault("no_watermark_key", f"no key for the watermark {sampling.watermark}",
                          "the key that it names" if mark is None else f"the watermark {mark.ref}",
                          "Open the engine with that key.")

"""How a row's token is chosen from its logits, in one of four ways. What limits a row says which; no way gives another
distribution than the limits define, and a row takes the same way whatever its neighbours ask for.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch

from aigc.engine.likeliest import likeliest
from aigc.engine.noise import gumbel
from aigc.engine.weights import CHUNK, chunk_weights, total
from aigc.records import Sampling

WIDTHS = (64, 128, 512)
"""Candidates weighed for a row that keeps at most as many (`top_k`)."""
NUCLEUS_WIDTH = 1024
"""Candidates weighed first for a row that `top_p` alone limits; all of them where these do not hold its share."""
NO_LIMIT = 1 << 30
"""Top-k of a row that has none."""
CHUNK_NOISE = 1 << 31
"""Where the noise of chunks begins: beyond that of any token."""

MOST_DRAWS = 100
"""Draws for a row's nucleus before its vocabulary is sorted after all."""
ATTEMPT_BIT = 24
"""Positions are below this many bits, so that above it the noise's counter has room for the number of the draw."""


class Way(NamedTuple):
    """`greedy` takes the likeliest; `listed` weighs the `width` likeliest, and `nucleus` more where these are too few;
    `drawn` draws from the whole vocabulary without sorting it."""

    name: Literal["greedy", "listed", "nucleus", "drawn"]
    width: int = 0


def way_of(sampling: Sampling) -> Way:
    """The way in which a row with these parameters chooses."""
    if sampling.temperature == 0:
        return Way("greedy")
    if sampling.top_k:  # all that it keeps, whatever their number: top-p's share is of them
        return Way("listed", next((width for width in WIDTHS if sampling.top_k <= width), sampling.top_k))
    return Way("nucleus", NUCLEUS_WIDTH) if sampling.top_p < 1.0 else Way("drawn")


class Group:
    """Rows of a step that choose in one way.

    Args:
        numbers: float64 [3, rows]: temperature, top-p, min-p.
        integers: int64 [2, rows]: seed, top-k.
        positions: int64 [rows]: tokens that each row has so far.
    """

    def __init__(self, numbers: torch.Tensor, integers: torch.Tensor, positions: torch.Tensor, way: Way) -> None:
        self._numbers, self._integers, self._way = numbers, integers, way
        self._temperature = numbers[0].float().unsqueeze(1)
        self._top_p, self._min_p = numbers[1].unsqueeze(1), numbers[2].unsqueeze(1)
        self._seeds, self._top_k = integers[0].unsqueeze(1), integers[1].unsqueeze(1)
        self._positions = positions.unsqueeze(1)

    def choose(self, logits: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Token ids and whether they are a choice at all, each [rows], from float32 logits [rows, vocabulary]."""
        if self._way.name == "greedy":
            best, tokens = logits.max(-1)  # the first of a tie
            return tokens, best.isfinite()
        if self._way.name == "drawn":
            best = logits.amax(-1, keepdim=True)
            return self._draw(logits, best, self._chunks(logits, best)), best.squeeze(1).isfinite()
        values, tokens = likeliest(logits, self._way.width)
        finite = values[:, 0].isfinite()
        if self._way.name == "listed" or values.shape == logits.shape:
            return self._weigh(values, tokens, None)[0], finite
        whole = total(chunk_weights(logits, values[:, :1], self._temperature))
        chosen, enough = self._weigh(values, tokens, whole)
        flat = (~enough).nonzero().flatten()
        if len(flat):  # more tokens than were weighed are nearly as likely
            chosen[flat] = self._of(flat)._draw_within(logits[flat])
        return chosen, finite

    def _of(self, rows: torch.Tensor, attempt: int = 0) -> Group:
        """Some of the rows; `attempt` gives them other noise."""
        positions = self._positions[rows, 0] ^ (attempt << ATTEMPT_BIT)
        return Group(self._numbers[:, rows], self._integers[:, rows], positions, self._way)

    def _draw_within(self, logits: torch.Tensor) -> torch.Tensor:
        """Draw from all until what comes is of those that top-p keeps: exact, and nothing is sorted. Token ids [rows].

        A token is kept where those before it, likelier or of a lower id, have together less than top-p's share.
        """
        best, ids = logits.amax(-1, keepdim=True), torch.arange(logits.shape[1], device=logits.device)
        weights = self._chunks(logits, best)
        share = self._top_p * total(weights)
        chosen, drawing = logits.argmax(-1), best.squeeze(1).isfinite()  # others have no choice, and fail
        for attempt in range(MOST_DRAWS):
            tokens = self._draw(logits, best, weights, attempt)
            mine = logits.gather(1, tokens.unsqueeze(1))
            ties = ((logits == mine) & (ids < tokens.unsqueeze(1))).sum(-1, keepdim=True)
            likelier = self._chunks(logits.masked_fill(logits <= mine, float("-inf")), best)
            before = total(likelier) + ties * ((mine - best) / self._temperature).double().exp()
            kept = drawing & (before < share).squeeze(1)
            chosen[kept] = tokens[kept]
            drawing &= ~kept
            if not drawing.any():
                return chosen
        left = drawing.nonzero().flatten()
        chosen[left], _ = self._of(left, MOST_DRAWS)._weigh(*likeliest(logits[left], logits.shape[1]), None)
        return chosen

    def _chunks(self, logits: torch.Tensor, best: torch.Tensor) -> torch.Tensor:
        """What chunks of the vocabulary weigh, tokens that min-p cuts left out: [rows, chunks]."""
        return chunk_weights(logits, best, self._temperature, self._min_p)

    def _draw(
        self, logits: torch.Tensor, best: torch.Tensor, weights: torch.Tensor, attempt: int = 0
    ) -> torch.Tensor:
        """Token ids [rows]. First a chunk of the vocabulary by its weight, then a token of the chunk by its own: noise
        for hundreds of each instead of for every token, and by the chain rule the same distribution."""
        positions = self._positions ^ (attempt << ATTEMPT_BIT)
        chunks = torch.arange(weights.shape[1], device=logits.device).unsqueeze(0)
        noise = gumbel(self._seeds, positions, CHUNK_NOISE + chunks)
        chunk = (weights.double().log() + noise).argmax(-1, keepdim=True)
        tokens = chunk * CHUNK + torch.arange(CHUNK, device=logits.device)
        beyond = tokens >= logits.shape[1]
        scaled = (logits.gather(1, tokens.masked_fill(beyond, 0)) - best) / self._temperature
        scaled = scaled.masked_fill(beyond, float("-inf"))
        # The chunk was drawn for what it holds: its likeliest stays, however the limit rounds.
        beyond |= (scaled.double().exp() < self._min_p) & (scaled < scaled.amax(-1, keepdim=True))
        score = (scaled + gumbel(self._seeds, positions, tokens)).masked_fill(beyond, float("-inf"))
        return tokens.gather(1, score.argmax(-1, keepdim=True)).squeeze(1)

    def _weigh(
        self, values: torch.Tensor, tokens: torch.Tensor, whole: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Token ids, and whether the candidates were enough to know what top-p keeps.

        top-k, then min-p, then top-p of what is left: the share is of the tokens that top-k kept.

        Args:
            values: logits of the candidates, likeliest first, and `tokens` their ids, each [rows, candidates].
            whole: weight of the whole vocabulary relative to the likeliest token, [rows, 1]; None where no row's
                candidates are a part only of what its top-k keeps.
        """
        scaled = (values - values[:, :1]) / self._temperature
        rank = torch.arange(values.shape[1], device=values.device).unsqueeze(0)
        cut = rank >= self._top_k
        weight = scaled.double().exp().masked_fill(cut, 0.0)
        cut |= weight < self._min_p
        weight, ended = weight.masked_fill(cut, 0.0), cut[:, -1:].clone()
        upto = weight.cumsum(-1)
        kept = upto[:, -1:]
        total = kept if whole is None else torch.where(self._min_p == 0, whole, kept)
        cut |= upto - weight >= self._top_p * total
        cut[:, 0] = False  # the likeliest token always stays
        reached = torch.where(self._min_p > 0, ended, kept >= self._top_p * total)
        noise = gumbel(self._seeds, self._positions, tokens)
        best = (scaled + noise).masked_fill(cut, float("-inf")).argmax(-1, keepdim=True)
        return tokens.gather(1, best).squeeze(1), reached.squeeze(1)

"""One step of the model: which tokens it reads, whose they are, and which of them are asked for their successor."""

from __future__ import annotations

from collections.abc import Sequence

PREVIOUS = -1
"""In place of a token: the one that the step before chose for this row, which only the device knows yet."""


class Plan:
    """Tokens of a step, flat. `rows`, `positions` and `tokens` run in parallel; `sampled` are indexes into them."""

    def __init__(self) -> None:
        self.tokens: list[int] = []
        self.rows: list[int] = []
        self.positions: list[int] = []
        self.sampled: list[int] = []

    def __len__(self) -> int:
        return len(self.tokens)

    def feed(self, row: int, tokens: Sequence[int], position: int, *, sample: bool) -> None:
        """Read `tokens` of `row`, the first at `position`; `sample` asks for what follows the last."""
        self.tokens.extend(tokens)
        self.rows.extend([row] * len(tokens))
        self.positions.extend(range(position, position + len(tokens)))
        if sample:
            self.sampled.append(len(self.tokens) - 1)

    def pieces(self) -> list[tuple[int, list[int], bool]]:
        """The step row by row: the row, its tokens in order, and whether it is sampled."""
        pieces: list[tuple[int, list[int], bool]] = []
        sampled, start = set(self.sampled), 0
        for end in range(1, len(self.tokens) + 1):
            if end == len(self.tokens) or self.rows[end] != self.rows[start]:
                pieces.append((self.rows[start], self.tokens[start:end], end - 1 in sampled))
                start = end
        return pieces

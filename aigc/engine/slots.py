"""Keys and values of a fixed number of rows, and the attention that reads them.

A *slot* holds one row. Each layer's keys and values lie in blocks of `BLOCK` positions, a block holding that stretch
of every slot: `[blocks, slots · kv_heads, BLOCK, head_dim]`. The rows in flight fill the first slots.

Every row reduces over its own blocks in their order, each block computed at one shape, later blocks adding exact zeros.
So a row's arithmetic, and with it its text, does not depend on what the other slots hold. The heads that share one
key/value head are computed as the rows of one matrix, so keys and values are never repeated.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

if TYPE_CHECKING:
    from transformers import PretrainedConfig

ATTENTION = "aigc_slots"
BLOCK = 128
"""Positions in a block. A multiple of the matmul kernels' tiles; smaller wastes calls, larger wastes masked work."""


class SlotShape:
    """Sizes of one model's cache."""

    def __init__(self, config: PretrainedConfig, slots: int, dtype: torch.dtype, device: torch.device) -> None:
        self.layers = int(config.num_hidden_layers)
        heads = int(config.num_attention_heads)
        self.kv_heads = int(getattr(config, "num_key_value_heads", None) or heads)
        self.group = heads // self.kv_heads
        self.head_dim = int(getattr(config, "head_dim", None) or config.hidden_size // heads)
        self.slots, self.dtype, self.device = slots, dtype, device

    @property
    def bytes_per_block(self) -> int:
        """Memory of one block of all layers, keys and values."""
        return 2 * self.layers * self.slots * self.kv_heads * BLOCK * self.head_dim * self.dtype.itemsize


class SlotCache:
    """The cache object that a transformers model writes through (`update`), one row at a time or one token of all rows.

    Prefill: `begin_prefill(slot)`, then a forward pass of one row; its keys and values land in that slot.
    Decode: `begin_decode(lengths)`, then a forward pass of one token of every slot.
    """

    is_compileable = False

    def __init__(self, shape: SlotShape) -> None:
        self.shape = shape
        self._keys: list[torch.Tensor] = []
        self._values: list[torch.Tensor] = []
        self._capacity_blocks = 0
        self._prefill_slot: int | None = None
        self._write_at: tuple[torch.Tensor, ...] = ()
        self.blocks = self.width = 0
        self.bias = torch.empty(0)

    def reserve(self, positions: int) -> None:
        """Make room for rows of `positions` tokens; what is held stays, also if memory runs out on the way."""
        needed = -(-positions // BLOCK)
        if needed <= self._capacity_blocks:
            return
        s = self.shape
        size = (needed, s.slots * s.kv_heads, BLOCK, s.head_dim)
        for stores in (self._keys, self._values):
            for layer in range(s.layers):
                # Zeros, not empty: masked positions are multiplied by a weight of 0, and 0 · NaN would be NaN.
                grown = torch.zeros(size, dtype=s.dtype, device=s.device)
                if layer < len(stores):
                    grown[: len(stores[layer])] = stores[layer]
                    stores[layer] = grown  # one layer at a time, so that old and new never lie side by side
                else:
                    stores.append(grown)
        self._capacity_blocks = needed

    def begin_prefill(self, slot: int) -> None:
        self._prefill_slot = slot

    def begin_decode(self, lengths: torch.Tensor, longest: int) -> None:
        """Prepare a step that writes position `lengths[slot]` of the first `len(lengths)` slots. int64 [width].

        `longest` is their maximum, given by the host, which knows it without waiting for the device.
        """
        s = self.shape
        self._prefill_slot = None
        self.blocks, self.width = longest // BLOCK + 1, len(lengths)
        per_row = lengths.repeat_interleave(s.kv_heads)
        self._write_at = (per_row // BLOCK, torch.arange(len(per_row), device=s.device), per_row % BLOCK)
        positions = torch.arange(self.blocks * BLOCK, device=s.device).view(self.blocks, 1, 1, BLOCK)
        self.bias = torch.where(positions <= per_row.view(1, -1, 1, 1), 0.0, float("-inf"))

    def update(
        self, key: torch.Tensor, value: torch.Tensor, layer_idx: int, *_: object, **__: object
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Store new keys and values (`[rows, kv_heads, tokens, head_dim]`).

        Returns what attention reads: in prefill the row's own, in decode the layer's whole storage.
        """
        if self._prefill_slot is not None:
            self._store_row(self._keys[layer_idx], key[0])
            self._store_row(self._values[layer_idx], value[0])
            return key, value
        rows, head_dim = self.width * self.shape.kv_heads, self.shape.head_dim
        self._keys[layer_idx].index_put_(self._write_at, key.reshape(rows, head_dim))
        self._values[layer_idx].index_put_(self._write_at, value.reshape(rows, head_dim))
        return self._keys[layer_idx], self._values[layer_idx]

    def move(self, source: int, target: int) -> None:
        """Copy the row in slot `source` to slot `target`, to close a gap."""
        heads = self.shape.kv_heads
        for store in (*self._keys, *self._values):
            store[:, target * heads : (target + 1) * heads] = store[:, source * heads : (source + 1) * heads]

    @property
    def decoding(self) -> bool:
        return self._prefill_slot is None

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Models ask this only to number positions, which the runner always gives."""
        return 0

    def _store_row(self, store: torch.Tensor, new: torch.Tensor) -> None:
        """Write `[kv_heads, tokens, head_dim]` into the prefill slot, block by block."""
        first = (self._prefill_slot or 0) * self.shape.kv_heads
        for block, start in enumerate(range(0, new.shape[1], BLOCK)):
            piece = new[:, start : start + BLOCK]
            store[block, first : first + self.shape.kv_heads, : piece.shape[1]] = piece


def slot_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    *,
    slot_cache: SlotCache | None = None,
    **_: object,
) -> tuple[torch.Tensor, None]:
    """Attention as transformers' AttentionInterface calls it.

    `query`: [rows, heads, tokens, head_dim]; the result is [rows, tokens, heads, head_dim]. Without a decoding cache it
    is plain causal attention over one row.
    """
    if slot_cache is None or not slot_cache.decoding:
        attended = functional.scaled_dot_product_attention(
            query, key, value, is_causal=query.shape[2] > 1, scale=scaling, enable_gqa=query.shape[1] != key.shape[1]
        )
        return attended.transpose(1, 2), None
    shape = slot_cache.shape
    rows = slot_cache.width * shape.kv_heads
    scale = shape.head_dim**-0.5 if scaling is None else scaling
    grouped = query.reshape(rows, shape.group, shape.head_dim)
    attended = _block_attention(grouped, key, value, slot_cache.bias, scale)
    return attended.view(slot_cache.width, 1, shape.kv_heads * shape.group, shape.head_dim), None


def _block_attention(
    query: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, bias: torch.Tensor, scale: float
) -> torch.Tensor:
    """Softmax attention over blocks, each at one shape, combined in the order of the blocks.

    `query` [rows, group, dim]; `keys`, `values` [capacity, slots · kv_heads, BLOCK, dim], of which the first
    `bias.shape[0]` blocks and `rows` rows are read; `bias` [blocks, rows, 1, BLOCK], 0 or -inf.

    The maximum is exact in any order; sums within a block have one shape; sums over blocks run from the first to the
    last, where the blocks past a row's end add zero.
    """
    blocks, rows = len(bias), len(query)
    scores = torch.stack([torch.bmm(query, keys[block, :rows].transpose(1, 2)) for block in range(blocks)]).float()
    scores.mul_(scale).add_(bias)
    weights = scores.sub_(scores.amax(-1, keepdim=True).amax(0, keepdim=True)).exp_()
    sums, shares = weights.sum(-1, keepdim=True), weights.to(values.dtype)
    total, attended = sums[0], torch.bmm(shares[0], values[0, :rows]).float()
    for block in range(1, blocks):
        total = total + sums[block]
        attended = attended + torch.bmm(shares[block], values[block, :rows]).float()
    return (attended / total).to(query.dtype)

"""Attention of single tokens over pages of keys and values: the GPU kernel.

As on the CPU every token is computed by itself, over its row's positions in their order, so its bits depend on nothing
else in the step. One program takes one token and one key/value head with all query heads that share it: keys and
values, whose reading is what a decode step waits for, are read once for them all. The softmax is the online one
(Milakov and Gimelshein 2018), over blocks of several pages. Splitting long rows over more programs (flash decoding)
would fill the GPU with fewer rows, and add up in an order that depends on the split: it is left out for that.

The number of blocks is read from `positions` on the device, so that a captured graph holds for every length.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import torch
import triton
import triton.language as tl
from triton.errors import TritonError

from aigc.engine.pages import PAGE

if TYPE_CHECKING:
    from aigc.engine.cache import Placement

BLOCK_BYTES = 16_384
"""Keys (and as much of values) that a program reads at a time: two blocks of both in flight are 64 KB of the 227 KB
of shared memory that an H100's multiprocessor has."""
NO_WINDOW = 1 << 30
"""More positions than any row has."""
LEAST = 16
"""The least that each side of a tensor core's product may have; fewer query heads are filled up with zeros."""


def attend(
    query: torch.Tensor,
    keys: torch.Tensor,
    values: torch.Tensor,
    placement: Placement,
    *,
    scale: float,
    window: int = 0,
    soft_cap: float = 0.0,
) -> torch.Tensor:
    """Attended values, [tokens, heads, head_dim]: what `attention.reference` computes.

    Launches one kernel and waits for nothing. bf16 and fp16 are multiplied by tensor cores and summed in float32, the
    weights of the values rounded to the keys' type, as in FlashAttention; float32 is multiplied as float32.

    Args:
        query: [heads, tokens, head_dim], of any strides.
        keys, values: [pages, PAGE, kv_heads, head_dim], contiguous, of the query's type.
        placement: whose each token is and where; it sees all of its row up to itself.
        window: how many positions it sees at most, itself included; 0 for all.
        soft_cap: scores become soft_cap · tanh(score / soft_cap); 0 for as they are.

    Raises:
        ValueError: the kernel does not compile for these sizes, or needs more of the GPU than it has.
    """
    heads, tokens, head_dim = query.shape
    kv_heads = keys.shape[2]
    if query.stride(-1) != 1:
        query = query.contiguous()
    table, rows, positions = placement.table, placement.rows, placement.positions
    strides = query.stride(0), query.stride(1), table.stride(0)
    options = {"SOFT_CAPPED": soft_cap > 0, **_sizes(kv_heads, heads // kv_heads, head_dim, query.dtype)}
    out = torch.empty(tokens, heads, head_dim, dtype=query.dtype, device=query.device)
    launch = _kernel()[kv_heads, tokens]  # heads first: programs that run at one time read neighbouring memory
    try:
        launch(
            query, keys, values, out, table, rows, positions, *strides, window or NO_WINDOW, scale, soft_cap, **options
        )
    except TritonError as exc:
        raise ValueError(f"no kernel for {heads} heads of {head_dim} numbers on this GPU ({exc})") from exc
    return out


@cache
def _sizes(kv_heads: int, group: int, head_dim: int, dtype: torch.dtype) -> dict[str, int]:
    """What the kernel is compiled for. It depends on the model alone, never on the step."""
    dim_padded = max(LEAST, triton.next_power_of_2(head_dim))
    block = BLOCK_BYTES // (dim_padded * dtype.itemsize)
    return {
        "KV_HEADS": kv_heads,
        "GROUP": group,
        "GROUP_PADDED": max(LEAST, triton.next_power_of_2(group)),
        "DIM": head_dim,
        "DIM_PADDED": dim_padded,
        "BLOCK": min(128, max(LEAST, block)),
        "PAGE": PAGE,
        "num_warps": 4,
        "num_stages": 3,
    }


@cache
def _kernel() -> Any:
    """The compiler around the kernel; under TRITON_INTERPRET=1, the interpreter."""
    return triton.jit(_attend)


def _attend(  # type: ignore[no-untyped-def]
    query,
    keys,
    values,
    out,
    table,
    rows,
    positions,
    head_stride,
    token_stride,
    table_stride,
    window,
    scale,
    soft_cap,
    KV_HEADS: tl.constexpr,  # noqa: N803
    GROUP: tl.constexpr,  # noqa: N803
    GROUP_PADDED: tl.constexpr,  # noqa: N803
    DIM: tl.constexpr,  # noqa: N803
    DIM_PADDED: tl.constexpr,  # noqa: N803
    BLOCK: tl.constexpr,  # noqa: N803
    PAGE: tl.constexpr,  # noqa: N803
    SOFT_CAPPED: tl.constexpr,  # noqa: N803
):
    kv_head, token = tl.program_id(0), tl.program_id(1).to(tl.int64)
    position = tl.load(positions + token)
    pages = table + tl.load(rows + token).to(tl.int64) * table_stride
    first = tl.maximum(position - window + 1, 0)
    head, dim, at = tl.arange(0, GROUP_PADDED), tl.arange(0, DIM_PADDED), tl.arange(0, BLOCK)
    own = (head < GROUP)[:, None] & (dim < DIM)[None, :]
    heads = kv_head * GROUP + head
    asked = tl.load(query + token * token_stride + heads[:, None] * head_stride + dim[None, :], mask=own, other=0.0)
    best = tl.full([GROUP_PADDED], float("-inf"), tl.float32)
    total = tl.zeros([GROUP_PADDED], tl.float32)
    summed = tl.zeros([GROUP_PADDED, DIM_PADDED], tl.float32)
    # Blocks begin at multiples of their size: each has a position that is seen, so `best` is finite from the first on.
    for start in range(first // BLOCK * BLOCK, position + 1, BLOCK):
        place = start + at
        seen = (place >= first) & (place <= position)
        page = tl.load(pages + place // PAGE, mask=seen, other=0).to(tl.int64)
        # 64 bits: all pages' numbers are more than 32 bits count.
        lies = ((page * PAGE + place % PAGE) * KV_HEADS + kv_head) * DIM
        there = seen[:, None] & (dim < DIM)[None, :]
        key = tl.load(keys + lies[:, None] + dim[None, :], mask=there, other=0.0)
        score = tl.dot(asked, tl.trans(key), input_precision="ieee") * scale
        if SOFT_CAPPED:  # Gemma 2; tanh x is 1 - 2 / (e^2x + 1), also where the power is infinite
            score = soft_cap * (1.0 - 2.0 / (tl.exp(2.0 * score / soft_cap) + 1.0))
        score = tl.where(seen[None, :], score, float("-inf"))
        higher = tl.maximum(best, tl.max(score, 1))
        shrunk = tl.exp(best - higher)
        weight = tl.exp(score - higher[:, None])
        value = tl.load(values + lies[:, None] + dim[None, :], mask=there, other=0.0)
        total = total * shrunk + tl.sum(weight, 1)
        summed = summed * shrunk[:, None]
        summed += tl.dot(weight.to(value.dtype), value, input_precision="ieee")
        best = higher
    attended = (summed / total[:, None]).to(out.dtype.element_ty)
    tl.store(out + (token * KV_HEADS * GROUP + heads[:, None]) * DIM + dim[None, :], attended, mask=own)

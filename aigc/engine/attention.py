"""The attention function that stock models call: every token over the pages of its own row."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import torch

from aigc.engine.pages import PAGE

if TYPE_CHECKING:
    from aigc.engine.cache import PagedCache, Placement
    from aigc.engine.cpu.attention import PageAttention

NAME = "aigc_pages"


def page_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    *,
    page_cache: PagedCache | None = None,
    sliding_window: int | None = None,
    softcap: float | None = None,
    s_aux: torch.Tensor | None = None,
    position_bias: torch.Tensor | None = None,
    **_: object,
) -> tuple[torch.Tensor, None]:
    """Attention as transformers' AttentionInterface calls it.

    `query`: [1, heads, tokens, head_dim]; `key`, `value`: what `PagedCache.update` returned; the result is
    [1, tokens, heads, head_dim].

    Raises:
        ValueError: the model asks for something that these kernels do not compute.
    """
    if page_cache is None or page_cache.placement is None or key.dim() != 4 or key.shape[1] != PAGE:
        raise ValueError("attention outside the paged cache")
    if attention_mask is not None or s_aux is not None or position_bias is not None:
        raise ValueError("a mask, bias or sink of the model's own")
    if sliding_window:
        page_cache.windows.add(int(sliding_window))
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    placement = page_cache.placement
    window, cap = int(sliding_window or 0), float(softcap or 0.0)
    if query.device.type == "cuda":
        from aigc.engine.cuda_attention import attend

        return attend(query[0], key, value, placement, scale=scale, window=window, soft_cap=cap).unsqueeze(0), None
    kernel = _cpu_kernel(query.shape[1], key.shape[2], query.shape[3], query.dtype, bool(cap))
    if query.stride(-1) != 1:
        query = query.contiguous()
    attended = kernel(
        query[0],
        key,
        value,
        placement.table,
        placement.rows,
        placement.positions,
        scale=scale,
        window=window,
        soft_cap=cap,
    )
    return attended.unsqueeze(0), None


def reference(
    query: torch.Tensor,
    keys: torch.Tensor,
    values: torch.Tensor,
    placement: Placement,
    *,
    scale: float,
    window: int = 0,
    soft_cap: float = 0.0,
) -> torch.Tensor:
    """What the kernels compute, plainly, in float32: [tokens, heads, head_dim] of `query` [heads, tokens, head_dim]."""
    heads, tokens, dim = query.shape
    attended = torch.empty(tokens, heads, dim, dtype=query.dtype, device=query.device)
    group = heads // keys.shape[2]
    for token in range(tokens):
        last = int(placement.positions[token])
        first = max(0, last - window + 1) if window else 0
        pages = placement.table[int(placement.rows[token])].long()
        seen = torch.arange(first, last + 1, device=query.device)
        rows = pages[seen // PAGE] * PAGE + seen % PAGE
        k = keys.flatten(0, 1)[rows].float().repeat_interleave(group, 1)
        v = values.flatten(0, 1)[rows].float().repeat_interleave(group, 1)
        scores = torch.einsum("hd,nhd->hn", query[:, token].float(), k) * scale
        if soft_cap:
            scores = soft_cap * torch.tanh(scores / soft_cap)
        attended[token] = torch.einsum("hn,nhd->hd", scores.softmax(-1), v).to(query.dtype)
    return attended


@cache
def _cpu_kernel(heads: int, kv_heads: int, head_dim: int, dtype: torch.dtype, soft_capped: bool) -> PageAttention:
    from aigc.engine.cpu.attention import PageAttention, Shape
    from aigc.engine.cpu.ir import storage_of

    return PageAttention(Shape(heads, kv_heads, head_dim, storage_of(dtype), soft_capped))

"""The likeliest tokens of each row, without sorting the vocabulary."""

from __future__ import annotations

import torch

_LOW = 0xFFFFFFFF


def likeliest(logits: torch.Tensor, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The `count` largest of float32 [rows, vocabulary] and their ids, largest first, the lower id first of a tie.

    bf16 logits tie often, and which of a tie `topk` takes depends on the device and the number of rows; here every
    token has a key of its own. In two floors: the chunks of the vocabulary that have the largest maxima hold all that
    is looked for. NaN counts as larger than everything.
    """
    rows, vocabulary = logits.shape
    chunk = 32 if count <= 128 else 8
    count, whole = min(count, vocabulary), vocabulary // chunk
    if 2 * count > whole:
        ids = torch.arange(vocabulary, device=logits.device).expand(rows, -1)
        return _best(logits, ids, count)
    maxima = logits[:, : whole * chunk].reshape(rows, whole, chunk).amax(-1)
    # Of chunks whose maxima tie the first are taken: their tokens come before those of the others, too.
    chunks = _keys(maxima, torch.arange(whole, device=logits.device)).topk(count, sorted=False).values
    chunks = _LOW - (chunks & _LOW)
    ids = (chunks.unsqueeze(-1) * chunk + torch.arange(chunk, device=logits.device)).flatten(1)
    rest = torch.arange(whole * chunk, vocabulary, device=logits.device).expand(rows, -1)
    ids = torch.cat([ids, rest], dim=1)
    return _best(logits.gather(1, ids), ids, count)


def _best(values: torch.Tensor, ids: torch.Tensor, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    keys, at = _keys(values, ids).topk(count)
    return values.gather(1, at), _LOW - (keys & _LOW)


def _keys(values: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
    """int64 that order as the values do, and of equal values by the lower id. Ids below 2^32."""
    # One NaN and one zero: what inf - inf gives on x86 has its sign set, and -0.0 ties with 0.0.
    bits = torch.where(values.isnan(), float("nan"), values + 0.0).view(torch.int32)
    ordered = bits ^ ((bits >> 31) & 0x7FFFFFFF)  # negative floats count down
    return (ordered.long() << 32) | (_LOW - ids)

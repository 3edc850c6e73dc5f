"""The CPU kernel computes what is written down plainly, from what its row has written and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

import pytest
import torch

from aigc.engine.attention import page_attention, reference
from aigc.engine.cache import CacheShape, PagedCache, Placement
from aigc.engine.cpu.attention import PageAttention, Shape
from aigc.engine.pages import PAGE

DTYPES = [torch.float32, torch.bfloat16, torch.float16]
NAMES = {torch.float32: "float32", torch.bfloat16: "bfloat16", torch.float16: "float16"}
TOLERANCE = {torch.float32: 2e-6, torch.bfloat16: 1e-2, torch.float16: 1.5e-3}
LENGTHS = [1, 2, PAGE - 1, PAGE, PAGE + 1, 3 * PAGE, 61]


class Step(NamedTuple):
    query: torch.Tensor
    keys: torch.Tensor
    values: torch.Tensor
    placement: Placement


@cache
def kernel(heads: int, kv_heads: int, head_dim: int, dtype: torch.dtype, soft_capped: bool = False) -> PageAttention:
    return PageAttention(Shape(heads, kv_heads, head_dim, NAMES[dtype], soft_capped))  # type: ignore[arg-type]


def step(lengths: list[int], heads: int, kv_heads: int, head_dim: int, dtype: torch.dtype) -> Step:
    """A token at the end of each row. The rows' pages lie scattered, and hold NaN where nothing was written."""
    generator = torch.Generator().manual_seed(len(lengths) + heads + head_dim)
    pages_of = [-(-length // PAGE) for length in lengths]
    order = (torch.randperm(sum(pages_of) + 3, generator=generator) + 1).tolist()
    keys, values = (torch.full((len(order) + 2, PAGE, kv_heads, head_dim), torch.nan, dtype=dtype) for _ in range(2))
    table = torch.zeros(len(lengths), max(pages_of) + 1, dtype=torch.int32)
    for row, length in enumerate(lengths):
        for at in range(pages_of[row]):
            page, held = order.pop(), min(PAGE, length - at * PAGE)
            table[row, at] = page
            for storage in (keys, values):
                storage[page, :held] = torch.randn(held, kv_heads, head_dim, generator=generator).to(dtype)
    query = torch.randn(heads, len(lengths), head_dim, generator=generator).to(dtype)
    rows = torch.arange(len(lengths), dtype=torch.int32)
    positions = torch.tensor(lengths, dtype=torch.int32) - 1
    return Step(query, keys, values, Placement(rows, positions, table))


def attend(which: PageAttention, at: Step, *, window: int = 0, soft_cap: float = 0.0) -> torch.Tensor:
    table, rows, positions = at.placement.table, at.placement.rows, at.placement.positions
    scale = at.query.shape[-1] ** -0.5
    return which(at.query, at.keys, at.values, table, rows, positions, scale=scale, window=window, soft_cap=soft_cap)


def agree(found: torch.Tensor, at: Step, *, window: int = 0, soft_cap: float = 0.0, slack: float = 1.0) -> bool:
    scale = at.query.shape[-1] ** -0.5
    expected = reference(at.query, at.keys, at.values, at.placement, scale=scale, window=window, soft_cap=soft_cap)
    assert expected.isfinite().all()
    allowed = TOLERANCE[at.query.dtype] * slack
    return torch.allclose(found.float(), expected.float(), rtol=allowed, atol=allowed)


@pytest.fixture
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("dtype", DTYPES, ids=NAMES.values())
@pytest.mark.parametrize("head_dim", [8, 16, 24, 40, 64, 80, 96, 128, 256])
def test_every_head_size_and_precision_is_as_the_reference(head_dim: int, dtype: torch.dtype) -> None:
    at = step(LENGTHS, 4, 2, head_dim, dtype)
    assert agree(attend(kernel(4, 2, head_dim, dtype), at), at)


@pytest.mark.parametrize(("heads", "kv_heads"), [(1, 1), (8, 8), (8, 1), (6, 2), (15, 5), (14, 2), (7, 1), (32, 8)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
def test_query_heads_share_keys_and_values_in_every_grouping(heads: int, kv_heads: int, dtype: torch.dtype) -> None:
    at = step(LENGTHS, heads, kv_heads, 64, dtype)
    assert agree(attend(kernel(heads, kv_heads, 64, dtype), at), at)


@pytest.mark.parametrize("window", [1, 2, PAGE - 1, PAGE, PAGE + 1, 40, 10_000])
def test_a_window_is_as_the_reference_wherever_it_begins(window: int) -> None:
    at = step([1, 2, *range(PAGE - 1, 2 * PAGE + 2), 200], 4, 2, 16, torch.float32)
    assert agree(attend(kernel(4, 2, 16, torch.float32), at, window=window), at, window=window)


@pytest.mark.parametrize("window", [0, 20])
@pytest.mark.parametrize("soft_cap", [0.5, 5.0, 50.0])
@pytest.mark.parametrize("dtype", DTYPES, ids=NAMES.values())
def test_a_soft_cap_is_as_the_reference(dtype: torch.dtype, soft_cap: float, window: int) -> None:
    at = step(LENGTHS, 4, 2, 32, dtype)
    at = at._replace(query=at.query * 8)  # scores beyond the cap on both sides
    found = attend(kernel(4, 2, 32, dtype, True), at, window=window, soft_cap=soft_cap)
    # Scores of up to 50 have an absolute rounding of 50 times that of scores about 1.
    assert agree(found, at, window=window, soft_cap=soft_cap, slack=10.0)


@pytest.mark.parametrize("dtype", DTYPES, ids=NAMES.values())
def test_long_rows_are_as_the_reference(dtype: torch.dtype) -> None:
    at = step([1000, 4097, 1, 2500], 4, 2, 64, dtype)
    assert agree(attend(kernel(4, 2, 64, dtype), at), at)


@pytest.mark.parametrize("dtype", DTYPES, ids=NAMES.values())
def test_the_first_position_of_a_row_gives_its_own_value(dtype: torch.dtype) -> None:
    at = step([1, 1, 1], 2, 1, 16, dtype)
    found = attend(kernel(2, 1, 16, dtype), at)
    for row in range(3):
        own = at.values[at.placement.table[row, 0], 0, 0]
        assert torch.equal(found[row, 0], own)
        assert torch.equal(found[row, 1], own)


@pytest.mark.parametrize("size", [1e4, 1e-4])
def test_scores_far_from_zero_neither_overflow_nor_lose_the_sum(size: float) -> None:
    at = step([100, 700], 4, 2, 16, torch.float32)
    at = at._replace(query=at.query * size)
    assert agree(attend(kernel(4, 2, 16, torch.float32), at), at)


def test_a_nan_that_a_row_has_written_stays_in_that_row() -> None:
    at = step([20, 20], 4, 2, 16, torch.float32)
    clean = attend(kernel(4, 2, 16, torch.float32), at)
    for storage in (at.keys, at.values):
        storage[at.placement.table[0, 0], 3] = torch.nan
    found = attend(kernel(4, 2, 16, torch.float32), at)
    assert found[0].isnan().all(), "never a number that looks right"
    assert torch.equal(found[1], clean[1])


def chunk(at: Step, row: int, positions: range) -> Step:
    """Many tokens of one row in a step, as when a prompt is read."""
    heads, _, head_dim = at.query.shape
    generator = torch.Generator().manual_seed(row)
    query = torch.randn(heads, len(positions), head_dim, generator=generator).to(at.query.dtype)
    rows = torch.full((len(positions),), row, dtype=torch.int32)
    return Step(query, at.keys, at.values, Placement(rows, torch.tensor(positions, dtype=torch.int32),
                                                     at.placement.table))


def test_tokens_of_a_prompt_see_themselves_and_what_stands_before_them() -> None:
    at = chunk(step([5, 90], 4, 2, 16, torch.float32), 1, range(90))
    assert agree(attend(kernel(4, 2, 16, torch.float32), at), at)


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("dtype", DTYPES, ids=NAMES.values())
def test_many_threads_compute_the_bits_of_one(dtype: torch.dtype) -> None:
    at = step([1 + 7 * row % 300 for row in range(200)], 8, 2, 64, dtype)
    found = []
    for threads in (1, 2, 3, 8):
        torch.set_num_threads(threads)
        found += [attend(kernel(8, 2, 64, dtype), at) for _ in range(3)]
    assert all(torch.equal(other, found[0]) for other in found)


@pytest.mark.parametrize("dtype", DTYPES, ids=NAMES.values())
def test_a_token_has_the_same_bits_alone_and_wherever_it_stands_in_a_step(dtype: torch.dtype) -> None:
    at = step([1 + 11 * row % 90 for row in range(12)], 4, 2, 24, dtype)
    which, order = kernel(4, 2, 24, dtype), torch.tensor([7, 2, 11, 0, 5, 1, 9, 3, 10, 4, 8, 6])
    together = attend(which, at)
    rows, positions, table = at.placement
    moved = at._replace(query=at.query[:, order], placement=Placement(rows[order], positions[order], table))
    assert torch.equal(attend(which, moved), together[order])
    for token in range(12):
        one = slice(token, token + 1)
        alone = at._replace(query=at.query[:, one], placement=Placement(rows[one], positions[one], table))
        assert torch.equal(attend(which, alone)[0], together[token])


def test_which_pages_a_row_has_does_not_change_its_bits() -> None:
    at = step([70, 33], 4, 2, 16, torch.bfloat16)
    which = kernel(4, 2, 16, torch.bfloat16)
    order = torch.randperm(len(at.keys), generator=torch.Generator().manual_seed(9))
    keys, values = torch.empty_like(at.keys), torch.empty_like(at.values)
    keys[order], values[order] = at.keys, at.values
    rows, positions, table = at.placement
    moved = Step(at.query, keys, values, Placement(rows, positions, order[table.long()].int()))
    assert torch.equal(attend(which, moved), attend(which, at))


def test_heads_of_a_size_without_a_kernel_are_refused() -> None:
    with pytest.raises(ValueError, match="no kernel for heads of 12 numbers"):
        PageAttention(Shape(2, 2, 12, "float32", False))


class Config:
    num_hidden_layers, num_attention_heads, num_key_value_heads, head_dim = 1, 4, 2, 16


def test_what_a_cache_is_given_is_what_attention_sees() -> None:
    """Through the interface that models call: keys and values stored by `update`, in two steps."""
    cache = PagedCache(CacheShape(Config(), torch.float32), 8, torch.device("cpu"))  # type: ignore[arg-type]
    table = torch.tensor([[3, 1], [2, 5]], dtype=torch.int32)
    generator = torch.Generator().manual_seed(0)
    key, value, query = (torch.randn(1, heads, 40, 16, generator=generator) for heads in (2, 2, 4))
    rows = torch.tensor([0] * 20 + [1] * 20, dtype=torch.int32)
    positions = torch.cat([torch.arange(20)] * 2).int()
    attended = []
    for part in (slice(0, 25), slice(25, 40)):
        cache.place(Placement(rows[part], positions[part], table))
        keys, values = cache.update(key[:, :, part], value[:, :, part], 0)
        attended.append(page_attention(torch.nn.Module(), query[:, :, part], keys, values, None, page_cache=cache)[0])
    for row, part in enumerate((slice(0, 20), slice(20, 40))):
        expected = torch.nn.functional.scaled_dot_product_attention(
            query[:, :, part], key[:, :, part], value[:, :, part], is_causal=True, enable_gqa=True
        )
        found = torch.cat(attended, dim=1)[:, part].transpose(1, 2)
        assert torch.allclose(found, expected, atol=2e-6), row


@pytest.mark.parametrize("asked", ["attention_mask", "s_aux", "position_bias"])
def test_what_the_kernels_do_not_compute_is_refused(asked: str) -> None:
    cache = PagedCache(CacheShape(Config(), torch.float32), 2, torch.device("cpu"))  # type: ignore[arg-type]
    cache.place(Placement(*(torch.zeros(1, dtype=torch.int32) for _ in range(2)), torch.ones(1, 1, dtype=torch.int32)))
    keys, values = cache.update(torch.zeros(1, 2, 1, 16), torch.zeros(1, 2, 1, 16), 0)
    given = {"attention_mask": None, asked: torch.zeros(1)}
    with pytest.raises(ValueError, match="of the model's own"):
        page_attention(torch.nn.Module(), torch.zeros(1, 4, 1, 16), keys, values, page_cache=cache, **given)
    with pytest.raises(ValueError, match="outside the paged cache"):
        page_attention(torch.nn.Module(), torch.zeros(1, 4, 1, 16), keys, values, None)

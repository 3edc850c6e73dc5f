from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from aigc.engine.slots import BLOCK, SlotCache, SlotShape, slot_attention

from . import tiny


def cache_with(
    lengths: list[int], *, slots: int = 4, noise: float = 0.0
) -> tuple[SlotCache, list[torch.Tensor], list[torch.Tensor]]:
    """A cache whose slots hold random keys and values of `lengths`, and those keys and values."""
    config = tiny.model("Llama", num_hidden_layers=1).config
    cache = SlotCache(SlotShape(config, slots, torch.float32, torch.device("cpu")))
    cache.reserve(max(lengths) + 1)
    torch.manual_seed(4)
    if noise:
        for store in (*cache._keys, *cache._values):
            store.fill_(noise)
    keys = [torch.randn(2, length, 16) for length in lengths]
    values = [torch.randn(2, length, 16) for length in lengths]
    for slot, (key, value) in enumerate(zip(keys, values, strict=True)):
        cache.begin_prefill(slot)
        cache.update(key.unsqueeze(0), value.unsqueeze(0), 0)
    return cache, keys, values


def attend(
    cache: SlotCache, lengths: list[int], query: torch.Tensor, key: torch.Tensor, value: torch.Tensor
) -> torch.Tensor:
    cache.begin_decode(torch.tensor(lengths), max(lengths))
    stored_keys, stored_values = cache.update(key, value, 0)
    return slot_attention(torch.nn.Module(), query, stored_keys, stored_values, None, slot_cache=cache)[0]


@pytest.mark.parametrize("lengths", [[3, 7, 1, 5], [BLOCK - 1, BLOCK, BLOCK + 1, 2], [2 * BLOCK, 5, 3 * BLOCK + 1, 1]])
def test_slot_attention_equals_plain_attention_over_each_row(lengths: list[int]) -> None:
    cache, keys, values = cache_with(lengths)
    query, key, value = torch.randn(4, 4, 1, 16), torch.randn(4, 2, 1, 16), torch.randn(4, 2, 1, 16)
    found = attend(cache, lengths, query, key, value)
    for slot in range(4):
        whole_key = torch.cat([keys[slot], key[slot]], 1).unsqueeze(0)
        whole_value = torch.cat([values[slot], value[slot]], 1).unsqueeze(0)
        expected = functional.scaled_dot_product_attention(
            query[slot : slot + 1], whole_key, whole_value, enable_gqa=True
        )
        torch.testing.assert_close(found[slot], expected[0].transpose(0, 1), rtol=1e-5, atol=1e-5)


def test_what_lies_beyond_a_rows_end_never_counts() -> None:
    lengths = [3, 2 * BLOCK + 4]
    query, key, value = torch.randn(2, 4, 1, 16), torch.randn(2, 2, 1, 16), torch.randn(2, 2, 1, 16)
    clean = attend(cache_with(lengths, slots=2)[0], lengths, query, key, value)
    dirty = attend(cache_with(lengths, slots=2, noise=1e4)[0], lengths, query, key, value)
    assert torch.equal(clean, dirty)


def test_a_rows_bits_do_not_change_when_a_neighbour_needs_more_blocks() -> None:
    query, key, value = torch.randn(2, 4, 1, 16), torch.randn(2, 2, 1, 16), torch.randn(2, 2, 1, 16)
    short = attend(cache_with([9, 5], slots=2)[0], [9, 5], query, key, value)
    cache, _, _ = cache_with([9, 5], slots=2)
    cache.reserve(4 * BLOCK)
    long = attend(cache, [9, 3 * BLOCK], query, key, value)
    assert torch.equal(short[0], long[0])


def test_growing_the_cache_keeps_what_it_holds() -> None:
    cache, keys, _ = cache_with([5, 9], slots=2)
    cache.reserve(3 * BLOCK)
    assert torch.equal(cache._keys[0][0, 2:4, :9], keys[1])


def test_a_moved_row_attends_as_before() -> None:
    lengths = [4, 6, BLOCK + 2]
    query, key, value = torch.randn(3, 4, 1, 16), torch.randn(3, 2, 1, 16), torch.randn(3, 2, 1, 16)
    before = attend(cache_with(lengths, slots=3)[0], lengths, query, key, value)
    cache, _, _ = cache_with(lengths, slots=3)
    cache.move(2, 0)
    after = attend(cache, [lengths[2], lengths[1], 1], query[[2, 1, 0]], key[[2, 1, 0]], value[[2, 1, 0]])
    assert torch.equal(after[0], before[2])


def test_memory_of_a_block_counts_keys_and_values_of_all_layers() -> None:
    shape = SlotShape(tiny.model("Llama").config, 4, torch.bfloat16, torch.device("cpu"))
    assert shape.bytes_per_block == 2 * 2 * 4 * 2 * BLOCK * 16 * 2

"""Sizes of keys and values, for models whose layers differ too."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import transformers

from aigc.engine.cache import CacheShape
from aigc.engine.pages import PAGE
from aigc.engine.plan import Plan
from aigc.engine.runners import PagedRunner, RowRunner, Runner, open_runner

from . import tiny

GEMMA4: dict[str, Any] = {
    "head_dim": 16,
    "global_head_dim": 32,
    "sliding_window": 24,
    "num_hidden_layers": 4,
    "layer_types": ["sliding_attention", "full_attention"] * 2,
    "vocab_size_per_layer_input": 259,
    "hidden_size_per_layer_input": 16,
}
needs_gemma4 = pytest.mark.skipif(not hasattr(transformers, "Gemma4TextConfig"), reason="a newer transformers")


def test_a_page_of_a_plain_model_is_as_large_in_every_layer() -> None:
    shape = CacheShape(tiny.model("Llama").config, torch.bfloat16)
    assert shape.layers == [(2, 16), (2, 16)]
    assert shape.bytes_per_page == 2 * 2 * PAGE * 2 * 16 * 2


@needs_gemma4
@pytest.mark.parametrize(
    ("changes", "layers"),
    [
        ({}, [(2, 16), (2, 32)] * 2),
        ({"num_kv_shared_layers": 2}, [(2, 16), (2, 32)]),
        ({"num_global_key_value_heads": 1, "attention_k_eq_v": True}, [(2, 16), (1, 32)] * 2),
    ],
    ids=["sizes", "shared", "keys as values"],
)
def test_a_model_whose_layers_differ_runs_over_pages(changes: dict[str, Any], layers: list[tuple[int, int]]) -> None:
    model = tiny.model("Gemma4Text", **GEMMA4, **changes)
    assert CacheShape(model.config, torch.float32).layers == layers
    expected = last_logits(RowRunner(model, 16))
    runner = open_runner(model, 16, 40, 128)
    assert isinstance(runner, PagedRunner)
    assert torch.allclose(last_logits(runner), expected, rtol=1e-4, atol=1e-4)


def test_sizes_of_a_model_that_also_sees_are_those_of_its_text() -> None:
    text = tiny.model("Gemma3Text").config.to_dict()
    assert CacheShape(transformers.Gemma3Config(text_config=text), torch.float32).layers == [(2, 16), (2, 16)]


def last_logits(runner: Runner) -> torch.Tensor:
    """Logits after each of the last five of 100 tokens, the others read a piece at a time: past every window."""
    tokens = [(37 * at + 11) % 250 + 3 for at in range(100)]
    runner.open(0, tokens, 100)
    for start in range(0, 95, 16):
        piece = Plan()
        piece.feed(0, tokens[start : min(start + 16, 95)], start, sample=False)
        runner.step(piece)
    found = []
    for position in range(95, 100):
        one = Plan()
        one.feed(0, tokens[position : position + 1], position, sample=True)
        found.append(runner.step(one)[0].clone())
    return torch.stack(found)

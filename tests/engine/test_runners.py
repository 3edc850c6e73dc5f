from __future__ import annotations

import pytest
import torch

from aigc.engine.runners import PagedRunner, RowRunner, open_runner

from . import tiny


def greedy(runner: PagedRunner | RowRunner, prompts: list[list[int]], steps: int) -> list[list[int]]:
    """Greedy continuations of prompts that share the runner's slots."""
    runner.reserve(max(map(len, prompts)) + steps)
    tokens = [[int(runner.prefill(slot, prompt).argmax())] for slot, prompt in enumerate(prompts)]
    for _ in range(steps - 1):
        lengths = [len(prompt) + len(made) - 1 for prompt, made in zip(prompts, tokens, strict=True)]
        logits = runner.decode([made[-1] for made in tokens], lengths)
        for made, row in zip(tokens, logits, strict=True):
            made.append(int(row.argmax()))
    return tokens


PROMPTS = [[5, 9, 200, 31], [40] * 17, [7, 8, 9]]


@pytest.mark.parametrize(
    ("kind", "runner"),
    [
        ("Llama", PagedRunner),
        ("Qwen2", PagedRunner),
        ("Qwen3", PagedRunner),
        ("Mistral", PagedRunner),
        ("Phi3", PagedRunner),
        ("GPT2", PagedRunner),
        ("Gemma2", RowRunner),
        ("GPTNeo", RowRunner),
    ],
)
def test_greedy_tokens_equal_those_of_generate(kind: str, runner: type) -> None:
    changes: dict[str, object] = {"sliding_window": None} if kind in ("Mistral", "Phi3") else {}
    stock = tiny.model(kind, **changes)
    expected = [
        stock.generate(torch.tensor([p]), do_sample=False, max_new_tokens=12, eos_token_id=[], pad_token_id=0)[
            0, len(p) :
        ].tolist()
        for p in PROMPTS
    ]
    opened = open_runner(tiny.model(kind, **changes), 4)
    assert type(opened) is runner
    assert greedy(opened, PROMPTS, 12) == expected


def test_a_model_with_a_sliding_window_is_not_run_in_slots() -> None:
    assert type(open_runner(tiny.model("Mistral", sliding_window=64), 2)) is RowRunner


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_narrow_steps_are_used_only_where_they_compute_the_same_bits(dtype: torch.dtype) -> None:
    runner = open_runner(tiny.model("Llama", dtype=dtype), 8)
    assert isinstance(runner, PagedRunner)
    runner.reserve(40)
    for slot in range(8):
        runner.prefill(slot, [slot + 3] * 20)
    full = runner._decode_at(8, list(range(8)), [20] * 8)
    for width in runner._widths:
        assert torch.equal(runner._decode_at(width, list(range(width)), [20] * width), full[:width])

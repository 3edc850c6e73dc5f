from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import pytest
import torch
import transformers
from transformers import PreTrainedModel

from aigc.engine import runners
from aigc.engine.pages import PAGE
from aigc.engine.plan import PREVIOUS, Plan
from aigc.engine.runners import PagedRunner, RowRunner, open_runner
from aigc.models import ModelRef

from . import tiny

STEPS = 12
BEGINNING = [(37 * at + 11) % 250 + 3 for at in range(2 * PAGE)]
PROMPTS = [[5, 9, 200, 31], [40] * 17, [7, 8, 9], [*BEGINNING, 70, 71], [*BEGINNING, 80], [*BEGINNING[:20], 90]]
UNTIED = {"tie_word_embeddings": False}
"""A random model whose head is its embedding says its last token for ever."""
GEMMA = {**UNTIED, "sliding_window": 8, "layer_types": ["sliding_attention", "full_attention"],
         "query_pre_attn_scalar": 1}
KINDS: list[tuple[str, dict[str, object]]] = [
    ("Llama", {}),
    ("Qwen2", {}),
    ("Qwen3", {}),
    ("Mistral", {"sliding_window": None}),
    ("Mistral", {"sliding_window": 8}),
    ("Phi3", {"sliding_window": None}),
    ("Phi3", {"sliding_window": 8}),
    ("GPT2", UNTIED),
    ("Gemma2", {**GEMMA, "attn_logit_softcapping": 2.0, "final_logit_softcapping": 5.0}),
    ("Gemma3Text", GEMMA),
]


def named(kind: tuple[str, dict[str, object]]) -> str:
    return kind[0] + (f" with a window of {kind[1]['sliding_window']}" if kind[1].get("sliding_window") else "")


def generated(model: PreTrainedModel, prompts: list[list[int]]) -> list[list[int]]:
    """What transformers itself continues each prompt with, alone."""
    with torch.no_grad():
        return [
            model.generate(
                torch.tensor([prompt]), do_sample=False, max_new_tokens=STEPS, eos_token_id=[], pad_token_id=0
            )[0, len(prompt) :].tolist()
            for prompt in prompts
        ]


def greedy(runner: PagedRunner | RowRunner, prompts: Sequence[list[int]], chunk: int) -> list[list[int]]:
    """Greedy continuations of prompts that share the runner. Prompts are read `chunk` tokens at a time at most."""
    read = [runner.open(row, prompt, len(prompt) + STEPS) or 0 for row, prompt in enumerate(prompts)]
    made: list[list[int]] = [[] for _ in prompts]
    while any(len(tokens) < STEPS for tokens in made):
        plan, asked = Plan(), []
        for row, prompt in enumerate(prompts):
            room = runner.slots - len(plan)
            if len(made[row]) == STEPS or not room:
                continue
            position = read[row] + len(made[row]) - 1 if made[row] else read[row]
            piece = [made[row][-1]] if made[row] else prompt[position : position + min(chunk, room)]
            read[row] += 0 if made[row] else len(piece)
            plan.feed(row, piece, position, sample=read[row] == len(prompt))
            asked += [row] if read[row] == len(prompt) else []
        for row, token in zip(asked, runner.step(plan).argmax(-1).tolist(), strict=True):
            made[row].append(token)
    for row in range(len(prompts)):
        runner.close(row)
    return made


@pytest.mark.parametrize(("kind", "changes"), KINDS, ids=map(named, KINDS))
def test_greedy_tokens_over_pages_equal_those_of_generate(kind: str, changes: dict[str, object]) -> None:
    expected = generated(tiny.model(kind, **changes), PROMPTS)
    assert max(len(set(tokens)) for tokens in expected) > 6, "a model whose continuations say something"
    runner = open_runner(tiny.model(kind, **changes), 8, 64, 128)
    assert type(runner) is PagedRunner
    assert runner.invariant
    for chunk in (1, 3, 5, 8):
        assert greedy(runner, PROMPTS, chunk) == expected, chunk
    assert greedy(runner, PROMPTS[::-1], 4) == expected[::-1]


def seeing() -> PreTrainedModel:
    """A model with eyes: text goes by them, through a text model that is a part of it."""
    text = tiny.model("Gemma3Text", **GEMMA).config.to_dict()
    eyes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 48,
            "image_size": 28, "patch_size": 14}
    marks = {"image_token_index": 258, "boi_token_index": 257, "eoi_token_index": 256, "mm_tokens_per_image": 4}
    torch.manual_seed(1)
    return tiny.of_config(transformers.Gemma3Config(text_config=text, vision_config=eyes, **marks, **UNTIED))


def test_greedy_tokens_of_a_model_that_also_sees_equal_those_of_generate() -> None:
    model = seeing()
    assert type(model).__name__ == "Gemma3ForConditionalGeneration"
    expected = generated(model, PROMPTS)
    assert max(len(set(tokens)) for tokens in expected) > 6, "a model whose continuations say something"
    runner = open_runner(model, 8, 64, 128)
    assert type(runner) is PagedRunner
    assert runner.windows == {8}
    for chunk in (1, 5, 8):
        assert greedy(runner, PROMPTS, chunk) == expected, chunk


def test_a_window_and_a_soft_cap_are_not_without_effect_on_these_models() -> None:
    """Else the test above would say nothing about them."""
    for kind, changes in KINDS:
        if changes.get("sliding_window"):
            wide = {**changes, "sliding_window": 200}
            assert generated(tiny.model(kind, **changes), PROMPTS) != generated(tiny.model(kind, **wide), PROMPTS), kind
    capped = dict(KINDS)["Gemma2"]
    free = {**capped, "attn_logit_softcapping": None}
    assert generated(tiny.model("Gemma2", **capped), PROMPTS) != generated(tiny.model("Gemma2", **free), PROMPTS)


def test_an_architecture_that_pages_cannot_carry_runs_row_by_row() -> None:
    """GPT-Neo computes its attention itself, with a window that its layers keep to themselves."""
    expected = generated(tiny.model("GPTNeo", **UNTIED), PROMPTS)
    runner = open_runner(tiny.model("GPTNeo", **UNTIED), 60, 64, 128)
    assert type(runner) is RowRunner
    assert greedy(runner, PROMPTS, 60) == expected


def no_kernel(*_: object, **__: object) -> None:
    raise ImportError("no module named 'triton'\nInstall it.")


REASONS: dict[str, tuple[str, Callable[..., object]]] = {
    "ImportError: no module named 'triton'": ("page_attention", no_kernel),
    "other logits over pages": ("_close", lambda *_: False),
    "its windows are not those of its config": ("_knows_windows", lambda *_: False),
}


@pytest.mark.parametrize("reason", REASONS)
def test_a_model_that_goes_row_by_row_says_why_once(
    llama: ModelRef, reason: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    name, replacement = REASONS[reason]
    monkeypatch.setattr(runners, name, replacement)
    with caplog.at_level(logging.INFO, "aigc"):
        engine = tiny.engine(llama)
        assert [made.fault for made in engine.generate([tiny.prompt("a", max_new_tokens=2)])] == [None]
        engine._slots = 2
        assert [made.fault for made in engine.generate([tiny.prompt("b", max_new_tokens=2)])] == [None]
    assert [record.getMessage() for record in caplog.records] == [
        f"LlamaForCausalLM does not run over pages ({reason}): each row is computed by itself, which is slower"
    ]


@pytest.mark.parametrize("kind", ["Llama", "GPTNeo"])
def test_a_step_may_ask_for_no_token_and_a_prompt_be_read_in_pieces(kind: str) -> None:
    expected = generated(tiny.model(kind), PROMPTS[3:4])
    runner = open_runner(tiny.model(kind), 8, 64, 128)
    assert greedy(runner, PROMPTS[3:4], 5) == expected


def test_rows_that_begin_alike_are_given_what_was_computed() -> None:
    runner = open_runner(tiny.model("Llama"), 16, 64, 128)
    assert runner.open(0, PROMPTS[3], 60) == 0
    plan = Plan()
    plan.feed(0, PROMPTS[3][:9], 0, sample=False)
    runner.step(plan)
    assert runner.open(1, PROMPTS[4], 60) == 0, "no page is full yet"
    plan = Plan()
    plan.feed(0, PROMPTS[3][9:18], 9, sample=False)
    runner.step(plan)
    assert [runner.open(row, PROMPTS[row + 1], 60) for row in (2, 3, 4, 1)] == [PAGE, PAGE, PAGE, 0]


def test_a_row_is_refused_while_its_pages_are_others() -> None:
    runner = open_runner(tiny.model("Llama"), 4, 9, 128)
    assert runner.open(0, [1, 2, 3], 7 * PAGE) == 0
    assert runner.open(1, [4], PAGE + 1) is None
    runner.close(0)
    assert runner.open(1, [4], 8 * PAGE) == 0


def plan_of(rows: Sequence[int], tokens: Sequence[int], position: int) -> Plan:
    plan = Plan()
    for row, token in zip(rows, tokens, strict=True):
        plan.feed(row, [token], position, sample=True)
    return plan


def filled(dtype: torch.dtype, slots: int) -> PagedRunner:
    """A runner whose every row has read 20 tokens of its own."""
    runner = open_runner(tiny.model("Llama", dtype=dtype), slots, 4 * slots, 128)
    assert isinstance(runner, PagedRunner)
    for row in range(slots):
        runner.open(row, [row + 3] * 20, 40)
        for start in range(0, 20, slots):
            plan = Plan()
            plan.feed(row, ([row + 3] * 20)[start : start + slots], start, sample=True)
            runner.step(plan)
    return runner


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
def test_narrow_steps_are_used_only_where_they_compute_the_same_bits(dtype: torch.dtype) -> None:
    slots = 24
    runner = filled(dtype, slots)
    assert runner.widths[-1] == slots
    assert sorted(set(runner.widths)) == runner.widths
    full = runner.step(plan_of(range(slots), range(50, 50 + slots), 20)).clone()
    for count in range(1, slots + 1):
        part = runner.step(plan_of(range(count), range(50, 50 + count), 20))
        assert torch.equal(part, full[:count]), (count, runner.widths)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
def test_a_token_has_the_same_logits_wherever_in_a_step_it_stands(dtype: torch.dtype) -> None:
    runner = filled(dtype, 8)
    rows = [4, 0, 2, 6, 1, 7, 3, 5]
    full = runner.step(plan_of(range(8), range(50, 58), 20)).clone()
    assert torch.equal(runner.step(plan_of(rows, [50 + row for row in rows], 20)), full[rows])


def test_a_plan_may_name_the_token_that_was_just_chosen() -> None:
    runner = filled(torch.float32, 4)
    named = runner.step(plan_of(range(4), [60, 61, 62, 63], 20)).clone()
    runner.remember([2, 0, 3, 1], torch.tensor([62, 60, 63, 61]))
    assert torch.equal(runner.step(plan_of(range(4), [PREVIOUS, 61, PREVIOUS, PREVIOUS], 20)), named)

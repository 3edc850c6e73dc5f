"""How likely a text was: the sum of its tokens' logarithms under the model itself, however they were chosen."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from aigc.engine.rows import Row
from aigc.engine.sampler import Sampler
from aigc.models import ModelRef
from aigc.records import Prompt, Sampling

from . import tiny
from .tiny import texts

CPU = torch.device("cpu")
SCHEMA = (
    '{"type": "object", "properties": {"a": {"type": "boolean"}}, "required": ["a"], "additionalProperties": false}'
)
PROMPTS = [
    tiny.prompt("greedy", temperature=0.0),
    tiny.prompt("drawn", top_k=0),
    tiny.prompt("nucleus", top_k=0, top_p=0.8),
    tiny.prompt("penalised", "aaaa bbbb", repetition_penalty=1.7, temperature=0.0),
    tiny.prompt("boosted", "aaaa bbbb", repetition_penalty=0.4),
    tiny.prompt("form", schema=SCHEMA, max_new_tokens=40),
    tiny.prompt("long enough", min_new_tokens=24),
]


def asking(prompt: Prompt) -> Prompt:
    return replace(prompt, logprob=True)


def expected_sum(prompt: Prompt, said: list[int]) -> float:
    """The sum by the model's own forward pass over the prompt and what was said."""
    model, tokenizer = tiny.model("Llama"), tiny.tokenizer()
    turns = [{"role": message.role, "content": message.content} for message in prompt.messages]
    rendered = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    before = tokenizer.encode(rendered, add_special_tokens=False)
    with torch.inference_mode():
        logits = model(torch.tensor([[*before, *said]])).logits[0].double()
    rows = logits[len(before) - 1 : -1].log_softmax(-1)
    return float(rows.gather(1, torch.tensor(said).unsqueeze(1)).sum())


@pytest.mark.parametrize("prompt", PROMPTS, ids=lambda prompt: prompt.request_id)
@pytest.mark.parametrize("ahead", [0, 1])
def test_the_sum_is_that_of_log_softmax_over_the_models_own_logits(
    llama: ModelRef, prompt: Prompt, ahead: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows: list[Row] = []
    complete = Row._complete
    monkeypatch.setattr(Row, "_complete", lambda self, *rest: rows.append(self) or complete(self, *rest))
    engine = tiny.engine(llama, slots=8)
    engine._ahead = ahead
    (made,) = engine.generate([asking(prompt)])
    (row,) = rows
    assert len(row.tokens) == made.tokens_out
    assert made.logprob == pytest.approx(expected_sum(prompt, row.tokens), abs=1e-3)


def test_only_rows_that_ask_are_told_and_asking_changes_no_text(llama: ModelRef) -> None:
    engine = tiny.engine(llama, slots=8)
    plain = list(engine.generate(PROMPTS))
    mixed = list(engine.generate([asking(p) if at % 2 else p for at, p in enumerate(PROMPTS)]))
    assert texts(plain) == texts(mixed)
    assert all(made.logprob is None for made in plain)
    asked = {prompt.request_id for prompt in PROMPTS[1::2]}
    assert {made.request_id for made in mixed if made.logprob is not None} == asked


def test_a_sum_does_not_depend_on_neighbours(llama: ModelRef) -> None:
    engine = tiny.engine(llama, slots=8)
    together = {made.request_id: made.logprob for made in engine.generate([asking(p) for p in PROMPTS])}
    for prompt in PROMPTS:
        (alone,) = engine.generate([asking(prompt)])
        assert alone.logprob == pytest.approx(together[prompt.request_id], abs=1e-4)


def test_the_end_token_is_no_token_of_the_text(llama: ModelRef) -> None:
    (made,) = tiny.engine(llama).generate([asking(tiny.prompt("r", max_new_tokens=1))])
    assert made.tokens_out == 1
    assert made.logprob is not None
    assert made.logprob < 0


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_tokens_logarithm_is_of_the_logits_before_penalty_and_grammar(data: st.DataObject) -> None:
    rows, vocabulary = data.draw(st.integers(1, 5)), data.draw(st.sampled_from([6, 130, 1500]))
    generator = torch.Generator().manual_seed(data.draw(st.integers(0, 999)))
    logits = torch.randn(rows, vocabulary, generator=generator) * 4
    sampler = Sampler(rows, CPU)
    asks = data.draw(st.lists(st.booleans(), min_size=rows, max_size=rows))
    for row in range(rows):
        sampling = Sampling(
            temperature=data.draw(st.sampled_from([0.0, 0.5, 1.5])),
            top_k=data.draw(st.sampled_from([0, 5])),
            repetition_penalty=data.draw(st.sampled_from([1.0, 0.5, 1.8])),
        )
        said = data.draw(st.lists(st.integers(0, vocabulary - 1), min_size=1, max_size=8))
        sampler.open(row, sampling, row, said, logprob=asks[row])
    allowed = torch.rand(rows, vocabulary, generator=generator) < 0.5 if data.draw(st.booleans()) else None
    if allowed is not None:
        allowed[:, 0] = True
    tokens, _, logprobs = sampler.choose(logits.clone(), list(range(rows)), [0] * rows, allowed)
    assert (logprobs is None) == (not any(asks))
    for row in range(rows):
        if asks[row] and logprobs is not None:
            own = logits[row].double().log_softmax(-1)[tokens[row]]
            assert float(logprobs[row]) == pytest.approx(float(own), abs=1e-4)

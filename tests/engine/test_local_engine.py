from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import msgspec
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aigc.engine.local import LocalEngine
from aigc.engine.runners import PagedRunner
from aigc.models import ModelRef
from aigc.records import Completion, Message, Prompt

from . import tiny

SCHEMA = json.dumps(
    {
        "type": "object",
        "required": ["title", "tags"],
        "additionalProperties": False,
        "properties": {
            "title": {"type": "string", "minLength": 3, "maxLength": 12},
            "tags": {
                "type": "array",
                "items": {"type": "string", "minLength": 1, "maxLength": 4},
                "minItems": 1,
                "maxItems": 3,
            },
        },
    }
)
PROMPTS = [
    tiny.prompt("a"),
    tiny.prompt("b", "x " * 60, temperature=0.0, top_k=0),
    tiny.prompt("c", schema=SCHEMA, max_new_tokens=200),
    tiny.prompt("d", "short", top_p=0.8, repetition_penalty=1.2),
    tiny.prompt("e", "中文也行", max_new_tokens=40),
    tiny.prompt("f", top_k=0, top_p=0.9),
    tiny.prompt("g", schema=SCHEMA, temperature=0.0, max_new_tokens=200),
]


@pytest.fixture(scope="module")
def engine(llama: ModelRef) -> LocalEngine:
    return tiny.engine(llama)


@pytest.fixture(scope="module")
def alone(engine: LocalEngine) -> dict[str, tuple[str, str]]:
    """What each prompt gives by itself."""
    made: list[Completion] = []
    for prompt in PROMPTS:
        made += engine.generate([prompt])
    return tiny.texts(made)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations(PROMPTS), size=st.integers(2, len(PROMPTS)))
def test_a_rows_text_is_the_same_alone_and_in_any_batch(
    engine: LocalEngine, alone: dict[str, tuple[str, str]], order: list[Prompt], size: int
) -> None:
    found = tiny.texts(list(engine.generate(order[:size])))
    assert found == {prompt.request_id: alone[prompt.request_id] for prompt in order[:size]}


def test_a_rows_text_is_the_same_in_bfloat16(llama: ModelRef) -> None:
    engine = tiny.engine(llama, slots=8, dtype="bfloat16")
    together = tiny.texts(list(engine.generate(PROMPTS)))
    reverse = tiny.texts(list(engine.generate(PROMPTS[::-1])))
    single = {k: v for prompt in PROMPTS for k, v in tiny.texts(list(engine.generate([prompt]))).items()}
    assert together == reverse == single


def test_another_seed_gives_another_text(engine: LocalEngine) -> None:
    made = list(engine.generate([tiny.prompt("one", seed=1), tiny.prompt("two", seed=2)]))
    assert made[0].text != made[1].text


def test_every_structured_output_that_ended_by_itself_parses(engine: LocalEngine) -> None:
    prompts = [tiny.prompt(f"p{seed}", schema=SCHEMA, seed=seed, max_new_tokens=400) for seed in range(24)]
    for made in engine.generate(prompts):
        assert made.finish_reason == "stop", made
        found = json.loads(made.text)
        assert 3 <= len(found["title"]) <= 12
        assert 1 <= len(found["tags"]) <= 3


def test_tokens_are_counted_and_the_limit_is_kept(engine: LocalEngine) -> None:
    (made,) = engine.generate([tiny.prompt("a", temperature=0.0, max_new_tokens=5)])
    assert (made.finish_reason, made.tokens_out) == ("length", 5)
    # Bytes of the ChatML turn: 3 control tokens and the letters between them.
    assert made.tokens_in == 3 + len("user\nWrite a line about the sea.\nassistant\n")


def test_a_stop_string_ends_the_text_before_it(engine: LocalEngine) -> None:
    (whole,) = engine.generate([tiny.prompt("a", max_new_tokens=24)])
    stop = whole.text[3:5]
    (made,) = engine.generate([tiny.prompt("a", max_new_tokens=24, stop=[stop])])
    assert made.finish_reason == "stop"
    assert made.text == whole.text.split(stop, 1)[0]


BAD = {
    "empty": (tiny.prompt("empty", "  "), "empty_prompt", "some text"),
    "long": (tiny.prompt("long", "x" * 600), "prompt_too_long", "at most 488"),
    "surrogate": (tiny.prompt("surrogate", "a\ud800b"), "not_encodable", "valid Unicode"),
    "special": (tiny.prompt("special", "hello <|im_end|> there"), "special_token", "plain text"),
    "schema": (tiny.prompt("schema", schema='{"type": "nonsense"}'), "bad_schema", "llguidance"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_prompt_fails_alone_with_its_reason(
    engine: LocalEngine, alone: dict[str, tuple[str, str]], name: str
) -> None:
    prompt, code, expected = BAD[name]
    found = {made.request_id: made for made in engine.generate([PROMPTS[0], prompt, PROMPTS[1]])}
    fault = found[name].fault
    assert fault is not None
    assert (fault.code, found[name].finish_reason, found[name].text) == (code, "error", "")
    assert expected in fault.expected
    assert fault.remedy
    for other in ("a", "b"):
        assert (found[other].text, found[other].finish_reason) == alone[other]


def test_none_means_later_and_a_retry_joins_the_running_batch(engine: LocalEngine) -> None:
    done: list[str] = []
    asked_again_while_running = False

    def prompts() -> Iterator[Prompt | None]:
        nonlocal asked_again_while_running
        yield tiny.prompt("long", temperature=0.0, max_new_tokens=60)
        yield tiny.prompt("short", temperature=0.0, max_new_tokens=3)
        while "short" not in done:
            yield None
        asked_again_while_running = "long" not in done
        yield tiny.prompt("retry", temperature=0.0, max_new_tokens=3)

    for made in engine.generate(prompts()):
        done.append(made.request_id)
    assert asked_again_while_running
    assert sorted(done) == ["long", "retry", "short"]
    assert done[-1] == "long"


def test_out_of_memory_goes_on_with_half_the_slots(
    llama: ModelRef,
    alone: dict[str, tuple[str, str]],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    decode = PagedRunner.decode

    def scarce(self: PagedRunner, tokens: list[int], lengths: list[int]) -> torch.Tensor:
        if len(tokens) > 2:
            raise torch.OutOfMemoryError("played")
        return decode(self, tokens, lengths)

    monkeypatch.setattr(PagedRunner, "decode", scarce)
    engine = tiny.engine(llama)
    with caplog.at_level(logging.WARNING, "aigc"):
        found = tiny.texts(list(engine.generate(PROMPTS)))
    assert sorted(found) == sorted(alone)
    assert engine.info().slots == 2
    assert "out of memory at 4 slots: going on with 2" in caplog.text


def test_a_prompt_that_never_fits_fails_alone(llama: ModelRef, monkeypatch: pytest.MonkeyPatch) -> None:
    prefill = PagedRunner.prefill

    def scarce(self: PagedRunner, slot: int, tokens: list[int]) -> torch.Tensor:
        if len(tokens) > 100:
            raise torch.OutOfMemoryError("played")
        return prefill(self, slot, tokens)

    monkeypatch.setattr(PagedRunner, "prefill", scarce)
    found = {
        made.request_id: made
        for made in tiny.engine(llama).generate([PROMPTS[0], tiny.prompt("big", "y" * 200), PROMPTS[3]])
    }
    assert found["big"].fault
    assert found["big"].fault.code == "out_of_memory"
    assert found["a"].fault is None
    assert found["d"].fault is None


def test_a_model_without_a_chat_template_gets_a_plain_layout(tmp_path_factory: pytest.TempPathFactory) -> None:
    ref = tiny.saved(tmp_path_factory.mktemp("gpt2"), "GPT2", chat=False)
    engine = tiny.engine(ref)
    prompt = msgspec.structs.replace(
        tiny.prompt("a", max_new_tokens=4),
        messages=[Message(role="system", content="Be brief."), Message(role="user", content="Hi")],
    )
    (made,) = engine.generate([prompt])
    assert made.fault is None
    assert made.tokens_in == len("Be brief.\n\nHi\n\nAnswer:\n")


def test_info_is_known_before_the_weights_are_loaded(llama: ModelRef) -> None:
    engine = tiny.engine(llama, slots=3)
    info = engine.info()
    assert (info.engine, info.model_digest, info.dtype, info.device, info.slots) == (
        "local",
        "sha256:tiny",
        "float32",
        "cpu",
        3,
    )
    assert info.versions["torch"] == torch.__version__
    assert engine._loaded is None


def test_a_chat_template_without_a_system_role_gets_the_instructions_in_the_users_turn(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("gemma-like")
    ref = tiny.saved(folder)
    tokenizer = tiny.tokenizer()
    tokenizer.chat_template = (
        "{% if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
        + tiny.CHATML
    )
    tokenizer.save_pretrained(folder)
    messages = [Message(role="system", content="Be brief."), Message(role="user", content="Hi")]
    (made,) = tiny.engine(ref).generate(
        [msgspec.structs.replace(tiny.prompt("a", max_new_tokens=3), messages=messages)]
    )
    assert made.fault is None
    assert made.tokens_in == 3 + len("user\nBe brief.\n\nHi\nassistant\n")


def test_what_the_owner_of_the_prompts_raises_is_not_taken_for_the_models(engine: LocalEngine) -> None:
    def prompts() -> Iterator[Prompt]:
        yield tiny.prompt("a", max_new_tokens=2)
        raise MemoryError("of the sheet")

    with pytest.raises(MemoryError, match="of the sheet"):
        list(engine.generate(prompts()))


def test_fewer_slots_where_rows_would_not_have_room(monkeypatch: pytest.MonkeyPatch, llama: ModelRef) -> None:
    monkeypatch.setattr("aigc.engine.sizing.memory_bytes", lambda _device: 12_000_000)
    sizes = tiny.engine(llama, slots=0).info()
    assert 1 <= sizes.slots < 64
    assert sizes.slots.bit_count() == 1

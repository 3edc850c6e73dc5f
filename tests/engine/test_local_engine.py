"""The engine as its callers see it: texts that depend on nothing but their prompt, and rows that fail alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from aigc.engine.local import LocalEngine
from aigc.engine.pages import PAGE
from aigc.engine.plan import Plan
from aigc.engine.runners import PagedRunner
from aigc.models import ModelRef
from aigc.records import Completion, Message, Prompt

from . import tiny
from .tiny import Made, texts

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
SHARED = "The house style, which every prompt of a type begins with, is longer than three pages. "
PROMPTS = [
    tiny.prompt("a"),
    tiny.prompt("b", "x " * 60, temperature=0.0, top_k=0),
    tiny.prompt("c", schema=SCHEMA, max_new_tokens=200),
    tiny.prompt("d", "short", top_p=0.8, repetition_penalty=1.2),
    tiny.prompt("e", "中文也行", max_new_tokens=40, stop=["7", "q"]),
    tiny.prompt("f", top_k=0, top_p=0.9, temperature=2.0, min_new_tokens=12),
    tiny.prompt("g", schema=SCHEMA, temperature=0.0, max_new_tokens=200),
    tiny.prompt("h", SHARED + "One."),
    tiny.prompt("i", SHARED + "Two.", repetition_penalty=1.1),
    tiny.prompt("j", SHARED + "One.", max_new_tokens=1),
]
assert len(SHARED) > 3 * PAGE


class Case:
    """An engine, and what it makes of each prompt by itself."""

    def __init__(self, ref: ModelRef, slots: int, dtype: str) -> None:
        self.engine = tiny.engine(ref, slots=slots, dtype=dtype)
        self.alone: dict[str, Made] = {}
        for prompt in PROMPTS:
            self.alone |= texts(list(self.engine.generate([prompt])))

    def expected(self, prompts: list[Prompt]) -> dict[str, Made]:
        return {prompt.request_id: self.alone[prompt.request_id] for prompt in prompts}


@pytest.fixture(scope="module", params=["float32", "bfloat16"])
def case(llama: ModelRef, request: pytest.FixtureRequest) -> Case:
    return Case(llama, {"float32": 4, "bfloat16": 8}[request.param], request.param)


@pytest.fixture(scope="module")
def plain(llama: ModelRef) -> Case:
    return Case(llama, 4, "float32")


@pytest.fixture(scope="module")
def engine(plain: Case) -> LocalEngine:
    return plain.engine


@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_a_rows_text_is_the_same_alone_and_in_any_batch(case: Case, data: st.DataObject) -> None:
    """Any order and neighbours; prompts that wait, prompts that come as retries do; a step ahead as on a GPU."""
    chosen = data.draw(st.permutations(PROMPTS))[: data.draw(st.integers(2, len(PROMPTS)))]
    retries = data.draw(st.integers(0, len(chosen) - 1))
    waits = data.draw(st.lists(st.integers(0, 6), min_size=len(chosen), max_size=len(chosen)))
    case.engine._ahead = data.draw(st.integers(0, 1))
    done: list[Completion] = []

    def prompts() -> Iterator[Prompt | None]:
        for taken, prompt in enumerate(chosen):
            for _ in range(waits[taken]):
                if len(done) < taken:  # something is in flight
                    yield None
            while len(done) < taken - (len(chosen) - retries) + 1:  # the first retry joins when a text is made
                yield None
            yield prompt

    for made in case.engine.generate(prompts()):
        done.append(made)
    assert texts(done) == case.expected(chosen)


def test_a_text_does_not_depend_on_how_its_prompt_was_read(llama: ModelRef) -> None:
    """In pieces of a few tokens, or whole: steps of one width where `slots` are the same for all."""
    made = tiny.engine(llama, slots=8, dtype="bfloat16")
    first = texts(list(made.generate(PROMPTS)))
    again = texts(list(made.generate(PROMPTS[::-1])))  # pages of the first time are shared now
    fresh = texts(list(tiny.engine(llama, slots=8, dtype="bfloat16").generate(PROMPTS[::-1])))
    assert first == again == fresh


def test_what_rows_share_is_read_once(llama: ModelRef, monkeypatch: pytest.MonkeyPatch) -> None:
    step, read = PagedRunner.step, 0

    def counted(self: PagedRunner, plan: Plan) -> torch.Tensor:
        nonlocal read
        read += len(plan)
        return step(self, plan)

    engine = tiny.engine(llama)
    list(engine.generate([PROMPTS[7]]))
    monkeypatch.setattr(PagedRunner, "step", counted)
    (made,) = engine.generate([PROMPTS[7]])
    assert read == made.tokens_in % PAGE + made.tokens_out - 1


def test_another_seed_gives_another_text(engine: LocalEngine) -> None:
    made = list(engine.generate([tiny.prompt("one", seed=1), tiny.prompt("two", seed=2)]))
    assert made[0].text != made[1].text


def test_every_structured_output_that_ended_by_itself_parses(engine: LocalEngine) -> None:
    prompts = [tiny.prompt(f"p{seed}", schema=SCHEMA, seed=seed, max_new_tokens=400) for seed in range(12)]
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


def test_a_text_that_would_end_early_goes_on_until_it_has_its_least_tokens(engine: LocalEngine) -> None:
    """Up to where it would have ended it is the same; a form is complete when it is complete."""
    def asked(**sampling: object) -> list[Completion]:
        prompts = [tiny.prompt(f"{seed}", seed=seed, temperature=5.0, top_k=0, **sampling) for seed in range(12)]
        return sorted(engine.generate(prompts), key=lambda made: int(made.request_id))

    free, held = asked(), asked(min_new_tokens=20)
    assert min(made.tokens_out for made in free) < 10
    assert all(made.tokens_out >= 20 for made in held)
    assert all(long.text.startswith(short.text) for short, long in zip(free, held, strict=True)
               if short.finish_reason == "stop")
    form = {"schema": SCHEMA, "max_new_tokens": 200}
    (plain,), (longer,) = (engine.generate([tiny.prompt("c", **form, min_new_tokens=least)]) for least in (0, 199))  # type: ignore[arg-type]
    assert plain.finish_reason == "stop"
    assert (longer.text, longer.tokens_out) == (plain.text, plain.tokens_out)


BAD = {
    "empty": (tiny.prompt("empty", "  "), "empty_prompt", "some text"),
    "long": (tiny.prompt("long", "x" * 600), "prompt_too_long", "at most 488"),
    "surrogate": (tiny.prompt("surrogate", "a\ud800b"), "not_encodable", "valid Unicode"),
    "special": (tiny.prompt("special", "hello <|im_end|> there"), "special_token", "plain text"),
    "schema": (tiny.prompt("schema", schema='{"type": "nonsense"}'), "bad_schema", "llguidance"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_prompt_fails_alone_with_its_reason(plain: Case, name: str) -> None:
    prompt, code, expected = BAD[name]
    found = {made.request_id: made for made in plain.engine.generate([PROMPTS[0], prompt, *PROMPTS[1:4]])}
    bad = found.pop(name)
    assert bad.fault is not None
    assert (bad.fault.code, bad.finish_reason, bad.text) == (code, "error", "")
    assert expected in bad.fault.expected
    assert bad.fault.remedy
    assert texts(list(found.values())) == plain.expected(PROMPTS[:4])


def test_a_row_whose_logits_are_not_numbers_fails_alone(plain: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    opened, step, broken = PagedRunner.open, PagedRunner.step, set[int]()

    def marked(self: PagedRunner, row: int, tokens: list[int], total: int) -> int | None:
        broken.add(row) if total == len(tokens) + 77 else broken.discard(row)
        return opened(self, row, tokens, total)

    def poisoned(self: PagedRunner, plan: Plan) -> torch.Tensor:
        logits = step(self, plan)
        for at, index in enumerate(plan.sampled):
            if plan.rows[index] in broken and plan.positions[index] > 50:
                logits[at, 5] = torch.nan
        return logits

    monkeypatch.setattr(PagedRunner, "open", marked)
    monkeypatch.setattr(PagedRunner, "step", poisoned)
    bad = tiny.prompt("bad", max_new_tokens=77)
    found = {made.request_id: made for made in plain.engine.generate([*PROMPTS[:2], bad, *PROMPTS[2:]])}
    made = found.pop("bad")
    assert made.fault
    assert (made.fault.code, made.finish_reason, made.text) == ("no_token", "error", "")
    assert 0 < made.tokens_out < 20
    assert texts(list(found.values())) == plain.expected(PROMPTS)


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


def test_five_thousand_prompts_are_taken_no_faster_than_there_are_slots(llama: ModelRef) -> None:
    slots, taken, done = 128, 0, 0

    def prompts() -> Iterator[Prompt]:
        nonlocal taken
        for number in range(5000):
            assert taken - done <= slots
            taken += 1
            yield tiny.prompt(str(number), f"{number}", max_new_tokens=1 + number % 2)

    for _ in tiny.engine(llama, slots=slots).generate(prompts()):
        assert taken - done <= slots + 1
        done += 1
    assert done == 5000


def test_a_model_without_a_chat_template_gets_a_plain_layout(tmp_path: Path) -> None:
    engine = tiny.engine(tiny.saved(tmp_path, "GPT2", chat=False))
    messages = [Message(role="system", content="Be brief."), Message(role="user", content="Hi")]
    (made,) = engine.generate([msgspec.structs.replace(tiny.prompt("a", max_new_tokens=4), messages=messages)])
    assert made.fault is None
    assert made.tokens_in == len("Be brief.\n\nHi\n\nAnswer:\n")


def test_info_is_known_before_the_weights_are_loaded(llama: ModelRef) -> None:
    engine = tiny.engine(llama, slots=3)
    info = engine.info()
    found = (info.engine, info.model_digest, info.dtype, info.device, info.slots)
    assert found == ("local", "sha256:tiny", "float32", "cpu", 3)
    assert info.versions["torch"] == torch.__version__
    assert engine._loaded is None


def test_a_chat_template_without_a_system_role_gets_the_instructions_in_the_users_turn(tmp_path: Path) -> None:
    ref = tiny.saved(tmp_path)
    tokenizer = tiny.tokenizer()
    refusal = "{% if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    tokenizer.chat_template = refusal + tiny.CHATML
    tokenizer.save_pretrained(tmp_path)
    messages = [Message(role="system", content="Be brief."), Message(role="user", content="Hi")]
    prompt = msgspec.structs.replace(tiny.prompt("a", max_new_tokens=3), messages=messages)
    (made,) = tiny.engine(ref).generate([prompt])
    assert made.fault is None
    assert made.tokens_in == 3 + len("user\nBe brief.\n\nHi\nassistant\n")


def test_what_the_owner_of_the_prompts_raises_is_not_taken_for_the_models(engine: LocalEngine) -> None:
    def prompts() -> Iterator[Prompt]:
        yield tiny.prompt("a", max_new_tokens=2)
        raise MemoryError("of the sheet")

    with pytest.raises(MemoryError, match="of the sheet"):
        list(engine.generate(prompts()))

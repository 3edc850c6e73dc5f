"""Errors of other people's code: those that lie in a prompt fail its row, those in a step stop the run."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from aigc.engine.batch import Batch
from aigc.engine.chat import ChatEncoder
from aigc.engine.deaths import EngineDied
from aigc.engine.grammar import Grammars
from aigc.engine.loaded import Loaded
from aigc.engine.local import LocalEngine
from aigc.errors import EngineError, ModelError
from aigc.models import ModelRef
from aigc.records import Completion, Prompt

from . import tiny
from .test_local_engine import SCHEMA

ODD = [ValueError, KeyError, TypeError, AttributeError, IndexError, ZeroDivisionError, OSError, RuntimeError]
SECRET = "the text of the brief"


@pytest.fixture(scope="module")
def engine(llama: ModelRef) -> LocalEngine:
    return tiny.engine(llama)


def failing(kind: type[Exception], method: Callable[..., object]) -> Callable[..., object]:
    """`method`, which fails on the prompts whose text or schema is odd."""

    def fail(self: object, first: object, *rest: object) -> object:
        if "odd" in (first.messages[0].content if isinstance(first, Prompt) else str(first)):
            raise kind(SECRET)
        return method(self, first, *rest)

    return fail


PLACES = [
    (ChatEncoder, "encode", "not_encodable", {"text": "odd"}),
    (Grammars, "matcher", "no_grammar", {"schema": SCHEMA.replace("title", "odd")}),
]


@pytest.mark.parametrize("kind", ODD)
@pytest.mark.parametrize(("owner", "method", "code", "odd"), PLACES, ids=["encoding", "grammar"])
def test_an_error_in_taking_a_prompt_in_fails_its_row_alone_and_is_said_once(
    engine: LocalEngine, owner: type, method: str, code: str, odd: dict[str, str], kind: type[Exception],
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(owner, method, failing(kind, getattr(owner, method)))
    prompts = [tiny.prompt("a"), tiny.prompt("x", **odd), tiny.prompt("y", **odd), tiny.prompt("b")]  # type: ignore[arg-type]
    with caplog.at_level(logging.WARNING, "aigc"):
        made = {each.request_id: each for each in engine.generate(prompts)}
    for name in ("x", "y"):
        fault = made.pop(name).fault
        assert fault
        assert fault.code == code
        assert fault.found == f"an error in {'its encoding' if code == 'not_encodable' else 'making its grammar'} " \
                              f"({kind.__name__})"
        assert "take another model" in fault.remedy.lower()
    assert [each.fault for each in made.values()] == [None, None]
    (line,) = [record.getMessage() for record in caplog.records]
    assert kind.__name__ in line
    assert SECRET not in line


def test_a_chat_template_that_fails_on_a_text_fails_its_row_alone(tmp_path: Path) -> None:
    ref, tokenizer = tiny.saved(tmp_path), tiny.tokenizer()
    tokenizer.chat_template = "{% if 1 // (messages[-1].content | length - 3) %}{% endif %}" + tiny.CHATML
    tokenizer.save_pretrained(tmp_path)
    made = list(tiny.engine(ref).generate([tiny.prompt("x", "odd"), tiny.prompt("a", "even", max_new_tokens=2)]))
    assert [each.fault and each.fault.found for each in made] == ["an error in its encoding (ZeroDivisionError)", None]


def test_a_tokenizer_that_gives_no_grammars_fails_only_rows_that_need_one(
    llama: ModelRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise ValueError("only fast tokenizers")

    monkeypatch.setattr("aigc.engine.grammar.llguidance.hf.from_tokenizer", refuse)
    made = {each.request_id: each for each in tiny.engine(llama).generate(
        [tiny.prompt("x", schema=SCHEMA), tiny.prompt("a"), tiny.prompt("y", schema=SCHEMA)]
    )}
    assert [name for name, each in made.items() if each.fault and each.fault.code == "no_grammar"] == ["x", "y"]
    assert made["a"].fault is None


@pytest.mark.parametrize("exc", [MemoryError(), torch.OutOfMemoryError("played")], ids=lambda exc: type(exc).__name__)
def test_memory_that_runs_out_in_taking_a_prompt_in_is_no_fault_of_it(
    llama: ModelRef, exc: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, encode, left = tiny.engine(llama), ChatEncoder.encode, [exc]

    def short(self: ChatEncoder, prompt: Prompt, most: int) -> list[int]:
        if left:
            raise left.pop()
        return encode(self, prompt, most)

    monkeypatch.setattr(ChatEncoder, "encode", short)
    assert [made.fault for made in engine.generate([tiny.prompt("a"), tiny.prompt("b")])] == [None, None]
    assert engine.info().slots == 2


def test_a_context_that_is_dead_when_a_prompt_is_taken_in_is_a_death(
    llama: ModelRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object) -> list[int]:
        raise torch.AcceleratorError("CUDA error: an illegal memory access was encountered")

    monkeypatch.setattr(ChatEncoder, "encode", die)
    with pytest.raises(EngineDied):
        list(tiny.engine(llama).generate([tiny.prompt("a")]))


@pytest.mark.parametrize("kind", ODD)
@pytest.mark.parametrize("owner", [(Batch, "launch"), (Batch, "collect"), (Loaded, "runner")], ids=lambda each: each[1])
def test_an_error_in_a_step_stops_the_run_in_words_for_its_user(
    llama: ModelRef, owner: tuple[type, str], kind: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise kind(SECRET)

    monkeypatch.setattr(*owner, fail)
    engine, made = tiny.engine(llama), list[Completion]()
    with pytest.raises(EngineError) as caught:
        made.extend(engine.generate([tiny.prompt("a")]))
    assert str(caught.value) == (
        f"engine: found {kind.__name__} in a step of the model; expected a step that computes. "
        "Run again; the texts made so far are kept."
    )
    assert isinstance(caught.value.__cause__, kind)
    if owner[1] == "runner":
        with pytest.raises(EngineError, match=f"{kind.__name__} in a step"):
            engine.prepare()


@pytest.mark.parametrize("kind", ODD)
def test_an_error_in_loading_that_no_reader_of_files_tells_is_the_models(
    llama: ModelRef, kind: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise kind("no template")

    monkeypatch.setattr("aigc.engine.loaded.ChatEncoder", fail)
    with pytest.raises(ModelError, match=f"model Llama: found {kind.__name__} as it was loaded .*no template"):
        list(tiny.engine(llama).generate([tiny.prompt("a")]))

"""The engine where memory is short: fewer slots, prompts that fail alone, and room that always comes back."""

from __future__ import annotations

import gc
import logging
import weakref
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from aigc.engine.batch import Batch, Step
from aigc.engine.cache import CacheShape, PagedCache
from aigc.engine.local import LocalEngine
from aigc.engine.pages import PAGE
from aigc.engine.plan import Plan
from aigc.engine.runners import PagedRunner
from aigc.engine.sampler import Sampler
from aigc.models import ModelRef
from aigc.records import Prompt

from . import tiny
from .tiny import Made, texts

MOST_TURNS = 6_000
LONG = "A text that is a good deal longer than the others are, so that it has many pages. "
PROMPTS = [
    tiny.prompt("a", max_new_tokens=64),
    tiny.prompt("b", "short", temperature=0.0, max_new_tokens=40),
    tiny.prompt("c", LONG),
    tiny.prompt("d", LONG[::-1]),
    tiny.prompt("e", "中文", max_new_tokens=9),
    tiny.prompt("f", "x " * 40),
]
Fails = Callable[[PagedRunner, Plan], bool]


@pytest.fixture(autouse=True)
def _no_turns_without_end() -> Iterator[None]:
    """A row that waits for room that never comes is a failure, not a test that hangs."""
    launch, turns = Batch.launch, 0

    def counted(self: Batch) -> Step | None:
        nonlocal turns
        turns += 1
        assert turns < MOST_TURNS, "the engine turns and turns"
        return launch(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Batch, "launch", counted)
        yield


def scarce(monkeypatch: pytest.MonkeyPatch, fails: Fails) -> None:
    """Let memory run out in the steps that `fails` names."""
    step = PagedRunner.step

    def short(self: PagedRunner, plan: Plan) -> torch.Tensor:
        if fails(self, plan):
            raise torch.OutOfMemoryError("played")
        return step(self, plan)

    monkeypatch.setattr(PagedRunner, "step", short)


def ready(ref: ModelRef, slots: int = 4, *, max_context: int = 0, pages: int = 0) -> LocalEngine:
    """An engine whose runner is open: what goes wrong from here on goes wrong in a step."""
    engine = tiny.engine(ref, slots=slots, max_context=max_context)
    engine._sizes.pages = pages or engine._sizes.pages
    list(engine.generate([tiny.prompt("first", "Hi", max_new_tokens=1)]))
    return engine


def alone(engine: LocalEngine, prompts: list[Prompt]) -> dict[str, Made]:
    return {request: made for prompt in prompts for request, made in texts(list(engine.generate([prompt]))).items()}


@pytest.mark.parametrize("pages", [0, 18], ids=["room for all", "rows that wait for room"])
@pytest.mark.parametrize("asked", [0, 1, 2], ids=["as a prompt is read", "as one answers", "as two answer"])
def test_out_of_memory_goes_on_with_half_the_slots_and_answers_every_row_once(
    llama: ModelRef, asked: int, pages: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    many, few = _alone(llama.folder(), 4), _alone(llama.folder(), 2)
    engine = ready(llama, max_context=200, pages=pages)
    scarce(monkeypatch, lambda runner, plan: runner.slots == 4 and len(plan.sampled) == asked)
    with caplog.at_level(logging.WARNING, "aigc"):
        found = list(engine.generate(PROMPTS))
    assert sorted(made.request_id for made in found) == sorted(few)
    assert all(made in (many[request], few[request]) for request, made in texts(found).items())
    assert engine.info().slots == 2
    assert "out of memory at 4 slots: going on with 2" in caplog.text
    assert texts(list(engine.generate(PROMPTS))) == few, "and stays with them"


def test_a_row_that_memory_runs_out_for_as_it_is_taken_in_is_answered_once(
    llama: ModelRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, opened, calls = ready(llama), Sampler.open, iter(range(10_000))

    def short(self: Sampler, *arguments: object, **more: object) -> None:
        if next(calls) == 2:
            raise MemoryError("played")
        opened(self, *arguments, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(Sampler, "open", short)
    found = list(engine.generate(PROMPTS))
    assert sorted(made.request_id for made in found) == ["a", "b", "c", "d", "e", "f"]
    assert [made.fault for made in found] == [None] * 6


def test_a_row_that_fitted_still_does_with_fewer_slots(llama: ModelRef, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cache holds one such row and little more, at the full number of slots too."""
    long = tiny.prompt("long", "y" * 150)
    engine = ready(llama, max_context=200, pages=18)
    scarce(monkeypatch, lambda runner, _: runner.slots > 1)
    found = {made.request_id: made.fault for made in engine.generate([*PROMPTS, long])}
    assert found == {prompt.request_id: None for prompt in [*PROMPTS, long]}
    assert (engine.info().slots, engine._sizes.context) == (1, 200)


def test_rows_have_less_context_only_where_memory_does_not_hold_one_of_the_whole(
    llama: ModelRef, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    most, opened, allocate = 40, list[int](), PagedCache.__init__

    def short(self: PagedCache, shape: CacheShape, pages: int, device: torch.device) -> None:
        opened.append(pages)
        if pages > most:
            raise torch.OutOfMemoryError("played")
        allocate(self, shape, pages, device)

    monkeypatch.setattr("aigc.engine.sizing.ROW_TOKENS", 64)
    engine = tiny.engine(llama, slots=16, max_context=512)
    engine._sizes.pages = 120
    monkeypatch.setattr(PagedCache, "__init__", short)
    with caplog.at_level(logging.WARNING, "aigc"):
        found = list(engine.generate([*PROMPTS, tiny.prompt("big", "y" * 300)]))
    assert opened[1:] == [120, 60, 33], "the first is the trial of whether the model runs over pages"
    assert [made.fault for made in found] == [None] * 7
    assert (engine.info().slots, engine._sizes.context) == (4, 512)
    assert "whole context" not in caplog.text

    most = 20
    engine.close()
    found = list(engine.generate([*PROMPTS, tiny.prompt("big", "y" * 300)]))
    assert opened[-2:] == [33, 17]
    assert {made.request_id: made.fault.code for made in found if made.fault} == {"big": "prompt_too_long"}
    assert (engine.info().slots, engine._sizes.context) == (2, 256)
    assert "no room for a row of the whole context: going on with 256 tokens a row" in caplog.text


def test_a_prompt_that_never_fits_fails_alone(llama: ModelRef, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = alone(ready(llama, slots=1), [PROMPTS[0], PROMPTS[1]])
    engine = ready(llama)
    scarce(monkeypatch, lambda _, plan: max(plan.positions) > 150)
    found = {made.request_id: made for made in engine.generate([PROMPTS[0], tiny.prompt("big", "y" * 200), PROMPTS[1]])}
    big = found.pop("big")
    assert big.fault
    assert (big.fault.code, big.finish_reason, big.text) == ("out_of_memory", "error", "")
    assert "lower max_new_tokens" in big.fault.remedy
    assert texts([found["b"]]) == {"b": expected["b"]}, "it came after, to the one slot that was left"
    assert found["a"].fault is None


def test_a_prompt_that_never_fits_leaves_its_room_to_the_next(
    llama: ModelRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = ready(llama, slots=1, max_context=160)
    expected = alone(engine, PROMPTS)
    scarce(monkeypatch, lambda _, plan: max(plan.positions) > 135)
    bigs = [tiny.prompt(f"big{number}", f"{number}" * 110) for number in range(3)]
    found = {made.request_id: made for made in engine.generate([bigs[0], PROMPTS[1], *bigs[1:], *PROMPTS[2:]])}
    assert [found.pop(big.request_id).fault is not None for big in bigs] == [True] * 3
    assert texts(list(found.values())) == {prompt.request_id: expected[prompt.request_id] for prompt in PROMPTS[1:]}


def test_pages_of_a_step_that_failed_are_not_shared(llama: ModelRef, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory runs out in the middle of the model: one layer has written its keys, the others have not."""
    again = tiny.prompt("again", LONG)
    expected = alone(ready(llama, slots=1), [again])
    engine, update, calls = ready(llama, slots=1), PagedCache.update, iter(range(10_000))

    def short(self: PagedCache, key: torch.Tensor, value: torch.Tensor, layer_idx: int, *rest: object) -> object:
        if next(calls) != 2 * (4 * PAGE - 1) + 1:  # the second layer, at the last token of the fourth page
            return update(self, key, value, layer_idx, *rest)
        update(self, key * torch.nan, value * torch.nan, layer_idx, *rest)
        raise torch.OutOfMemoryError("played")

    monkeypatch.setattr(PagedCache, "update", short)
    found = {made.request_id: made for made in engine.generate([PROMPTS[2], again])}
    assert found["c"].fault
    assert texts([found["again"]]) == expected


def test_what_a_failed_step_held_is_free_before_memory_is_given_back(
    llama: ModelRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The allocator's unused blocks go back to the device only where no tensor is in them any more."""
    engine, held, left = ready(llama), list[weakref.ref[object]](), list[int]()

    def fail(cache: PagedCache, key: torch.Tensor, value: torch.Tensor, layer_idx: int, *rest: object) -> object:
        if layer_idx and not held:
            held.extend([weakref.ref(key), weakref.ref(cache)])
            raise torch.OutOfMemoryError("played")
        return update(cache, key, value, layer_idx, *rest)

    update = PagedCache.update
    monkeypatch.setattr(PagedCache, "update", fail)
    monkeypatch.setattr(LocalEngine, "_release", lambda _: left.append(sum(each() is not None for each in held)))
    gc.disable()
    try:
        assert len(list(engine.generate(PROMPTS))) == len(PROMPTS)
    finally:
        gc.enable()
    assert (len(held), left) == (2, [0])


@pytest.mark.parametrize("how", ["dropped", "its prompts raise"])
def test_a_run_that_is_broken_off_leaves_its_room_to_the_next(llama: ModelRef, how: str) -> None:
    engine = tiny.engine(llama, slots=4, max_context=200)
    expected = alone(engine, PROMPTS)

    def prompts() -> Iterator[Prompt]:
        yield from PROMPTS
        raise KeyError("of the sheet")

    for _ in range(6):
        running = engine.generate(prompts())
        if how == "dropped":
            next(running)
            running.close()
        else:
            with pytest.raises(KeyError):
                list(running)
    assert texts(list(engine.generate(PROMPTS))) == expected


@settings(max_examples=6, deadline=None)
@given(order=st.permutations(PROMPTS), slots=st.sampled_from([2, 8]))
def test_rows_that_wait_for_pages_get_the_same_texts(llama: ModelRef, order: list[Prompt], slots: int) -> None:
    """With a cache that holds a row or two at a time, however many slots there are."""
    assert texts(list(_tight(llama.folder(), slots).generate(order))) == _alone(llama.folder(), slots)


@cache
def _tight(folder: Path, slots: int) -> LocalEngine:
    return ready(_llama(folder), slots=slots, max_context=200, pages=16)


@cache
def _alone(folder: Path, slots: int) -> dict[str, Made]:
    return alone(ready(_llama(folder), slots=slots), PROMPTS)


def _llama(folder: Path) -> ModelRef:
    return ModelRef(ref="Llama", path=folder, digest="sha256:tiny", chat_template=True)


def test_fewer_slots_where_rows_would_not_have_room(monkeypatch: pytest.MonkeyPatch, llama: ModelRef) -> None:
    monkeypatch.setattr("aigc.engine.sizing.memory_bytes", lambda _device: 12_000_000)
    sizes = tiny.engine(llama, slots=0).info()
    assert 1 <= sizes.slots < 64
    assert sizes.slots.bit_count() == 1

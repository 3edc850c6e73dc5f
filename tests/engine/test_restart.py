from __future__ import annotations

import logging
import os
import signal
import weakref
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from aigc.engine import open_engine
from aigc.engine.batch import Batch
from aigc.engine.child import ChildEngine
from aigc.engine.deaths import EngineDied
from aigc.engine.restart import MOST_CONVICTIONS_AT_FIRST, MOST_DEATHS, RestartingEngine, belongs_apart
from aigc.engine.scripted import answer
from aigc.errors import EngineError, ModelError
from aigc.models import ModelRef
from aigc.records import Completion, Prompt
from aigc.settings import EngineSettings

from . import dying, tiny

SCRIPTED = ModelRef(ref="played")
REAL = [tiny.prompt(name, f"Line {name}", max_new_tokens=n) for name, n in {"a": 6, "b": 24, "c": 12, "d": 18}.items()]
LOCAL = EngineSettings(device="cpu", dtype="float32", slots=96)


@pytest.fixture
def played(notes: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[RestartingEngine]:
    """An engine in a process of its own that dies in the way that the test's parameter names."""
    monkeypatch.setenv("DYING_HOW", request.param)
    engine = RestartingEngine(EngineSettings(), SCRIPTED, apart=True, worker=dying.__name__)
    yield engine
    engine.close()


def by(*ways: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("played", ways, indirect=True)


def of(engine: RestartingEngine) -> ChildEngine:
    """The process that the engine runs its model in."""
    assert isinstance(engine._seat, ChildEngine)
    return engine._seat


# With a real model ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def undisturbed(llama: ModelRef) -> dict[str, tuple[str, str]]:
    return tiny.texts(list(tiny.engine(llama, slots=96).generate(REAL)))


def test_a_lost_context_is_gone_on_from_in_a_new_process_and_retries_join_there(
    llama: ModelRef,
    undisturbed: dict[str, tuple[str, str]],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def lose(_batch: Batch) -> None:
        raise torch.AcceleratorError("CUDA error: an illegal memory access was encountered\nCUDA kernel errors ...")

    monkeypatch.setattr(Batch, "launch", lose)
    engine = RestartingEngine(LOCAL, llama)
    before, made = engine.info(), list[Completion]()

    def prompts() -> Iterator[Prompt | None]:
        yield from REAL[:3]
        while not made:
            yield None
        yield REAL[3]

    try:
        for completion in engine.generate(prompts()):
            made.append(completion)
            assert engine.info() == before
    finally:
        engine.close()
    assert tiny.texts(made) == undisturbed
    lines = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert lines == [
        "the engine died with 3 in flight (CUDA error: an illegal memory access was encountered): "
        "going on in a new process"
    ]
    assert dying.is_gone(of(engine).pid)


def test_a_model_that_died_in_this_process_is_gone_when_the_next_is_at_work(
    llama: ModelRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = list[weakref.ref[Batch]]()

    def lose(batch: Batch) -> None:
        held.append(weakref.ref(batch))
        raise torch.AcceleratorError("CUDA error: an illegal memory access was encountered")

    monkeypatch.setattr(Batch, "launch", lose)
    engine = RestartingEngine(LOCAL, llama)
    try:
        for _ in engine.generate(REAL[:1]):
            assert [batch() for batch in held] == [None]
    finally:
        engine.close()


def test_a_killed_process_is_replaced_and_no_text_changes(
    llama: ModelRef, undisturbed: dict[str, tuple[str, str]]
) -> None:
    engine, made, killed = RestartingEngine(LOCAL, llama, apart=True), list[Completion](), list[int]()
    try:
        for completion in engine.generate(REAL):
            made.append(completion)
            if not killed:
                killed.append(of(engine).pid)
                os.kill(killed[0], signal.SIGKILL)
        assert killed != [of(engine).pid]
    finally:
        engine.close()
    assert Counter(c.request_id for c in made) == Counter("abcd")
    assert tiny.texts(made) == undisturbed


def test_a_row_on_which_every_context_dies_fails_alone(
    llama: ModelRef, undisturbed: dict[str, tuple[str, str]], notes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DYING_HOW", "local")
    dying.poison_steps(monkeypatch.setattr)
    engine = RestartingEngine(LOCAL, llama, worker=dying.__name__)
    try:
        made = {c.request_id: c for c in engine.generate([REAL[0], tiny.prompt("bad", dying.POISON)])}
    finally:
        engine.close()
    fault = made.pop("bad").fault
    assert fault is not None
    assert fault.code == "engine_died"
    assert "CUDA error: device-side assert triggered" in fault.found
    assert "failed rows are made again" in fault.remedy
    assert tiny.texts(list(made.values())) == {"a": undisturbed["a"]}
    assert len(dying.started(notes)) == 2


def test_a_fault_in_the_code_is_no_death(llama: ModelRef, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_batch: Batch) -> None:
        raise RuntimeError("shapes do not match")

    monkeypatch.setattr(Batch, "launch", fail)
    with pytest.raises(EngineError, match="RuntimeError in a step of the model") as caught:
        list(open_engine(LOCAL, llama).generate(REAL))
    assert not isinstance(caught.value, EngineDied)


# With a played one ---------------------------------------------------------------------------------------------------


@by("be_killed", "lose_context")
@pytest.mark.parametrize("poisonous", [(3,), (0, 1, 14)], ids=str)
def test_poisonous_rows_fail_alone_and_the_others_are_as_ever(
    played: RestartingEngine, poisonous: tuple[int, ...]
) -> None:
    prompts = dying.rows(16, poisonous)
    made = list(played.generate(prompts))
    assert Counter(c.request_id for c in made) == Counter(p.request_id for p in prompts)
    failed = {c.request_id: c.fault.code for c in made if c.fault}
    assert failed == {f"r{i}": "engine_died" for i in poisonous}
    assert {c.request_id: c.text for c in made if not c.fault} == {
        p.request_id: answer(p) for i, p in enumerate(prompts) if i not in poisonous
    }


@by("end_at_once")
def test_an_engine_that_never_lives_stops_the_run(
    played: RestartingEngine, notes: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(EngineError) as caught:
        list(played.generate(dying.rows(3)))
    assert str(caught.value) == (
        "model played: found a model's process that ended by exit status 3, and 6 deaths without a text so far; "
        "expected an engine that lives until a text is made. Run `aigc doctor`, and ask the system's log (`dmesg`) "
        "what ended it; lower engine.slots where memory is short. Then run again; the texts made so far are kept."
    )
    assert len(dying.started(notes)) == MOST_DEATHS
    assert len(caplog.records) == MOST_DEATHS - 1
    with pytest.raises(EngineError, match="6 deaths without a text"):
        played.info()


@by("be_killed")
def test_poisonous_rows_in_succession_fail_alone_and_what_comes_after_them_is_made(played: RestartingEngine) -> None:
    made = {c.request_id: c.fault for c in played.generate(dying.rows(16, tuple(range(6, 15))))}
    assert max(MOST_DEATHS, MOST_CONVICTIONS_AT_FIRST) < 9
    fine = [*range(6), 15]
    assert [made.pop(f"r{i}") for i in fine] == [None] * len(fine)
    assert [fault and fault.code for fault in made.values()] == ["engine_died"] * 9


@pytest.mark.parametrize(
    ("played", "poisonous"),
    [("be_killed", range(40)), ("refuse_or_be_killed", range(1, 40, 2))],
    indirect=["played"], ids=["every row", "every row that is not refused before a step"],
)
def test_an_engine_that_never_made_a_text_is_at_fault_sooner_than_a_sheet(
    played: RestartingEngine, notes: Path, poisonous: range
) -> None:
    made = list[Completion]()
    with pytest.raises(EngineError, match="SIGKILL, and 3 rows that it died of without a text so far; expected"):
        made.extend(played.generate(dying.rows(40, tuple(poisonous))))
    assert [c.fault and c.fault.code for c in made].count("engine_died") == MOST_CONVICTIONS_AT_FIRST
    assert len(dying.started(notes)) < 12


@by("be_killed")
def test_the_third_row_to_blame_is_no_reason_to_stop_where_a_text_was_made_in_an_earlier_round(
    played: RestartingEngine
) -> None:
    assert [made.fault for made in played.generate(dying.rows(1))] == [None]
    made = list(played.generate(dying.rows(7, tuple(range(7)))))
    assert [c.fault and c.fault.code for c in made] == ["engine_died"] * 7


@by("be_killed")
def test_rows_that_all_end_the_process_stop_the_run_and_the_last_of_them_is_told(
    played: RestartingEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aigc.engine.restart.MOST_CONVICTIONS", 4)
    list(played.generate(dying.rows(1)))
    made = list[Completion]()
    with pytest.raises(EngineError, match="SIGKILL, and 4 rows that it died of without a text in between; expected"):
        made.extend(played.generate(dying.rows(12, tuple(range(12)))))
    assert [c.fault and c.fault.code for c in made] == ["engine_died"] * 4


@by("be_killed")
def test_none_means_later_in_another_process_too(played: RestartingEngine) -> None:
    done = list[str]()

    def prompts() -> Iterator[Prompt | None]:
        yield from dying.rows(3)
        while len(done) < 2:
            yield None
        yield tiny.prompt("retry")

    for made in played.generate(prompts()):
        done.append(made.request_id)
    assert sorted(done) == ["r0", "r1", "r2", "retry"]
    assert [c.request_id for c in played.generate([tiny.prompt("next round")])] == ["next round"]
    assert list(played.generate([None, tiny.prompt("after the end")])) == []


@by("be_killed")
def test_a_process_that_ends_between_two_rounds_is_replaced(played: RestartingEngine, notes: Path) -> None:
    assert len(list(played.generate(dying.rows(2)))) == 2
    os.kill(of(played).pid, signal.SIGKILL)
    assert not [made.fault for made in played.generate(dying.rows(3)) if made.fault]
    assert len(dying.started(notes)) == 2


@by("be_killed")
def test_what_the_owner_of_the_prompts_raises_is_the_owners(played: RestartingEngine, notes: Path) -> None:
    def prompts() -> Iterator[Prompt]:
        yield tiny.prompt("a")
        raise MemoryError("of the sheet")

    with pytest.raises(MemoryError, match="of the sheet"):
        list(played.generate(prompts()))
    (left,) = dying.started(notes)
    assert dying.is_gone(left)
    assert len(list(played.generate(dying.rows(3)))) == 3


@by("be_killed")
def test_a_round_that_is_given_up_ends_the_process(played: RestartingEngine, notes: Path) -> None:
    completions = played.generate(dying.rows(9))
    next(completions)
    completions.close()  # type: ignore[attr-defined]
    assert played.info().engine == "scripted"
    (left,) = dying.started(notes)
    assert dying.is_gone(left), "and to ask what the engine is begins no other"


@by("be_killed")
def test_a_prompt_that_is_no_valid_unicode_gets_to_the_model(played: RestartingEngine) -> None:
    (made,) = played.generate([tiny.prompt("a", "a\ud800b")])
    assert made.fault is None


@by("shrink")
def test_fewer_slots_are_told_and_stay_fewer_in_the_next_process(
    played: RestartingEngine, notes: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert played.info() == dying.info_of(6)
    slots = Counter[int]()
    for made in played.generate(dying.rows(8, (5,))):
        slots[played.info().slots] += 1
        assert (made.fault is not None) == (made.request_id == "r5")
    assert slots == {3: 8}
    assert len(dying.started(notes)) > 1
    said = [record for record in caplog.records if "played" in record.getMessage()]
    assert [(record.name, record.getMessage()) for record in said] == [("aigc.engine.local", "played: 3 slots")]


@pytest.mark.parametrize(
    ("played", "kind", "message"),
    [
        ("refuse", ModelError, "model played: found played weights; expected real ones. Play no more."),
        ("fail_by_bug", EngineError, "engine: found LookupError in the model's process; expected a step that"),
    ],
    indirect=["played"],
)
def test_what_another_process_would_meet_too_is_no_reason_for_one(
    played: RestartingEngine, notes: Path, kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind) as caught:
        list(played.generate(dying.rows(2)))
    assert str(caught.value).startswith(message)
    assert len(dying.started(notes)) == 1


@by("take_long")
def test_closing_ends_a_process_in_the_middle_of_a_step(played: RestartingEngine, notes: Path) -> None:
    assert played.info().engine == "scripted"
    played.close()
    played.close()
    (left,) = dying.started(notes)
    assert dying.is_gone(left)


@pytest.mark.parametrize(
    ("device", "driver", "apart"),
    [("cpu", True, False), ("auto", True, True), ("auto", False, False), ("cuda", False, True)],
)
def test_a_model_on_a_gpu_has_a_process_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, device: str, driver: bool, apart: bool
) -> None:
    monkeypatch.setattr("aigc.engine.restart._GPU_FILES", (tmp_path if driver else tmp_path / "none",))
    assert belongs_apart(EngineSettings(device=device)) is apart  # type: ignore[arg-type]

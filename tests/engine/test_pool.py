"""Many engines fed from one queue: no row is lost, doubled or held up by another's process."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from aigc.engine import open_engine, slots_of, uses_of
from aigc.engine.child import ChildEngine, Place
from aigc.engine.loader import sizes_for
from aigc.engine.pool import EnginePool
from aigc.engine.restart import MOST_DEATHS, RestartingEngine
from aigc.engine.scripted import answer
from aigc.errors import EngineError, ModelError, StoreError
from aigc.models import ModelRef
from aigc.records import Completion, Prompt
from aigc.settings import EngineSettings

from . import dying, tiny

PLAYED = ModelRef(ref="played")
HELD_UP_S = 30.0
"""After that a test takes its rows to be held up."""
Opener = Callable[..., EnginePool]


@pytest.fixture
def played(notes: Path) -> Iterator[Opener]:
    """Opens a pool with a process for each of the ways in which it is to end, or environments that name them."""
    opened = list[EnginePool]()

    def open_played(*ways: str | dict[str, str]) -> EnginePool:
        environments = [{"DYING_HOW": way} if isinstance(way, str) else way for way in ways]
        opened.append(EnginePool([
            RestartingEngine(EngineSettings(), PLAYED, apart=True, worker=dying.__name__, place=Place(name, way))
            for name, way in zip("abc", environments, strict=False)
        ]))
        return opened[0]

    yield open_played
    for pool in opened:
        pool.close()
    assert all(map(dying.is_gone, dying.started(notes)))


def pid_of(pool: EnginePool, member: int) -> int:
    seat = pool._members[member].engine._seat
    assert isinstance(seat, ChildEngine)
    return seat.pid


def given(pool: EnginePool, member: int) -> set[str]:
    """Rows that a process has and has not made."""
    return {*pool._members[member].given}


def texts(pool: EnginePool) -> dict[str, int]:
    return {name: use.texts for name, use in pool.uses.items()}


class Still:
    """A process that stands still until it is told to go on; it is too late for that once the test has waited long."""

    def __init__(self, pid: int) -> None:
        self._pid, self._late = pid, False
        os.kill(pid, signal.SIGSTOP)
        self._timer = threading.Timer(HELD_UP_S, self._end_waiting)
        self._timer.start()

    def go_on(self) -> None:
        assert not self._late, "the others were held up"
        self._timer.cancel()
        os.kill(self._pid, signal.SIGCONT)

    def _end_waiting(self) -> None:
        self._late = True
        os.kill(self._pid, signal.SIGCONT)


def assert_each_made_once(made: list[Completion], prompts: list[Prompt]) -> None:
    assert Counter(c.request_id for c in made) == Counter(p.request_id for p in prompts)
    assert {c.request_id: c.text for c in made} == {p.request_id: answer(p) for p in prompts}


# With a real model ---------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_texts_are_those_of_one_process_also_where_one_of_two_is_killed(llama: ModelRef) -> None:
    prompts = [tiny.prompt(f"p{i}", f"Line {i}", max_new_tokens=6 + i % 9) for i in range(24)]
    alone = tiny.engine(llama, slots=4)
    undisturbed = tiny.texts(list(alone.generate(prompts)))
    engine = open_engine(EngineSettings(device="cpu", dtype="float32", slots=4, processes=2), llama)
    assert isinstance(engine, EnginePool)
    try:
        assert (engine.info(), slots_of(engine)) == (alone.info(), 8)
        made, began_s = list[Completion](), time.monotonic()
        for completion in engine.generate(prompts):
            made.append(completion)
            if len(made) == 3:
                os.kill(pid_of(engine, 0), signal.SIGKILL)
        took_s = time.monotonic() - began_s
        assert engine.info() == alone.info()
        uses = uses_of(engine)
    finally:
        engine.close()
    assert len(made) == 24
    assert tiny.texts(made) == undisturbed
    assert uses.keys() == {"process 1", "process 2"}
    for name in ("texts", "tokens_in", "tokens_out"):
        of_texts = 24 if name == "texts" else sum(getattr(completion, name) for completion in made)
        assert sum(getattr(use, name) for use in uses.values()) == of_texts
    assert all(0 < use.busy_s < took_s for use in uses.values())


@pytest.mark.parametrize("processes", [0, 1])
def test_one_process_on_a_cpu_is_this_one(llama: ModelRef, processes: int) -> None:
    engine = open_engine(EngineSettings(device="cpu", slots=4, processes=processes), llama)
    assert not isinstance(engine, EnginePool)
    assert (slots_of(engine), uses_of(engine)) == (4, {})


@pytest.mark.parametrize(("own", "threads"), [("", str(max(1, len(os.sched_getaffinity(0)) // 2))), ("3", "3")])
def test_processes_on_a_cpu_share_its_cores_unless_the_environment_says_how_many_threads_each_has(
    llama: ModelRef, monkeypatch: pytest.MonkeyPatch, own: str, threads: str
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", own)
    engine = open_engine(EngineSettings(device="cpu", processes=2), llama)
    assert isinstance(engine, EnginePool)
    for member in range(2):
        told = Path(f"/proc/{pid_of(engine, member)}/environ")
        until = time.monotonic() + 30
        while not (environment := told.read_bytes().split(b"\0"))[0] and time.monotonic() < until:
            time.sleep(0.05)  # it has not become the program yet
        assert f"OMP_NUM_THREADS={threads}".encode() in environment
    engine.close()


def test_processes_on_a_cpu_share_its_memory(llama: ModelRef) -> None:
    alone, one_of_two = (
        sizes_for(llama.folder(), EngineSettings(device="cpu", processes=processes), torch.device("cpu"))
        for processes in (1, 2)
    )
    assert one_of_two.memory_bytes == alone.memory_bytes // 2


# With a played one ---------------------------------------------------------------------------------------------------


def test_every_row_is_made_once_by_whoever_has_room(played: Opener) -> None:
    pool, prompts = played("take_2_ms", "take_2_ms"), dying.rows(100)
    assert (pool.info(), pool.slots) == (dying.info_of(6), 12)
    for _ in range(2):
        assert_each_made_once(list(pool.generate(prompts)), prompts)
    assert sum(texts(pool).values()) == 200
    assert min(texts(pool).values()) > 20


def test_a_short_queue_is_not_all_taken_by_the_first_that_has_loaded(
    played: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aigc.engine.pool.LEAST_GRACE_S", HELD_UP_S)
    pool = played("be_killed", "load_late")
    had_loaded = list[int]()

    def prompts() -> Iterator[Prompt]:
        for prompt in dying.rows(6):
            had_loaded.append(sum(member.engine.is_ready for member in pool._members))
            yield prompt

    assert len(list(pool.generate(prompts()))) == 6
    assert had_loaded == [0, 0, 2, 2, 2, 2]


def test_a_process_that_stands_still_holds_up_only_the_rows_that_it_has(played: Opener) -> None:
    pool, prompts, made = played("take_2_ms", "take_2_ms", "take_2_ms"), dying.rows(80), list[Completion]()
    still, when_others_were_done = None, dict[str, int]()
    for completion in pool.generate(prompts):
        made.append(completion)
        still = still or Still(pid_of(pool, 1))
        if not when_others_were_done and len(made) == len(prompts) - len(given(pool, 1)):
            when_others_were_done = texts(pool)
            still.go_on()
    assert_each_made_once(made, prompts)
    assert sum(when_others_were_done.values()) < 80
    assert when_others_were_done["b"] < 20
    assert min(when_others_were_done["a"], when_others_were_done["c"]) > 10


def test_who_keeps_a_run_waiting_is_told_with_the_way_out(
    played: Opener, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("aigc.engine.pool.STILL_S", 1.0)
    pool, prompts, made, stopped = played("take_2_ms", "take_2_ms"), dying.rows(40), list[Completion](), list[int]()

    def kill_as_told() -> None:
        until_s = time.monotonic() + HELD_UP_S
        while not any("has said nothing" in record.getMessage() for record in caplog.records):
            if time.monotonic() > until_s:
                break
            time.sleep(0.05)
        os.kill(stopped[0], signal.SIGKILL)

    told = threading.Thread(target=kill_as_told)
    for completion in pool.generate(prompts):
        made.append(completion)
        if not stopped and len(made) == 10:
            stopped.append(pid_of(pool, 1))
            os.kill(stopped[0], signal.SIGSTOP)
            told.start()
    told.join()
    assert_each_made_once(made, prompts)
    still = next(record.getMessage() for record in caplog.records if "has said nothing" in record.getMessage())
    assert still.startswith("b has said nothing for 0 minutes, and keeps ")
    assert still.endswith(
        f" rows. If it hangs (`nvidia-smi` tells), kill its process {stopped[0]}: another goes on with them"
    )
    assert [(use.deaths, use.is_left_out) for use in pool.uses.values()] == [(0, False), (1, False)]


def test_cards_of_another_kind_are_told_once_and_take_as_many_rows_as_they_can(
    played: Opener, caplog: pytest.LogCaptureFixture
) -> None:
    pool, prompts = played("take_2_ms", "other_card"), dying.rows(80)
    for _ in range(2):
        assert_each_made_once(list(pool.generate(prompts)), prompts)
    (line,) = [record.getMessage() for record in caplog.records]
    assert re.fullmatch(
        r"[ab] is another engine than the first \((Played 24GB|\?), not (Played 24GB|\?)\), so that its texts may "
        r"differ from those that the first would make: run.json tells both", line
    )
    assert min(texts(pool).values()) > 20


def test_a_process_that_stands_still_from_the_start_is_not_waited_for(played: Opener) -> None:
    pool, prompts, made = played("be_killed", "be_killed"), dying.rows(20), list[Completion]()
    still = Still(pid_of(pool, 0))
    assert pool.info() == dying.info_of(6)
    for completion in pool.generate(prompts):
        made.append(completion)
        if len(made) == 19:
            still.go_on()
    assert_each_made_once(made, prompts)
    assert texts(pool) == {"a": 1, "b": 19}


def test_a_killed_process_is_replaced_and_no_row_is_lost_or_doubled(
    played: Opener, notes: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pool, prompts, made = played("be_killed", "be_killed"), dying.rows(60), list[Completion]()
    for completion in pool.generate(prompts):
        made.append(completion)
        if len(made) == 10:
            os.kill(pid_of(pool, 1), signal.SIGKILL)
    assert_each_made_once(made, prompts)
    assert len(dying.started(notes)) == 3
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith("the engine of b died with ")
    assert line.endswith(" in flight (a model's process that ended by SIGKILL): going on in a new process")


def test_rows_that_end_their_process_fail_alone(played: Opener) -> None:
    pool = played("be_killed", "be_killed")
    made = {c.request_id: c.fault and c.fault.code for c in pool.generate(dying.rows(40, (9, 30)))}
    assert len(made) == 40
    assert {name: code for name, code in made.items() if code} == {"r9": "engine_died", "r30": "engine_died"}


def test_a_process_that_never_lives_is_left_out_and_told_once(
    played: Opener, notes: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pool, prompts = played("be_killed", "end_at_once"), dying.rows(30)
    assert_each_made_once(list(pool.generate(prompts)), prompts)
    assert_each_made_once(list(pool.generate(prompts)), prompts)
    assert texts(pool) == {"a": 60, "b": 0}
    assert pool.slots == 6
    assert [(use.deaths, use.is_left_out) for use in pool.uses.values()] == [(0, False), (MOST_DEATHS, True)]
    assert len(dying.started(notes)) == 1 + MOST_DEATHS
    lines = [record.getMessage() for record in caplog.records if "died with" not in record.getMessage()]
    (line,) = lines
    assert line.startswith(
        "b is left out, and its 1 rows go to the 1 others: model played: found a model's process that ended by exit "
        "status 3, and 6 deaths without a text so far; expected an engine that lives until a text is made. "
    )


def test_rows_of_a_process_whose_device_is_gone_are_made_by_the_others(played: Opener, notes: Path) -> None:
    environment = {"DYING_HOW": "be_killed"}
    pool, prompts, made = played("be_killed", environment), dying.rows(60), list[Completion]()
    for completion in pool.generate(prompts):
        made.append(completion)
        if len(made) == 10:
            environment["DYING_HOW"] = "end_at_once"
            os.kill(pid_of(pool, 1), signal.SIGKILL)
    assert_each_made_once(made, prompts)
    assert texts(pool)["b"] < 30
    assert len(dying.started(notes)) == 1 + MOST_DEATHS


@pytest.mark.parametrize(
    ("ways", "kind", "message", "warned"),
    [
        (("refuse", "refuse"), ModelError, "model played: found played weights; expected real ones. Play no more.", 0),
        (("fail_by_bug", "fail_by_bug"), EngineError, "engine: found LookupError in the model's process; expected", 0),
        (("refuse", "fail_by_bug"), EngineError, "engine: found LookupError in the model's process; expected", 1),
    ],
)
def test_where_no_process_can_go_on_the_run_stops(
    played: Opener, caplog: pytest.LogCaptureFixture,
    ways: tuple[str, ...], kind: type[Exception], message: str, warned: int,
) -> None:
    pool = played(*ways)
    for _ in range(2):
        with pytest.raises(kind) as caught:
            list(pool.generate(dying.rows(20)))
        assert str(caught.value).startswith(message)
    assert len(caplog.records) == warned
    with pytest.raises(kind):
        pool.info()


def test_none_means_later_and_a_retry_is_made_by_whoever_has_room(played: Opener) -> None:
    pool, done = played("be_killed", "be_killed"), list[str]()

    def prompts() -> Iterator[Prompt | None]:
        yield from dying.rows(7)
        while len(done) < 7:
            yield None
        yield tiny.prompt("retry")
        yield None
        yield tiny.prompt("again")

    for made in pool.generate(prompts()):
        done.append(made.request_id)
    assert done[-2:] == ["retry", "again"]
    assert len(done) == 9
    assert list(pool.generate([None, tiny.prompt("after the end")])) == []


def test_no_model_is_loaded_for_a_retry(played: Opener) -> None:
    pool, done = played("be_killed", "be_killed"), list[str]()

    def prompts() -> Iterator[Prompt | None]:
        yield tiny.prompt("first")
        while not done:
            yield None
        yield tiny.prompt("retry")

    for made in pool.generate(prompts()):
        done.append(made.request_id)
    assert texts(pool) == {"a": 2, "b": 0}


@pytest.mark.parametrize("raised", [MemoryError("of the sheet"), StoreError("a", "b", "c", "d")], ids=repr)
def test_what_the_owner_of_the_prompts_raises_is_the_owners(played: Opener, notes: Path, raised: Exception) -> None:
    def prompts() -> Iterator[Prompt]:
        yield from dying.rows(5)
        raise raised

    pool = played("take_long", "take_long")
    with pytest.raises(type(raised)) as caught:
        list(pool.generate(prompts()))
    assert caught.value is raised
    assert dying.started(notes)
    assert all(map(dying.is_gone, dying.started(notes)))


def test_a_round_that_is_given_up_ends_its_processes_and_the_next_has_others(played: Opener, notes: Path) -> None:
    pool, prompts = played("be_killed", "be_killed"), dying.rows(30)
    completions = pool.generate(prompts)
    next(completions)
    completions.close()  # type: ignore[attr-defined]
    assert dying.started(notes)
    assert all(map(dying.is_gone, dying.started(notes)))
    assert_each_made_once(list(pool.generate(prompts)), prompts)


def test_closing_ends_processes_in_the_middle_of_a_step(played: Opener, notes: Path) -> None:
    pool = played("take_long", "take_long")
    pool.info()
    completions = pool.generate(dying.rows(4))
    threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        next(completions)
    pool.close()
    pool.close()
    assert all(map(dying.is_gone, dying.started(notes)))


def test_what_the_engine_is_is_told_by_the_process_that_made_the_text(
    played: Opener, caplog: pytest.LogCaptureFixture
) -> None:
    pool, slots = played("be_killed", "shrink"), Counter[int]()
    for _ in pool.generate(dying.rows(60)):
        slots[pool.info().slots] += 1
    assert slots == {6: texts(pool)["a"], 3: texts(pool)["b"]}
    assert [record.getMessage() for record in caplog.records] == ["b: played: 3 slots"]

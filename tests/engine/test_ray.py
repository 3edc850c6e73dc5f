"""Workers on a real Ray cluster of this machine; a worker is a process of its own, and can be killed like any."""

from __future__ import annotations

import logging
import os
import platform
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from aigc import models
from aigc.engine import open_engine, slots_of, uses_of
from aigc.engine.ray_cluster import Share, share_of
from aigc.engine.ray_engine import RayEngine
from aigc.engine.ray_worker import ModelWorker
from aigc.engine.scripted import answer
from aigc.engine.worker import Opener
from aigc.errors import EngineError, ModelError
from aigc.models import ModelRef
from aigc.records import Completion, Prompt
from aigc.settings import EngineSettings

from . import dying, tiny

ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'aigc[ray]'")
pytestmark = [
    pytest.mark.timeout(280), pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::FutureWarning")
]

TESTS = str(Path(__file__).parents[1])
TWO = EngineSettings(device="cpu", dtype="float32", slots=6, on="ray", ray_workers=2)
REAL = [tiny.prompt(f"p{i}", f"Line {i}", max_new_tokens=8 + i % 17) for i in range(40)]


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """Two processors, whatever this machine has; workers find this package of tests."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([TESTS, *([before] if before else [])])
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, configure_logging=False)
    yield
    ray.shutdown()
    os.environ["PYTHONPATH"] = before or ""


@pytest.fixture(scope="session")
def small(llama: ModelRef) -> ModelRef:
    """The tiny model, known by its files as on any machine."""
    return models.resolve(str(llama.folder()), trust_remote_code=False)


@pytest.fixture
def played(
    cluster: None, small: ModelRef, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[RayEngine]:
    """Two workers that die in the way that the test's parameter names."""
    engine = RayEngine(TWO, small, opener=dying.WAYS[request.param])
    yield engine
    engine.close()


def by(*ways: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("played", ways, indirect=True)


def pids(engine: RayEngine) -> list[int]:
    return [worker.pid for worker in engine._workers]


# Without a cluster ---------------------------------------------------------------------------------------------------


def machine(cpus: float = 0, gpus: float = 0) -> dict[str, float]:
    return {"CPU": cpus, "GPU": gpus, "memory": 1e9}


@pytest.mark.parametrize(
    ("machines", "changes", "share"),
    [
        ([machine(16, 4), machine(8, 2)], {}, Share(6, 4, 1)),
        ([machine(16, 4), machine(32)], {}, Share(4, 4, 1)),
        ([machine(16, 4)], {"ray_workers": 3}, Share(3, 4, 1)),
        ([machine(16, 4)], {"ray_workers": 9}, Share(4, 4, 1)),
        ([machine(2, 4)], {}, Share(4, 1, 1)),
        ([machine(16, 4), machine(8)], {"device": "cpu"}, Share(2, 8, 0)),
        ([machine(16), machine(8), machine()], {}, Share(2, 8, 0)),
        ([machine(2)], {"ray_workers": 2}, Share(2, 1, 0)),
        ([machine(2)], {"ray_workers": 5}, Share(2, 1, 0)),
        ([machine(8), machine(8)], {"ray_workers": 3}, Share(3, 4, 0)),
    ],
    ids=str,
)
def test_workers_share_what_a_cluster_has(
    machines: list[dict[str, float]], changes: dict[str, object], share: Share
) -> None:
    assert share_of(machines, EngineSettings(on="ray", **changes)) == share  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("machines", "device", "found"),
    [([machine()], "auto", "no processor"), ([machine(8)], "cuda", "no GPU")],
)
def test_a_cluster_that_can_run_nothing_is_refused(
    machines: list[dict[str, float]], device: str, found: str
) -> None:
    with pytest.raises(EngineError, match=f"Ray: found {found} that a machine has to give; expected a machine that"):
        share_of(machines, EngineSettings(on="ray", device=device))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("address", "variable", "place"),
    [("127.0.0.1:1", "", "127.0.0.1:1"), ("auto", "127.0.0.1:1", "127.0.0.1:1"), ("auto", "", "auto")],
)
def test_an_address_without_a_cluster_is_told(
    small: ModelRef, monkeypatch: pytest.MonkeyPatch, address: str, variable: str, place: str
) -> None:
    assert not ray.is_initialized(), "tests that need a cluster come after this one"
    monkeypatch.setenv("RAY_ADDRESS", variable)
    monkeypatch.setenv("RAY_TMPDIR", "/nonexistent")
    with pytest.raises(EngineError, match=rf"Ray at '{place}': found no cluster to join .*`ray start --head`"):
        RayEngine(replace(TWO, ray_address=address), small)


def test_without_the_package_the_remedy_is_to_install_it(small: ModelRef, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(EngineError, match=r"Ray: found no such package .*pip install 'aigc\[ray\]'"):
        RayEngine(TWO, small)


# With a real model ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def undisturbed(small: ModelRef) -> dict[str, tiny.Made]:
    """What one engine on one machine makes."""
    return tiny.texts(list(tiny.engine(small, slots=6).generate(REAL)))


def test_two_workers_make_what_one_engine_makes_and_a_killed_one_loses_nothing(
    cluster: None, small: ModelRef, undisturbed: dict[str, tiny.Made], caplog: pytest.LogCaptureFixture
) -> None:
    engine, made, killed = open_engine(TWO, small), list[Completion](), list[int]()
    assert isinstance(engine, RayEngine)
    try:
        assert engine.info() == tiny.engine(small, slots=6).info()
        assert slots_of(engine) == 12
        for completion in engine.generate(REAL):
            made.append(completion)
            if len(made) == 5:
                killed.append(pids(engine)[0])
                os.kill(killed[0], signal.SIGKILL)
        assert killed[0] not in pids(engine)
        uses = uses_of(engine)
    finally:
        engine.close()
    assert Counter(c.request_id for c in made) == Counter(p.request_id for p in REAL)
    assert tiny.texts(made) == undisturbed
    assert sum(use.texts for use in uses.values()) == len(REAL)
    assert uses.keys() == {f"worker {number} on {platform.node()}" for number in (1, 2)}
    assert all(use.texts > 2 and use.busy_s > 0 for use in uses.values())
    (said,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert said.startswith("worker 1 died with ")
    assert said.endswith(": going on in a new one")
    assert dying.is_gone(killed[0])


def test_a_model_of_other_files_is_refused_where_it_is(cluster: None, small: ModelRef) -> None:
    engine = RayEngine(replace(TWO, ray_workers=1), replace(small, digest="sha256:other"))
    try:
        with pytest.raises(ModelError) as caught:
            engine.info()
    finally:
        engine.close()
    assert str(caught.value).startswith(f"model {small.folder()}: found files with the digest {small.digest} on ")
    assert str(caught.value).endswith(
        "; expected sha256:other. Copy the model to every machine of the cluster, or name a folder that all of them "
        "share."
    )


# With a played one ---------------------------------------------------------------------------------------------------


@by("be_killed", "lose_context")
@pytest.mark.parametrize("poisonous", [(3,), (0, 14)], ids=str)
def test_poisonous_rows_fail_alone_and_the_others_are_as_ever(played: RayEngine, poisonous: tuple[int, ...]) -> None:
    prompts = dying.rows(20, poisonous)
    made = list(played.generate(prompts))
    assert Counter(c.request_id for c in made) == Counter(p.request_id for p in prompts)
    failed = {c.request_id: c.fault.code for c in made if c.fault}
    assert failed == {f"r{i}": "engine_died" for i in poisonous}
    assert {c.request_id: c.text for c in made if not c.fault} == {
        p.request_id: answer(p) for i, p in enumerate(prompts) if i not in poisonous
    }


@by("be_killed")
def test_who_keeps_a_run_waiting_is_told_with_the_way_out(
    played: RayEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aigc.engine.ray_engine.STILL_S", 1.0)
    monkeypatch.setattr("aigc.engine.ray_engine._LOOK_S", 0.2)
    prompts, told = dying.rows(20), "has said nothing for 0 minutes, and keeps "
    assert len(list(played.generate(dying.rows(2)))) == 2
    still = pids(played)[0]
    os.kill(still, signal.SIGSTOP)
    monkeypatch.setattr("aigc.engine.ray_engine._log", Ending(told, still))
    assert Counter(c.request_id for c in played.generate(prompts)) == Counter(p.request_id for p in prompts)
    assert [use.deaths for use in played.uses.values()] == [1, 0]


class Ending(logging.LoggerAdapter):  # type: ignore[type-arg]
    """A log that has a process killed as soon as it is told of it, as an operator would."""

    def __init__(self, told: str, pid: int) -> None:
        super().__init__(logging.getLogger("aigc.engine.ray_engine"))
        self._told, self._pid = told, pid

    def warning(self, msg: str, *args: object) -> None:  # type: ignore[override]
        super().warning(msg, *args)
        if self._told in (line := msg % args):
            assert f"kill its process {self._pid} on {platform.node()}: the others make them" in line
            os.kill(self._pid, signal.SIGKILL)


@by("be_killed")
def test_none_means_later_here_too(played: RayEngine) -> None:
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
def test_what_the_owner_of_the_prompts_raises_is_the_owners_and_the_engine_goes_on(played: RayEngine) -> None:
    def prompts() -> Iterator[Prompt]:
        yield from dying.rows(9)
        raise MemoryError("of the sheet")

    with pytest.raises(MemoryError, match="of the sheet"):
        list(played.generate(prompts()))
    assert len(list(played.generate(dying.rows(3)))) == 3


@by("be_killed")
def test_a_worker_that_ends_between_two_rounds_is_replaced(played: RayEngine) -> None:
    assert len(list(played.generate(dying.rows(2)))) == 2
    for pid in pids(played):
        os.kill(pid, signal.SIGKILL)
    assert not [made.fault for made in played.generate(dying.rows(5)) if made.fault]


@by("shrink")
def test_fewer_slots_are_told_with_the_line_that_says_so(played: RayEngine, caplog: pytest.LogCaptureFixture) -> None:
    assert played.info() == dying_info(played, 6)
    assert {played.info().slots for _ in played.generate(dying.rows(8))} == {3}
    said = {(record.name, record.getMessage()) for record in caplog.records if "played" in record.getMessage()}
    assert said == {("aigc.engine.local", f"worker {number}: played: 3 slots") for number in (1, 2)}


def dying_info(engine: RayEngine, slots: int) -> object:
    return replace(dying.info_of(slots), model=engine._ref.ref)


@by("fail_by_bug")
def test_a_fault_in_the_code_stops_the_run(played: RayEngine) -> None:
    with pytest.raises(EngineError, match="engine: found LookupError in a worker; expected a step that computes"):
        list(played.generate(dying.rows(4)))


@by("refuse")
def test_where_no_worker_can_open_the_engine_the_last_one_says_why(
    played: RayEngine, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(ModelError, match="found played weights; expected real ones"):
        list(played.generate(dying.rows(4)))
    (said,) = [record.getMessage() for record in caplog.records]
    assert said[8:] == (
        f" is left out of the rest of the run (model {played._ref.ref}: found played weights; expected real ones. Play "
        "no more.)"
    )


@by("be_killed")
def test_a_cluster_that_has_no_room_for_long_is_told(
    played: RayEngine, small: ModelRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert played.info().slots == 6
    monkeypatch.setattr("aigc.engine.ray_engine.PLACE_S", 0.5)
    monkeypatch.setattr("aigc.engine.ray_engine._LOOK_S", 0.2)
    second = RayEngine(TWO, small, opener=dying.WAYS["be_killed"])
    try:
        with pytest.raises(EngineError, match="Ray: found no room for a worker in 0 s; expected a machine with 1 proc"):
            second.info()
    finally:
        second.close()
    assert len(list(played.generate(dying.rows(3)))) == 3


@by("end_at_once")
def test_workers_that_never_live_stop_the_run(played: RayEngine) -> None:
    with pytest.raises(EngineError, match="and 6 deaths without a text in between; expected a worker that lives until"):
        list(played.generate(dying.rows(3)))


def test_another_version_of_aigc_is_refused(cluster: None, small: ModelRef, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aigc.engine.ray_remote.__version__", "0.0.9")
    engine = RayEngine(replace(TWO, ray_workers=1), small)
    try:
        with pytest.raises(EngineError, match=r"expected aigc 0\.0\.9, as where the run was started\. Install the"):
            engine.info()
    finally:
        engine.close()


# A worker by itself --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("opener", [dying.WAYS["be_killed"]], ids=["played"])
def test_a_worker_knows_nothing_of_ray(opener: Opener, small: ModelRef) -> None:
    names: Callable[[], set[str]] = lambda: {type(letter).__name__ for letter in worker.turn([])}  # noqa: E731
    from aigc import __version__
    from aigc.engine.letters import Made, Opening

    worker = ModelWorker(opener)
    seat = worker.begin(Opening(TWO, replace(small, path=None), 0, 30, None), __version__)
    assert seat.pid == os.getpid()
    assert names() == {"Told"}
    worker.load()
    assert names() == {"Ask"}
    made, letters = list[str](), worker.turn(dying.rows(3))
    while len(made) < 3:
        made += [letter.completion.request_id for letter in letters if isinstance(letter, Made)]
        letters = worker.turn([]) if len(made) < 3 else []
    assert sorted(made) == ["r0", "r1", "r2"]

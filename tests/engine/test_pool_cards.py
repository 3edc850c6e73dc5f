"""GPUs as they are found, chosen and held: each by one run at a time, whoever starts it and however it ends."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from aigc.doctor import examine_locks
from aigc.engine import cards as cards_module
from aigc.engine import cuda_probe, open_engine
from aigc.engine.cards import (
    Card,
    Devices,
    Hold,
    chosen_cards,
    expected_devices,
    hold_here,
    own_command,
    visible_cards,
)
from aigc.engine.child import ChildEngine
from aigc.engine.places import open_pool
from aigc.engine.pool import EnginePool
from aigc.errors import EngineError, SettingsError
from aigc.models import ModelRef
from aigc.settings import EngineSettings

from . import dying

CARDS = [Card(number=number, uuid=f"GPU-{number}", name="Played 80GB") for number in range(3)]
UUIDS = ["GPU-00010203-0405-0607-0809-0a0b0c0d0e0f", "GPU-10111213-1415-1617-1819-1a1b1c1d1e1f"]
PLAYED = ModelRef(ref="played")
DRIVER = """
#include <string.h>
int cuInit(unsigned flags) { return flags || FAILING; }
int cuDeviceGetCount(int *count) { *count = 2; return 0; }
int cuDeviceGet(int *device, int ordinal) { *device = ordinal + 7; return 0; }
int cuDeviceGetName(char *name, int length, int device) {
    strncpy(name, device == 7 ? "Played A" : "Played B", length); return 0; }
int UUID(unsigned char *uuid, int device) {
    for (int i = 0; i < 16; i++) uuid[i] = 16 * (device - 7) + i; return 0; }
"""
"""A library of CUDA's driver with two GPUs."""
HOLDER = """
import subprocess, sys
from aigc.engine.cards import Card, Hold
hold = Hold([Card(number=0, uuid=sys.argv[1], name="Played")])
child = subprocess.Popen(["sleep", "60"], stdout=subprocess.DEVNULL, pass_fds=hold.descriptors)
print(child.pid, flush=True)
sys.stdin.read()
"""
"""A run that holds a GPU and has a process at work on it."""


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIGC_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """The driver's library as the test's parameters make it, where processes that begin now find it."""
    compiler = shutil.which("cc")
    if not compiler:
        pytest.skip("no C compiler to make a library with")
    (tmp_path / "driver.c").write_text(DRIVER)
    output = ["-o", str(tmp_path / cuda_probe.LIBRARY)]
    subprocess.run([compiler, "-shared", "-fPIC", *request.param, *output, str(tmp_path / "driver.c")], check=True)
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path))
    monkeypatch.setattr(cards_module, "_torch_has_cuda", lambda: True)


def library(uuid: str = "cuDeviceGetUuid_v2", failing: int = 0) -> list[str]:
    return [f"-DUUID={uuid}", f"-DFAILING={failing}"]


@pytest.fixture
def holder() -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", HOLDER, UUIDS[0]]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


# Which there are -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("driver", "found"),
    [
        (library(), ["Played A", "Played B"]),
        (library("cuDeviceGetUuid"), ["Played A", "Played B"]),
        (library(failing=100), []),
    ],
    indirect=["driver"], ids=["a driver", "one before 11.4", "one without a GPU"],
)
@pytest.mark.usefixtures("driver")
def test_the_driver_tells_the_gpus_in_cudas_order(found: list[str]) -> None:
    assert [(card.number, card.uuid, card.name) for card in visible_cards()] == list(
        zip(range(2), UUIDS, found, strict=False)
    )


def test_without_a_driver_there_is_none() -> None:
    done = subprocess.run([sys.executable, cuda_probe.__file__], capture_output=True, check=True,
                          env={**os.environ, "LD_LIBRARY_PATH": ""})
    if not shutil.which("nvidia-smi"):
        assert json.loads(done.stdout) == []


@pytest.mark.parametrize("driver", [library()], indirect=True)
@pytest.mark.usefixtures("driver")
def test_a_torch_that_was_built_for_cpus_has_no_use_for_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    for version, found in (("cuda: Optional[str] = None\n", False), ("cuda: Optional[str] = '13.0'\n", True)):
        (tmp_path / "torch").mkdir(exist_ok=True)
        (tmp_path / "torch" / "__init__.py").write_text("raise ImportError\n")
        (tmp_path / "torch" / "version.py").write_text(version)
        code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from aigc.engine.cards import visible_cards\n" \
               "sys.stdout.write(str(len(visible_cards())))"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True,
                              env={**os.environ, "LD_LIBRARY_PATH": str(tmp_path)})
        assert done.stdout == ("2" if found else "0")


def test_a_driver_that_does_not_answer_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cards_module, "_torch_has_cuda", lambda: True)
    monkeypatch.setattr(cards_module, "ANSWER_S", 0.0)
    with pytest.raises(EngineError) as caught:
        visible_cards()
    assert str(caught.value) == (
        "engine: found no list of GPUs (TimeoutExpired); expected one from the driver. Look with `nvidia-smi` whether "
        "the driver answers."
    )


# Which are chosen ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "numbers"),
    [
        (EngineSettings(), [0, 1, 2]),
        (EngineSettings(devices="1"), [1]),
        (EngineSettings(devices="2,0"), [2, 0]),
        (EngineSettings(processes=2), [0, 1]),
        (EngineSettings(devices="2,1,0", processes=1), [2]),
    ],
)
def test_settings_choose_gpus_by_number(settings: EngineSettings, numbers: list[int]) -> None:
    assert [card.number for card in chosen_cards(settings, CARDS)] == numbers


@pytest.mark.parametrize(
    ("settings", "cards", "message"),
    [
        (EngineSettings(devices="0,3"), CARDS,
         "key engine.devices: found '3'; expected numbers below 3, of GPUs that CUDA shows. Correct it: `aigc doctor` "
         "lists them. CUDA_VISIBLE_DEVICES may hide some."),
        (EngineSettings(device="cuda", devices="0"), [],
         "key engine.devices: found '0'; expected a GPU that CUDA shows. Correct it: `aigc doctor` lists them. "
         "CUDA_VISIBLE_DEVICES may hide some."),
        (EngineSettings(devices="0,1", processes=3), CARDS,
         "key engine.processes: found '3'; expected at most 2, one for each GPU. Lower it, or leave it at 0."),
    ],
)
def test_a_choice_of_what_is_not_there_is_refused(settings: EngineSettings, cards: list[Card], message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        chosen_cards(settings, cards)
    assert str(caught.value) == message


def test_where_a_cpu_will_do_no_gpu_is_missed() -> None:
    assert chosen_cards(EngineSettings(devices="0,1", processes=2), []) == []


# How they are held ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("driver", [library()], indirect=True)
@pytest.mark.usefixtures("driver")
def test_a_gpu_that_a_run_holds_is_refused_until_all_its_processes_have_ended(
    holder: subprocess.Popen[str], tmp_path: Path
) -> None:
    assert holder.stdout
    at_work = int(holder.stdout.readline())
    for _ in range(2):
        with pytest.raises(EngineError) as caught:
            open_engine(EngineSettings(device="cuda"), PLAYED)
        since = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", "TIME", str(caught.value))
        assert since == (
            f"GPU 0 (Played A): found process {holder.pid} on {socket.gethostname()} (python, since TIME) at work on "
            "it; expected a GPU that no other run uses. Wait until it has ended, or stop it; or name other GPUs in "
            "engine.devices. No file needs to be deleted."
        )
        holder.kill()  # its other process lives, and so does the lock
        holder.wait()
    os.kill(at_work, signal.SIGKILL)
    assert dying.is_gone(at_work)
    Hold([Card(number=0, uuid=UUIDS[0], name="Played A")]).release()
    assert sorted(file.name for file in (tmp_path / "cache" / "locks").iterdir()) == [f"{UUIDS[0]}.lock"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["/usr/bin/aigc", "run", "inputs/briefs.csv", "--override-policy", "as agreed"], "aigc run inputs/briefs.csv"),
        (["/lib/aigc/__main__.py", "batch", "requests.jsonl", "-o", "done.jsonl"], "aigc batch requests.jsonl"),
        (["/lib/prefect/engine.py"], "engine.py"),
        (["-c"], "python"),
        ([""], "python"),
        (["aigc", "run", "b" * 200], "aigc run " + "b" * 111),
    ],
)
def test_a_holder_is_told_by_its_command_without_options(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], told: str
) -> None:
    monkeypatch.setattr(sys, "argv", arguments)
    assert own_command() == told


@pytest.mark.parametrize("driver", [library()], indirect=True)
@pytest.mark.usefixtures("driver")
def test_the_doctor_tells_who_is_at_work_on_a_gpu(holder: subprocess.Popen[str]) -> None:
    assert holder.stdout
    at_work = int(holder.stdout.readline())
    (found,) = examine_locks()
    assert (found.name, found.status) == ("gpu 0 in use", "warn")
    assert found.found.startswith(f"process {holder.pid} on {socket.gethostname()} (python, since ")
    holder.kill()
    holder.wait()
    os.kill(at_work, signal.SIGKILL)
    assert dying.is_gone(at_work)
    assert examine_locks() == []


def test_engines_of_one_process_share_a_gpu_and_the_last_of_them_gives_it_up(holder: subprocess.Popen[str]) -> None:
    holder.kill()
    writer, judge = Hold(CARDS[:2]), Hold(CARDS[1:])
    assert writer.descriptors[1] == judge.descriptors[0]
    judge.release()
    judge.release()
    assert [refused(card) for card in CARDS] == [True, True, False]
    writer.release()
    assert [refused(card) for card in CARDS] == [False, False, False]


def refused(card: Card) -> bool:
    """Whether another process is refused a GPU."""
    code = "import sys; from aigc.engine.cards import Card, Hold; Hold([Card(number=0, uuid=sys.argv[1], name='')])"
    done = subprocess.run([sys.executable, "-c", code, card.uuid], capture_output=True, text=True, check=False)
    assert ("aigc.errors.EngineError" in done.stderr) == bool(done.returncode)
    return bool(done.returncode)


def test_of_several_gpus_all_are_held_or_none(holder: subprocess.Popen[str]) -> None:
    assert holder.stdout
    os.kill(int(holder.stdout.readline()), signal.SIGKILL)
    with pytest.raises(EngineError, match=r"GPU 5 \(Held\): found process"):
        Hold([CARDS[0], Card(number=5, uuid=UUIDS[0], name="Held")])
    assert not refused(CARDS[0])


def test_a_model_in_this_process_holds_its_gpu_for_good(monkeypatch: pytest.MonkeyPatch) -> None:
    card = Card(number=1, uuid="GPU-of-this-test", name="Played")
    monkeypatch.setattr(cards_module, "visible_cards", lambda: [CARDS[0], card])
    hold_here(EngineSettings(device="cpu", devices="1"))
    assert not refused(card)
    hold_here(EngineSettings(device="cuda", devices="1"))
    assert [refused(each) for each in (CARDS[0], card)] == [False, True]


@pytest.mark.parametrize(
    ("cards", "devices", "names", "shown"),
    [
        (CARDS, "all", [card.place for card in CARDS], [card.uuid for card in CARDS]),
        (CARDS, "2", [""], ["GPU-2"]),
        (CARDS[:1], "all", [""], ["a part"]),
    ],
)
def test_each_process_sees_its_own_gpu_alone_and_holds_its_lock(
    notes: Path, monkeypatch: pytest.MonkeyPatch, cards: list[Card], devices: str, names: list[str], shown: list[str]
) -> None:
    monkeypatch.setenv("DYING_HOW", "be_killed")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "a part")
    monkeypatch.setattr("aigc.engine.places.visible_cards", lambda: cards)
    pool = open_pool(EngineSettings(device="cuda", devices=devices), PLAYED, worker=dying.__name__)
    try:
        assert [*pool.uses] == [*dict.fromkeys(names)]
        assert [environment_of(pid)["CUDA_VISIBLE_DEVICES"] for pid in pids(pool)] == shown
        locks = [f"{card.uuid}.lock" for card in chosen_cards(EngineSettings(devices=devices), cards)]
        assert [[*filter(locks.__contains__, files_of(pid))] for pid in pids(pool)] == [[lock] for lock in locks]
        assert len(list(pool.generate(dying.rows(9)))) == 9
        assert [refused(card) for card in CARDS] == [f"{card.uuid}.lock" in locks for card in CARDS]
    finally:
        pool.close()
    assert not any(map(refused, CARDS))
    assert all(map(dying.is_gone, dying.started(notes)))


def pids(pool: EnginePool) -> list[int]:
    seats = [member.engine._seat for member in pool._members]
    return [seat.pid for seat in seats if isinstance(seat, ChildEngine)]


def environment_of(pid: int) -> dict[str, str]:
    """Of a process that is its own program: one that was begun just now has its parent's yet."""
    until_s = time.monotonic() + 30
    while _command(pid) == _command(os.getpid()) and time.monotonic() < until_s:
        time.sleep(0.01)
    entries = Path(f"/proc/{pid}/environ").read_bytes().decode().split("\0")
    return dict(entry.split("=", 1) for entry in entries if entry)


def _command(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


def files_of(pid: int) -> set[str]:
    return {link.readlink().name for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink()}


@pytest.mark.parametrize(
    ("settings", "devices"),
    [
        (EngineSettings(device="cpu", processes=3), Devices(name="cpu", count=1)),
        (EngineSettings(device="cuda"), Devices(name="Played 80GB", count=3)),
        (EngineSettings(device="cuda", devices="2"), Devices(name="Played 80GB", count=1)),
        (EngineSettings(name="openai"), Devices(name="", count=1)),
        (EngineSettings(on="ray"), Devices(name="", count=0)),
        (EngineSettings(on="ray", ray_workers=4), Devices(name="", count=4)),
    ],
)
def test_what_a_run_will_compute_on_is_known_before_it_begins(
    monkeypatch: pytest.MonkeyPatch, settings: EngineSettings, devices: Devices
) -> None:
    monkeypatch.setattr(cards_module, "visible_cards", lambda: CARDS)
    assert expected_devices(settings) == devices

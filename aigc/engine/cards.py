"""The GPUs of this machine: which there are, which of them settings choose, and the lock that each is used under."""

from __future__ import annotations

import contextlib
import importlib.util
import itertools
import os
import re
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import msgspec

from aigc.disk import disk_errors, holder_of, lock_or_holder
from aigc.engine import cuda_probe
from aigc.engine.restart import belongs_apart
from aigc.errors import EngineError, SettingsError, shown, writable
from aigc.models import cache_folder
from aigc.records import Value
from aigc.settings import EngineSettings

ANSWER_S = 120.0
"""What a driver may take to begin: without its persistence mode it wakes every GPU first."""
LONGEST_COMMAND = 120


class Card(Value, frozen=True):
    """A GPU. `number` is its place in CUDA's order, by which settings name it; `uuid` is its own for ever."""

    number: int
    uuid: str
    name: str

    @property
    def place(self) -> str:
        return f"GPU {self.number} ({self.name})"


class _Seen(Value, frozen=True):
    uuid: str
    name: str


def visible_cards() -> list[Card]:
    """The NVIDIA GPUs that CUDA shows to this process; none where the installed torch has no use for them.

    Raises:
        EngineError: the driver does not answer.
    """
    if not _torch_has_cuda():
        return []
    command = [sys.executable, "-I", cuda_probe.__file__]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=ANSWER_S, check=True)
    except (OSError, subprocess.SubprocessError) as exc:
        found, remedy = f"no list of GPUs ({type(exc).__name__})", "Look with `nvidia-smi` whether the driver answers."
        raise EngineError("engine", found, "one from the driver", remedy) from exc
    seen = msgspec.json.decode(done.stdout, type=list[_Seen])
    return [Card(number=number, uuid=each.uuid, name=each.name) for number, each in enumerate(seen)]


def chosen_cards(settings: EngineSettings, cards: Sequence[Card]) -> list[Card]:
    """Those of `cards` that settings name, in that order. None where there are none and a CPU will do.

    Raises:
        SettingsError: they name one that is not there, or want more processes than GPUs.
    """
    if not cards and (settings.device != "cuda" or settings.devices == "all"):
        return []
    numbers = range(len(cards)) if settings.devices == "all" else [int(each) for each in settings.devices.split(",")]
    if absent := [number for number in numbers if number >= len(cards)]:
        expected = f"numbers below {len(cards)}, of GPUs that CUDA shows" if cards else "a GPU that CUDA shows"
        remedy = "Correct it: `aigc doctor` lists them. CUDA_VISIBLE_DEVICES may hide some."
        raise SettingsError("key engine.devices", shown(absent[0]), expected, remedy)
    if cards and settings.processes > len(numbers):
        expected, remedy = f"at most {len(numbers)}, one for each GPU", "Lower it, or leave it at 0."
        raise SettingsError("key engine.processes", shown(settings.processes), expected, remedy)
    return [cards[number] for number in numbers][: settings.processes or None]


class Devices(Value, frozen=True):
    """What a run computes on, each of a kind: the name that engines tell it by, and how many. Empty and 0 where that is
    known only when it has begun."""

    name: str
    count: int


def expected_devices(settings: EngineSettings) -> Devices:
    """What a run with `settings` will compute on. Loads nothing.

    Raises:
        SettingsError: they choose what is not there.
        EngineError: the driver does not answer.
    """
    if settings.name != "local":
        return Devices(name="", count=1)
    if settings.on == "ray":
        return Devices(name="", count=settings.ray_workers)
    if not belongs_apart(settings):
        return Devices(name="cpu", count=1)
    chosen = chosen_cards(settings, visible_cards())
    return Devices(name=chosen[0].name, count=len(chosen)) if chosen else Devices(name="", count=1)


class Hold:
    """The locks of `cards`, held until `release` and by every process that inherits `descriptors`.

    All engines of a process share them: a judge may be on the GPU of the model that writes. A lock dies with its
    holders, however they end.

    Raises:
        EngineError: another process has one of them.
        StoreError: the lock's file cannot be written.
    """

    def __init__(self, cards: Sequence[Card]) -> None:
        self._locks = contextlib.ExitStack()
        self.descriptors: list[int] = []
        try:
            for card in cards:
                path = _lock_of(card)
                self.descriptors.append(_take(path, card))
                self._locks.callback(_give_up, path)
        except BaseException:
            self.release()
            raise

    def release(self) -> None:
        """Let others use the GPUs, as far as no other engine of this process does. More than once does no harm."""
        self._locks.close()


def hold_here(settings: EngineSettings) -> None:
    """Hold the lock of the GPU on which a model is going to be loaded into this process.

    For good: what a context of this process has on the device is free again only when the process ends.
    """
    if belongs_apart(settings):
        Hold(chosen_cards(settings, visible_cards())[:1])


def holder(card: Card) -> str:
    """Who is at work on a GPU, as far as it holds the lock; empty where nobody does."""
    return holder_of(_lock_of(card))


def _lock_of(card: Card) -> Path:
    return cache_folder() / "locks" / f"{card.uuid}.lock"


_held: dict[Path, tuple[int, int]] = {}
"""Locks of this process: the descriptor, and how many hold it."""
_guard = threading.Lock()


def _take(path: Path, card: Card) -> int:
    with _guard:
        descriptor, holders = _held.get(path, (-1, 0))
        if not holders:
            with disk_errors(path, "nothing was changed"):
                path.parent.mkdir(parents=True, exist_ok=True)
            taken = lock_or_holder(path, own_command())
            if isinstance(taken, str):
                raise EngineError(
                    card.place, f"{taken} at work on it", "a GPU that no other run uses",
                    "Wait until it has ended, or stop it; or name other GPUs in engine.devices. No file needs to be "
                    "deleted.",
                )
            descriptor = taken
        _held[path] = descriptor, holders + 1
        return descriptor


def own_command() -> str:
    """What this process was started as, without options: they may say more than others are to know."""
    program, *arguments = sys.argv or [""]
    if program in ("", "-c"):
        return "python"
    path = Path(program)
    name = path.parent.name if path.name == "__main__.py" else path.name
    words = itertools.takewhile(lambda word: not word.startswith("-"), arguments)
    return writable(" ".join([name, *words]))[:LONGEST_COMMAND]


def _give_up(path: Path) -> None:
    with _guard:
        descriptor, holders = _held.pop(path)
        if holders > 1:
            _held[path] = descriptor, holders - 1
        else:
            os.close(descriptor)


def _torch_has_cuda() -> bool:
    """Whether the installed torch was built for CUDA, by its file of versions: to import it takes seconds."""
    spec = importlib.util.find_spec("torch")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        with contextlib.suppress(OSError):
            return not re.search(r"^cuda\b.*= None$", Path(folder, "version.py").read_text("utf-8"), re.M)
    return True

"""The model's process as the one that drives it sees it: an engine that may die."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing import Pipe
from multiprocessing.connection import Connection

from aigc.engine.deaths import EngineDied
from aigc.engine.letters import Ask, Begin, FromModel, Given, Logged, Lost, Made, Opening, Over, Refused, Told, ToModel
from aigc.errors import EngineError
from aigc.models import ModelRef
from aigc.records import Completion, EngineInfo, Prompt
from aigc.settings import EngineSettings
from aigc.watermark import Mark

WORKER = "aigc.engine.worker"
ENDING_S = 60.0
"""What a process may take to end: the driver gives back its memory on the device first."""

_BOOT = """
import importlib, json, sys
sys.path[:] = json.loads(sys.argv[2])
importlib.import_module(sys.argv[1]).serve(int(sys.argv[3]))
"""
"""Not `multiprocessing`: that imports the main module again, which here may be anybody's script."""


@dataclass(frozen=True)
class Place:
    """Where a model's process runs, among others: its name, empty where it is the only one; what its environment has
    besides this process's; and descriptors of locks that last as long as it does."""

    name: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    locks: Sequence[int] = ()


class ChildEngine:
    """An engine in a process of its own, begun at once and ended by `close` or with this process.

    `worker` names the module whose `serve` it runs. Making one raises EngineError where no process can be started.
    After EngineDied it is of no use.
    """

    def __init__(
        self, settings: EngineSettings, model: ModelRef, *, worker: str = WORKER, slots: int = 0,
        mark: Mark | None = None, place: Place | None = None,
    ) -> None:
        self.is_ready = False
        """Whether its model is loaded: it has asked for a prompt in this round."""
        self._place = place or Place()
        self._info: EngineInfo | None = None
        self._channel, theirs = Pipe()
        with theirs:
            self._process = _start(worker, theirs.fileno(), self._place)
        level = logging.getLogger("aigc").getEffectiveLevel()
        self._opening: Opening | None = Opening(settings, model, slots, level, mark)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def ended(self) -> bool:
        """Whether it was closed, by its owner or since what it was at could not be finished."""
        return self._channel.closed

    @property
    def mail(self) -> Connection:
        """Where its letters come in, for `multiprocessing.connection.wait`."""
        return self._channel

    def info(self) -> EngineInfo:
        """What the engine is; told by the process as soon as it has read the model's config.

        Raises:
            EngineDied: the process has ended.
            AigcError: the engine could not be opened.
        """
        self.open()
        while self._info is None:
            self._receive()
        return self._info

    def generate(self, prompts: Iterable[Prompt | None]) -> Generator[Completion | None, None, None]:
        """See `Engine.generate`. A round that does not come to its end ends the process: its rows are in there.

        Yields None before each letter: who has others to attend to goes on when there is one in `mail`.

        Raises:
            EngineDied: the process has ended, or the device's context is dead.
            AigcError: what the engine in the process stopped with, such as a ModelError.
        """
        source, over, self.is_ready = iter(prompts), False, False
        try:
            self.open()
            self._send(Begin())
            while not over:
                yield None
                match self._receive():
                    case Ask():
                        self.is_ready = True
                        self._send(Given(next(source, None)))
                    case Made(completion=completion):
                        yield completion
                    case Over():
                        over = True
        finally:
            if not over:
                self.close()

    def close(self) -> None:
        """End the process.

        Raises:
            EngineError: the process does not end though it was killed; its device hangs.
        """
        self.kill()
        self._wait()

    def kill(self) -> None:
        """Have the process end, and do not wait for it."""
        self._process.kill()

    def open(self) -> None:
        """Have the process open the engine, unless it was told before.

        Raises:
            EngineDied: the process has ended.
        """
        if self._opening:
            opening, self._opening = self._opening, None
            self._send(opening)

    def _wait(self) -> None:
        self._channel.close()
        try:
            self._process.wait(ENDING_S)
        except subprocess.TimeoutExpired as exc:
            place, remedy = f"process {self.pid}", "Look with `nvidia-smi` whether the device still answers."
            raise EngineError(place, f"no end after {ENDING_S:.0f} s", "a killed process to end", remedy) from exc

    def _send(self, letter: ToModel) -> None:
        try:
            self._channel.send(letter)
        except OSError:
            raise self._died() from None

    def _receive(self) -> FromModel:
        """The next letter; those on the engine itself are dealt with here."""
        try:
            letter: FromModel = self._channel.recv()
        except (EOFError, OSError):
            raise self._died() from None
        match letter:
            case Told(info=info):
                self._info = info
            case Logged(name=name, level=level, text=text):
                logging.getLogger(name).log(level, "%s", f"{place}: {text}" if (place := self._place.name) else text)
            case Lost(cause=cause):
                self.close()
                raise EngineDied(cause)
            case Refused(kind=kind):
                self.close()
                raise kind(letter.place, letter.found, letter.expected, letter.remedy)
        return letter

    def _died(self) -> EngineDied:
        """What the end of the letters means, once the process is gone."""
        self._wait()
        status = self._process.returncode
        return EngineDied(f"a model's process that ended by {_ending(status)}")


def _start(worker: str, fd: int, place: Place) -> subprocess.Popen[bytes]:
    """Start the process with SIGINT blocked: Ctrl-C reaches all processes at a terminal, and ending is up to this one.

    Standard output belongs to this process's results.
    """
    command = [sys.executable, "-c", _BOOT, worker, json.dumps(sys.path), str(fd)]
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, pass_fds=[fd, *place.locks],
            env={**os.environ, **place.environment},
        )
    except OSError as exc:
        found, remedy = f"no new process ({exc.strerror})", "Free memory, or raise the limit of processes."
        raise EngineError("engine", found, "a process for the model", remedy) from exc
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _ending(status: int) -> str:
    """`SIGKILL` or `exit status 3`."""
    if status >= 0:
        return f"exit status {status}"
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"

"""The model's process: opens the engine, asks for prompts whenever it has room, and gives back completions.

It ends with the process that drives it: a thread waits for letters, and for the end of them.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Generator, Iterable, Iterator
from multiprocessing.connection import Connection
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Protocol, TypeAlias

from aigc.engine import Engine
from aigc.engine.deaths import EngineDied
from aigc.engine.letters import Ask, Begin, FromModel, Given, Logged, Lost, Made, Opening, Over, Refused, Told, ToModel
from aigc.errors import AigcError, EngineError
from aigc.models import ModelRef
from aigc.records import Completion, Prompt
from aigc.settings import EngineSettings
from aigc.watermark import Mark


class ModelEngine(Engine, Protocol):
    """An engine that has a model to load."""

    def prepare(self) -> None:
        """Do all that can be done before the first prompt, so that what fails here is laid at no prompt's door.

        Raises:
            AigcError: the model cannot be loaded or stepped.
        """

    def generate(self, prompts: Iterable[Prompt | None]) -> Generator[Completion, None, None]:
        """See `Engine.generate`. Can be closed before its end.

        Raises:
            AigcError: the model cannot be loaded or stepped; EngineDied where this process can compute no more.
        """


Opener: TypeAlias = Callable[[EngineSettings, ModelRef, int, Mark | None], ModelEngine]


def open_local(settings: EngineSettings, model: ModelRef, slots: int = 0, mark: Mark | None = None) -> ModelEngine:
    """The engine of the house. Imports torch."""
    from aigc.engine.quantised import quieten

    quieten()
    from aigc.engine.local import LocalEngine

    return LocalEngine(settings, model, slots=slots, mark=mark)


def serve(fd: int, open_engine: Opener = open_local) -> None:
    """Work for the process at the other end of the socket `fd` until it closes that."""
    mail = _Mail(fd)
    opening = mail.read()
    if not isinstance(opening, Opening):
        raise TypeError(type(opening).__name__)
    logging.getLogger().addHandler(_Forward(mail))
    logging.getLogger("aigc").setLevel(opening.log_level)
    try:
        engine = open_engine(opening.settings, opening.model, opening.slots, opening.mark)
        _Work(engine, mail).go_on()
    except EngineDied as exc:
        mail.send(Lost(exc.cause))
        os._exit(1)  # an orderly end would call into the dead context
    except AigcError as exc:
        mail.send(Refused(type(exc), exc.place, exc.found, exc.expected, exc.remedy))
    except BaseException as exc:
        found, remedy = f"{type(exc).__name__} in the model's process", "Run again; the texts made so far are kept."
        mail.send(Refused(EngineError, "engine", found, "a step that computes", remedy))
        raise  # the interpreter shows where


class _Work:
    """One engine's rounds, each from a `Begin` to an `Over`."""

    def __init__(self, engine: ModelEngine, mail: _Mail) -> None:
        self._engine, self._mail, self._dry = engine, mail, False
        self._info = engine.info()
        mail.send(Told(self._info))

    def go_on(self) -> None:
        while isinstance(self._mail.read(), Begin):
            self._engine.prepare()
            self._tell()
            self._dry = False
            for completion in self._engine.generate(self._pull()):
                self._tell()
                self._mail.send(Made(completion))
                self._dry = False
            self._mail.send(Over())

    def _pull(self) -> Iterator[Prompt | None]:
        """Prompts, each asked for when there is room. After None there is no use in asking before a row is made."""
        while True:
            if self._dry:
                yield None
                continue
            self._mail.send(Ask())
            given = self._mail.read()
            prompt = given.prompt if isinstance(given, Given) else None
            self._dry = prompt is None
            yield prompt

    def _tell(self) -> None:
        """Say what the engine is now; it goes on with fewer slots where memory ran out."""
        if (info := self._engine.info()) != self._info:
            self._info = info
            self._mail.send(Told(info))


class _Mail:
    """Letters to and from the driving process."""

    def __init__(self, fd: int) -> None:
        self._channel, self._lock = Connection(fd), Lock()
        self._inbox = SimpleQueue[ToModel]()
        self.read = self._inbox.get
        Thread(target=self._listen, name="letters", daemon=True).start()

    def send(self, letter: FromModel) -> None:
        try:
            with self._lock:
                self._channel.send(letter)
        except OSError:
            os._exit(0)

    def _listen(self) -> None:
        """Take letters in. A step may be long, so the end of the driving process must not wait for the next letter."""
        while True:
            try:
                self._inbox.put(self._channel.recv())
            except (EOFError, OSError):
                os._exit(0)


class _Forward(logging.Handler):
    """Hands log lines to the driving process, which knows where they go."""

    def __init__(self, mail: _Mail) -> None:
        super().__init__()
        self._mail = mail

    def emit(self, record: logging.LogRecord) -> None:
        self._mail.send(Logged(record.name, record.levelno, record.getMessage()))

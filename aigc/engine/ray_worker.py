"""The model on one machine of a cluster: what runs inside an actor. Knows nothing of Ray.

Prompts come in lists and letters go back in lists, a call of `turn` for both: a call over the network takes a
millisecond, and a GPU may end thousands of rows a second.
"""

from __future__ import annotations

import logging
import os
import platform
from collections.abc import Iterator
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Event, Thread

from aigc import __version__, models
from aigc.engine.deaths import EngineDied
from aigc.engine.letters import Ask, FromModel, Logged, Lost, Made, Opening, Refused, Told
from aigc.engine.worker import ModelEngine, Opener, open_local
from aigc.errors import AigcError, EngineError, ModelError
from aigc.models import ModelRef
from aigc.records import EngineInfo, Prompt, Value
from aigc.settings import EngineSettings


class Seat(Value, frozen=True):
    """Where a worker has come to be."""

    host: str
    pid: int


class ModelWorker:
    """An engine, and the thread that runs it: `begin`, then `turn` again and again, with a `load` before prompts come.

    A death of the device's context is told, as is what stops the engine; the end of the process is seen by who drives.
    """

    def __init__(self, opener: Opener = open_local) -> None:
        self._open_engine = opener
        self._inbox, self._outbox = SimpleQueue[Prompt](), SimpleQueue[FromModel]()
        self._wanted = Event()
        self._in_flight = 0
        self._info: EngineInfo | None = None

    def begin(self, opening: Opening, version: str) -> Seat:
        """Have the engine opened; letters tell what it is. `version` is that of the driving side."""
        logging.getLogger("aigc").setLevel(opening.log_level)
        logging.getLogger().addHandler(_Forward(self._outbox))
        Thread(target=self._run, args=(opening, version), name="engine", daemon=True).start()
        return Seat(host=platform.node(), pid=os.getpid())

    def load(self) -> None:
        """Have the model loaded: there are rows. Ask is the letter that says it is done."""
        self._wanted.set()

    def turn(self, prompts: list[Prompt]) -> list[FromModel]:
        """Take `prompts` in, and give back what has come about since the last turn, as soon as there is anything."""
        for prompt in prompts:
            self._inbox.put(prompt)
        letters = [self._outbox.get()]
        while True:
            try:
                letters.append(self._outbox.get_nowait())
            except Empty:
                return letters

    def _run(self, opening: Opening, version: str) -> None:
        try:
            _refuse_version(version)
            self._work(self._open(opening))
        except EngineDied as exc:
            self._outbox.put(Lost(exc.cause))
        except AigcError as exc:
            self._outbox.put(Refused(type(exc), exc.place, exc.found, exc.expected, exc.remedy))
        except BaseException as exc:
            found, remedy = f"{type(exc).__name__} in a worker", "Run again; the texts made so far are kept."
            self._outbox.put(Refused(EngineError, "engine", found, "a step that computes", remedy))
            raise  # the worker's own log shows where

    def _open(self, opening: Opening) -> ModelEngine:
        from aigc.engine.threads import choose_waiting

        model = model_here(opening.model, opening.settings, self._say)
        choose_waiting()
        engine = self._open_engine(opening.settings, model, opening.slots, opening.mark)
        self._tell(engine)
        return engine

    def _work(self, engine: ModelEngine) -> None:
        self._wanted.wait()
        engine.prepare()
        self._tell(engine)
        self._outbox.put(Ask())
        for completion in engine.generate(self._pull()):
            self._tell(engine)
            self._in_flight -= 1
            self._outbox.put(Made(completion))

    def _pull(self) -> Iterator[Prompt | None]:
        """What was given and is not begun; None where that is nothing while rows are in flight. There is no end."""
        while True:
            try:
                prompt = self._inbox.get(block=self._in_flight == 0)
            except Empty:
                yield None
                continue
            self._in_flight += 1
            yield prompt

    def _tell(self, engine: ModelEngine) -> None:
        """Say what the engine is now; it goes on with fewer slots where memory ran out."""
        if (info := engine.info()) != self._info:
            self._info = info
            self._outbox.put(Told(info))

    def _say(self, line: str) -> None:
        logging.getLogger(__name__).warning("%s", line)


def model_name(model: ModelRef) -> str:
    """What `model` is found by on another machine: a folder's or file's whole path, or its name where it has one."""
    path = Path(model.ref).expanduser()
    return str(path.resolve()) if path.exists() else model.ref


def model_here(wanted: ModelRef, settings: EngineSettings, say: models.Report) -> ModelRef:
    """The model `wanted` as it is on this machine, fetched first where the catalogue has it and it is not here.

    Raises:
        ModelError: it is not here, or is made of other files than where the run was started.
    """
    name = wanted.ref
    if name in models.catalogue() and name not in {model.name for model in models.installed() if not model.problem}:
        models.pull(name, report=say)
    found = models.resolve(
        name, trust_remote_code=settings.trust_remote_code, adapter=settings.adapter, report=say
    )
    if found.digest != wanted.digest:
        raise ModelError(
            f"model {name}", f"files with the digest {found.digest} on {platform.node()}", wanted.digest,
            "Copy the model to every machine of the cluster, or name a folder that all of them share.",
        )
    return found


def _refuse_version(version: str) -> None:
    if version != __version__:
        raise EngineError(
            platform.node(), f"aigc {__version__}", f"aigc {version}, as where the run was started",
            "Install the same version on every machine of the cluster.",
        )


class _Forward(logging.Handler):
    """Hands log lines to the driving side, which knows where they go."""

    def __init__(self, outbox: SimpleQueue[FromModel]) -> None:
        super().__init__()
        self._outbox = outbox

    def emit(self, record: logging.LogRecord) -> None:
        self._outbox.put(Logged(record.name, record.levelno, record.getMessage()))

"""The engine that goes on in a new process when the one that computes is lost.

A CUDA error leaves a context in which nothing can be computed any more, and only the end of its process gives its
memory back. A process may also be killed, or crash. None of this may sink a run, and no row may do it twice.
"""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing, suppress
from multiprocessing.connection import Connection
from pathlib import Path

from aigc.engine.child import WORKER, ChildEngine, Place
from aigc.engine.deaths import EngineDied
from aigc.engine.ledger import Ledger
from aigc.engine.worker import ModelEngine, open_local
from aigc.errors import EngineError
from aigc.models import ModelRef
from aigc.records import Completion, EngineInfo, Fault, Prompt
from aigc.settings import EngineSettings
from aigc.watermark import Mark

MOST_DEATHS = 6
"""Deaths with no text and no narrower suspicion in between, before it is the machine that is taken to be at fault."""
MOST_CONVICTIONS = 64
"""Rows found to be to blame with no text in between, before it is the machine: a sheet may hold many in succession."""
MOST_CONVICTIONS_AT_FIRST = 3
"""The same while no text was made at all: an engine that has never worked is at fault sooner than a sheet."""
_GPU_FILES = (Path("/dev/nvidiactl"), Path("/dev/dxg"), Path("/dev/kfd"))
"""What the drivers of NVIDIA, of WSL and of AMD show."""

_log = logging.getLogger(__name__)


def belongs_apart(settings: EngineSettings) -> bool:
    """Whether the model is run in a process of its own from the start: where it will be on a GPU.

    What a dead context holds on the device is free again when its process has ended, and the next needs the room. On
    a CPU there is no context to lose, so the model stays here. Guessed without torch, which takes seconds to import: a
    wrong guess costs a process too many, or at a death the room.
    """
    return settings.device == "cuda" or (settings.device == "auto" and any(file.exists() for file in _GPU_FILES))


class RestartingEngine:
    """A LocalEngine in this process, or `apart` in a process of its own; there in any case once one has died.

    `worker` names the module that such a process serves from, and `place` is where it runs; `mark` is given to texts
    whose sampling names it.
    """

    def __init__(
        self, settings: EngineSettings, model: ModelRef, *, apart: bool = False, worker: str = WORKER,
        mark: Mark | None = None, place: Place | None = None,
    ) -> None:
        self._settings, self._ref, self._worker, self._mark = settings, model, worker, mark
        self._place = place or Place()
        self._info: EngineInfo | None = None
        """What the engine was when it last gave a text, or told of itself."""
        self._has_worked = False
        """Whether it has made a text."""
        self.deaths = 0
        self._seat: ModelEngine | ChildEngine | None = (
            self._start() if apart else open_local(settings, model, mark=mark)
        )

    def info(self) -> EngineInfo:
        """See `Engine.info`. Where the model's process has ended, what it last was: no new one is begun to ask it.

        Raises:
            EngineError: no process lives until it has told.
        """
        deaths = 0
        while self._info is None or not self._is_vacant:
            try:
                self._info = self._seated().info()
                break
            except EngineDied as exc:
                deaths += 1
                self._leave()
                self._judge(exc, 0, deaths)
        return self._info

    def generate(self, prompts: Iterable[Prompt | None]) -> Iterator[Completion]:
        """See `Engine.generate`. Rows in flight at a death are made again; one that is to blame for deaths fails.

        Raises:
            EngineError: the engine dies again and again, or stops for a reason that another process would meet too.
            ModelError: the model cannot be loaded.
        """
        with closing(self.turns(prompts)) as turns:
            for completion in turns:
                if completion:
                    yield completion

    def turns(self, prompts: Iterable[Prompt | None]) -> Generator[Completion | None, None, None]:
        """As `generate`, and None whenever the model's process is to be heard next: in `mail`, which may be another's
        than before."""
        ledger = Ledger(prompts)
        while ledger.has_work():
            probing = ledger.probing
            if death := (yield from self._round(ledger)):
                in_flight = ledger.in_flight
                culprit = ledger.bury()
                self._leave()
                if culprit:
                    yield failed(culprit, death.cause)
                self._judge(death, in_flight, ledger.fruitless, ledger.convictions)
                del death  # its traceback holds the model that was in this process
                continue
            ledger.end_round()
            if not probing:
                return

    @property
    def name(self) -> str:
        """Of the place where it runs."""
        return self._place.name

    @property
    def pid(self) -> int:
        """Of the model's process; 0 while there is none."""
        return self._seat.pid if isinstance(self._seat, ChildEngine) and not self._seat.ended else 0

    @property
    def mail(self) -> Connection | None:
        """Where letters of the model's process come in; None while there is no such process."""
        return self._seat.mail if isinstance(self._seat, ChildEngine) and not self._seat.ended else None

    @property
    def is_ready(self) -> bool:
        """Whether the model's process has loaded it and asked for a prompt in this round."""
        return isinstance(self._seat, ChildEngine) and self._seat.is_ready

    def open(self) -> None:
        """Have the model's process open the engine. What goes wrong with it is met, and counted, where it is used."""
        if isinstance(self._seat, ChildEngine) and not self._seat.ended:
            with suppress(EngineDied):
                self._seat.open()

    def kill(self) -> None:
        """Have the model's process end, and do not wait for it: `close` does."""
        if isinstance(self._seat, ChildEngine):
            self._seat.kill()

    def close(self) -> None:
        if self._seat:
            self._seat.close()

    def _round(self, ledger: Ledger) -> Generator[Completion | None, None, EngineDied | None]:
        """Completions of prompts that `ledger` hands out. Returns the death that they ended with, if any."""
        seat = self._seated()
        try:
            with closing(seat.generate(ledger.pull())) as completions:
                for completion in completions:
                    if completion is None:
                        yield None
                        continue
                    ledger.take(completion)
                    self._has_worked |= completion.fault is None
                    self._info = seat.info()
                    yield completion
        except EngineDied as exc:
            return exc
        return None

    @property
    def _is_vacant(self) -> bool:
        """Whether there is no engine: it has died, or its process was ended."""
        return self._seat is None or (isinstance(self._seat, ChildEngine) and self._seat.ended)

    def _seated(self) -> ModelEngine | ChildEngine:
        """Where the model is, or is going to be."""
        if self._seat is None or self._is_vacant:
            self._seat = self._start()
        return self._seat

    def _start(self) -> ChildEngine:
        slots = self._info.slots if self._info else 0
        return ChildEngine(
            self._settings, self._ref, worker=self._worker, slots=slots, mark=self._mark, place=self._place
        )

    def _leave(self) -> None:
        """Give up what has died."""
        self.deaths += 1
        self.close()
        self._seat = None

    def _judge(self, death: EngineDied, in_flight: int, fruitless: int, convictions: int = 0) -> None:
        """Go on after a death. Raises EngineError where a new process is not going to fare better."""
        most_convictions = MOST_CONVICTIONS if self._has_worked else MOST_CONVICTIONS_AT_FIRST
        if fruitless >= MOST_DEATHS or convictions >= most_convictions:
            count = f"{fruitless} deaths" if fruitless >= MOST_DEATHS else f"{convictions} rows that it died of"
            raise EngineError(
                f"model {self._ref.ref}",
                f"{death.cause}, and {count} without a text {'in between' if self._has_worked else 'so far'}",
                "an engine that lives until a text is made",
                "Run `aigc doctor`, and ask the system's log (`dmesg`) what ended it; lower engine.slots where memory "
                "is short. Then run again; the texts made so far are kept.",
            ) from death
        engine = f"the engine of {self.name}" if self.name else "the engine"
        _log.warning("%s died with %d in flight (%s): going on in a new process", engine, in_flight, death.cause)


def failed(prompt: Prompt, cause: str) -> Completion:
    fault = Fault(
        code="engine_died",
        found=f"the end of the engine each time this row was in it, at last with no other ({cause})",
        expected="an engine that lives through it",
        remedy="Run again: failed rows are made again. If it stays, change the row, or report it with the model.",
    )
    return Completion(request_id=prompt.request_id, text="", finish_reason="error", fault=fault)

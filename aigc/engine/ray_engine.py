"""The engine on many machines: a worker with the model on each, fed from one queue over Ray.

    pipeline ── prompts ──▶ RayEngine ── a list of prompts ──▶ ModelWorker: LocalEngine     on each machine, or GPU
             ◀ completions ─ with a SharedLedger ◀── letters ──

The journal stays where the command runs. Whoever has room is given the next prompts, the emptiest first.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from msgspec.structs import replace

from aigc.engine.deaths import EngineDied
from aigc.engine.letters import Ask, FromModel, Logged, Lost, Made, Opening, Refused, Told
from aigc.engine.pool import STILL_S
from aigc.engine.ray_cluster import Cluster
from aigc.engine.ray_remote import RemoteWorker
from aigc.engine.ray_worker import model_name
from aigc.engine.restart import MOST_CONVICTIONS, MOST_CONVICTIONS_AT_FIRST, MOST_DEATHS, failed
from aigc.engine.shared_ledger import SharedLedger
from aigc.engine.worker import Opener, open_local
from aigc.errors import AigcError, EngineError
from aigc.models import ModelRef
from aigc.records import Completion, EngineInfo, Prompt
from aigc.settings import EngineSettings
from aigc.tally import DeviceUse
from aigc.watermark import Mark

GATHER_S = 10.0
"""How much longer than the first a worker may take to load before the others begin without it."""
PLACE_S = 600.0
"""How long to wait while the cluster has room for no worker at all."""
_LOOK_S = 5.0

_log = logging.getLogger(__name__)


class RayEngine:
    """An engine of many workers, each of which is begun anew where it dies; rows that it had go to the others.

    A worker that cannot go on at all is left out. `opener` opens the engine in a worker.

    Raises:
        EngineError: there is no cluster, or nothing in it that could work.
    """

    def __init__(
        self, settings: EngineSettings, model: ModelRef, *, mark: Mark | None = None, opener: Opener = open_local
    ) -> None:
        self._ref = model
        self._cluster = Cluster(settings, opener)
        opening, count = _opening(settings, model, mark), self._cluster.share.workers
        self._workers = [RemoteWorker(number, self._cluster, opening) for number in range(1, count + 1)]
        self._info: EngineInfo | None = None
        """Of the worker that made the last text, else of the first that told."""
        self._first_info: EngineInfo | None = None
        self._unplaced_since_s = self._heard_s = time.monotonic()
        try:
            for worker in self._workers:
                worker.start()
        except BaseException:
            self.close()
            raise

    def info(self) -> EngineInfo:
        """See `Engine.info`: of the worker that made the text given last.

        Raises:
            AigcError: no worker can open the engine.
        """
        nobody = SharedLedger(())
        while self._info is None:
            for _ in self._hear(nobody):
                raise AssertionError("a completion that nobody asked for")
        return self._info

    @property
    def slots(self) -> int:
        """Rows that all workers can generate at a time."""
        return self.info().slots * len(self._live)

    @property
    def uses(self) -> dict[str, DeviceUse]:
        """What each worker has made, by its name and the machine that it was on last."""
        return {
            f"{worker.name} on {worker.host}" if worker.host else worker.name:
                replace(worker.use, is_left_out=worker.is_out)
            for worker in self._workers
        }

    def generate(self, prompts: Iterable[Prompt | None]) -> Iterator[Completion]:
        """See `Engine.generate`. Rows in flight at a worker's death are made again by whoever has room.

        Raises:
            EngineError: no worker is left, none has had a place for long, or a step stopped for another reason than
                the end of its worker.
        """
        ledger = SharedLedger(prompts)
        if not ledger.has_work():
            return
        try:
            yield from self._gather(ledger)
            while True:
                self._hand_out(ledger)
                if ledger.is_dry and not ledger.in_flight and not ledger.waiting:
                    return
                yield from self._hear(ledger)
        finally:
            for worker in self._live:
                worker.keep_time(is_busy=False)
                if ledger.held(worker.name):  # nobody will wait for its rows
                    worker.end()

    def close(self) -> None:
        for worker in self._live:
            worker.end()
        self._cluster.leave()

    @property
    def _live(self) -> list[RemoteWorker]:
        return [worker for worker in self._workers if not worker.is_out]

    def _gather(self, ledger: SharedLedger) -> Iterator[Completion]:
        """Have all load the model before any is given a prompt: else the first would take all of a short queue."""
        for worker in self._live:
            if worker.is_ended:
                worker.start()
            worker.load()
        until_s: float | None = None
        while not all(worker.is_ready for worker in self._live):
            if until_s is None and any(worker.is_ready for worker in self._live):
                until_s = time.monotonic() + GATHER_S
            if until_s is not None and time.monotonic() >= until_s:
                break
            yield from self._hear(ledger)

    def _hand_out(self, ledger: SharedLedger) -> None:
        """Give prompts to those that wait for them, then have those that have any go on."""
        asking = [worker for worker in self._live if worker.is_ready and worker.call is None]
        for worker in asking:
            ledger.join(worker.name)
        hungry = list(asking)
        while hungry := [worker for worker in hungry if ledger.held(worker.name) < worker.most]:
            worker = min(hungry, key=lambda each: ledger.held(each.name))
            if prompt := ledger.next_for(worker.name):
                worker.given.append(prompt)
            else:
                hungry.remove(worker)
        for worker in asking:
            worker.keep_time(is_busy=ledger.held(worker.name) > 0)
            if ledger.held(worker.name):
                worker.turn()

    def _hear(self, ledger: SharedLedger) -> Iterator[Completion]:
        """Wait until a worker has said something, and give what it has made."""
        calling = {worker.call: worker for worker in self._live if worker.call is not None}
        answered = self._cluster.answered([*calling], _LOOK_S)
        self._tell_still(ledger, has_heard=bool(answered))
        for call in answered:
            worker = calling[call]
            try:
                for letter in worker.answer():
                    if completion := self._read(worker, letter):
                        ledger.take(worker.name, completion)
                        worker.count(completion)
                        self._info = worker.info
                        yield completion
                if worker.has_more_to_say:
                    worker.turn()
            except EngineDied as exc:
                yield from self._bury(worker, exc, ledger)
        self._refuse_long_wait()

    def _tell_still(self, ledger: SharedLedger, *, has_heard: bool) -> None:
        """Say who keeps the run waiting, where nobody has said anything for long."""
        now_s = time.monotonic()
        if has_heard or not ledger.in_flight:
            self._heard_s = now_s
        if now_s - self._heard_s < STILL_S:
            return
        self._heard_s = now_s
        for worker in self._live:
            if rows := ledger.held(worker.name):
                _log.warning(
                    "%s has said nothing for %.0f minutes, and keeps %d rows. If it hangs, kill its process %d on %s: "
                    "the others make them", worker.name, STILL_S / 60, rows, worker.pid, worker.host,
                )

    def _read(self, worker: RemoteWorker, letter: FromModel) -> Completion | None:
        """What a letter brings: a completion, or something about the worker."""
        match letter:
            case Made(completion=completion):
                return completion
            case Told(info=info):
                self._learn(worker, info)
            case Ask():
                worker.is_ready = True
            case Logged(name=name, level=level, text=text):
                logging.getLogger(name).log(level, "%s", f"{worker.name}: {text}")
            case Lost(cause=cause):
                raise EngineDied(cause)
            case Refused(kind=kind):
                refusal = kind(letter.place, letter.found, letter.expected, letter.remedy)
                if worker.is_ready:
                    raise refusal
                self._leave_out(worker, refusal)
        return None

    def _learn(self, worker: RemoteWorker, info: EngineInfo) -> None:
        """Note what the engine of a worker is, and say where it is another than the first one's."""
        worker.info = info = replace(info, model=self._ref.ref)
        self._info = self._info or info
        self._first_info = self._first_info or info
        if info != self._first_info and not worker.is_other:
            worker.is_other = True
            _log.warning("%s is another engine than the first, so that its texts may differ from those that the first "
                         "would make: run.json tells both", worker.name)

    def _bury(self, worker: RemoteWorker, death: EngineDied, ledger: SharedLedger) -> Iterator[Completion]:
        """Go on after the death of a worker, in a new one unless it has died too often."""
        in_flight, name = ledger.held(worker.name), worker.name
        culprit = ledger.bury(name)
        worker.keep_time(is_busy=False)
        worker.use = replace(worker.use, deaths=worker.use.deaths + 1)
        worker.end()
        if culprit:
            yield failed(culprit, death.cause)
            ledger.is_dry = False
        deaths, convictions = ledger.fruitless[name], ledger.convictions[name]
        most_convictions = MOST_CONVICTIONS if worker.use.texts else MOST_CONVICTIONS_AT_FIRST
        if deaths < MOST_DEATHS and convictions < most_convictions:
            _log.warning("%s died with %d in flight (%s): going on in a new one", name, in_flight, death.cause)
            worker.start()
            return
        count = f"{deaths} deaths" if deaths >= MOST_DEATHS else f"{convictions} rows that it died of"
        self._leave_out(worker, EngineError(
            name, f"{death.cause}, and {count} without a text in between", "a worker that lives until a text is made",
            "Look with `ray status` and in the machine's log (`dmesg`) what ended it; lower engine.slots where memory "
            "is short. Then run again; the texts made so far are kept.",
        ))

    def _leave_out(self, worker: RemoteWorker, why: AigcError) -> None:
        """Go on without `worker`. Raises `why` where it was the last."""
        worker.is_out = True
        worker.end()
        if not self._live:
            raise why
        _log.warning("%s is left out of the rest of the run (%s)", worker.name, why)

    def _refuse_long_wait(self) -> None:
        """Raise EngineError where the cluster has had no room for any worker for long."""
        if any(worker.pid for worker in self._live):
            self._unplaced_since_s = time.monotonic()
        elif time.monotonic() - self._unplaced_since_s > PLACE_S:
            share = self._cluster.share
            raise EngineError(
                "Ray", f"no room for a worker in {PLACE_S:.0f} s",
                f"a machine with {share.cpus} processors and {share.gpus} GPUs that nobody else has taken",
                "Look with `ray status` who has them. Then run again; the texts made so far are kept.",
            )


def _opening(settings: EngineSettings, model: ModelRef, mark: Mark | None) -> Opening:
    """What a worker is to open: one engine on what Ray gives it, for the model by a name that other machines know."""
    adapter = str(Path(settings.adapter).resolve()) if settings.adapter else ""
    own = replace(settings, on="local", devices="all", processes=0, adapter=adapter)
    level = logging.getLogger("aigc").getEffectiveLevel()
    return Opening(own, replace(model, ref=model_name(model), path=None), 0, level, mark)

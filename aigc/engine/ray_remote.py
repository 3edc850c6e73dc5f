"""A worker of a cluster as the driving side sees it."""

from __future__ import annotations

import logging
import time

from msgspec.structs import replace

from aigc import __version__
from aigc.engine.letters import FromModel, Opening
from aigc.engine.ray_cluster import Actor, Call, Cluster
from aigc.engine.ray_worker import Seat
from aigc.records import Completion, EngineInfo, Prompt
from aigc.tally import DeviceUse

_log = logging.getLogger(__name__)


class RemoteWorker:
    """One worker as the driving side sees it, begun anew by `start`. At most one call of it is under way."""

    def __init__(self, number: int, cluster: Cluster, opening: Opening) -> None:
        self.name = f"worker {number}"
        self._cluster, self._opening = cluster, opening
        self._actor: Actor = None
        self.call: Call = None
        self.info: EngineInfo | None = None
        self.use = DeviceUse()
        self.given = list[Prompt]()
        """What it is to be handed with the next turn."""
        self.pid, self.host = 0, ""
        """Of its process, 0 while there is no room for it; and the machine that it is on, or was on last."""
        self.is_ready = False
        """Whether its model is loaded."""
        self.is_out = self.is_other = False
        self._is_wanted, self._busy_since_s = False, 0.0

    @property
    def is_ended(self) -> bool:
        return self._actor is None

    @property
    def most(self) -> int:
        """Rows that it is given at a time: some more than it has slots, so that none waits for a call."""
        slots = self.info.slots if self.info else 1
        return slots + max(1, slots // 8)

    @property
    def has_more_to_say(self) -> bool:
        """Whether it is on its way to be ready, as far as it is wanted to be."""
        return not (self.is_ended or self.is_ready) and (self._is_wanted or self.info is None)

    def start(self) -> None:
        """Begin it: with as many slots as it had before, if it was, and with the model if that is wanted."""
        slots = self.info.slots if self.info else 0
        self._actor = self._cluster.place()
        self.call = self._actor.begin.remote(replace(self._opening, slots=slots), __version__)
        if self._is_wanted:
            self._actor.load.remote()

    def load(self) -> None:
        """Have it load the model, now and whenever it is begun anew."""
        if not self._is_wanted:
            self._is_wanted = True
            self._actor.load.remote()
            if self.call is None:
                self.turn()

    def turn(self) -> None:
        """Hand over what it is given, and wait for letters."""
        given, self.given = self.given, []
        self.call = self._actor.turn.remote(given)

    def answer(self) -> list[FromModel]:
        """The letters of the call that was answered.

        Raises:
            EngineDied: it is gone.
        """
        call, self.call = self.call, None
        answer = self._cluster.answer(call)
        if isinstance(answer, Seat):
            self.pid, self.host = answer.pid, answer.host
            _log.info("%s is process %d on %s", self.name, answer.pid, answer.host)
            return []
        return list(answer)

    def count(self, completion: Completion) -> None:
        self.use = replace(
            self.use, texts=self.use.texts + 1, tokens_in=self.use.tokens_in + completion.tokens_in,
            tokens_out=self.use.tokens_out + completion.tokens_out,
        )

    def keep_time(self, *, is_busy: bool) -> None:
        """Count the seconds in which it had a loaded model and prompts."""
        now_s = time.monotonic()
        if self._busy_since_s:
            self.use = replace(self.use, busy_s=self.use.busy_s + now_s - self._busy_since_s)
        self._busy_since_s = now_s if is_busy else 0.0

    def end(self) -> None:
        """End it, with all that it was given."""
        if not self.is_ended:
            self._cluster.end(self._actor)
        self._actor = self.call = None
        self.pid, self.is_ready = 0, False
        self.given.clear()

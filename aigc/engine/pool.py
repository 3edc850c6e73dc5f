"""Many engines, each in a process of its own, fed from one queue.

Whoever has room is given the next prompt, so a slow process takes fewer and holds nobody up. All letters are read by
one thread, the caller's, one at a time and from each process in turn; nothing here is shared between threads.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack
from multiprocessing.connection import wait

from msgspec.structs import replace

from aigc.engine.cards import Hold
from aigc.engine.restart import RestartingEngine
from aigc.errors import AigcError
from aigc.records import Completion, EngineInfo, Prompt
from aigc.tally import DeviceUse

LEAST_GRACE_S, MOST_GRACE_S = 1.0, 60.0
"""How much longer than the first a process may take to load before the others begin without it: as long again, but
within these."""
STILL_S = 300.0
"""After so long without a word from any that have rows, who keeps the run waiting is told."""

_log = logging.getLogger(__name__)


class EnginePool:
    """An engine of several, each of which goes on in a new process where its own dies. After `close` it is of no use.

    One that cannot go on at all is left out: its rows go to the others. `hold` has the locks of their GPUs.
    """

    def __init__(self, engines: Sequence[RestartingEngine], hold: Hold | None = None) -> None:
        self._members, self._hold = [_Member(engine) for engine in engines], hold
        self._info: EngineInfo | None = None
        """Of the engine that made the text given last, else of the first that told."""
        self._kind: EngineInfo | None = None
        """What the first engine that made a text is, whatever its slots."""
        self._made = deque[tuple[Completion, EngineInfo]]()
        self._untold = list[tuple[_Member, int, AigcError]]()
        """Members left out, with their rows and the reason, that no text was made since."""
        self._end: AigcError | None = None
        """What the last of the engines was left out for."""

    def info(self) -> EngineInfo:
        """See `Engine.info`: of the engine that made the text given last.

        Raises:
            AigcError: none of the engines can be opened.
        """
        self._refuse_ended()
        for member in [] if self._info else self._live:
            member.engine.open()
        while self._info is None:
            member = next(_heard(self._live, None))
            try:
                self._info = member.engine.info()
            except AigcError as exc:
                self._leave_out(member, exc)
        return self._info

    @property
    def slots(self) -> int:
        """Rows that all engines can generate at a time."""
        return self.info().slots * len(self._live)

    @property
    def uses(self) -> dict[str, DeviceUse]:
        """What each engine has made, by the name of its place."""
        return {
            member.engine.name: replace(member.use, deaths=member.engine.deaths, is_left_out=member.is_out)
            for member in self._members
        }

    def generate(self, prompts: Iterable[Prompt | None]) -> Iterator[Completion]:
        """See `Engine.generate`. Rows of an engine that is left out are made by the others.

        Raises:
            AigcError: of the last engine, where none is left.
        """
        self._refuse_ended()
        queue = _Queue(prompts)
        try:
            for member in self._live:
                self._begin(member, queue)
            self._gather(queue)
            while True:
                while self._made:
                    completion, self._info = self._made.popleft()
                    yield completion
                    queue.is_dry = False
                self._begin_idle(queue)
                working = [member for member in self._live if member.turns]
                if not working and not self._made:
                    return
                heard = [*_heard(working, STILL_S)] if working else []
                for member in heard:
                    self._hear(member, queue)
                if not heard:
                    self._tell_still(working)
        finally:
            self._end_round()

    def close(self) -> None:
        """End all processes, and then let others use their GPUs.

        Raises:
            EngineError: a process does not end though it was killed; its device hangs.
        """
        with ExitStack() as stack:
            if self._hold:
                stack.callback(self._hold.release)
            for member in self._live:  # of the others each has ended, or is known to hang
                member.engine.kill()
                stack.callback(member.engine.close)

    @property
    def _live(self) -> list[_Member]:
        return [member for member in self._members if not member.is_out]

    def _begin(self, member: _Member, queue: _Queue) -> None:
        if member.begin(queue):
            self._hear(member, queue)

    def _gather(self, queue: _Queue) -> None:
        """Have all load the model before any is given more than a prompt: else the first would take all of a short
        queue. One that takes much longer than the first joins later."""
        began_s, until_s = time.monotonic(), None
        while slow := [member for member in self._live if member.turns and not member.engine.is_ready]:
            now_s = time.monotonic()
            if until_s is None and any(member.turns and member.engine.is_ready for member in self._live):
                until_s = now_s + min(MOST_GRACE_S, max(LEAST_GRACE_S, now_s - began_s))
            if until_s is not None and now_s >= until_s:
                break
            for member in _heard(slow, None if until_s is None else until_s - now_s):
                self._hear(member, queue)
        for member in self._live:
            member.forget_wait()

    def _begin_idle(self, queue: _Queue) -> None:
        """Give those that have nothing to do a prompt, where there is one. A model is loaded only for rows that are
        there at the start of a round, or where there is no other: a retry is made sooner by one that has loaded."""
        idle = [member for member in self._live if not member.turns]
        loaded = [member for member in idle if member.has_begun]
        for member in loaded or (idle if len(idle) == len(self._live) else []):
            self._begin(member, queue)

    def _hear(self, member: _Member, queue: _Queue) -> None:
        """Take a letter of `member`, and what comes of it."""
        try:
            for completion in member.hear():
                self._tell_losses()
                self._made.append((completion, self._learn(member)))
        except AigcError as exc:
            if exc is queue.failure:
                raise
            queue.again.extend(member.given.values())
            self._leave_out(member, exc)

    def _learn(self, member: _Member) -> EngineInfo:
        """What the engine of `member` is, and a word where it is of another kind than the first: by its slots alone it
        may differ as its memory is at the moment."""
        info = member.engine.info()
        kind = replace(info, slots=0)
        self._kind = self._kind or kind
        if kind != self._kind and not member.is_other:
            member.is_other = True
            _log.warning("%s is another engine than the first (%s, not %s), so that its texts may differ from those "
                         "that the first would make: run.json tells both", member.engine.name, info.device or "?",
                         self._kind.device or "?")
        return info

    def _tell_still(self, working: Sequence[_Member]) -> None:
        for member in working:
            _log.warning(
                "%s has said nothing for %.0f minutes, and keeps %d rows. If it hangs (`nvidia-smi` tells), kill its "
                "process %d: another goes on with them", member.engine.name or "the engine", STILL_S / 60,
                len(member.given), member.engine.pid,
            )

    def _leave_out(self, member: _Member, why: AigcError) -> None:
        """Go on without `member`. Raises `why` where it was the last."""
        self._untold.append((member, len(member.given), why))
        member.leave()
        if not self._live:
            self._end, told = why, str(why)
            self._untold = [each for each in self._untold if str(each[2]) != told]
            self._tell_losses()
            raise why

    def _tell_losses(self) -> None:
        """Say who is left out, now that another has made a text: where none does, the error says it."""
        for member, rows, why in self._untold:
            name, others = member.engine.name, len(self._live)
            _log.warning("%s is left out, and its %d rows go to the %d others: %s", name, rows, others, why)
        self._untold.clear()

    def _refuse_ended(self) -> None:
        if self._end:
            raise self._end

    def _end_round(self) -> None:
        """Have nobody work on: a round that is given up ends the processes that are in the middle of it."""
        working = [member for member in self._members if member.turns]
        for member in working:
            member.engine.kill()
        with ExitStack() as stack:
            for member in working:
                stack.callback(member.give_up)
        self._made.clear()


class _Queue:
    """Prompts of one round: those that are to be made again, then their owner's."""

    def __init__(self, prompts: Iterable[Prompt | None]) -> None:
        self._source = iter(prompts)
        self.again = deque[Prompt]()
        self.is_dry = False
        """Whether their owner had none since the last completion."""
        self.failure: Exception | None = None
        """What their owner raised."""

    def take(self) -> Prompt | None:
        """The next prompt; None: nothing before the next completion."""
        if self.again:
            return self.again.popleft()
        if self.is_dry:
            return None
        try:
            prompt = next(self._source, None)
        except Exception as exc:
            self.failure = exc
            raise
        self.is_dry = prompt is None
        return prompt


class _Member:
    """One engine of a pool: what it works on, and what it has done."""

    def __init__(self, engine: RestartingEngine) -> None:
        self.engine, self.use = engine, DeviceUse()
        self.turns: Generator[Completion | None, None, None] | None = None
        """Its round; None while it has nothing to do."""
        self.given: dict[str, Prompt] = {}
        """Prompts that it has and that are not made."""
        self.has_begun = self.is_other = False
        """Whether it was ever given a prompt, and so has loaded the model; and whether it is of another kind."""
        self.is_out = False
        self._busy_since_s: float | None = None

    def begin(self, queue: _Queue) -> bool:
        """Have a round, to be begun by `hear`, if there is a prompt for it."""
        if first := queue.take():
            self.has_begun = True
            self.given[first.request_id] = first
            self.turns = self.engine.turns(self._pull(first, queue))
        return first is not None

    def hear(self) -> Iterator[Completion]:
        """Begin the round, or take a letter, and give what is made by that."""
        if self.turns is None:
            return
        for completion in self.turns:
            self.keep_time()
            if completion is None:
                return
            self.given.pop(completion.request_id, None)
            self.use = _with(self.use, completion)
            self.keep_time()
            yield completion
        self.turns = None
        self.keep_time()

    def give_up(self) -> None:
        """End the round, and the process where it is in the middle of it."""
        turns, self.turns = self.turns, None
        self.given.clear()
        self.keep_time()
        if turns:
            turns.close()

    def leave(self) -> None:
        """Be of no more use. Its process has ended, or is known to hang."""
        self.is_out, self.turns = True, None
        self.given.clear()
        self.keep_time()

    def forget_wait(self) -> None:
        """Do not count the time until now in which it waited for others to load."""
        self._busy_since_s = None
        self.keep_time()

    def keep_time(self) -> None:
        """Count the seconds in which it had a loaded model and prompts."""
        now_s, is_busy = time.monotonic(), bool(self.given) and self.engine.is_ready
        if self._busy_since_s is not None:
            self.use = replace(self.use, busy_s=self.use.busy_s + now_s - self._busy_since_s)
        self._busy_since_s = now_s if is_busy else None

    def _pull(self, first: Prompt, queue: _Queue) -> Iterator[Prompt | None]:
        yield first
        while True:
            if prompt := queue.take():
                self.given[prompt.request_id] = prompt
            yield prompt


def _with(use: DeviceUse, completion: Completion) -> DeviceUse:
    return replace(
        use, texts=use.texts + 1, tokens_in=use.tokens_in + completion.tokens_in,
        tokens_out=use.tokens_out + completion.tokens_out,
    )


def _heard(members: Sequence[_Member], within_s: float | None) -> Iterator[_Member]:
    """Those of `members` that have something to say, once one has or `within_s` are over."""
    boxes = {id(member.engine.mail): member for member in members if member.engine.mail}
    if len(boxes) < len(members):  # what has ended is not waited for
        yield from (member for member in members if not member.engine.mail)
        return
    for mail in wait([member.engine.mail for member in members if member.engine.mail], within_s):
        yield boxes[id(mail)]

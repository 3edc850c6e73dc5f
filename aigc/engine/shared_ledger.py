"""Which rows are at which worker, which go again after a worker's death, and which of them is to blame."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable

from aigc.records import Completion, Prompt


class SharedLedger:
    """The `Ledger` of many workers that are fed from one queue: what one leaves behind is taken by whoever has room.

    After a first death the rows that a worker had go again, at any worker, beside others. Rows that were in flight at
    two deaths are suspected and go in halves, each half at a worker that has nothing else, until one dies alone. Where
    there is another worker, it dies alone there too before it is to blame: a machine that ends whatever it is given
    must not fail a row.
    """

    def __init__(self, prompts: Iterable[Prompt | None]) -> None:
        self._source = iter(prompts)
        self._again = deque[Prompt]()
        self._suspects = deque[deque[Prompt]]()
        """Groups, each to be run by a worker that has nothing else."""
        self._held: dict[str, dict[str, Prompt]] = {}
        """What each worker has that lives, by its name."""
        self._probes: dict[str, deque[Prompt]] = {}
        """What is left of the group that a worker is at."""
        self._deaths, self._alone_at = Counter[str](), dict[str, str]()
        self.is_dry = False
        """Whether the prompts' owner had none since the last completion."""
        self.fruitless = Counter[str]()
        """A worker's deaths since it last made a text or a row was convicted that made no group of suspects smaller."""
        self.convictions = Counter[str]()
        """Rows that died alone at a worker since it last made a text."""

    @property
    def in_flight(self) -> int:
        return sum(map(len, self._held.values()))

    @property
    def waiting(self) -> int:
        """Rows that go again."""
        return len(self._again) + sum(map(len, self._suspects)) + sum(map(len, self._probes.values()))

    def held(self, worker: str) -> int:
        return len(self._held.get(worker, ()))

    def has_work(self) -> bool:
        """Whether there is a prompt to hand out; looks for one at their owner's where there is none here."""
        if not self.waiting and (prompt := self._next()):
            self._again.append(prompt)
        return bool(self.waiting)

    def join(self, worker: str) -> None:
        """`worker` lives, and can be given prompts."""
        self._held.setdefault(worker, {})

    def next_for(self, worker: str) -> Prompt | None:
        """A prompt for `worker`; None where it is to be given none before the next completion."""
        held = self._held[worker]
        if worker not in self._probes and not held:
            self._begin_probe(worker)
        if worker in self._probes:
            group = self._probes[worker]
            prompt = group.popleft() if group else None
        else:
            prompt = self._again.popleft() if self._again else self._next()
        if prompt:
            held[prompt.request_id] = prompt
        return prompt

    def take(self, worker: str, completion: Completion) -> None:
        """A row is done. One that was refused may never have been in a step: it does not show that the worker lives."""
        if completion.fault is None:
            self.fruitless[worker] = self.convictions[worker] = 0
        self._held[worker].pop(completion.request_id, None)
        self._deaths.pop(completion.request_id, None)
        self._alone_at.pop(completion.request_id, None)
        self.is_dry = False
        if not self._held[worker] and not self._probes.get(worker, True):
            del self._probes[worker]

    def release(self, worker: str) -> None:
        """`worker` is given up for a reason that is no row's: others take what it had."""
        self._again.extendleft(reversed(self._leave(worker)))

    def bury(self, worker: str) -> Prompt | None:
        """After the death of `worker`: the row that is to blame, else None, and what it had goes again."""
        rows = self._leave(worker)
        self._deaths.update(row.request_id for row in rows)
        suspects = [row for row in rows if self._deaths[row.request_id] > 1]
        if len(rows) == len(suspects) == 1:
            return self._convict(worker, suspects[0])
        self.fruitless[worker] += len(suspects) < 2
        self._again.extendleft(row for row in reversed(rows) if self._deaths[row.request_id] < 2)
        middle = (len(suspects) + 1) // 2
        self._suspects.extendleft(deque(half) for half in (suspects[middle:], suspects[:middle]) if half)
        return None

    def _next(self) -> Prompt | None:
        if self.is_dry:
            return None
        prompt = next(self._source, None)
        self.is_dry = prompt is None
        return prompt

    def _begin_probe(self, worker: str) -> None:
        """Have an idle worker run the first group of suspects that it is not barred from."""
        for group in self._suspects:
            if len(self._held) == 1 or not any(self._alone_at.get(row.request_id) == worker for row in group):
                self._suspects.remove(group)
                self._probes[worker] = group
                return

    def _leave(self, worker: str) -> list[Prompt]:
        """Forget a worker. Returns the rows that were at it; what it was not yet given of a group waits for another."""
        if rest := self._probes.pop(worker, None):
            self._suspects.appendleft(rest)
        return list(self._held.pop(worker, {}).values())

    def _convict(self, worker: str, row: Prompt) -> Prompt | None:
        self.fruitless[worker], self.convictions[worker] = 0, self.convictions[worker] + 1
        if self._held and row.request_id not in self._alone_at:
            self._alone_at[row.request_id] = worker
            self._suspects.append(deque([row]))
            return None
        del self._deaths[row.request_id]
        self._alone_at.pop(row.request_id, None)
        return row

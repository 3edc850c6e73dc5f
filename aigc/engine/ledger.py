"""Which rows are in flight, which go again after a death, and which of them is to blame."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator

from aigc.records import Completion, Prompt


class Ledger:
    """Hands out prompts, and finds the row that ends the process it is in.

    After a first death all rows in flight go again beside new ones: most deaths are nobody's fault. Rows that were in
    flight at two are suspected and go in halves, nothing else beside them, until the one that dies alone is found. So
    a row is failed only for a death that it had to itself, and a search among n rows takes about log2 n deaths.
    """

    def __init__(self, prompts: Iterable[Prompt | None]) -> None:
        self._source = iter(prompts)
        self._again = deque[Prompt]()
        self._probes = deque[deque[Prompt]]()
        """Groups of suspects, each to be run by itself, before all else."""
        self._in_flight: dict[str, Prompt] = {}
        self._deaths = Counter[str]()
        self.fruitless = 0
        """Deaths since a text was last made or a row convicted that did not make a group of suspects smaller."""
        self.convictions = 0
        """Rows found to be to blame since a text was last made."""

    @property
    def probing(self) -> bool:
        return bool(self._probes)

    @property
    def in_flight(self) -> int:
        return len(self._in_flight)

    def has_work(self) -> bool:
        """Whether there is a prompt to hand out; looks for one at their owner's where there is none here."""
        if not self._probes and not self._again and (prompt := next(self._source, None)):
            self._again.append(prompt)
        return bool(self._probes or self._again)

    def pull(self) -> Iterator[Prompt | None]:
        """Prompts for one round: a group of suspects and no more, or rows that go again and then their owner's."""
        if self._probes:
            group = self._probes[0]
            while group:
                yield self._hand_out(group.popleft())
            return
        while True:
            prompt = self._again.popleft() if self._again else next(self._source, None)
            yield self._hand_out(prompt) if prompt else None

    def take(self, completion: Completion) -> None:
        """A row is done. One that was refused may never have been in a step: it does not show that the engine lives."""
        if completion.fault is None:
            self.fruitless = self.convictions = 0
        self._in_flight.pop(completion.request_id, None)
        self._deaths.pop(completion.request_id, None)

    def end_round(self) -> None:
        """All prompts of the round are done."""
        if self._probes:
            self._probes.popleft()

    def bury(self) -> Prompt | None:
        """After a death: the row that is to blame, else None, and those that were in flight go again."""
        rows = list(self._in_flight.values())
        self._in_flight.clear()
        self._deaths.update(row.request_id for row in rows)
        suspects = [row for row in rows if self._deaths[row.request_id] > 1]
        if self._probes and not self._probes[0]:
            self._probes.popleft()
        if len(rows) == len(suspects) == 1:
            self.fruitless, self.convictions = 0, self.convictions + 1
            del self._deaths[suspects[0].request_id]
            return suspects[0]
        self.fruitless += len(suspects) < 2
        self._again.extendleft(row for row in reversed(rows) if self._deaths[row.request_id] < 2)
        middle = (len(suspects) + 1) // 2
        self._probes.extendleft(deque(half) for half in (suspects[middle:], suspects[:middle]) if half)
        return None

    def _hand_out(self, prompt: Prompt) -> Prompt:
        self._in_flight[prompt.request_id] = prompt
        return prompt

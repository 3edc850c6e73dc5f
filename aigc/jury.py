"""Verdicts on a row's newest text: cheap filters, then its siblings, then those filters that run a model, in batches.

What costs more is asked only of a text to which nothing cheaper objects. A text that has to wait is in the journal.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import msgspec

from aigc.filters import BatchFilter, Case, broken, judge
from aigc.job import Job
from aigc.records import Brief, Completion, Verdict
from aigc.rows import Row, scored

Compare: TypeAlias = Callable[[Brief, Completion, Sequence[str]], Verdict]
"""What a text resembles: other texts of its brief, given in the order of their variants, and those published before."""
BATCH = 64
"""Texts that are put before the models of filters together."""


@dataclass(frozen=True)
class Judges:
    """Who is asked beside the filters of a content type. `compare` is None where texts are compared with none."""

    compare: Compare | None = None
    batch_filters: Sequence[BatchFilter] = ()
    at_once: Sequence[BatchFilter] = ()
    """As batch filters, but with nothing to wait for: each text is put before them by itself."""


NOBODY = Judges()


class Jury:
    """`on_wait` is told before a row waits, `on_verdict` when all have been heard or one that decides has."""

    def __init__(
        self,
        job: Job,
        judges: Judges,
        *,
        on_wait: Callable[[Row], None],
        on_verdict: Callable[[Row], None],
    ) -> None:
        self._job, self._compare, self._batch_filters = job, judges.compare, judges.batch_filters
        self._at_once = judges.at_once
        self._on_wait, self._on_verdict = on_wait, on_verdict
        self._waiting: list[Row] = []
        """Rows for the next batch."""
        self._released = deque[Row]()
        """Rows whose siblings are settled; heard one after another, however many wait for one."""
        self._is_hearing = False

    def hear(self, row: Row) -> None:
        """Judge the newest text of a row."""
        completion = row.attempts[-1].completion
        self._add(row, judge(row.brief, completion, self._job.filters(row.brief), row.messages))
        if _decides(row):
            self._end(row)
        elif self._compare and not row.family.is_ready(row.variant):
            self._on_wait(row)
            row.family.wait(row)
        else:
            self._compared(row)

    def settled(self, row: Row, text: str | None) -> None:
        """A row has its record, with this text where one stands: its siblings can be compared with it."""
        self._released += row.family.settle(row.variant, text)
        if self._is_hearing:
            return
        self._is_hearing = True
        try:
            while self._released:
                self._compared(self._released.popleft())
        finally:
            self._is_hearing = False

    @property
    def waiting(self) -> int:
        """Texts that wait for the next batch."""
        return len(self._waiting)

    def hear_waiting(self) -> None:
        """Put the texts that wait before the filters that run a model."""
        rows, self._waiting = self._waiting, []
        for item in self._batch_filters:
            open_rows = [row for row in rows if not _decides(row)]
            if open_rows:
                for row, verdict in zip(open_rows, _checked(item, open_rows), strict=True):
                    self._add(row, [verdict])
        for row in rows:
            self._end(row)

    def _compared(self, row: Row) -> None:
        if self._compare:
            completion = row.attempts[-1].completion
            verdict = _compared(self._compare, row.brief, completion, row.family.before(row.variant))
            self._add(row, [verdict])
        for item in self._at_once:
            if not _decides(row):
                self._add(row, _checked(item, [row]))
        if _decides(row) or not self._batch_filters:
            self._end(row)
            return
        self._on_wait(row)
        self._waiting.append(row)
        if len(self._waiting) >= BATCH:
            self.hear_waiting()

    def _add(self, row: Row, verdicts: list[Verdict]) -> None:
        attempt = row.attempts[-1]
        row.attempts[-1] = msgspec.structs.replace(attempt, verdicts=[*attempt.verdicts, *verdicts])

    def _end(self, row: Row) -> None:
        attempt = row.attempts[-1]
        verdicts = scored(attempt.verdicts, attempt, self._job.settings.run)
        row.attempts[-1] = msgspec.structs.replace(attempt, verdicts=verdicts)
        row.heard = len(row.attempts)
        self._on_verdict(row)


def _decides(row: Row) -> bool:
    """Whether a verdict has been given that no other can soften."""
    return any(verdict.action in ("retry", "reject") for verdict in row.attempts[-1].verdicts)


def _checked(item: BatchFilter, rows: Sequence[Row]) -> list[Verdict]:
    cases = [
        Case(brief=row.brief, completion=row.attempts[-1].completion, messages=row.messages) for row in rows
    ]
    try:
        verdicts = item.check(cases)
        if len(verdicts) != len(cases):
            raise ValueError(f"{len(verdicts)} verdicts for {len(cases)} texts")
    except Exception as exc:  # noqa: BLE001 - as with any filter: a broken one holds, and sinks no run
        return [broken(item.name, exc, case.completion.request_id) for case in cases]
    return verdicts


def _compared(compare: Compare, brief: Brief, completion: Completion, siblings: Sequence[str]) -> Verdict:
    try:
        return compare(brief, completion, siblings)
    except Exception as exc:  # noqa: BLE001 - as above
        return broken("near_duplicate", exc, completion.request_id)

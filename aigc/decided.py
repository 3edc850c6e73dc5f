"""What editors decided on a run's texts: in the run itself, and in those that it took them over from.

A record keeps its id when a later run takes it over unchanged, and what was decided on it goes with it. It goes forward
only: what is decided in a later run changes nothing in the runs before it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from heapq import merge
from pathlib import Path

from aigc.parquet_rows import taken_over
from aigc.provenance import RunFacts, read_run, runs
from aigc.records import Record, Value
from aigc.review.ledger import LEDGER, Entry, Ledger, read_ledger
from aigc.review.reviewable import PARQUET
from aigc.review.standing import Standing, State


@dataclass(frozen=True)
class Decided(Ledger):
    """All decisions on the texts of a run and of earlier ones, as they were imported. `head` is its own ledger's."""

    heads: Mapping[str, str] = field(default_factory=dict)
    """By run, the digest that stands for its ledger, of each that says something of these texts."""

    def of(self, record_id: str) -> list[Entry]:
        """Every decision on a record, as they were imported."""
        return self._by_record.get(record_id, [])

    def digests(self, record_id: str, stands: Standing) -> list[str]:
        """Digests of the decisions that a record stands by, oldest first."""
        return [entry.digest for entry in self.of(record_id) if entry.decision in stands.latest]

    @cached_property
    def _by_record(self) -> dict[str, list[Entry]]:
        found: defaultdict[str, list[Entry]] = defaultdict(list)
        for entry in self.entries:
            found[entry.decision.record_id].append(entry)
        return dict(found)


def read_decided(folder: Path) -> Decided:
    """The decisions on the texts of the finished run in `folder`.

    Raises:
        StoreError: a ledger was changed, or a file cannot be read.
    """
    own = read_ledger(folder)
    before: list[list[Entry]] = []
    heads: dict[str, str] = {}
    if taken := taken_over(folder / PARQUET):
        for run in _before(folder):
            ledger = read_ledger(folder.parent / run.run_id)
            if found := [entry for entry in ledger.entries if entry.decision.record_id in taken]:
                before.append(found)
                heads[run.run_id] = ledger.head
    if own.head:
        heads[read_run(folder).run_id] = own.head
    in_order = merge(*before, own.entries, key=lambda entry: entry.imported_at)
    return Decided(entries=tuple(in_order), head=own.head, lines=own.lines, heads=heads)


class Judged(Value, frozen=True):
    """A decision in the story of a row: it came when the row had `after` attempts."""

    after: int
    entry: Entry


class History(Value, frozen=True):
    """What editors decided on a row's texts, oldest first. `state` is how the text stands that it has now.

    `final` is whose final word that is, if it is one. `not_here` are digests of decisions upon which it was made again,
    where their ledger is gone.
    """

    decisions: list[Judged] = []
    state: State | None = None
    final: str = ""
    not_here: list[str] = []


def history_of(folder: Path, record: Record) -> History:
    """The decisions on a record of the run in `folder`, and on what it was before it was refused and made again.

    Raises:
        StoreError: a ledger was changed, or a file cannot be read.
    """
    own = read_decided(folder)
    judged, not_here = list[Judged](), list[str]()
    for redone in record.redone or []:
        before = folder.parent / redone.run_id
        found = read_decided(before).of(redone.record_id) if (before / PARQUET).is_file() else []
        judged += [Judged(after=redone.attempts, entry=entry) for entry in found]
        known = {entry.digest for entry in found}
        not_here += [digest for digest in redone.decisions if digest not in known]
    judged += [Judged(after=len(record.attempts), entry=entry) for entry in own.of(record.record_id)]
    stands = own.standing().get(record.record_id)
    if stands is None:
        return History(decisions=judged, not_here=not_here)
    final = stands.final.editor if stands.final and stands.decision else ""
    return History(decisions=judged, state=stands.state, final=final, not_here=not_here)


def _before(folder: Path) -> Iterator[RunFacts]:
    """Runs of the same sheet that began before this one and have decisions, oldest first.

    The sheet is known by its file's name, as it is when records are taken over.
    """
    own = read_run(folder)
    began, sheet = own.session_at or own.started_at, Path(own.briefs).name
    for run in reversed(runs(folder.parent)):
        is_before = (run.session_at or run.started_at) < began and run.run_id != folder.name
        if is_before and Path(run.briefs).name == sheet and (folder.parent / run.run_id / LEDGER).is_file():
            yield run

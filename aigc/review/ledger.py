"""`decisions.jsonl` in a run's folder: every decision that was ever imported, a chain that only grows.

    {"previous":"sha256:…","digest":"sha256:…","imported_at":…,"source":…,"source_digest":…,"decision":{…}}

`digest` is that of the canonical JSON of [previous, decision], `previous` that of the line before; the first line's is
made of the run's id. So no line can be changed, left out or put between without all after it, and the digest of the
last line stands for all; `ledger_head` keeps it, so that lines cannot be cut off at the end. A last line without its
line feed was torn while it was written: it was never acknowledged, and is dropped. Where a record was forgotten, its id
stands in place of the decision; the digests stay, and the chain.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import msgspec
from msgspec import UNSET, UnsetType

from aigc.disk import disk_error, disk_errors, sync, take_lock, write_atomically
from aigc.errors import StoreError, shown
from aigc.hashing import digest
from aigc.records import Value
from aigc.review.decisions import Decision, says_the_same
from aigc.review.ledger_head import Head, cut_off, read_head, write_head
from aigc.review.standing import Standing, standings

LEDGER = "decisions.jsonl"
LOCK = ".decisions.lock"
_SAFE = "the decisions that were kept before are safe"
_CUT_REMEDY = ("Restore both files from a copy. Where there is none, remove decisions.head.json: what is left counts "
               "then, and the next import says so anew.")


class Source(Value, frozen=True):
    """The file that decisions came in: its name, its digest, and when it was imported (UTC, ISO 8601)."""

    name: str
    digest: str
    imported_at: str


class Entry(Value, frozen=True):
    """A line of the ledger."""

    previous: str
    digest: str
    imported_at: str
    source: str
    decision: Decision
    source_digest: str = ""


class Forgotten(Value, frozen=True):
    """Whose decision stood here, and when it was removed."""

    record_id: str
    at: str


class Break(Value, frozen=True):
    """A line at which the chain does not hold."""

    line: int
    found: str
    expected: str


@dataclass(frozen=True)
class Ledger:
    """All decisions on a run's texts, oldest first, as they were imported, without those that were forgotten."""

    entries: tuple[Entry, ...] = ()
    head: str = ""
    """The digest that stands for the whole ledger; empty where nothing was decided."""
    lines: int = 0
    """All that there are, those of forgotten decisions too."""

    @property
    def decisions(self) -> list[Decision]:
        return [entry.decision for entry in self.entries]

    def standing(self) -> dict[str, Standing]:
        """How each record stands that was decided on, by record id."""
        return standings(self.decisions)

    def knows(self, decision: Decision, source: Source) -> bool:
        """Whether `decision` adds nothing.

        It does not where the editor's latest word on the record is the same, nor where it is an older one that came
        back: made at the same time, or out of the same file. An editor who returns to an earlier view adds something;
        so does one whom a final word has overruled and who says the same after it, and a final word on a record in
        conflict, even where it is said again. A final word takes in the same decision that is none.
        """
        if decision.final and self._is_in_conflict(decision.record_id):
            return False
        said = self._said.get((decision.record_id, decision.editor), [])
        same = [entry for entry in said if says_the_same(entry.decision, decision)
                or says_the_same(entry.decision, msgspec.structs.replace(decision, final=True))]
        latest = max(said, key=lambda entry: entry.decision.at, default=None)
        return any(decision.at == entry.decision.at or source.digest == entry.source_digest
                   or (entry is latest and not self._is_overruled(entry.decision, decision.at)) for entry in same)

    def _is_in_conflict(self, record_id: str) -> bool:
        stands = self._standing.get(record_id)
        return stands is not None and stands.state == "in_conflict"

    def _is_overruled(self, decision: Decision, by: str) -> bool:
        """Whether a final word that was said before `by` stands over a decision."""
        stands = self._standing.get(decision.record_id)
        return stands is not None and decision in stands.overruled and (stands.final is None or stands.final.at < by)

    @cached_property
    def _standing(self) -> dict[str, Standing]:
        return self.standing()

    @cached_property
    def _said(self) -> dict[tuple[str, str], list[Entry]]:
        """What each editor said of each record; of entries of one time the later comes first, as `max` wants it."""
        said: dict[tuple[str, str], list[Entry]] = {}
        for entry in reversed(self.entries):
            said.setdefault((entry.decision.record_id, entry.decision.editor), []).append(entry)
        return said


class _Line(Value, frozen=True, omit_defaults=True):
    previous: str
    digest: str
    imported_at: str = ""
    source: str = ""
    decision: msgspec.Raw | UnsetType = UNSET
    source_digest: str = ""
    forgotten: Forgotten | None = None


def read_ledger(folder: Path) -> Ledger:
    """The decisions of a run's folder; none where nothing was imported yet.

    Raises:
        StoreError: a line was changed, left out or put in, or the file cannot be read.
    """
    path = folder / LEDGER
    entries: list[Entry] = []
    digests: list[str] = []
    for line, entry in _read(_lines(path)):
        if isinstance(entry, Break):
            remedy = "Restore the file from a copy; decisions are never edited, but decided again."
            raise StoreError(f"{path} line {entry.line}", entry.found, entry.expected, remedy)
        entries += [entry] if isinstance(entry, Entry) else []
        digests += [line.digest] if line else []
    if cut := cut_off(digests, read_head(folder)):
        raise StoreError(str(path), cut, "every decision that was imported", _CUT_REMEDY)
    return Ledger(tuple(entries), digests[-1] if digests else "", len(digests))


def breaks(folder: Path) -> list[Break]:
    """Every line at which the ledger's chain does not hold; none where there is no ledger.

    Raises:
        StoreError: the file cannot be read.
    """
    found = [*_read(_lines(folder / LEDGER))]
    if broken := [entry for _, entry in found if isinstance(entry, Break)]:
        return broken
    cut = cut_off([line.digest for line, _ in found if line], read_head(folder))
    return [Break(line=len(found) + 1, found=cut, expected="every decision that was imported")] if cut else []


def digests_of(folder: Path) -> list[str]:
    """The digest that each line of a ledger tells, in order; raises as `breaks` does."""
    return [line.digest for line, _ in _read(_lines(folder / LEDGER)) if line]


def forgotten(folder: Path) -> list[Forgotten]:
    """The records whose decisions were removed, a line each; raises as `breaks` does."""
    return [entry for _, entry in _read(_lines(folder / LEDGER)) if isinstance(entry, Forgotten)]


def forget_decisions(folder: Path, record_ids: Collection[str], at: str) -> int:
    """Remove all decisions on these records, with their texts and notes; `at` is when. Returns how many there were.

    Raises as `append` does.
    """
    path = folder / LEDGER
    if not path.exists():
        return 0
    lock_fd = take_lock(folder / LOCK)
    try:
        read_ledger(folder)
        lines, gone = [], 0
        for data, (line, entry) in zip(_lines(path), _read(_lines(path)), strict=True):
            kept = data
            if line and isinstance(entry, Entry) and entry.decision.record_id in record_ids:
                removed = Forgotten(record_id=entry.decision.record_id, at=at)
                kept = msgspec.json.encode(_Line(previous=line.previous, digest=line.digest, forgotten=removed))
                gone += 1
            lines.append(kept + b"\n")
        if gone or path.stat().st_size > sum(map(len, lines)):  # or a torn last line, whose record nobody can tell
            write_atomically(path, lambda file: file.writelines(lines))
        return gone
    finally:
        os.close(lock_fd)


def append(folder: Path, decisions: Sequence[Decision], source: Source) -> tuple[list[Entry], Ledger]:
    """Keep those of `decisions` that add something. Returns what was added, and the ledger with it.

    When it returns, they are on the disk. A process that is killed before has kept some of them, each whole, and the
    same call keeps the rest.

    Raises:
        RunLocked: another process is importing.
        StoreError: the chain does not hold, or the disk refused; what was kept before is as it was.
    """
    lock_fd = take_lock(folder / LOCK)
    try:
        ledger = read_ledger(folder)
        added = _chained(ledger, decisions, source)
        if added:
            _write(folder / LEDGER, b"".join(msgspec.json.encode(entry) + b"\n" for entry in added))
        head = Head(lines=ledger.lines + len(added), digest=added[-1].digest if added else ledger.head)
        if read_head(folder) != head:
            write_head(folder, head)
        return added, Ledger((*ledger.entries, *added), head.digest, head.lines)
    finally:
        os.close(lock_fd)


def first_link(run_id: str) -> str:
    """`previous` of a run's first decision: a ledger fits no other run."""
    return digest(["aigc.decisions/1", run_id])


def _chained(ledger: Ledger, decisions: Sequence[Decision], source: Source) -> list[Entry]:
    added: list[Entry] = []
    seen: set[bytes] = set()
    for decision in decisions:
        key = msgspec.json.encode(decision)
        if key in seen or ledger.knows(decision, source):
            continue
        seen.add(key)
        previous = added[-1].digest if added else ledger.head or first_link(decision.run_id)
        made = digest([previous, msgspec.to_builtins(decision)])  # of plain values: keys are sorted in those alone
        added.append(Entry(previous=previous, digest=made, imported_at=source.imported_at, source=source.name,
                           source_digest=source.digest, decision=decision))
    return added


def _lines(path: Path) -> list[bytes]:
    """The whole lines of a ledger, without their line feeds."""
    with disk_errors(path, "nothing was changed"):
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return []
    return data.split(b"\n")[:-1]


def _read(lines: Sequence[bytes]) -> Iterator[tuple[_Line | None, Entry | Forgotten | Break]]:
    """What stands on each line of a ledger, or that it does not follow from the line before."""
    previous = ""
    for number, data in enumerate(lines, 1):
        line, found = _decoded(data)
        if isinstance(found, Break):
            yield None, msgspec.structs.replace(found, line=number)
            previous = ""
            continue
        expected = previous or line.previous
        if number == 1 and isinstance(found, Entry):
            expected = first_link(found.decision.run_id)
        if line.previous != expected:
            found = Break(line=number, found="a line that does not follow from the one before", expected=expected)
        elif isinstance(found, Entry) and found.digest != line.digest:
            found = Break(line=number, found="a decision that was changed: its digest is another", expected=line.digest)
        yield line, found
        previous = line.digest


def _decoded(data: bytes) -> tuple[_Line, Entry | Forgotten | Break]:
    """A line, and what it holds; an entry has the digest that its decision really has."""
    line = _Line(previous="", digest="")
    try:
        line = msgspec.json.decode(data, type=_Line)
        if line.forgotten:
            return line, line.forgotten
        if line.decision is UNSET:
            return line, Break(line=0, found="a line without a decision", expected="a decision")
        decision = msgspec.json.decode(line.decision, type=Decision)
        # Of the bytes as they stand, not of the value: a later version may know of fields that this one does not.
        made = digest([line.previous, msgspec.json.decode(line.decision)])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        return line, Break(line=0, found=f"a line that cannot be read ({shown(exc, 120)})", expected="a decision")
    return line, Entry(previous=line.previous, digest=made, imported_at=line.imported_at, source=line.source,
                       source_digest=line.source_digest, decision=decision)


def _write(path: Path, data: bytes) -> None:
    """Add whole lines behind the last whole one, and have the disk keep them."""
    is_new = not path.exists()
    with disk_errors(path, _SAFE):
        fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            end = _end_of_lines(fd)
            os.ftruncate(fd, end)
            _write_all(path, fd, data, end)
            os.fsync(fd)
        finally:
            os.close(fd)
        if is_new:
            sync(path.parent)


def _write_all(path: Path, fd: int, data: bytes, end: int) -> None:
    os.lseek(fd, end, os.SEEK_SET)
    rest = memoryview(data)
    try:
        while rest:
            rest = rest[os.write(fd, rest):]
    except OSError as exc:
        os.ftruncate(fd, end)
        raise disk_error(path, exc, _SAFE) from exc


def _end_of_lines(fd: int) -> int:
    """Where the last whole line ends: what follows was torn."""
    with os.fdopen(os.dup(fd), "rb") as file:
        file.seek(0)
        return sum(len(line) for line in file if line.endswith(b"\n"))

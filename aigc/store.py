"""A run folder and its journal: every settled row and every attempt, kept from the moment it is made."""

from __future__ import annotations

import os
import re
import secrets
import threading
import time
import unicodedata
from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

import msgspec

from aigc.disk import disk_error, disk_errors, json_bytes, take_lock, write_atomically
from aigc.errors import StoreError, shown
from aigc.journal import (
    BODY,
    PENDING,
    VERSION,
    Header,
    Index,
    PendingAttempt,
    encode_line,
    fingerprint_hash,
    is_whole,
    key_and_fingerprint,
    row_key,
)
from aigc.records import Attempt, Record, Value

JOURNAL = "journal.jsonl"
LOCK = ".lock"
READ_AGAIN = 64
"""Records kept as they were last read: texts that are alike are asked for one after the other."""
_OTHER_VERSION = "Open it with the version of aigc that wrote it, or start a new run."

Body = TypeVar("Body", bound=Value)


def new_run_id(briefs: Path, now: datetime) -> str:
    """A name such as `2026-11-24-0143-briefs-k3f9`: sorts by time, safe as a file name, unique."""
    ascii_stem = unicodedata.normalize("NFKD", briefs.stem).encode("ascii", "ignore").decode()
    stem = re.sub(r"[^a-z0-9]+", "-", ascii_stem.lower())[:40].strip("-") or "briefs"
    suffix = "".join(secrets.choice("abcdefghjkmnpqrstuvwxyz23456789") for _ in range(4))
    return f"{now:%Y-%m-%d-%H%M}-{stem}-{suffix}"


class Store:
    """One run's journal. Open it with `create`, `open` or `read`; it is a context manager."""

    def __init__(self, folder: Path, fd: int, lock_fd: int | None, sync_s: float) -> None:
        self.folder = folder
        self.run_id = folder.name
        self.damaged: list[int] = []
        """Numbers of the journal's lines that cannot be trusted; their rows count as not made."""
        self.torn_bytes = 0
        """Length of a last line that was cut off while it was written, and was dropped."""
        self._path, self._fd, self._lock_fd, self._sync_s = folder / JOURNAL, fd, lock_fd, sync_s
        self._index = Index()
        self._synced_at = time.monotonic()
        self._closed = self._broken = False
        self._mutex = threading.Lock()

    @classmethod
    def create(cls, folder: Path, sync_s: float = 1.0) -> Store:
        """Start a new run in `folder`, which must not hold one; raises as `open` does."""
        with disk_errors(folder, "nothing was written"):
            folder.mkdir(parents=True, exist_ok=True)
        return cls._open(folder, sync_s, new=True)

    @classmethod
    def open(cls, folder: Path, sync_s: float = 1.0) -> Store:
        """Go on writing the run in `folder`. Syncs to disk at most every `sync_s` seconds.

        Raises:
            RunLocked: another process is writing it.
            StoreError: there is no journal, it is of another version, or the disk refuses.
        """
        os.close(_open_journal(folder, os.O_RDONLY))  # so that a mistaken path is left without a lock file
        return cls._open(folder, sync_s, new=False)

    @classmethod
    def _open(cls, folder: Path, sync_s: float, *, new: bool) -> Store:
        lock_fd = take_lock(folder / LOCK)
        try:
            if new:
                _start_journal(folder)
            fd = _open_journal(folder, os.O_RDWR | os.O_APPEND)
        except BaseException:
            os.close(lock_fd)
            raise
        return cls(folder, fd, lock_fd, sync_s)._loaded()

    @classmethod
    def read(cls, folder: Path) -> Store:
        """The run in `folder` as it is now, for reading, also while another process writes it."""
        return cls(folder, _open_journal(folder, os.O_RDONLY), None, 0.0)._loaded()

    @property
    def lines(self) -> int:
        """Number of lines that can be trusted."""
        return len(self._index.offsets)

    @property
    def finished(self) -> int:
        """Number of rows that were ever settled."""
        return self._index.settled

    def append(self, record: Record) -> int:
        """Keep a settled row and return its place for `record_at`. The death of the process cannot lose it now.

        Raises StoreError where it could not be kept; all rows kept before still are."""
        return self._append(row_key(record.brief_id, record.variant), fingerprint_hash(record.fingerprint), record)

    def append_attempt(self, brief_id: str, variant: int, attempt: Attempt) -> None:
        """Keep an attempt that did not settle its row; raises as `append` does."""
        pending = PendingAttempt(brief_id=brief_id, variant=variant, attempt=attempt)
        self._append(row_key(brief_id, variant), PENDING, pending)

    def find(self, brief_id: str, variant: int, fingerprint: str) -> Record | None:
        """The newest settled record of the row with exactly this fingerprint."""
        found = self.find_placed(brief_id, variant, fingerprint)
        return found and found[1]

    def place_of(self, brief_id: str, variant: int, fingerprint: str) -> int | None:
        """Where `find` finds its record, for `record_at`; None where there is none."""
        found = self.find_placed(brief_id, variant, fingerprint)
        return None if found is None else found[0]

    def find_placed(self, brief_id: str, variant: int, fingerprint: str) -> tuple[int, Record] | None:
        """What `find` finds, and its place."""
        wanted = fingerprint_hash(fingerprint)
        for line in self._index.lines(row_key(brief_id, variant)):
            if self._index.fingerprints[line] == wanted and (record := self.record_at(line)).fingerprint == fingerprint:
                return line, record
        return None

    def record_at(self, place: int) -> Record:
        """The settled record that `append` or `place_of` named; StoreError for any other place."""
        if not self._index.is_settled(place):
            raise StoreError(str(self._path), f"no settled row at place {place}", "a place of this journal",
                             "Run the same command again: a row that has none is made.")
        return self._decoded(place, Record)

    def records(self) -> Iterator[tuple[int, Record]]:
        """Every settled record that was ever appended, oldest first, with its place."""
        return ((place, self._decoded(place, Record)) for place in range(self.lines) if self._index.is_settled(place))

    def bodies(self, kind: type[Body]) -> Iterator[Body]:
        """What each line holds, oldest first, as `kind` knows it: a part of settled rows and attempts alike."""
        return (self._decoded(place, kind) for place in range(self.lines))

    def at(self, places: Sequence[int]) -> Placed:
        """The settled records at `places`, in that order."""
        return Placed(self, places)

    def attempts(self, brief_id: str, variant: int) -> dict[str, Attempt]:
        """Every attempt ever made for the row by request id, whatever the fingerprint it was made under.

        Change a threshold, and the texts are found here: they are judged again, not generated again.
        """
        found: dict[str, Attempt] = {}
        for line in reversed(list(self._index.lines(row_key(brief_id, variant)))):
            if self._index.fingerprints[line] == PENDING:
                made = [self._decoded(line, PendingAttempt).attempt]
            else:
                made = self._decoded(line, Record).attempts
            found.update((attempt.request_id, attempt) for attempt in made)
            found.update((turn.request_id, turn) for attempt in made for turn in attempt.turns or ())
        return found

    def sync(self) -> None:
        """Have the disk itself keep all that was appended, so that a power failure cannot lose it."""
        with self._mutex:
            self._check_writable()
            self._sync()

    def close(self) -> None:
        """Sync, and let go of the run. Closing again does nothing."""
        with self._mutex:
            if self._closed:
                return
            self._closed = True
            try:
                if self._lock_fd is not None and not self._broken:
                    self._sync()
            finally:
                os.close(self._fd)
                self._fd = -1  # the number may soon be another file's
                if self._lock_fd is not None:
                    os.close(self._lock_fd)

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _loaded(self) -> Store:
        try:
            with disk_errors(self._path, "nothing was changed"):
                self._load()
        except BaseException:
            self._broken = True
            self.close()
            raise
        return self

    def _load(self) -> None:
        """Index every whole line. A torn last one is dropped: it was never acknowledged."""
        with os.fdopen(os.dup(self._fd), "rb", buffering=1 << 20) as file:
            file.seek(0)
            offset = self._read_header(file.readline())
            for number, line in enumerate(file, 2):
                if not line.endswith(b"\n"):
                    self.torn_bytes = len(line)
                    break
                if is_whole(line):
                    self._index.add(*key_and_fingerprint(line), offset, len(line))
                else:
                    self.damaged.append(number)
                offset += len(line)
        if self.damaged[:1] == [1] and not self._index.offsets:
            raise StoreError(str(self._path), "no line that aigc has written", f"a journal of version {VERSION}",
                             "Name the folder of a run, or restore the file from a copy.")
        if self.torn_bytes and self._lock_fd is not None:
            os.ftruncate(self._fd, offset)

    def _read_header(self, line: bytes) -> int:
        try:
            header = msgspec.json.decode(line, type=Header)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self.damaged.append(1)  # the lines after it carry their own proof, so it is not needed to read them
            return len(line)
        if header.journal != VERSION:
            found = f"a journal of version {header.journal}"
            raise StoreError(str(self._path), found, f"version {VERSION}", _OTHER_VERSION)
        self.run_id = header.run_id
        return len(line)

    def _append(self, key: bytes, fingerprint: int, value: Record | PendingAttempt) -> int:
        line = encode_line(key, fingerprint, json_bytes(value))
        with self._mutex:
            self._check_writable()
            place = self._index.add(key, fingerprint, self._write(line), len(line))
            if time.monotonic() - self._synced_at >= self._sync_s:
                self._sync()
            return place

    def _check_writable(self) -> None:
        if self._lock_fd is None or self._closed or self._broken:
            raise StoreError(str(self._path), "a journal that takes no more lines (read-only, closed or failed)",
                             "one open for writing", f"Run the same command again: {self._safe()}.")

    def _write(self, line: bytes) -> int:
        """Add `line` at the end and return where: one write, which the kernel keeps even if the process is killed."""
        rest = memoryview(line)
        # Asked of the file, not remembered: Ctrl-C can fall between a write and the note of it.
        end = os.lseek(self._fd, 0, os.SEEK_END)
        try:
            while rest:  # again only after a short write, to be told why it was short
                rest = rest[os.write(self._fd, rest):]
        except OSError as exc:
            try:
                os.ftruncate(self._fd, end)
            except OSError:
                self._broken = True  # a line behind a torn piece would be lost with it; the next open drops the piece
            raise disk_error(self._path, exc, self._safe()) from exc
        return end

    def _sync(self) -> None:
        try:
            os.fsync(self._fd)
        except OSError as exc:
            # After a failed fsync the kernel forgets the pages, and the next one lies (PostgreSQL's "fsyncgate", 2018).
            self._broken = True
            raise disk_error(self._path, exc, self._safe()) from exc
        self._synced_at = time.monotonic()

    def _safe(self) -> str:
        return f"{self.finished:,} finished rows are safe"

    def _decoded(self, line: int, kind: type[Body]) -> Body:
        """The body of an indexed line, checked again as it is read."""
        offset, size = self._index.offsets[line], self._index.sizes[line]
        with disk_errors(self._path, self._safe()):
            data = os.pread(self._fd, size, offset)
        if not is_whole(data):
            raise StoreError(f"{self._path} at byte {offset}", "bytes that changed since the journal was opened",
                             "an untouched journal", "Check the disk, then run the same command again.")
        try:
            return msgspec.json.decode(data[BODY], type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
            raise StoreError(f"{self._path} at byte {offset}", f"a row in another form ({shown(exc)})",
                             "a row as this version writes it", _OTHER_VERSION) from exc


class Placed:
    """Settled records of a run, each read from the journal when it is asked for."""

    def __init__(self, store: Store, places: Sequence[int]) -> None:
        self._store, self._places = store, places
        self._again = lru_cache(maxsize=READ_AGAIN)(store.record_at)

    def __getitem__(self, at: int) -> Record:
        return self._again(self._places[at])

    def __iter__(self) -> Iterator[Record]:
        return map(self._store.record_at, self._places)


def _start_journal(folder: Path) -> None:
    if (path := folder / JOURNAL).exists():
        raise StoreError(str(path), "an earlier run's journal", "a new folder", "Resume that run, or take a new id.")
    header = msgspec.json.encode(Header(journal=VERSION, run_id=folder.name)) + b"\n"
    write_atomically(path, lambda file: file.write(header))


def _open_journal(folder: Path, flags: int) -> int:
    path = folder / JOURNAL
    with disk_errors(path, "nothing was changed"):
        try:
            return os.open(path, flags)
        except FileNotFoundError as exc:
            raise StoreError(str(path), "no journal", "the folder of a run", "Name the folder of a run.") from exc

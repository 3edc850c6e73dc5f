"""What other machines have made of a sheet, brought into the working folder, so that a run finds it there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import msgspec

from aigc.disk import disk_errors, take_lock, write_atomically
from aigc.errors import RunLocked, StoreError, shown, writable
from aigc.forgotten_lines import read_forgotten
from aigc.provenance import RUN_FILE, RunFacts
from aigc.storage.beside import bring_decisions
from aigc.storage.oblivion import forget_here, forget_there
from aigc.storage.place import Place, facts_of
from aigc.store import JOURNAL, LOCK, new_run_id

_CHUNK = 1 << 20


def bring_sheet(place: Place, out: Path, briefs: Path, say: Callable[[str], None]) -> dict[str, dict[str, int]]:
    """Bring runs of the sheet, newest first, until one is finished: that one has all rows that it took over.

    Returns the parts that each one's journal had there.

    Raises:
        StoreError: the storage or the disk refuses.
    """
    named, brought = _stem(new_run_id(briefs, datetime.now())), dict[str, dict[str, int]]()
    for run_id in place.runs():
        if _stem(run_id) != named or (facts := facts_of(place, run_id)) is None:
            continue
        if Path(facts.briefs).name != writable(briefs.name):
            continue
        forgotten = _forgotten(place, out / run_id, run_id, facts)  # before: parts have other sizes then
        brought[run_id] = place.parts(run_id)
        if _bring(place, out / run_id, run_id, facts, brought[run_id], forgotten):
            say(f"{run_id}: brought from {place.url}, {facts.status}")
        if facts.status == "finished":
            break
    return brought


def bring_run(place: Place, out: Path, run_id: str) -> bool:
    """Bring one run into `out`; of one that is finished here, decisions. Returns whether anything was to be brought.

    Raises:
        StoreError: it is not there, or the storage or the disk refuses.
    """
    facts = facts_of(place, run_id)
    if facts is None:
        raise StoreError(f"{place.url}/{run_id}", "no run", "a run's folder", "Correct its name, or the address.")
    if _is_finished(out / run_id):
        return bring_decisions(place, out / run_id)
    forgotten = _forgotten(place, out / run_id, run_id, facts)
    return _bring(place, out / run_id, run_id, facts, place.parts(run_id), forgotten)


def begins_with(journal: Path, place: Place, parts: Iterable[str]) -> bool:
    """Whether a journal begins with these parts."""
    with disk_errors(journal, "nothing was changed"), journal.open("rb") as file:
        return all(file.read(len(data)) == data for data in (place.read(name) or b"" for name in parts))


def _forgotten(place: Place, folder: Path, run_id: str, facts: RunFacts) -> Mapping[str, bytes]:
    """Lines of an unfinished run's journal that were forgotten, here or there, and are now in neither copy's parts."""
    return {} if facts.status == "finished" else forget_there(place, run_id, read_forgotten(folder))


def _bring(
    place: Place, folder: Path, run_id: str, facts: RunFacts, parts: Iterable[str], forgotten: Mapping[str, bytes]
) -> bool:
    if _is_finished(folder):
        return False
    with _held(folder) as is_ours:
        if not is_ours:  # a run of this machine writes it: nothing is newer
            return False
        if facts.status == "finished":
            return _bring_files(place, folder, run_id)
        forget_here(folder, forgotten)
        return _bring_journal(place, folder, run_id, parts)


def _stem(run_id: str) -> str:
    """The part of a run's name that is its sheet's: between the time and four letters of chance."""
    return run_id[16:-5]


def _is_finished(folder: Path) -> bool:
    try:
        return msgspec.json.decode((folder / RUN_FILE).read_bytes(), type=RunFacts).status == "finished"
    except (OSError, msgspec.DecodeError):
        return False


@contextmanager
def _held(folder: Path) -> Iterator[bool]:
    """The lock of a run's folder, which is made where there is none. False where another process has it."""
    with disk_errors(folder, "nothing was changed"):
        folder.mkdir(parents=True, exist_ok=True)
    try:
        lock = take_lock(folder / LOCK)
    except RunLocked:
        yield False
        return
    try:
        yield True
    finally:
        os.close(lock)


def _bring_files(place: Place, folder: Path, run_id: str) -> bool:
    """A finished run: all of its files, run.json last, as it was written there."""
    names = sorted(place.files(run_id), key=lambda name: name.endswith(f"/{RUN_FILE}"))
    if strange := next((name for name in names if ".." in name.split("/")), ""):
        raise StoreError(f"{place.url}/{run_id}", f"{shown(strange)}, which leads out of the run's folder",
                         "files of a run", "Remove it there; no run has such a file.")
    for name in names:
        path = folder / name.partition("/")[2]
        with disk_errors(path, "the run is brought again"):
            path.parent.mkdir(parents=True, exist_ok=True)
            arriving = path.with_name(f".{path.name}.arriving")
            place.download(name, arriving)
            arriving.replace(path)
    return True


def _bring_journal(place: Place, folder: Path, run_id: str, parts: Iterable[str]) -> bool:
    """A run that is not finished: its journal out of its parts, and what this machine's has besides."""
    journal, arriving = folder / JOURNAL, folder / f".{JOURNAL}.arriving"
    with disk_errors(journal, "the journal is as it was"):
        try:
            with arriving.open("wb") as whole:
                for name in parts:
                    whole.write(place.read(name) or b"")
            there, here = arriving.stat().st_size, journal.stat().st_size if journal.exists() else 0
            same = _same_bytes(arriving, journal) if here else 0
            if there in (0, same):
                return False
            if same < here:
                _append(journal, _line_start(journal, same), arriving)
            with arriving.open("rb") as whole:
                write_atomically(journal, lambda file: shutil.copyfileobj(whole, file, _CHUNK))
        finally:
            arriving.unlink(missing_ok=True)
    run_file = place.read(f"{run_id}/{RUN_FILE}") or b""
    write_atomically(folder / RUN_FILE, lambda file: file.write(run_file))
    return True


def _same_bytes(one: Path, other: Path) -> int:
    """How many bytes two files begin with alike."""
    same = 0
    with one.open("rb") as first, other.open("rb") as second:
        while (a := first.read(_CHUNK)) and (b := second.read(_CHUNK)):
            if a[: len(b)] == b[: len(a)]:
                same += min(len(a), len(b))
                continue
            return same + next(index for index, (x, y) in enumerate(zip(a, b, strict=False)) if x != y)
    return same


def _line_start(path: Path, at: int) -> int:
    """Where the line begins that the byte `at` is in."""
    with path.open("rb") as file:
        line, start = file.readline(), 0
        while line and start + len(line) <= at:
            start += len(line)
            line = file.readline()
    return start


def _append(journal: Path, start: int, whole: Path) -> None:
    """Add the lines of `journal` from `start` on to `whole`: rows that were made here and never taken there."""
    with journal.open("rb") as own, whole.open("ab") as file:
        own.seek(start)
        shutil.copyfileobj(own, file, _CHUNK)

"""What a run makes, taken to shared storage while it is made.

A part of the journal is written once and never changed, under the next number. The storage lets only one machine write
a number, so of two that go on with one run the second is told. At the end all files go there, run.json last: who sees
it `finished` sees all.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

from aigc.disk import disk_errors
from aigc.errors import AigcError, RunLocked, StoreError
from aigc.forgotten_lines import read_forgotten
from aigc.provenance import RUN_FILE, read_run
from aigc.provenance.manifest import MANIFEST, SIGNATURE, SUMS, decode_manifest, manifest_digest, read_manifest
from aigc.review.reviewable import PARQUET
from aigc.settings import RunSettings
from aigc.storage.beside import Cleared, forget_beside, own_files, take_decisions, told_there
from aigc.storage.incoming import begins_with, bring_sheet
from aigc.storage.oblivion import forget_there
from aigc.storage.place import JOURNAL_PARTS, Place, facts_of
from aigc.store import JOURNAL

EVERY_S = 30.0
"""Seconds of work that the loss of a whole machine may cost."""
MOST_PART_BYTES = 64 << 20
_LAST = (MANIFEST, SIGNATURE, SUMS, RUN_FILE)

_log = logging.getLogger(__name__)


class Copy:
    """The copy of one run in shared storage. Without a place nothing is copied.

    `brought` has the parts of each run's journal, as they were when it was brought.
    """

    def __init__(
        self, place: Place | None, brought: Mapping[str, dict[str, int]], say: Callable[[str], None]
    ) -> None:
        self._place, self._brought, self._say = place, brought, say
        self._parts: _Parts | None = None
        self._folder: Path | None = None
        self._over = Event()
        self._thread = Thread(target=self._keep_up, name="shared storage", daemon=True)

    def follow(self, folder: Path) -> None:
        """Take there what a run writes into `folder`, from now on.

        Raises:
            RunLocked: another machine goes on with it.
            StoreError: the storage refuses.
        """
        if self._place is None:
            return
        self._folder = folder
        if read_run(folder).status != "finished":
            self._parts = _Parts(self._place, folder, self._there(self._place, folder))
            self._parts.write()  # now: a run must not find at its end that it cannot
            self._thread.start()

    def _there(self, place: Place, folder: Path) -> dict[str, int]:
        """The parts of a run's journal that the one here begins with."""
        if folder.name in self._brought:
            return self._brought[folder.name]
        there = place.parts(folder.name)
        if not begins_with(folder / JOURNAL, place, there):
            raise StoreError(f"{place.url}/{folder.name}", "other rows than in the journal here",
                             "the beginning of that", f"Bring them first: aigc storage pull {folder.name}")
        return there

    def end(self) -> None:
        """Take there what is left. Raises as `follow` does."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()
        if self._place is None or self._folder is None:
            return
        if self._parts:
            self._parts.write()
        if read_run(self._folder).status != "finished":
            self._place.upload(self._folder / RUN_FILE, f"{self._folder.name}/{RUN_FILE}")
        elif not _is_there(self._place, self._folder):
            publish(self._place, self._folder)
            self._say(f"Copied to {self._place.url}/{self._folder.name}")

    def _keep_up(self) -> None:
        said = ""
        while self._parts and not self._over.wait(EVERY_S):
            try:
                self._parts.write()
            except AigcError as exc:  # the end tries again, and raises it
                if str(exc) != said:
                    _log.warning("%s The rows made here are kept here.", exc)
                said = str(exc)


@contextmanager
def copied(settings: RunSettings, briefs: Path, say: Callable[[str], None]) -> Iterator[Copy]:
    """The copy in shared storage of the run of `briefs` that is made inside the block, where settings ask for one.

    What other machines have made of that sheet is brought first, so that it is gone on with.

    Raises:
        StoreError: the storage refuses. After another error that is only told.
    """
    place, brought = Place(settings.publish_to) if settings.publish_to else None, dict[str, dict[str, int]]()
    if place:
        brought = bring_sheet(place, Path(settings.out), briefs, say)
    copy = Copy(place, brought, say)
    try:
        yield copy
    except BaseException:
        try:
            copy.end()
        except AigcError as exc:
            say(f"{exc} The rows made here are kept here.")
        raise
    copy.end()


def publish(place: Place, folder: Path) -> bool:
    """Take all files of a finished run there, run.json last. One that was finished there is none, meanwhile.

    Of what is there, files of the run that it has no more are removed, and nothing else: it may be another machine's.
    Returns False where other decisions are there than here, which are left as they are.

    Raises:
        StoreError: the storage or the disk refuses, or rows were forgotten there since.
    """
    run_id, names = folder.name, own_files(folder)
    superseded = told_there(place, run_id) - names.keys()
    if (facts := facts_of(place, run_id)) and facts.status == "finished":
        _refuse_older(place, folder)
        place.remove([f"{run_id}/{RUN_FILE}"])
    place.remove(f"{run_id}/{name}" for name in superseded)
    took_decisions = take_decisions(place, folder)
    for name in sorted(names, key=lambda name: _LAST.index(name) if name in _LAST else -1):
        place.upload(names[name], f"{run_id}/{name}")
    for name, size in place.parts(run_id).items():
        if size:  # the journal is there as a whole; the numbers stay taken, for a machine that was long away
            place.write(name, b"")
    return took_decisions


def _refuse_older(place: Place, folder: Path) -> None:
    """What was forgotten in the copy there must not come back by the one here."""
    try:
        data = place.read(f"{folder.name}/{MANIFEST}") or b""
        there = decode_manifest(data, f"{place.url}/{folder.name}/{MANIFEST}")
        manifest, here = read_manifest(folder)
    except StoreError:  # of an earlier version, or damaged: what is whole takes its place
        return
    known = {manifest_digest(here), *manifest.supersedes}
    if there.forgotten and manifest_digest(data) not in known:  # also where another brief was forgotten here
        remedy = f"Remove {folder}, then bring it: aigc storage pull {folder.name}"
        raise StoreError(f"{place.url}/{folder.name}", "this run with rows that were forgotten since",
                         "none newer than the one here", remedy)


def share_forgotten(place: Place, folder: Path) -> Cleared | None:
    """Forget there what was forgotten in a run's folder, whoever put it there.

    The caller holds its lock. Returns None where nothing of the run is there: one without run.json, whose copying was
    cut off, has its texts there all the same.

    Raises:
        StoreError: the storage or the disk refuses.
    """
    there = place.files(folder.name)
    if not there and not place.parts(folder.name):
        return None
    if read_run(folder).status != "finished":
        if f"{folder.name}/{PARQUET}" in there:
            raise StoreError(f"{place.url}/{folder.name}", "results of this run, which another machine has finished",
                             "none newer than what is here",
                             f"Bring them: aigc storage pull {folder.name}. Then run the same command again.")
        forget_there(place, folder.name, read_forgotten(folder))
        return Cleared()
    _refuse_older(place, folder)
    cleared = forget_beside(place, folder)
    publish(place, folder)
    return cleared


class _Parts:
    """The parts of a journal there, as far as this machine knows: those that were there when it began, and its own."""

    def __init__(self, place: Place, folder: Path, there: dict[str, int]) -> None:
        self._place, self._folder = place, folder
        self._count, self._bytes = len(there), sum(there.values())
        self._run_file = b""
        if there:  # an empty part, so that another machine that still writes the run is stopped now
            self._create(b"")

    def write(self) -> None:
        """Write the lines that have come since as the next parts; run.json first, since it tells what they name."""
        with disk_errors(self._folder, "nothing was changed"):
            run_file = (self._folder / RUN_FILE).read_bytes()
        if run_file != self._run_file and read_run(self._folder).status != "finished":
            self._place.write(f"{self._folder.name}/{RUN_FILE}", run_file)
            self._run_file = run_file
        while lines := self._lines():
            self._create(lines)

    def _lines(self) -> bytes:
        """Whole lines that are not there yet, about as many as a part may hold."""
        with disk_errors(self._folder / JOURNAL, "nothing was changed"), (self._folder / JOURNAL).open("rb") as file:
            file.seek(self._bytes)
            lines = file.readlines(MOST_PART_BYTES)
        return b"".join(line for line in lines if line.endswith(b"\n"))

    def _create(self, data: bytes) -> None:
        name = f"{self._folder.name}/{JOURNAL_PARTS}/{self._count + 1:06}.jsonl"
        if not self._place.create(name, data):
            raise RunLocked(
                f"{self._place.url}/{self._folder.name}", "a part of its journal that another machine has written",
                "a run that one machine makes at a time",
                "Leave it to that machine, or stop it there and run the same command again here.",
            )
        self._count, self._bytes = self._count + 1, self._bytes + len(data)


def _is_there(place: Place, folder: Path) -> bool:
    """Whether the finished run there is the one here."""
    return place.read(f"{folder.name}/{RUN_FILE}") == (folder / RUN_FILE).read_bytes()


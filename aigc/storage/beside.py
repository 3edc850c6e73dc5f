"""What people put beside a run's own files in shared storage: decisions, files for editors, exports.

They may come from another machine, so nothing of them is replaced or removed but what is known to be superseded, and
what may hold a text that was forgotten.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path
from tempfile import TemporaryDirectory

from aigc.disk import disk_errors, take_lock, write_atomically
from aigc.errors import StoreError
from aigc.forgotten_lines import FORGOTTEN
from aigc.parquet_rows import read_rows
from aigc.provenance import RUN_FILE, now
from aigc.provenance.manifest import MANIFEST, SIGNATURE, SUMS, decode_manifest, read_manifest
from aigc.publishing import FORGOTTEN as FORGOTTEN_ROW
from aigc.publishing import STATEMENT, files_told
from aigc.records import Value
from aigc.review.ledger import LEDGER, LOCK, digests_of, forget_decisions
from aigc.review.ledger_head import HEAD
from aigc.review.reviewable import PARQUET
from aigc.storage.place import Place

TEXTS_BESIDE = ("review*.html", "review.xlsx", "review.csv")
"""Files with texts that are no results, and can be written anew."""
_OF_PEOPLE = (LEDGER, HEAD, "review.xlsx", "review.csv")
_KEPT_MANIFESTS, _SIDECAR = "manifest-", ".c2pa"


class Cleared(Value, frozen=True):
    """What was done to files beside a run: those that were removed, and those that are left and nobody knows."""

    removed: list[str] = []
    unknown: list[str] = []


def own_files(folder: Path) -> dict[str, Path]:
    """The files of a run's folder that its copy has: all but locks, half-written ones, and what people made of it."""
    with disk_errors(folder, "the run is whole here"):
        paths = [path for path in sorted(folder.rglob("*")) if path.is_file() and not _is_exported(path, folder)]
    names = {path.relative_to(folder).as_posix(): path for path in paths}
    return {name: path for name, path in names.items()
            if name not in _OF_PEOPLE and not any(part.startswith(".") for part in name.split("/"))}


def told_there(place: Place, run_id: str) -> set[str]:
    """The run's own files there, as its manifest there tells; none where no manifest can be read."""
    name = f"{run_id}/{MANIFEST}"
    try:
        manifest = decode_manifest(place.read(name) or b"", f"{place.url}/{name}")
    except StoreError:  # of an earlier version, or damaged: then nothing is known to be superseded
        return {FORGOTTEN}
    told = {file.path for file in [*manifest.run.outputs, *manifest.files]}
    return {FORGOTTEN, RUN_FILE, MANIFEST, SIGNATURE, SUMS, *told, *(f"{path}{_SIDECAR}" for path in told)}


def take_decisions(place: Place, folder: Path) -> bool:
    """Take the decisions on a run there, where they go on from those that are there.

    Returns False where others are there, which are left: a chain of decisions is never replaced by another.
    """
    here, there = digests_of(folder), list[str]()
    with _ledger_there(place, folder.name) as copy:
        there = digests_of(copy)
    if here and here[: len(there)] == there:
        for name in (LEDGER, HEAD):
            if (folder / name).is_file():
                place.upload(folder / name, f"{folder.name}/{name}")
    return here[: len(there)] == there or there[: len(here)] == here


def bring_decisions(place: Place, folder: Path) -> bool:
    """Bring the decisions on a finished run that is here, where they go on from those that are here.

    Returns whether any were brought. Those on texts that were forgotten here are not.

    Raises:
        RunLocked: a process is importing.
        StoreError: the storage or the disk refuses, or decisions there were changed.
    """
    lock_fd = take_lock(folder / LOCK)
    try:
        here = digests_of(folder)
        with _ledger_there(place, folder.name) as copy:
            there = digests_of(copy)
            if len(there) <= len(here) or there[: len(here)] != here:
                return False
            forget_decisions(copy, _forgotten_records(folder), now())
            for name in (LEDGER, HEAD):
                if (copy / name).is_file():
                    _brought(copy / name, folder / name)
        return True
    finally:
        os.close(lock_fd)


def forget_beside(place: Place, folder: Path) -> Cleared:
    """Remove from beside a run there what may hold texts that were forgotten here, and the decisions on them.

    Raises:
        StoreError: the storage refuses, or decisions there were changed.
    """
    run_id = folder.name
    names = {name.partition("/")[2] for name in place.files(run_id)}
    gone = {name for name in names if any(fnmatch(name, form) for form in TEXTS_BESIDE) and "/" not in name}
    for statement in (name for name in names if name.endswith(f"/{STATEMENT}")):
        parent = statement.removesuffix(STATEMENT)
        gone |= {f"{parent}{file}" for file in files_told(place.read(f"{run_id}/{statement}") or b"")} & names
    place.remove(f"{run_id}/{name}" for name in sorted(gone, key=lambda name: (name.endswith(STATEMENT), name)))
    with _ledger_there(place, run_id) as copy:
        forget_decisions(copy, _forgotten_records(folder), now())
        if (copy / LEDGER).is_file() and (copy / LEDGER).read_bytes() != place.read(f"{run_id}/{LEDGER}"):
            place.upload(copy / LEDGER, f"{run_id}/{LEDGER}")
    known = {*own_files(folder), *told_there(place, run_id), LEDGER, HEAD}
    unknown = sorted(name for name in names - gone - known if not name.startswith(_KEPT_MANIFESTS))
    return Cleared(removed=sorted(gone), unknown=unknown)


def _brought(copy: Path, path: Path) -> None:
    data = copy.read_bytes()
    write_atomically(path, lambda file: file.write(data))


def _forgotten_records(folder: Path) -> set[str]:
    """The records of a finished run that were forgotten in this copy of it."""
    if not read_manifest(folder)[0].forgotten:
        return set()
    rows = read_rows(folder / PARQUET)
    return {row.record.record_id for row in rows if row.record.reasons == [FORGOTTEN_ROW]}


@contextmanager
def _ledger_there(place: Place, run_id: str) -> Iterator[Path]:
    """A folder with the decisions that are there; an empty one where there are none."""
    with TemporaryDirectory(prefix="aigc-") as folder:
        for name in (LEDGER, HEAD):
            if (data := place.read(f"{run_id}/{name}")) is not None:
                (Path(folder) / name).write_bytes(data)
        try:
            yield Path(folder)
        except StoreError as exc:
            if not exc.place.startswith(folder):
                raise
            there = f"{place.url}/{run_id}{exc.place.removeprefix(folder)}"
            raise StoreError(there, exc.found, exc.expected, exc.remedy) from exc


def _is_exported(path: Path, folder: Path) -> bool:
    """Whether a file is part of an export that lies in a run's folder."""
    return any((parent / STATEMENT).is_file() for parent in path.parents if folder in parent.parents)

"""Accepted texts of a finished run, copied to a folder that others read: there as a whole, or not at all."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from aigc.disk import disk_errors, sync, take_lock
from aigc.errors import StoreError, UsageError
from aigc.export import ACCEPTED_CSV, ACCEPTED_JSONL
from aigc.hashing import digest_file
from aigc.provenance.manifest import MANIFEST, SIGNATURE, Manifest, read_manifest

PUBLISHED = (ACCEPTED_CSV, ACCEPTED_JSONL)
_WORK = ".publishing"


def publish(run: Path, to: Path) -> Path:
    """Copy the accepted texts of the finished run in `run` into a folder of its name under `to`; returns that folder.

    All files are copied and held against the run's manifest in a hidden folder, the manifest last; then the folder
    takes its name. Publishing again does nothing, or replaces what another manifest was published with.

    Raises:
        UsageError: `to` is the folder of the runs themselves.
        StoreError: the run has no manifest, its files are not those of the manifest, or the disk refused.
        RunLocked: another process is publishing there.
    """
    manifest, data = read_manifest(run)
    target = to / run.name
    if to.resolve() == run.resolve().parent:
        raise UsageError("publish folder", f"{to}, where the runs are", "another folder", "Name another.")
    with disk_errors(target, "what was published before is as it was"):
        work = to / _WORK
        work.mkdir(parents=True, exist_ok=True)
        lock_fd = take_lock(work / ".lock")
        try:
            for name in ("new", "old"):
                shutil.rmtree(work / name, ignore_errors=True)
            if not _is_there(target, data):
                _place(_copied(run, manifest, data, work / "new"), target, work / "old")
        finally:
            os.close(lock_fd)
    return target


def is_published(run: Path, to: Path) -> bool:
    """Whether the run in `run` is published under `to` as it is now; raises StoreError where it has no manifest."""
    return _is_there(to / run.name, read_manifest(run)[1])


def _is_there(target: Path, data: bytes) -> bool:
    there = target / MANIFEST
    return there.is_file() and there.read_bytes() == data


def _copied(run: Path, manifest: Manifest, data: bytes, new: Path) -> Path:
    """The folder `new` with the run's accepted files, signatures beside them, and the manifest last."""
    new.mkdir()
    told = {file.path: file.digest for file in [*manifest.run.outputs, *manifest.files]}
    for name in [name for name in told if name.startswith(PUBLISHED)]:
        shutil.copyfile(run / name, new / name)
        if digest_file(new / name) != told[name]:
            raise StoreError(str(run / name), "other bytes than its manifest tells", "the file as the run wrote it",
                             "Run the same command again with --new, or restore the file from a copy.")
        sync(new / name)
    if (run / SIGNATURE).is_file():
        shutil.copyfile(run / SIGNATURE, new / SIGNATURE)
        sync(new / SIGNATURE)
    (new / MANIFEST).write_bytes(data)
    sync(new / MANIFEST)
    sync(new)
    return new


def _place(new: Path, target: Path, old: Path) -> None:
    if target.exists():
        target.replace(old)
    new.replace(target)
    sync(target.parent)
    shutil.rmtree(old, ignore_errors=True)

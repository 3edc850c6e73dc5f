"""An export takes its place as a whole: a reader finds the one before or the new one, and never a mixture."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from aigc.disk import disk_errors, sync, take_lock
from aigc.errors import UsageError, shown, writable
from aigc.publishing.values import STATEMENT, files_told

_WORK = ".export"
"""Ends the name of the hidden folder in which an export is written."""


@contextmanager
def placed(target: Path) -> Iterator[Path]:
    """An empty folder to write into; when its writer is done, it is at `target`, and only then.

    An export that was there is replaced. Between its going and the new one's coming a kill may fall: then it is in the
    hidden folder beside, and the next call puts it back.

    Raises:
        UsageError: something else than an export is at `target`.
        RunLocked: another process is exporting there.
        StoreError: the disk refused.
    """
    work = target.parent / f".{target.name}{_WORK}"
    with disk_errors(target, "the export that was there is as it was"):
        work.mkdir(parents=True, exist_ok=True)
        lock_fd = take_lock(work / ".lock")
        new, old = work / "new", work / "old"
        try:
            _put_back(old, target)
            refuse_strange(target)
            shutil.rmtree(new, ignore_errors=True)
            new.mkdir()
            yield new
            os.sync()  # there may be a file for each text: one call for all of them
            if target.exists():
                target.replace(old)
            new.replace(target)
            sync(target.parent)
        finally:
            _put_back(old, target)
            shutil.rmtree(work, ignore_errors=True)
            os.close(lock_fd)


def clear_half_written(folder: Path) -> None:
    """Remove what exports into a run's folder left that were killed.

    Raises:
        RunLocked: one is being written: it would come into place with texts that are to go.
        StoreError: the disk refused.
    """
    for work in sorted(folder.rglob(f".*{_WORK}")):
        with disk_errors(work, "the exports that were there are as they were"):
            lock_fd = take_lock(work / ".lock")
            try:
                shutil.rmtree(work)
            finally:
                os.close(lock_fd)


def clear_exports(folder: Path) -> list[str]:
    """Remove all exports in a run's folder, whatever they are called. Returns their names. Raises StoreError."""
    found = sorted({path.parent for path in folder.rglob(STATEMENT)} - {folder})
    for export in found:
        with disk_errors(export, "the run is as it was"):
            shutil.rmtree(export)
    return [export.relative_to(folder).as_posix() for export in found]


def refuse_strange(target: Path) -> None:
    """Raise UsageError where `target` holds anything but an earlier export, which alone is replaced."""
    expected, remedy = "a new folder, or that of an earlier export", "Name another with --to."
    if target.exists() and not target.is_dir():
        raise UsageError("--to", f"a file at {writable(target)}", expected, remedy)
    present = {path.relative_to(target).as_posix() for path in target.rglob("*") if not path.is_dir()}
    if not present:
        return
    known = _files_of(target / STATEMENT)
    if strange := sorted(present - known):
        found = f"{writable(target)} with {shown(strange[0])} in it" + (", which no export wrote" if known else "")
        raise UsageError("--to", found, expected, remedy)


def _files_of(statement: Path) -> set[str]:
    """The files of an earlier export; none where there is no statement that can be read."""
    try:
        return files_told(statement.read_bytes())
    except OSError:
        return set()


def _put_back(old: Path, target: Path) -> None:
    if old.exists() and not target.exists():
        old.replace(target)
    shutil.rmtree(old, ignore_errors=True)

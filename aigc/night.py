"""The sheets of a night, and which errors pass by themselves."""

from __future__ import annotations

import errno
import random
import re
from hashlib import sha256
from pathlib import Path

from aigc.errors import EngineError, RunLocked, StoreError, UsageError, shown

SHEET_ENDINGS = (".csv", ".tsv", ".xlsx", ".jsonl", ".parquet")
SPREAD = 0.5
"""By which part of it a wait is longer or shorter by chance, so that machines do not all come back at once."""
LONGEST_WAIT_S = 3600.0
_LASTING = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EINVAL,
                      errno.ENAMETOOLONG})
"""Errors of the system that another try cannot help."""


def find_sheets(where: str) -> list[Path]:
    """The sheets that a folder holds, or that a pattern such as `inputs/spring-*.csv` matches, by their names.

    Hidden files and those that office programs keep beside an open sheet are none. A folder that a pattern matches is
    a sheet in many Parquet files. There may be no sheet, but the folder that they would be in has to be there.

    Raises:
        UsageError: there is no such folder.
    """
    folder = Path(where)
    if folder.is_file():
        return [folder]
    at = next((at for at, part in enumerate(folder.parts) if any(sign in part for sign in "*?[")), None)
    if folder.is_dir() or at is None:
        _refuse_absent(folder)
        return sorted(path for path in folder.iterdir() if path.is_file() and _is_sheet(path))
    holding = Path(*folder.parts[:at])
    _refuse_absent(holding)
    found = holding.glob("/".join(folder.parts[at:]))
    return sorted(path for path in found if _is_sheet(path) or (path.is_dir() and any(path.rglob("*.parquet"))))


def _refuse_absent(folder: Path) -> None:
    if not folder.is_dir():
        raise UsageError("sheets", f"no folder {shown(folder)}", "a folder of sheets, or a pattern of their names",
                         "Correct the path.")


def _is_sheet(path: Path) -> bool:
    return path.suffix.lower() in SHEET_ENDINGS and not path.name.startswith((".", "~$"))


def sheet_key(path: Path) -> str:
    """A sheet's name in lower-case letters, digits and hyphens: `spring-csv`; with a hash where none would be left."""
    plain = re.sub(r"[^a-z0-9]+", "-", path.name.lower()).strip("-")
    if re.sub(r"[^a-z0-9]+", "", path.stem.lower()):
        return plain[:60].strip("-")
    return f"{sha256(path.name.encode('utf-8', 'surrogateescape')).hexdigest()[:8]}-{plain}".strip("-")


def passes(exc: BaseException) -> bool:
    """Whether an error may be gone at the next try: no memory, a disk, a device or a server that did not answer.

    What is wrong with a sheet, a setting, a template or a model is as wrong a minute later.
    """
    if isinstance(exc, EngineError | RunLocked | MemoryError):
        return True
    if isinstance(exc, StoreError):
        return isinstance(exc.__cause__, OSError) and passes(exc.__cause__)
    return isinstance(exc, OSError) and exc.errno not in _LASTING


def wait_before_s(again: int, first_s: float, chance: float | None = None) -> float:
    """Seconds before try number `again` after the first: twice as many each time, and by `chance` more or less."""
    drawn = random.random() if chance is None else chance
    longest = min(first_s * 2.0 ** (again - 1), LONGEST_WAIT_S)
    return longest * (1 + SPREAD * (2 * drawn - 1))

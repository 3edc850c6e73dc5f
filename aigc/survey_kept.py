"""What the first reading of a large sheet found, kept until its run has finished: to go on need not begin with it."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import msgspec
from msgspec.structs import replace

from aigc import __version__
from aigc.disk import holder_of, write_atomically
from aigc.errors import writable
from aigc.hashing import digest
from aigc.job import Job, Survey
from aigc.records import Value
from aigc.store import LOCK

KEPT_FROM_ROWS = 10_000
"""Smaller sheets are read again in a second."""


_NAMES = ".survey-*.json"


class _Owner(Value, frozen=True):
    """Whose a kept reading is: of which sheet, by a digest of where it lies, and of which run."""

    sheet: str
    run_id: str


class _Kept(_Owner, frozen=True):
    survey: Survey
    suspects: list[int]
    """Rows that speak to the model: the second reading looks at these alone."""


def known_survey(job: Job) -> Survey | None:
    """What an earlier reading of the same sheet under the same settings found, if it was kept; its errors were told.

    Raises:
        UsageError: as `Job.survey` does.
    """
    try:
        kept = msgspec.json.decode(_place(job).read_bytes(), type=_Kept)
    except (OSError, msgspec.DecodeError):  # the sheet is there to be read again
        return None
    job.refuse_certain(kept.survey.types)
    job.sheet.suspects = frozenset(kept.suspects)
    return kept.survey


def keep_survey(job: Job, survey: Survey, run_id: str) -> None:
    """Keep what a reading of the whole sheet found, without the cells that its errors quote; no longer what earlier
    readings of it found, under other settings or before it was edited."""
    if job.sheet.suspects is None:
        return
    kept = _Kept(sheet=_sheet_of(job), run_id=run_id, survey=replace(survey, errors=[]),
                 suspects=sorted(job.sheet.suspects))
    write_atomically(_place(job), lambda file: file.write(msgspec.json.encode(kept)))
    for path in sorted(_folder(job).glob(_NAMES)):
        if path != _place(job) and _is_superseded(path, job, run_id):
            with suppress(OSError):  # another process was faster, or it is another user's: no run stops for it
                path.unlink()


def drop_survey(job: Job) -> None:
    """Keep it no longer: its run has finished."""
    _place(job).unlink(missing_ok=True)


def _is_superseded(path: Path, job: Job, run_id: str) -> bool:
    """Whether nobody reads this file again: it is of the same sheet, and its run not at work, or of another version.
    Of the run `run_id` it is what that found before it was gone on with, under other settings or after an edit.

    Where a run is at work another process has the lock of its folder, taken before the file was written. Were a file
    removed that somebody wanted yet, the sheet would be read once more.
    """
    try:
        owner = msgspec.json.decode(path.read_bytes(), type=_Owner)
        return owner.sheet == _sheet_of(job) and (
            owner.run_id == run_id or not holder_of(_folder(job) / owner.run_id / LOCK))
    except OSError:  # gone by now, or another user's, or its run is
        return False
    except msgspec.DecodeError:  # damaged, or of a version that did not say whose it is
        return True


def _sheet_of(job: Job) -> str:
    return digest(writable(job.briefs.absolute()))


def _folder(job: Job) -> Path:
    return Path(job.settings.run.out)


def _place(job: Job) -> Path:
    """Named after all that decides what a reading finds."""
    settings, types = job.settings, {name: pack.type.digest for name, pack in job.packs.items()}
    found = digest([__version__, job.inputs_digest, writable(job.briefs), job.limit, settings.input,
                    settings.run.variants, settings.policy, settings.types, types])
    return _folder(job) / f".survey-{found.removeprefix('sha256:')[:24]}.json"

"""What the first reading of a large sheet found, kept until its run has finished: to go on need not begin with it."""

from __future__ import annotations

from pathlib import Path

import msgspec
from msgspec.structs import replace

from aigc import __version__
from aigc.disk import write_atomically
from aigc.errors import writable
from aigc.hashing import digest
from aigc.job import Job, Survey
from aigc.records import Value

KEPT_FROM_ROWS = 10_000
"""Smaller sheets are read again in a second."""


class _Kept(Value, frozen=True):
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


def keep_survey(job: Job, survey: Survey) -> None:
    """Keep what a reading of the whole sheet found, without the cells that its errors quote."""
    if job.sheet.suspects is not None:
        kept = _Kept(survey=replace(survey, errors=[]), suspects=sorted(job.sheet.suspects))
        write_atomically(_place(job), lambda file: file.write(msgspec.json.encode(kept)))


def drop_survey(job: Job) -> None:
    """Keep it no longer: its run has finished."""
    _place(job).unlink(missing_ok=True)


def _place(job: Job) -> Path:
    """Named after all that decides what a reading finds."""
    settings, types = job.settings, {name: pack.type.digest for name, pack in job.packs.items()}
    found = digest([__version__, job.inputs_digest, writable(job.briefs), job.limit, settings.input,
                    settings.run.variants, settings.policy, settings.types, types])
    return Path(settings.run.out) / f".survey-{found.removeprefix('sha256:')[:24]}.json"

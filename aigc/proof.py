"""What proves a run: a stamp beside each row, and at the end a manifest over all of it."""

from __future__ import annotations

from collections.abc import Mapping

from aigc.filters import files_digest
from aigc.hashing import digest
from aigc.job import Job
from aigc.models import ModelRef
from aigc.provenance.stamps import Stamper
from aigc.records import EngineInfo


def open_stamper(job: Job, model: ModelRef, run_id: str, engines: Mapping[str, EngineInfo]) -> Stamper:
    """The stamps of a run's rows."""
    return Stamper(
        run_id=run_id,
        model=model.ref,
        model_digest=model.digest,
        filters={name: _filters_digest(job, name) for name in job.packs},
        engines=engines,
    )


def _filters_digest(job: Job, name: str) -> str:
    """Digest of all that judges texts of a content type: thresholds, word lists, models, texts to compare with."""
    settings = job.settings
    tables = settings.filters_for(name, job.packs[name].type.filters)
    compared = job.compared_with.get(name, "")
    return digest([tables, files_digest(job.filters_of(name)), settings.safety, settings.judge, compared])

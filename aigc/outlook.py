"""What a run is expected to take, before it begins: rows that are there already, and nights of the same model."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from aigc.earlier import Earlier
from aigc.engine.cards import expected_devices
from aigc.errors import EngineError
from aigc.history import forecast, nights
from aigc.job import Job
from aigc.models import ModelRef
from aigc.provenance import RunFacts
from aigc.records import Brief
from aigc.tally import Forecast

_log = logging.getLogger(__name__)

LOOKED_AT = 20_000
"""Briefs that are looked up in earlier runs; of a longer sheet, every so many-th."""


def outlook(job: Job, wanted: dict[str, int], model: ModelRef, earlier: Sequence[RunFacts]) -> Forecast | None:
    """The forecast for `wanted` rows by content type, less those that `earlier` runs of the sheet hold.

    None where no run with this model has finished here.
    """
    if not (past := nights(Path(job.settings.run.out))):
        return None
    try:
        on = expected_devices(job.settings.engine)
    except EngineError as exc:  # the run itself needs no estimate
        _log.warning("No forecast: %s", exc)
        return None
    if forecast(wanted, 0, past, model.digest, on.name) is None:
        return None
    left, taken_over = left_to_make(job, wanted, model, earlier)
    return forecast(left, taken_over, past, model.digest, on.name, on.count)


def left_to_make(
    job: Job, wanted: dict[str, int], model: ModelRef, earlier: Sequence[RunFacts]
) -> tuple[dict[str, int], int]:
    """Rows by content type that a run would make, and how many it would take over from `earlier` runs."""
    there = _there(job, sum(wanted.values()), model, earlier) if earlier else Counter[str]()
    return {name: max(0, rows - there[name]) for name, rows in wanted.items()}, sum(there.values())


def _there(job: Job, rows: int, model: ModelRef, earlier: Sequence[RunFacts]) -> Counter[str]:
    """Rows by content type that earlier runs hold as they would be made now."""
    step, found = max(1, rows // LOOKED_AT), Counter[str]()
    fingerprints, out = job.fingerprints(model), Path(job.settings.run.out)
    with closing(Earlier([out / run.run_id for run in earlier])) as made:
        for at, brief in enumerate(row for row in job.rows() if isinstance(row, Brief)):
            if at % step == 0:
                here = sum(made.find(brief.id, variant, fingerprints.of(brief, variant)) is not None
                           for variant in range(brief.variants))
                found[brief.content_type] += here * step
    return found

"""Briefs to records, as a Prefect flow: the stages of a run in their order, a task for each shard of rows.

A task is a shard of many rows, never a row: a task costs the server tens of milliseconds, a row must not.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from uuid import UUID

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_markdown_artifact, create_progress_artifact, update_progress_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import FlowRun
from prefect.utilities.urls import url_for as ui_url

from aigc.pipeline import Tally
from aigc.provenance import RunFile
from aigc.records import Brief, InvalidRow
from aigc.report import report
from aigc.runs import Run
from aigc.start import Request, Started, start

PROGRESS_EVERY_S = 2.0
_running: dict[str, Run] = {}
"""Runs of this process by id: a model in memory cannot travel as a task's parameter."""


@flow(name="aigc-generate", flow_run_name="{request.briefs}", persist_result=False, validate_parameters=False)
def generate(request: Request, on_row: Callable[[Tally], None] | None = None) -> RunFile:
    """Make a run of a sheet and return its run.json. What an earlier, unfinished run made is taken over."""
    progress = _ProgressArtifact(on_row)
    with start(request, on_row=progress) as started:
        if started.run is None:
            return started.file
        _running[started.run.file.run_id] = started.run
        try:
            return _shards(started, started.run)
        finally:
            del _running[started.run.file.run_id]


def _shards(started: Started, run: Run) -> RunFile:
    logger = get_run_logger()
    logger.info("run %s: %s rows", run.file.run_id, run.tally.total)
    for shard in started.shards():
        generate_shard(run.file.run_id, shard[0].row, shard[-1].row, shard)
    file = run.finish()
    create_markdown_artifact(report(file), key="aigc-report", description=f"Report of run {file.run_id}")
    return file


@task(
    name="generate-shard",
    task_run_name="rows {first}–{last}",
    cache_policy=NO_CACHE,
    persist_result=False,
    log_prints=False,
)
def generate_shard(run_id: str, first: int, last: int, rows: list[Brief | InvalidRow]) -> None:
    """Make the records of consecutive rows of the sheet."""
    _running[run_id].generate(rows)
    logging.getLogger("aigc").info("run %s: rows %d to %d done", run_id, first, last)


class _ProgressArtifact:
    """Rows done, as a progress artifact that moves every `PROGRESS_EVERY_S` seconds."""

    def __init__(self, also: Callable[[Tally], None] | None) -> None:
        self._also, self._next_s = also, 0.0
        self._id: UUID | None = None

    def __call__(self, tally: Tally) -> None:
        if self._also:
            self._also(tally)
        if time.monotonic() < self._next_s and tally.done != tally.total:
            return
        self._next_s = time.monotonic() + PROGRESS_EVERY_S
        share = 100.0 * tally.done / max(tally.total, 1)
        if self._id is None:
            created = create_progress_artifact(share, key="aigc-progress", description="Rows done")
            self._id = created if isinstance(created, UUID) else None
        else:
            update_progress_artifact(self._id, share)


def run_flow(request: Request, on_row: Callable[[Tally], None], say: Callable[[str], None]) -> RunFile:
    """Run the flow in this process against the configured API, and say where it can be watched."""

    def announced(flow_: object, flow_run: FlowRun, state: object) -> None:
        say(f"Prefect flow run {flow_run.name}: {ui_url(flow_run) or flow_run.id}")

    return generate.with_options(on_running=[announced])(request, on_row)

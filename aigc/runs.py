"""A run from its folder's first file to its last: opened or gone on with, generated, exported, reported.

open_run ─▶ Run.generate(rows) ─▶ Run.finish() ─▶ run.json says `finished`
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Literal, TypeAlias

import msgspec

from aigc.disk import write_atomically
from aigc.engine import Engine
from aigc.errors import UsageError
from aigc.export import Exported, export
from aigc.hashing import digest_file
from aigc.job import Job, Survey
from aigc.models import ModelRef
from aigc.pipeline import Pipeline, Tally
from aigc.provenance import RUN_FILE, FileFacts, ModelFacts, RunFile, encode, now, read_run, runs, versions
from aigc.records import Brief, InvalidRow
from aigc.report import report
from aigc.store import Store, new_run_id

Mode: TypeAlias = Literal["auto", "resume", "new"]
REPORT = "report.md"


class Run:
    """One run being made. As a context manager it marks the run interrupted or failed if it is left before `finish`."""

    def __init__(
        self,
        job: Job,
        model: ModelRef,
        engine: Engine,
        file: RunFile,
        store: Store,
        earlier: Store | None,
        on_row: Callable[[Tally], None],
    ) -> None:
        self.folder, self.file = store.folder, file
        self._job, self._engine, self._store, self._earlier = job, engine, store, earlier
        self._pipeline = Pipeline(
            job, model, engine, store, earlier=earlier, on_row=on_row, on_engine=lambda: self._write("running")
        )
        self._generate_s = 0.0
        self._types: list[str] = []

    @property
    def tally(self) -> Tally:
        return self._pipeline.tally

    @property
    def damaged_lines(self) -> list[int]:
        """Lines of the journal that could not be trusted; their rows are made again."""
        return self._store.damaged

    def begin(self, survey: Survey) -> None:
        """Write run.json as running, so that whatever happens next, the folder does not look finished."""
        self._types = list(survey.types)
        self.tally.total = survey.requests + survey.invalid
        self.file = msgspec.structs.replace(self.file, skipped_rows=survey.skipped)
        self._write("running")

    def generate(self, rows: Iterable[Brief | InvalidRow]) -> None:
        """Make the records of `rows`: all of the job's, or one shard after another."""
        started = time.monotonic()
        try:
            self._pipeline.generate(rows)
        finally:
            self._generate_s += time.monotonic() - started

    def finish(self) -> RunFile:
        """Write the results' files, the report, and run.json last."""
        started = time.monotonic()
        columns = dict.fromkeys(name for used in self._types for name in self._job.packs[used].type.output.fields)
        exported = export(self._pipeline.records(), self.folder, list(columns))
        self._count(exported, time.monotonic() - started)
        write_atomically(self.folder / REPORT, lambda file: file.write(report(self.file).encode()))
        self._write("finished")
        return self.file

    def close(self) -> None:
        self._store.close()
        if self._earlier:
            self._earlier.close()

    def __enter__(self) -> Run:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, at: TracebackType | None) -> None:
        try:
            if kind is not None and self.file.status != "finished":
                self._write("failed" if issubclass(kind, Exception) else "interrupted")
        finally:
            self.close()

    def _count(self, exported: Exported, export_s: float) -> None:
        counts, tally = exported.counts, self.tally
        files = [
            FileFacts(path=file.name, digest=file.digest, bytes=file.size, rows=file.rows) for file in exported.files
        ]
        self.file = msgspec.structs.replace(
            self.file,
            rows=counts.rows,
            outcomes=counts.outcomes,
            acceptance=counts.content_types,
            reasons=counts.reasons,
            taken_over=tally.taken_over,
            tokens_in=tally.tokens_in,
            tokens_out=tally.tokens_out,
            outputs=files,
            timings=msgspec.structs.replace(
                self.file.timings, generate_s=round(self._generate_s, 3), export_s=round(export_s, 3)
            ),
            finished_at=now(),
        )

    def _write(self, status: Literal["running", "interrupted", "failed", "finished"]) -> None:
        engines = {**self.file.engines, **self._pipeline.engines}
        self.file = msgspec.structs.replace(self.file, status=status, engines=engines)
        write_atomically(self.folder / RUN_FILE, lambda file: file.write(encode(self.file)))


def find_earlier(job: Job, mode: Mode) -> RunFile | None:
    """The newest run of the same sheet under the same output folder.

    Raises:
        UsageError: `resume` was asked for and there is none.
    """
    out = Path(job.settings.run.out)
    sheet = str(job.briefs.resolve())
    found = None if mode == "new" else next((run for run in runs(out) if run.briefs == sheet), None)
    if found is None and mode == "resume":
        raise UsageError("--resume", f"no run of {job.briefs} under {out}", "an earlier run", "Leave --resume out.")
    return found


def nothing_to_do(job: Job, model: ModelRef, earlier: RunFile | None) -> bool:
    """Whether `earlier` already holds exactly what this job would make."""
    return bool(
        earlier
        and earlier.status == "finished"
        and earlier.job == job.digest(model)
        and not earlier.outcomes.get("failed")
    )


def open_run(
    job: Job, model: ModelRef, engine: Engine, earlier: RunFile | None, on_row: Callable[[Tally], None] = lambda _: None
) -> Run:
    """Go on with `earlier` where it did not finish; else start a run that takes over what `earlier` has unchanged.

    Raises:
        RunLocked: another process is writing that run.
        StoreError: the folder cannot be written.
    """
    out = Path(job.settings.run.out)
    there = next((path for path in (out, *out.parents) if path.exists()), out)
    if there.exists() and not there.is_dir():
        raise UsageError("--out", f"a file at {there}", "a folder for runs", "Name another, or move the file away.")
    if earlier and earlier.status != "finished":
        store, source = Store.open(out / earlier.run_id), earlier.earlier
    else:
        store, source = Store.create(out / new_run_id(job.briefs, datetime.now())), earlier.run_id if earlier else ""
    try:
        old = Store.read(out / source) if source and (out / source).is_dir() else None
        return Run(job, model, engine, _new_file(job, model, store.run_id, source, earlier), store, old, on_row)
    except BaseException:
        store.close()
        raise


def _new_file(job: Job, model: ModelRef, run_id: str, source: str, earlier: RunFile | None) -> RunFile:
    same = earlier if earlier and earlier.run_id == run_id else None
    return RunFile(
        run_id=run_id,
        status="running",
        briefs=str(job.briefs.resolve()),
        job=job.digest(model),
        settings=job.settings,
        model=ModelFacts(ref=model.ref, digest=model.digest, licence=model.licence, languages=model.languages),
        started_at=same.started_at if same else now(),
        engines=earlier.engines if earlier else {},
        earlier=source,
        inputs=[FileFacts(path=str(path), digest=digest_file(path), bytes=path.stat().st_size) for path in job.inputs],
        templates={name: pack.type.digest for name, pack in job.packs.items()},
        versions=versions(),
    )


def find_run(out: Path, name: str | None) -> tuple[Path, RunFile]:
    """The folder and run.json of `name` (a run id or a folder), or of the newest run under `out`."""
    if name is None:
        newest = next(runs(out), None) if out.is_dir() else None
        if newest is None:
            raise UsageError(str(out), "no run", "a run's folder", "Start one with `aigc run`.")
        return out / newest.run_id, newest
    folder = Path(name) if Path(name).is_dir() else out / name
    return folder, read_run(folder)

"""A run from its folder's first file to its last: opened or gone on with, generated, exported, reported.

open_run ─▶ Run.generate(rows) ─▶ Run.finish() ─▶ run.json says `finished`
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Literal, TypeAlias

import msgspec

from aigc.disk import write_atomically
from aigc.earlier import Earlier, runs_of_sheet, unfinished
from aigc.engine import Engine, uses_of
from aigc.errors import BriefsError, EngineError, UsageError, nearest, shown
from aigc.export import Exported, export
from aigc.job import Job, Survey
from aigc.labels.hidden import label_of
from aigc.lineage import Emitter, abort_event, complete_event, fail_event, failure, start_event
from aigc.models import ModelRef
from aigc.opening import new_run_file, reopened
from aigc.panel import NO_PANEL, Panel
from aigc.pipeline import Pipeline
from aigc.proof import open_run_signer, open_stamper, seal, sealed_by
from aigc.provenance import RUN_FILE, FileFacts, RunFacts, RunFile, Timings, encode, now, read_run, runs
from aigc.records import Brief, EngineInfo, InvalidRow, Message
from aigc.review_page import Pages, Telling
from aigc.sessions import Session, SessionEnd, count_devices, together
from aigc.store import Store, new_run_id
from aigc.tally import Forecast, Tally

Mode: TypeAlias = Literal["auto", "resume", "new"]
Commit: TypeAlias = Callable[[str, Sequence[Message]], str]
"""A commitment to messages, under the salt of a run."""


class Run:
    """One run being made. As a context manager it marks the run interrupted or failed if it is left before `finish`."""

    def __init__(
        self,
        job: Job,
        model: ModelRef,
        engine: Engine,
        file: RunFile,
        store: Store,
        earlier: Earlier,
        on_row: Callable[[Tally], None],
        panel: Panel,
        commit: Commit,
    ) -> None:
        self.folder, self.file = store.folder, file
        self._job, self._engine, self._store, self._earlier = job, engine, store, earlier
        self._model, self._panel = model, panel
        self._signer = open_run_signer(job.settings)  # now: a run must not find at its end that it cannot sign
        self._pipeline = Pipeline(
            job,
            model,
            engine,
            store,
            earlier=earlier,
            on_row=on_row,
            on_engine=lambda: self._write("running"),
            judges=panel.judges,
            may_make=lambda: panel.may_make(self.tally),
            commit=lambda messages: commit(self.folder.name, messages),
        )
        self._lineage = Emitter(job.settings.lineage)
        self._generate_s, self._given_s = 0.0, 0.0
        self._types: list[str] = []
        self._is_finished = False
        """Whether run.json says so on the disk: the run's own record does before."""

    @property
    def tally(self) -> Tally:
        return self._pipeline.tally

    def begin(self, survey: Survey, survey_s: float = 0.0, forecast: Forecast | None = None) -> None:
        """Write run.json as running, so that whatever happens next, the folder does not look finished.

        `survey_s` is how long the survey took, `forecast` what the run is expected to take.
        """
        self._types = list(survey.types)
        self.tally.total = survey.requests + survey.invalid
        timings = Timings(survey_s=round(survey_s, 3))
        self.file = msgspec.structs.replace(
            self.file, skipped_rows=survey.skipped, timings=timings, forecast=forecast,
            brief_count=survey.briefs + survey.invalid, rows=self.tally.total,
        )
        self._write("running")
        self._lineage.emit(start_event(self.file))

    def generate(self, rows: Iterable[Brief | InvalidRow]) -> None:
        """Make the records of `rows`: all of the job's, or one shard after another."""
        started = time.monotonic()
        self._given_s = self._given_s or started
        try:
            self._pipeline.generate(rows)
        finally:
            self._generate_s += time.monotonic() - started

    def finish(self) -> RunFile:
        """Write the results' files, the report, and run.json last.

        Raises:
            BriefsError: the sheet is no longer what it was at the survey.
            EngineError: the engine left rows unanswered.
        """
        self._refuse_changed_sheet()
        started = time.monotonic()
        columns = dict.fromkeys(name for used in self._types for name in self._job.packs[used].type.output.whole)
        stamper = open_stamper(self._job, self._model, self.folder.name, self._engines)
        marked = self._panel.marked(self._pipeline.records())
        label = label_of(self._job.settings.labels, self.file.run_id)
        types = {name: pack.type for name, pack in self._job.packs.items()}
        with Pages(self.folder, telling=Telling(types=types)) as pages:
            stamp = pages.passing(stamper.stamp) if self._job.settings.review.page else stamper.stamp
            self._count(export(marked, self.folder, stamp, [*columns], label), time.monotonic() - started)
            sealed = sealed_by(stamper, [*columns], self.folder, runs(Path(self._job.settings.run.out)))
            self.file = seal(self.folder, self.file, sealed, self._signer)
            pages.write(self.file)
        self._write("finished")
        self._is_finished = True
        self._lineage.emit(complete_event(self.file))
        return self.file

    @property
    def _engines(self) -> dict[str, EngineInfo]:
        """All that made texts of this run and of those it takes over from, by digest."""
        return {**self.file.engines, **self._pipeline.engines}

    def close(self) -> None:
        self._store.close()
        self._earlier.close()

    def __enter__(self) -> Run:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, at: TracebackType | None) -> None:
        try:
            if kind is not None and not self._is_finished:
                failed = isinstance(exc, Exception)
                self._write("failed" if failed else "interrupted")
                event = fail_event(self.file, failure(exc)) if exc and failed else abort_event(self.file)
                self._lineage.emit(event)
        finally:
            self.close()

    def _refuse_changed_sheet(self) -> None:
        settled, total, changed = self._pipeline.settled, self.tally.total, self._job.inputs_changed
        if settled == total == self._pipeline.given and not changed:
            return
        if not changed and settled < total == self._pipeline.given:
            raise EngineError("engine", f"an end after {settled:,} of {total:,} texts", "an answer to every prompt",
                              "All texts made so far are kept: run the same command again.")
        found = "other bytes than at the start" if changed else f"{settled:,} of {total:,} texts"
        raise BriefsError(
            str(self._job.briefs),
            f"that the sheet changed while it ran ({found})",
            "a sheet that stays as it is until the run has ended",
            "All texts made so far are kept: run the same command again.",
        )

    def _count(self, exported: Exported, export_s: float) -> None:
        counts, tally = exported.counts, self.tally
        sessions = [*self.file.sessions[:-1], self._session("finished")]
        files = [
            FileFacts(path=file.name, digest=file.digest, bytes=file.size, rows=file.rows) for file in exported.files
        ]
        self.file = msgspec.structs.replace(
            self.file,
            rows=counts.rows,
            flagged=counts.flagged,
            outcomes=counts.outcomes,
            acceptance=counts.content_types,
            reasons=counts.reasons,
            not_run=counts.not_run,
            usage=counts.usage,
            taken_over=tally.taken_over,
            made_before=tally.made_before,
            attempts_before=tally.attempts_before,
            earlier=dict(tally.taken_from.most_common()),
            tokens_in=tally.tokens_in,
            tokens_out=tally.tokens_out,
            outputs=files,
            devices=uses_of(self._engine),
            sessions=sessions,
            whole=together(sessions),
            timings=msgspec.structs.replace(
                self.file.timings, generate_s=round(self._generate_s, 3), start_s=round(self._start_s, 3),
                export_s=round(export_s, 3),
            ),
            finished_at=now(),
        )

    @property
    def _start_s(self) -> float:
        """Seconds before the first text was begun; all of them where none was."""
        began_s = self.tally.began_s
        return self._generate_s if began_s is None else min(self._generate_s, max(0.0, began_s - self._given_s))

    def _session(self, ended: SessionEnd) -> Session:
        """What this session did; while it is at work, where: should it be killed, the journal tells the rest."""
        tally, engines = self.tally, [*self._pipeline.engines.values()]
        devices = count_devices(engines[-1].device if engines else "", [*uses_of(self._engine)])
        session = msgspec.structs.replace(self.file.sessions[-1], devices=devices)
        return session if not ended else msgspec.structs.replace(
            session,
            ended=ended,
            texts=tally.made.total(),
            accepted=tally.made["accepted"],
            attempts=tally.attempts,
            tokens_in=tally.tokens_in,
            tokens_out=tally.tokens_out,
            generate_s=round(self._generate_s, 3),
            start_s=round(self._start_s, 3),
        )

    def _write(self, status: Literal["running", "interrupted", "failed", "finished"]) -> None:
        sessions = [*self.file.sessions[:-1], self._session("" if status == "running" else status)]
        self.file = msgspec.structs.replace(self.file, status=status, engines=self._engines, sessions=sessions,
                                            whole=together(sessions))
        write_atomically(self.folder / RUN_FILE, lambda file: file.write(encode(self.file)))


def find_earlier(job: Job, mode: Mode, say: Callable[[str], None] = lambda _: None) -> list[RunFacts]:
    """Runs of the same sheet under the same output folder, newest first; none for `new`.

    Raises:
        UsageError: `resume` was asked for and there is none.
    """
    found = [] if mode == "new" else runs_of_sheet(job, say)
    if not found and mode == "resume":
        looked = f"no run of {job.briefs} under {job.settings.run.out}"
        raise UsageError("--resume", looked, "an earlier run", "Leave --resume out.")
    return found


def open_run(
    job: Job,
    model: ModelRef,
    engine: Engine,
    earlier: list[RunFacts],
    on_row: Callable[[Tally], None] = lambda _: None,
    say: Callable[[str], None] = lambda _: None,
    panel: Panel = NO_PANEL,
    commit: Commit = lambda _, __: "",
) -> Run:
    """Go on with the run of `earlier` that was asked for the same and did not finish; else start a new one.

    Either takes over from all others of `earlier` what is unchanged. `commit` commits to what the model is asked.

    Raises:
        RunLocked: another process is writing that run.
        StoreError: the folder cannot be written.
    """
    out = Path(job.settings.run.out)
    there = next((path for path in (out, *out.parents) if path.exists()), out)
    if there.exists() and not there.is_dir():
        raise UsageError("--out", f"a file at {there}", "a folder for runs", "Name another, or move the file away.")
    same = unfinished(job, model, earlier)
    others = Earlier([out / run.run_id for run in earlier if run is not same], say)
    store = reopened(out / same.run_id, say) if same else None
    if store is None:
        same, store = None, Store.create(out / new_run_id(job.briefs, datetime.now()))
    try:
        file = new_run_file(job, model, store, same, earlier)
        return Run(job, model, engine, file, store, others, on_row, panel, commit)
    except BaseException:
        store.close()
        raise


def find_run(out: Path, name: str | None, say: Callable[[str], None] = lambda _: None) -> tuple[Path, RunFile]:
    """The folder and run.json of `name` (a run id or a folder), or of the newest run under `out`.

    Raises:
        UsageError: there is none.
        StoreError: its run.json is damaged, or of another version.
    """
    if name is not None:
        folder = Path(name) if Path(name).is_dir() else out / name
        if not (folder / RUN_FILE).exists():
            known = sorted((path.parent.name for path in out.glob(f"*/{RUN_FILE}")), reverse=True)
            remedy = f"Correct it, or name the folder of its runs with --out.{nearest(name, known)}"
            raise UsageError("RUN", f"{shown(name)}, which is no run", f"a run under {out}, or a run's folder", remedy)
        return folder, read_run(folder)
    newest = next(iter(runs(out, say)), None)
    if newest is None:
        raise UsageError(str(out), "no run", "a run's folder",
                         "Start one with `aigc run`, or name the folder of your runs with --out.")
    return out / newest.run_id, read_run(out / newest.run_id)


def find_finished(out: Path, name: str | None, say: Callable[[str], None] = lambda _: None) -> tuple[Path, RunFile]:
    """As `find_run`, but of those that have finished alone; without a name the newest of them.

    Raises:
        UsageError: there is none, or the one named has not finished.
    """
    if name is None:
        newest = next((run for run in runs(out, say) if run.status == "finished"), None)
        name = str(out / newest.run_id) if newest else None
    folder, file = find_run(out, name, say)
    if file.status != "finished":
        raise UsageError(f"run {file.run_id}", f"a run that is {file.status}", "a finished run",
                         "Finish it first: run the command that started it again.")
    return folder, file

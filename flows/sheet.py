"""One sheet made within a flow: a task for each shard of rows, one for the results' files, one that publishes.

What the server gets is names, counts and reason codes, and of rows what `[monitoring] samples` allows.
"""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from types import TracebackType

from prefect import State, task
from prefect.cache_policies import NO_CACHE
from prefect.states import Completed, Failed

from aigc.errors import AigcError, writable
from aigc.night import passes, wait_before_s
from aigc.provenance import RunFile
from aigc.published_files import is_published, publish
from aigc.records import Brief, InvalidRow
from aigc.report import duration, headline, share
from aigc.runs import Run
from aigc.start import Request, Started, start
from aigc.tally import Tally
from flows.page import Made, show_forecast, show_run
from flows.parameters import Alerts, Publishing, Tries
from flows.telling import tell_run, tell_shard
from flows.watch import Watch

_log = logging.getLogger("aigc.flow")


@dataclass(frozen=True)
class Sheet:
    """A sheet that a flow is to make, and whom to tell on the way."""

    request: Request
    publishing: Publishing
    tries: Tries
    alerts: Alerts
    key: str = ""
    """Ends the keys of its artifacts and begins the names of its tasks, where a flow makes several sheets."""
    on_row: Callable[[Tally], None] = lambda _: None
    say: Callable[[str], None] = lambda _: None

    @property
    def name(self) -> str:
        return writable(self.request.briefs)


@dataclass
class _Work:
    """A run of this process and the shard it is at: neither can travel as a task's parameter."""

    run: Run
    shard: list[Brief | InvalidRow] = field(default_factory=list)
    error: AigcError | None = None


_works: dict[str, _Work] = {}
"""What this process works at, by run id."""


def make(sheet: Sheet, watch: Watch) -> Made:
    """Make a sheet, and again after errors that pass, as often as is allowed.

    Raises:
        AigcError: of the stage that refuses.
        KeyboardInterrupt: the flow run was cancelled at the server.
    """
    for again in count(1):
        try:
            return _make_once(sheet, watch)
        except (AigcError, OSError, MemoryError) as exc:
            if again > sheet.tries.again or not passes(exc):
                watch.stop(f"{sheet.name}: failed, as the log tells")
                raise
            wait_s = wait_before_s(again, sheet.tries.wait_s)
            _log.warning("%s Try %d of %d follows in %s.", exc, again + 1, sheet.tries.again + 1, duration(wait_s))
            tell_run("tried_again", sheet.name, sheet.name, {"try": again + 1})
            watch.wait(wait_s)
    raise AssertionError("unreachable")


def _make_once(sheet: Sheet, watch: Watch) -> Made:
    began_s = time.monotonic()

    def on_row(tally: Tally) -> None:
        sheet.on_row(tally)
        watch.see(tally)

    watch.begin(f"aigc-progress{sheet.key}", sheet.name)
    with _closed_undisturbed() as stack:
        started = stack.enter_context(start(sheet.request, on_row, sheet.say))
        stack.push(_hold_sigterm)
        if started.run:
            with watch.bearing_silence():
                show_forecast(sheet.key, sheet.name, started.survey.requests, started.file.forecast,
                              started.job.settings.monitoring.price_per_gpu_hour)
            with _told(started.file.run_id, sheet):
                file = _generated(sheet, started, started.run)
        else:
            file = started.file
            tell_run("unchanged", file.run_id, sheet.name)
    made = Made(sheet.name, started.folder, file, started.run is not None, time.monotonic() - began_s,
                _published(sheet, started.folder))
    _show(sheet, watch, made, started)
    return made


@contextmanager
def _closed_undisturbed() -> Iterator[ExitStack]:
    """A stack in whose closing SIGTERM is not heard again, once `_hold_sigterm` was pushed."""
    handler = signal.getsignal(signal.SIGTERM)
    try:
        with ExitStack() as stack:
            yield stack
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, handler)


def _hold_sigterm(_: type[BaseException] | None, exc: BaseException | None, __: TracebackType | None) -> None:
    """Let SIGTERM not interrupt the closing of a run that is left early: cancelled and stopped may come at once."""
    if exc is not None and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, lambda *_: None)


@contextmanager
def _told(run_id: str, sheet: Sheet) -> Iterator[None]:
    """Tell the server how a run ends that does not finish."""
    try:
        yield
    except Exception as exc:
        tell_run("failed", run_id, sheet.name, {"error": type(exc).__name__})
        raise
    except BaseException:
        tell_run("interrupted", run_id, sheet.name)
        raise


def _generated(sheet: Sheet, started: Started, run: Run) -> RunFile:
    """The run's rows, a task for each shard, then its files."""
    run_id, survey = run.file.run_id, started.survey
    rows = f"{Path(sheet.name).name} rows" if sheet.key else "rows"
    _log.info("run %s: %d good briefs, %d bad, %d texts", run_id, survey.briefs, survey.invalid, survey.requests)
    tell_run("started", run_id, sheet.name, {"rows": survey.requests + survey.invalid})
    work = _works[run_id] = _Work(run)
    try:
        for shard in started.shards():
            work.shard = shard
            _done(work, generate_shard(run_id, rows, shard[0].row + 1, shard[-1].row + 1, return_state=True))
        _done(work, write_results(run_id, return_state=True))
    finally:
        del _works[run_id]
    tell_run("finished", run_id, sheet.name, {"rows": run.file.rows, "tokens_out": run.file.tokens_out,
                                              **run.file.outcomes})
    return run.file


def _done(work: _Work, state: State[State[None]]) -> None:
    if work.error:
        raise work.error
    state.result()  # raises what was not foreseen


# No retries, whatever PREFECT_TASK_DEFAULT_RETRIES says: each row given to a run stands in its results, so a shard must
# be given once. Rows that fail are retried inside the shard; after a shard that fails, the next run goes on.
@task(
    name="generate-shard",
    task_run_name="{rows} {first} to {last}",
    retries=0,
    cache_policy=NO_CACHE,
    persist_result=False,
)
def generate_shard(run_id: str, rows: str, first: int, last: int) -> State[None]:
    """Make the records of consecutive rows of the sheet, the shard that this process is at."""
    work = _works[run_id]
    tell_shard("started", run_id, first, last)
    try:
        work.run.generate(work.shard)
    except AigcError as exc:
        work.error = exc
        tell_shard("failed", run_id, first, last, {"error": type(exc).__name__})
        return Failed(message=str(exc))
    tally = work.run.tally
    _log.info("%s %d to %d done: %d of %d texts, %d accepted", rows, first, last, tally.done, tally.total,
              tally.accepted)
    tell_shard("finished", run_id, first, last, {"done": tally.done, "accepted": tally.accepted})
    return Completed(message=f"{tally.done:,} of {tally.total:,} texts done, {tally.accepted:,} accepted")


@task(name="write-results", task_run_name="results of {run_id}", retries=0, cache_policy=NO_CACHE, persist_result=False)
def write_results(run_id: str) -> State[None]:
    """Write the files of a run whose rows are all made."""
    work = _works[run_id]
    try:
        file = work.run.finish()
    except AigcError as exc:
        work.error = exc
        return Failed(message=str(exc))
    return Completed(message=headline(file))


@task(name="publish", task_run_name="publish {run_id}", retries=0, cache_policy=NO_CACHE, persist_result=False)
def publish_run(run_id: str, folder: str, to: str) -> Path:
    """Copy a run's accepted texts to where others read them."""
    return publish(Path(folder), Path(to))


def _published(sheet: Sheet, folder: Path) -> Path | None:
    if not sheet.publishing.folder:
        return None
    if sheet.request.limit:  # who reads there would take a trial for the sheet
        _log.info("run %s is not published: it was limited by limit = %d", folder.name, sheet.request.limit)
        return None
    to = Path(sheet.publishing.folder)
    if is_published(folder, to):
        return to / folder.name
    there = publish_run(folder.name, writable(folder.resolve()), sheet.publishing.folder)
    _log.info("run %s is published at %s", folder.name, there)
    tell_run("published", folder.name, sheet.name)
    return there


def _show(sheet: Sheet, watch: Watch, made: Made, started: Started) -> None:
    """The run on the flow run's page, and a word to the automations where too little of it was accepted."""
    file, accepted = made.file, made.accepted
    if made.is_new and accepted < sheet.alerts.least_accepted * file.rows:
        least = f"{sheet.alerts.least_accepted:.0%}"
        _log.warning("run %s: %s accepted, fewer than %s", file.run_id, share(accepted, file.rows), least)
        tell_run("low_acceptance", file.run_id, sheet.name,
                 {"accepted": accepted, "rows": file.rows, "share": shown_share(accepted, file.rows), "least": least})
    watch.end(f"{file.rows:,} of {file.rows:,} texts · {accepted:,} accepted · took {duration(made.took_s)}")
    if watch.answers:
        with watch.bearing_silence():
            show_run(sheet.key, made, watch.gpus, started.job.settings.monitoring)


def shown_share(part: int, whole: int) -> float:
    """A share as automations compare it."""
    return round(part / whole, 4) if whole else 0.0

"""Briefs to records, as a Prefect flow: the stages of a run in their order, a task for each shard of rows.

`aigc run` calls it where a Prefect API is configured, a deployment without the command line. What the server gets is
names, counts and reason codes: no brief, prompt or text.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
from prefect import State, flow, get_run_logger, runtime, task
from prefect.cache_policies import NO_CACHE
from prefect.settings import get_current_settings
from prefect.states import Cancelled, Completed, Failed
from prefect.utilities.urls import url_for
from pydantic import NonNegativeInt, PositiveInt

from aigc.errors import AigcError, shown
from aigc.provenance import RunFile
from aigc.records import Brief, InvalidRow
from aigc.report import headline
from aigc.runs import Mode, Run
from aigc.settings import Table
from aigc.start import Request, Started, start
from aigc.tally import Tally
from flows.watch import Watch, logs_to_api, own_terminal

_log = logging.getLogger("aigc.flow")


@dataclass
class Caller:
    """Who called the flow in this process: what to tell it on the way, and what came of the run."""

    on_row: Callable[[Tally], None] = lambda _: None
    say: Callable[[str], None] = lambda _: None
    made: tuple[Path, RunFile] | None = None
    """The run's folder and its run.json."""
    error: AigcError | None = None


@dataclass
class _Work:
    """A run of this process and the shard it is at: neither can travel as a task's parameter."""

    run: Run
    shard: list[Brief | InvalidRow] = field(default_factory=list)
    error: AigcError | None = None


_caller: ContextVar[Caller] = ContextVar("_caller")
_works: dict[str, _Work] = {}
"""What this process works at, by run id."""


# No retries, whatever PREFECT_FLOW_DEFAULT_RETRIES says: a Failed that is returned would wait for its retry for ever.
# Calling the flow again goes on where it stopped.
@flow(name="aigc-generate", flow_run_name="{briefs}", retries=0, persist_result=False)
def generate(
    briefs: str,
    out: str | None = None,
    model: str | None = None,
    templates: str | None = None,
    content_type: str | None = None,
    columns: dict[str, str] | None = None,
    variants: PositiveInt | None = None,
    limit: PositiveInt | None = None,
    seed: NonNegativeInt | None = None,
    strict: bool = False,
    mode: Mode = "auto",
    override_policy: str | None = None,
    config: str | None = None,
) -> State[None]:
    """Make a run of a sheet of briefs. What an earlier run of the same sheet made is taken over where it still fits.

    Args:
        briefs: The sheet: .csv .tsv .xlsx .jsonl .parquet. Paths are relative to the flow's working folder.
        out: Folder of the runs. Default: outputs.
        model: Catalogue name, Hugging Face id or local folder.
        templates: Folder of template packs. Default: ./templates.
        content_type: Type of rows that name none.
        columns: The column of the sheet that holds a field, by field.
        variants: Texts for each brief that names no number.
        limit: Only the first rows of the sheet.
        seed: Another seed gives other texts.
        strict: Run nothing if any row is bad.
        mode: Go on with an earlier run where there is one (auto), insist on one (resume), or start afresh (new).
        override_policy: Why the policy is set aside for this run.
        config: Settings file. Default: ./aigc.toml where there is one.
    """
    overrides: dict[str, Table] = {
        "run": _given(
            out=out, model=model, templates=templates, variants=variants, seed=seed, strict=strict or None
        ),
        "input": _given(content_type=content_type, columns=columns),
    }
    return _make(Request(briefs=briefs, config=config or "", overrides=overrides, limit=limit, mode=mode,
                         override_policy=override_policy))


def _given(**settings: object) -> Table:
    """What was given; the rest is left to the environment and aigc.toml."""
    return {name: value for name, value in settings.items() if value is not None}


def _make(request: Request) -> State[None]:
    caller, watch = _caller.get(None) or Caller(), Watch()

    def on_row(tally: Tally) -> None:
        caller.on_row(tally)
        watch.see(tally)

    _announce(caller)
    try:
        with logs_to_api(), start(request, on_row, caller.say) as started:
            file = _shards(started, started.run, watch) if started.run else started.file
            caller.made = started.folder, file
            watch.end(file, started.folder)
    except AigcError as exc:
        # Returned rather than raised: the state's message is then the error's own, and no traceback goes to the log.
        caller.error = exc
        get_run_logger().error(str(exc))
        return Failed(message=str(exc))
    except KeyboardInterrupt:
        if not watch.cancelled:
            raise
        return Cancelled(message="All rows made so far are kept; the same parameters go on from there.")
    return Completed(message=headline(file))


def _announce(caller: Caller) -> None:
    name, url = runtime.flow_run.name, url_for("flow-run", runtime.flow_run.id)
    caller.say(f"Prefect flow run {name}: {url or runtime.flow_run.id}")


def _shards(started: Started, run: Run, watch: Watch) -> RunFile:
    """The run's rows, a task for each shard, then its files."""
    run_id, survey = run.file.run_id, started.survey
    _log.info("run %s: %d good rows, %d bad, %d texts", run_id, survey.briefs, survey.invalid, survey.requests)
    work = _works[run_id] = _Work(run)
    try:
        with watch.looking():
            for shard in started.shards():
                work.shard = shard
                state = generate_shard(run_id, shard[0].row + 1, shard[-1].row + 1, return_state=True)
                if work.error:
                    raise work.error
                state.result()  # raises what was not foreseen
    finally:
        del _works[run_id]
    return run.finish()


# No retries, whatever PREFECT_TASK_DEFAULT_RETRIES says: each row given to a run stands in its results, so a shard must
# be given once. Rows that fail are retried inside the shard; after a shard that fails, the next run goes on.
@task(
    name="generate-shard",
    task_run_name="rows {first}–{last}",
    retries=0,
    cache_policy=NO_CACHE,
    persist_result=False,
)
def generate_shard(run_id: str, first: int, last: int) -> State[None]:
    """Make the records of consecutive rows of the sheet, the shard that this process is at."""
    work = _works[run_id]
    try:
        work.run.generate(work.shard)
    except AigcError as exc:
        work.error = exc
        return Failed(message=str(exc))
    tally = work.run.tally
    _log.info("rows %d to %d done: %d of %d texts, %d accepted", first, last, tally.done, tally.total, tally.accepted)
    return Completed(message=f"{tally.done:,} of {tally.total:,} texts done, {tally.accepted:,} accepted")


def run_flow(request: Request, on_row: Callable[[Tally], None], say: Callable[[str], None]) -> tuple[Path, RunFile]:
    """Run the flow in this process against the configured API. Returns the run's folder and its run.json.

    Raises:
        AigcError: the run's own, as without Prefect, or that the API refuses.
        KeyboardInterrupt: the run was cancelled at the server.
    """
    caller = Caller(on_row, say)
    token = _caller.set(caller)
    try:
        with own_terminal():
            state = generate(**_parameters(request), return_state=True)
    except (httpx.HTTPError, RuntimeError) as exc:  # of Prefect's client: the flow's own errors are in its state
        if caller.made is None:
            raise _refused(exc) from exc
        say("The run is finished, but the Prefect API stopped answering: its page may show the flow as running.")
        return caller.made
    finally:
        _caller.reset(token)
    if caller.error:
        raise caller.error
    if caller.made:
        return caller.made
    if not state.is_cancelled():
        state.result()  # raises what was not foreseen
    raise KeyboardInterrupt


def _parameters(request: Request) -> dict[str, Any]:
    """The flow's parameters for `request`. Settings and parameters share their names; the flow refuses one it lacks."""
    own = _given(briefs=request.briefs, config=request.config or None, limit=request.limit, mode=request.mode,
                 override_policy=request.override_policy)
    return {**own, **{name: value for table in request.overrides.values() for name, value in table.items()}}


def _refused(exc: Exception) -> AigcError:
    cause = exc.__cause__ or exc
    found = shown(cause, 120)
    if isinstance(cause, httpx.HTTPStatusError):
        found = f"HTTP status {cause.response.status_code}"
    address = urlsplit(get_current_settings().api.url or "")
    return AigcError(
        f"Prefect API {address.scheme}://{address.netloc.rpartition('@')[2]}",  # without password and account
        found,
        "an API that takes flow runs",
        "Check the server, and PREFECT_API_KEY or PREFECT_API_AUTH_STRING where it asks for one; "
        "or unset PREFECT_API_URL: a run needs no server.",
    )

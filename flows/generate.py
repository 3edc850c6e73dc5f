"""A sheet of briefs to records, as a Prefect flow.

`aigc run` calls it where a Prefect API is configured, a deployment without the command line.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from prefect import State, flow, runtime
from prefect.settings import get_current_settings
from prefect.states import Completed
from prefect.utilities.urls import url_for

from aigc.errors import AigcError, shown
from aigc.provenance import RunFile
from aigc.start import Request
from aigc.tally import Tally
from flows.ending import ended
from flows.logs import own_terminal
from flows.page import told
from flows.parameters import (
    ALERTS,
    PUBLISHING,
    RUN,
    TRIES,
    Alerts,
    Briefs,
    Publishing,
    RunOptions,
    Tries,
    options_of,
)
from flows.sheet import Sheet, make
from flows.watch import Watch


@dataclass
class Caller:
    """Who called the flow in this process: what to tell it on the way, and what came of the run."""

    on_row: Callable[[Tally], None] = lambda _: None
    say: Callable[[str], None] = lambda _: None
    made: tuple[Path, RunFile] | None = None
    """The run's folder and its run.json."""
    error: AigcError | None = None


_caller: ContextVar[Caller] = ContextVar("_caller")


# No retries, whatever PREFECT_FLOW_DEFAULT_RETRIES says: a Failed that is returned would wait for its retry for ever.
# Calling the flow again goes on where it stopped.
@flow(name="aigc-generate", flow_run_name="{briefs}", retries=0, persist_result=False)
def generate(
    briefs: Briefs,
    run: RunOptions = RUN,
    publishing: Publishing = PUBLISHING,
    tries: Tries = TRIES,
    alerts: Alerts = ALERTS,
) -> State[None]:
    """Make a run of a sheet of briefs. What an earlier run of the same sheet made is taken over where it still fits."""
    caller = _caller.get(None) or Caller()
    sheet = Sheet(run.request(briefs), publishing, tries, alerts, on_row=caller.on_row, say=caller.say)
    _announce(caller)

    def whole(watch: Watch) -> State[None]:
        try:
            made = make(sheet, watch)
        except AigcError as exc:
            caller.error = exc
            raise
        caller.made = made.folder, made.file
        return Completed(message=told(made))

    return ended(whole)


def _announce(caller: Caller) -> None:
    name, url = runtime.flow_run.name, url_for("flow-run", runtime.flow_run.id)
    caller.say(f"Prefect flow run {name}: {url or runtime.flow_run.id}")


def run_flow(request: Request, on_row: Callable[[Tally], None], say: Callable[[str], None]) -> tuple[Path, RunFile]:
    """Run the flow in this process against the configured API. Returns the run's folder and its run.json.

    Raises:
        AigcError: the run's own, as without Prefect, or that the API refuses.
        KeyboardInterrupt: the run was stopped, or cancelled at the server.
    """
    caller = Caller(on_row, say)
    token = _caller.set(caller)
    try:
        with own_terminal():
            state = generate(request.briefs, options_of(request), return_state=True)
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
    if not (state.is_cancelled() or state.is_crashed()):
        state.result()  # raises what was not foreseen
    raise KeyboardInterrupt


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

"""The night: every sheet of a folder that is new or has changed, made, written and published, as one flow run."""

from __future__ import annotations

from pathlib import Path

from prefect import State, flow, get_run_logger, runtime
from prefect.states import Completed, Failed

from aigc.errors import AigcError, writable
from aigc.night import find_sheets, sheet_key
from aigc.report import counted, share
from flows.ending import ended
from flows.page import Made, Missed, show_night
from flows.parameters import (
    NIGHTLY_ALERTS,
    NIGHTLY_TRIES,
    PUBLISHING,
    RUN,
    Alerts,
    Publishing,
    RunOptions,
    Sheets,
    Tries,
)
from flows.sheet import Sheet, make
from flows.watch import Watch


def _name() -> str:
    """`night of 2026-11-28: inputs`, by the time for which it was planned."""
    planned = runtime.flow_run.scheduled_start_time
    return f"night of {planned:%Y-%m-%d}: {runtime.flow_run.parameters.get('sheets', 'inputs')}"


@flow(name="aigc-nightly", flow_run_name=_name, retries=0, persist_result=False)
def nightly(
    sheets: Sheets = "inputs",
    run: RunOptions = RUN,
    publishing: Publishing = PUBLISHING,
    tries: Tries = NIGHTLY_TRIES,
    alerts: Alerts = NIGHTLY_ALERTS,
) -> State[None]:
    """Make every sheet that is new or has changed since it was last made, one after the other, and publish the runs.

    Rows that did not change are taken over from earlier runs. A sheet that fails does not stop the others.
    """
    def whole(watch: Watch) -> State[None]:
        came = list[Made | Missed]()
        for path in find_sheets(sheets):
            came.append(_made(path, Sheet(run.request(str(path)), publishing, tries, alerts,
                                          key=f"-{sheet_key(path)}"), watch))
        if watch.answers:
            with watch.bearing_silence():
                show_night(came)
        return _told(came, sheets)

    return ended(whole)


def _made(path: Path, sheet: Sheet, watch: Watch) -> Made | Missed:
    try:
        return make(sheet, watch)
    except (AigcError, OSError, MemoryError) as exc:
        message = _with_sheet(writable(path), exc)
        get_run_logger().error(message)
        return Missed(writable(path), message)


def _with_sheet(path: str, exc: Exception) -> str:
    """What went wrong, beginning with the sheet: what refuses it may name a model or a disk alone."""
    message = str(exc) if isinstance(exc, AigcError) else f"{type(exc).__name__} {exc}".strip()
    return message if message.startswith(path) else f"{path}: {message}"


def _told(came: list[Made | Missed], sheets: str) -> State[None]:
    missed = [each for each in came if isinstance(each, Missed)]
    if missed:
        others = f"{len(came) - len(missed)} of {counted(len(came), 'sheet')} went well."
        return Failed(message="\n".join([others, *(each.message for each in missed)]))
    made = [each for each in came if isinstance(each, Made)]
    new = [each for each in made if each.is_new]
    if not new:
        found = f"{counted(len(made), 'sheet')} unchanged" if made else f"no sheet in {sheets}"
        return Completed(message=f"Nothing to do: {found}.")
    rows, accepted = sum(each.file.rows for each in new), sum(each.accepted for each in new)
    unchanged = f", {len(made) - len(new)} unchanged" if len(made) > len(new) else ""
    return Completed(message=f"{counted(len(new), 'sheet')} made{unchanged}; "
                             f"{accepted:,} of {counted(rows, 'text')} accepted ({share(accepted, rows)}).")

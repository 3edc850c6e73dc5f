"""Events of a run, which the server's automations wait for: names, counts and reason codes, no text."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import copy_context
from typing import Literal, TypeAlias

from prefect import runtime
from prefect.events import emit_event

OURS = ("aigc-nightly", "aigc-generate")
"""Names of the flows."""
RunEvent: TypeAlias = Literal[
    "started", "finished", "unchanged", "published", "low_acceptance", "failed", "interrupted", "tried_again",
]
ALIVE, OVER = "aigc.flow.alive", "aigc.flow.over"
"""Of a flow run: it lives, and it will say no more."""
ALIVE_EVERY_S = 30.0
AGAIN_S = 0.3
ShardEvent: TypeAlias = Literal["started", "finished", "failed"]
Facts: TypeAlias = dict[str, str | int | float]


def tell_run(what: RunEvent, run_id: str, sheet: str, facts: Facts | None = None) -> None:
    """Send `aigc.run.<what>`; the flow run that it is of is added by Prefect."""
    resource = {"prefect.resource.id": f"aigc.run.{run_id}", "prefect.resource.name": run_id, "aigc.sheet": sheet}
    emit_event(f"aigc.run.{what}", resource, payload={"run": run_id, "sheet": sheet, **(facts or {})})


def tell_shard(what: ShardEvent, run_id: str, first: int, last: int, facts: Facts | None = None) -> None:
    """Send `aigc.shard.<what>` of rows `first` to `last` of a run's sheet."""
    resource = {
        "prefect.resource.id": f"aigc.shard.{run_id}.{first}-{last}",
        "prefect.resource.name": f"rows {first} to {last}",
        "aigc.run": run_id,
    }
    emit_event(f"aigc.shard.{what}", resource, payload={"run": run_id, "first": first, "last": last, **(facts or {})})


@contextmanager
def showing_life() -> Iterator[None]:
    """Tell the server within the block, every `ALIVE_EVERY_S`, that the flow run lives, and at its end that it is over.

    Prefect's own heartbeats are ended by the event of the run's last state, and automations get to see that only after
    those of the states before it, or 15 minutes later. There is none of the first state of a run that the server
    planned by itself, and a server that was started again has seen none. Events of ours follow no other.
    """
    about = {"prefect.resource.id": f"prefect.flow-run.{runtime.flow_run.id}",
             "prefect.resource.name": str(runtime.flow_run.name)}
    over = threading.Event()

    def tell() -> None:
        emit_event(ALIVE, about)
        while not over.wait(ALIVE_EVERY_S):
            emit_event(ALIVE, about)

    # In the context of the flow, by which Prefect adds the flow and the deployment to each event.
    thread = threading.Thread(target=copy_context().run, args=(tell,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()  # so that no sign of life comes after the end
        emit_event(OVER, about)
        # Again: on SQLite the server drops an event that finds its database locked, as it may be while a state is set.
        time.sleep(AGAIN_S)
        emit_event(OVER, about)

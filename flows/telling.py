"""Events of a run, which the server's automations wait for: names, counts and reason codes, no text."""

from __future__ import annotations

from typing import Literal, TypeAlias

from prefect.events import emit_event

OURS = ("aigc-nightly", "aigc-generate")
"""Names of the flows."""
RunEvent: TypeAlias = Literal[
    "started", "finished", "unchanged", "published", "low_acceptance", "failed", "interrupted", "tried_again",
]
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

"""Which runs a server takes for dead: our automation, judged by Prefect's own evaluation of events."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import cast
from uuid import UUID, uuid4

import pytest
from prefect.server.database import provide_database_interface
from prefect.server.events import triggers
from prefect.server.events.models.automations import create_automation
from prefect.server.events.ordering import EventArrivedEarly
from prefect.server.events.schemas.automations import Automation, EventTrigger
from prefect.server.events.schemas.events import ReceivedEvent
from prefect.server.utilities.messaging.memory import Topic
from prefect.settings import PREFECT_HOME, PREFECT_SERVER_DATABASE_CONNECTION_URL, temporary_settings
from prefect.types._datetime import DateTime, now

from aigc.nights_plan import NightsPlan
from flows.automations import automations_of
from flows.telling import ALIVE, OVER

PLAN = NightsPlan(cron="0 2 * * *", timezone="UTC", folder=Path("/srv"))
RUN = f"prefect.flow-run.{uuid4()}"
FLOW = {"prefect.resource.id": f"prefect.flow.{uuid4()}", "prefect.resource.role": "flow",
        "prefect.resource.name": "aigc-nightly"}
HEARTBEAT = "heartbeat"
NEVER = "never told"
TABLES = ("automation", "automation_bucket", "automation_related_resource")


@dataclass(frozen=True)
class Said:
    """An event of the run, and the state whose event it follows."""

    what: str
    follows: str = ""


LIFE = [Said(HEARTBEAT), Said(ALIVE)] * 2
"""Of a run that says that it lives, in Prefect's words and in ours."""


def received(said: Said, ids: dict[str, UUID]) -> ReceivedEvent:
    name = said.what if said.what.startswith("aigc.") else f"prefect.flow-run.{said.what}"
    return ReceivedEvent.model_validate({
        "occurred": now("UTC"), "received": now("UTC"), "event": name,
        "resource": {"prefect.resource.id": RUN}, "related": [FLOW],
        "id": ids.setdefault(said.what, uuid4()) if said.what[0].isupper() else uuid4(),
        "follows": ids.setdefault(said.follows, uuid4()) if said.follows else None,
    })


async def count_actions(told: list[Said]) -> int:
    """How often the server acts on a run of which it is told so, by the time that it would be silent for too long."""
    database, acted = provide_database_interface(), Topic.by_name("actions").subscribe()
    tables = [database.Base.metadata.tables[name] for name in TABLES]
    async with (await database.engine()).begin() as connection:
        await connection.run_sync(database.Base.metadata.create_all, tables=tables)
    triggers.clear_loaded_automations()
    silent, *_ = automations_of(PLAN, uuid4())
    automation = Automation.model_validate(silent.model_dump(exclude={"owner_resource"}))
    async with database.session_context(begin_transaction=True) as session:
        kept: Awaitable[Automation] = create_automation(session, automation)
        triggers.load_automation(await kept)
    ids = dict[str, UUID]()
    for said in told:
        with suppress(EventArrivedEarly):  # Prefect keeps it until it has seen the one before
            await triggers.reactive_evaluation(received(said, ids))
    [trigger] = automation.triggers_of_type(EventTrigger)
    late = now("UTC") + timedelta(seconds=PLAN.silent_after_s + 1)
    await triggers.proactive_evaluation(trigger, cast("DateTime", late))
    return acted._queue.qsize()


BEGUN = [Said("Scheduled"), Said("Pending", "Scheduled"), Said("Running", "Pending"), *LIFE]
ENDED = [Said(OVER), Said("Completed", "Running")]


@pytest.mark.parametrize(("told", "actions"), [
    (BEGUN, 1),
    ([*BEGUN, *ENDED], 0),
    ([*BEGUN, Said("Crashed", "Running")], 0),
    ([*BEGUN, *ENDED, Said("AwaitingRetry", "Completed")], 0),
    ([Said("Pending", NEVER), Said("Running", "Pending"), *LIFE, *ENDED], 0),
    ([*LIFE, Said(OVER), Said("Completed", NEVER)], 0),
], ids=["killed with its worker", "ended", "killed, as its worker tells", "ended and to be tried again",
        "planned by the server a moment before", "begun before the server was started again"])
def test_only_a_run_that_says_no_more_and_has_not_ended_is_taken_for_dead(
    told: list[Said], actions: int, tmp_path: Path
) -> None:
    own = {PREFECT_HOME: tmp_path, PREFECT_SERVER_DATABASE_CONNECTION_URL: f"sqlite+aiosqlite:///{tmp_path}/prefect.db"}
    with temporary_settings(own):
        assert asyncio.run(count_actions(told)) == actions

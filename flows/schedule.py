"""The night set up at a Prefect server: work pool, deployment with its schedule, automations. Again changes them."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import httpx
from prefect import get_client
from prefect.automations import AutomationCore
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    FlowRunFilter,
    FlowRunFilterExpectedStartTime,
)
from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
from prefect.deployments.runner import RunnerDeployment
from prefect.exceptions import ObjectAlreadyExists, PrefectHTTPStatusError
from prefect.runner.storage import LocalStorage
from prefect.schedules import Cron
from prefect.server.schemas.schedules import CronSchedule
from prefect.types.entrypoint import EntrypointType
from prefect.workers.process import ProcessWorker
from pydantic import BaseModel, ValidationError

from aigc.errors import AigcError, UsageError, shown
from aigc.nights_plan import NightsPlan
from flows.automations import automations_of, known_id, told_names
from flows.nightly import nightly
from flows.parameters import Alerts, Publishing, RunOptions, Tries

PLANS_S = 30.0
"""A server plans the runs of a new deployment within five seconds, unless it has much to do."""


@dataclass(frozen=True)
class SetUp:
    """What stands at the server."""

    deployment: str
    next_starts: list[datetime]
    automations: list[str]
    is_planned: bool
    """Whether the server has planned a run: its scheduler can be dead while all else of it works."""


def set_up(plan: NightsPlan) -> SetUp:
    """Make pool, deployment and automations as `plan` has them, or change those that are there.

    Raises:
        UsageError: the cron expression is none, or a block that is to notify is not there.
        AigcError: the server does not take it.
    """
    starts = next_starts(plan.cron, plan.timezone)
    try:
        with get_client(sync_client=True) as client:
            _make_pool(client, plan.pool)
            deployment = _deploy(plan)
            automations = [*automations_of(plan, deployment)]
            for automation in automations:
                _put(client, automation)
            _take_away(client, told_names(plan) - {automation.name for automation in automations})
            is_planned = _is_planned(client, deployment)
    except (httpx.HTTPError, PrefectHTTPStatusError) as exc:
        raise AigcError("Prefect", shown(exc, 160), "a server that takes the plan",
                        "Check that it runs, and that its version is the one installed here.") from exc
    return SetUp(f"{nightly.name}/{plan.name}", starts, [automation.name for automation in automations], is_planned)


def next_starts(cron: str, timezone: str, count: int = 3) -> list[datetime]:
    """When the next nights begin.

    Raises:
        UsageError: `cron` is no cron expression.
    """
    try:
        return asyncio.run(_dates(CronSchedule(cron=cron, timezone=timezone), count))
    except (ValidationError, ValueError) as exc:
        raise UsageError("--cron", shown(cron), "minute, hour, day, month and day of the week",
                         'For two at night: --cron "0 2 * * *".') from exc


async def _dates(schedule: CronSchedule, count: int) -> list[datetime]:
    return [*await schedule.get_dates(count)]


def _make_pool(client: SyncPrefectClient, name: str) -> None:
    try:
        client.create_work_pool(WorkPoolCreate(
            name=name, type="process", base_job_template=ProcessWorker.get_default_base_job_template(),
            description="Runs of aigc, as processes of a worker's machine",
        ))
    except ObjectAlreadyExists:
        found = client.read_work_pool(name).type
        if found != "process":
            raise UsageError("--pool", f"a pool of type {found}", "a pool of type process",
                             "Name another: it is made where it is not there.") from None


def _deploy(plan: NightsPlan) -> UUID:
    publishing = Publishing(folder=plan.publish)
    deployment = RunnerDeployment.from_flow(
        nightly,
        plan.name,
        schedule=Cron(plan.cron, timezone=plan.timezone, slug="nightly"),
        parameters=_plain(sheets=plan.sheets, run=RunOptions(config=plan.config), publishing=publishing,
                          tries=Tries(again=plan.tries_again), alerts=Alerts(least_accepted=plan.least_accepted)),
        concurrency_limit=ConcurrencyLimitConfig(
            limit=1, collision_strategy=ConcurrencyLimitStrategy[plan.collision.upper()]
        ),
        work_pool_name=plan.pool,
        job_variables={"working_dir": str(plan.folder), "env": plan.environment},
        entrypoint_type=EntrypointType.MODULE_PATH,
        description=f"Sheets of {plan.sheets} that are new or have changed, in {plan.folder}",
        tags=["aigc"],
    )
    deployment.storage = LocalStorage(str(plan.folder))  # without it Prefect would copy the folder where it differs
    return known_id(deployment.apply())


def _is_planned(client: SyncPrefectClient, deployment: UUID) -> bool:
    """Wait until the server has planned a run of the deployment, as long as that may take."""
    ours = DeploymentFilter(id=DeploymentFilterId(any_=[deployment]))
    planned = FlowRunFilter(
        expected_start_time=FlowRunFilterExpectedStartTime.model_validate({"after_": datetime.now(UTC)})
    )
    until = time.monotonic() + PLANS_S
    while not client.read_flow_runs(deployment_filter=ours, flow_run_filter=planned, limit=1):
        if time.monotonic() > until:
            return False
        time.sleep(0.5)
    return True


def _plain(**parameters: BaseModel | str) -> dict[str, object]:
    """Parameters as the server keeps them, without what stands at its default."""
    return {name: value if isinstance(value, str) else value.model_dump(mode="json", exclude_defaults=True)
            for name, value in parameters.items()}


def _take_away(client: SyncPrefectClient, names: set[str]) -> None:
    """Of a plan that told somebody and no longer does."""
    for automation in (found for name in names for found in client.read_automations_by_name(name)):
        client.delete_automation(automation.id)


def _put(client: SyncPrefectClient, automation: AutomationCore) -> None:
    there = client.read_automations_by_name(automation.name)
    if there:
        # Of what was left at its default the client sends nothing, not even what kind of action it is.
        whole = AutomationCore.model_validate(automation.model_dump(exclude={"owner_resource"}))
        client.update_automation(there[0].id, whole)
    else:
        client.create_automation(automation)

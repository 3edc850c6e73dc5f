"""What the server does by itself: runs that fell silent are crashed, and people are told of nights that went wrong."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import TypeAlias
from uuid import UUID

from prefect.automations import AutomationCore, CallWebhook, ChangeFlowRunState, EventTrigger, Posture, SendNotification
from prefect.blocks.core import Block
from prefect.blocks.webhook import Webhook
from prefect.client.schemas.objects import StateType
from prefect.types import SecretDict
from pydantic import SecretStr

from aigc.errors import UsageError, shown
from aigc.nights_plan import NightsPlan
from flows.telling import ALIVE, OURS, OVER

_PAYLOAD = """{"text": {{ (%s) | tojson }}}"""
"""What webhooks of Slack, Mattermost and others take."""
_JSON = SecretDict({"Content-Type": "application/json"})
_Labels: TypeAlias = dict[str, str | list[str]]
_ENDED = ("Completed", "Failed", "Cancelled", "Crashed", "TimedOut")


_FAILED, _LATE, _FEW = "failed or crashed", "late", "few accepted"


def told_names(plan: NightsPlan) -> set[str]:
    """Names of the automations by which a plan can tell people."""
    return {_name(plan, what) for what in (_FAILED, _LATE, _FEW)}


def _name(plan: NightsPlan, what: str) -> str:
    return f"aigc {plan.name}: {what}"


def automations_of(plan: NightsPlan, deployment: UUID) -> Iterable[AutomationCore]:
    """What the server does by itself: silent runs are crashed; people are told, where the plan says how."""
    yield _silent(plan)
    if not (plan.webhook or plan.block):
        return
    of_ours: _Labels = {"prefect.resource.role": "deployment",
                        "prefect.resource.id": f"prefect.deployment.{deployment}"}
    runs: _Labels = {"prefect.resource.id": "prefect.flow-run.*"}

    def told(what: str, trigger: EventTrigger, words: str, why: str) -> AutomationCore:
        return AutomationCore(name=_name(plan, what), description=why, trigger=trigger,
                              actions=[_notify(plan, _name(plan, what), words)])

    run = 'flow_run.name ~ ": " ~ (flow_run.state.message or flow_run.state.name) ~ " " ~ (flow_run | ui_url or "")'
    ended = _states("Failed", "Crashed", "TimedOut")
    yield told(_FAILED, EventTrigger(match=runs, match_related=of_ours, expect=ended),
               run, "A night that did not come to its end")
    begun = _states("Pending", "Running", "AwaitingConcurrencySlot", *_ENDED)
    late = EventTrigger(match=runs, match_related=of_ours, after={"prefect.flow-run.Late"}, expect=begun,
                        for_each={"prefect.resource.id"}, posture=Posture.Proactive,
                        within=timedelta(seconds=plan.late_after_s))
    waits = f"a night has not begun {plan.late_after_s:.0f} s after it was due: no worker runs, or all are at work"
    yield told(_LATE, late, f'"{waits}"', "No worker has taken a night that was due")
    low = 'event.payload.run ~ ": " ~ event.payload.accepted ~ " of " ~ event.payload.rows ~ " texts accepted"'
    yield told(_FEW, EventTrigger(match={"prefect.resource.id": "aigc.run.*"}, match_related=of_ours,
                                            expect={"aigc.run.low_acceptance"}),
               low, f"A run with less than {plan.least_accepted:.0%} of its texts accepted")


def _silent(plan: NightsPlan) -> AutomationCore:
    """A run whose process and worker were killed says nothing more, and would stand as Running for ever."""
    return AutomationCore(
        name="aigc: runs that fell silent",
        description="A run that has given no sign of life for so long is dead: it is marked as crashed.",
        trigger=EventTrigger(
            match={"prefect.resource.id": "prefect.flow-run.*"},
            match_related={"prefect.resource.role": "flow", "prefect.resource.name": [*OURS]},
            after={ALIVE}, expect={ALIVE, OVER, *_states(*_ENDED)}, for_each={"prefect.resource.id"},
            posture=Posture.Proactive, within=timedelta(seconds=plan.silent_after_s),
        ),
        actions=[ChangeFlowRunState(
            name=None,
            state=StateType.CRASHED,
            force=False,
            message=f"No sign of life for {plan.silent_after_s:.0f} s. All texts made so far are kept; "
                    "the next run goes on from there.",
        )],
    )


def _notify(plan: NightsPlan, subject: str, words: str) -> CallWebhook | SendNotification:
    if plan.block:
        return SendNotification(block_document_id=_block(plan.block), subject=subject, body=f"{{{{ {words} }}}}")
    block = Webhook(method="POST", url=SecretStr(plan.webhook), headers=_JSON)
    found = block.save(f"aigc-{plan.name}", overwrite=True)
    return CallWebhook(block_document_id=known_id(found), payload=_PAYLOAD % f'"{subject}: " ~ {words}')


def _block(name: str) -> UUID:
    try:
        found = Block.load(name)
    except ValueError as exc:
        raise UsageError("--notify-block", f"no block {shown(name)}", "TYPE/NAME of a notification block",
                         "Make one on the server's page Blocks, or list them: prefect block ls.") from exc
    return known_id(getattr(found, "_block_document_id", None))


def _states(*names: str) -> set[str]:
    """The events of a flow run that comes into one of these states."""
    return {f"prefect.flow-run.{name}" for name in names}


def known_id(found: object) -> UUID:
    """What Prefect's functions return, which are typed as coroutines too, for async flows."""
    if not isinstance(found, UUID):
        raise TypeError(f"{type(found).__name__} where Prefect gives an id")
    return found

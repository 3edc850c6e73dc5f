"""`aigc schedule`: sheets made every night, as a Prefect server plans it. `aigc worker`: what makes them."""

from __future__ import annotations

import json
import os
import shlex
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aigc.nights_plan import Collision, NightsPlan, check_timezone

if TYPE_CHECKING:
    from flows.schedule import SetUp

TRIAL_ROWS = 8
_LEFT = {
    "idle": "No run was in progress.",
    "closed": "The run that was in progress is closed.",
    "killed": "The run that was in progress did not close in time and was killed: its texts are kept.",
}


def schedule(
    cron: Annotated[str, typer.Option("--cron", metavar="CRON", help='When, for example "0 2 * * *": at two.')],
    timezone: Annotated[str, typer.Option("--timezone", metavar="ZONE", help="IANA time zone of the cron expression.")],
    sheets: Annotated[str, typer.Option("--sheets", help="Folder of sheets, or a pattern of their names.")] = "inputs",
    publish: Annotated[
        str | None, typer.Option("--publish", metavar="DIR", help="Folder that accepted texts are copied to.")
    ] = None,
    name: Annotated[str, typer.Option("--name", help="Name of the deployment: several can be made.")] = "nightly",
    pool: Annotated[str, typer.Option("--pool", help="Work pool; it is made where it is not there.")] = "aigc",
    collision: Annotated[
        Collision, typer.Option("--collision", help="What a night does that is due while one runs: wait, or not run.")
    ] = "enqueue",
    tries_again: Annotated[
        int, typer.Option("--tries-again", min=0, max=10, help="Times that a sheet is tried again after an error of "
                                                              "memory, disk or device.")
    ] = 2,
    least_accepted: Annotated[
        float, typer.Option("--least-accepted", min=0.0, max=1.0, help="Tell of runs with a smaller share accepted.")
    ] = 0.5,
    late_after_s: Annotated[
        float, typer.Option("--late-after", metavar="S", min=10.0, help="Tell of nights so many seconds late.")
    ] = 600.0,
    silent_after_s: Annotated[
        float, typer.Option("--silent-after", metavar="S", min=90.0, help="Runs silent for so many seconds are dead.")
    ] = 180.0,
    webhook_variable: Annotated[
        str, typer.Option("--webhook-variable", metavar="NAME", help="Variable that holds a webhook's address.")
    ] = "",
    block: Annotated[
        str, typer.Option("--notify-block", metavar="TYPE/NAME", help="Notification block at the server, instead.")
    ] = "",
    config: Annotated[
        Path | None, typer.Option("--config", help="Settings file. Default: ./aigc.toml where there is one.")
    ] = None,
) -> None:
    """Have every new or changed sheet made at night: makes pool, deployment and automations, or changes them."""
    check_timezone(timezone)
    folder = Path.cwd()
    plan = NightsPlan(
        cron=cron, timezone=timezone, folder=folder, name=name, pool=pool, sheets=sheets, publish=publish,
        config=str(config) if config else None, collision=collision, tries_again=tries_again,
        least_accepted=least_accepted, silent_after_s=silent_after_s, late_after_s=late_after_s,
        webhook=_secret(webhook_variable), block=block,
    )
    _refuse_no_api()
    from flows.schedule import set_up

    _tell(plan, set_up(plan))


def worker(
    pool: Annotated[str, typer.Option("--pool", help="Work pool, as `aigc schedule` made it.")] = "aigc",
    name: Annotated[str, typer.Option("--name", help="Name of the worker on the server's pages.")] = "",
) -> None:
    """Make what the server has planned, one run at a time, until Ctrl-C; the run in progress is closed then."""
    from aigc.prefect_worker import work

    _refuse_no_api()
    previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        typer.echo(f"Stopped. {_LEFT[work(pool, name)]}", err=True)
    except KeyboardInterrupt:  # asked more than twice
        typer.echo("Stopped at once. Texts made so far are kept.", err=True)
    finally:
        signal.signal(signal.SIGTERM, previous)


def _secret(variable: str) -> str:
    from aigc.errors import UsageError, shown

    if not variable:
        return ""
    value = os.environ.get(variable, "")
    if not value.startswith(("https://", "http://")):  # it is not shown: whoever knows it can write there
        found = "no http or https address" if value else "nothing"
        raise UsageError("--webhook-variable", f"{found} in {shown(variable)}", "the address of a webhook",
                         "Put it into that variable: on the command line others could see it.")
    return value


def _refuse_no_api() -> None:
    from aigc.console import refuse_dead_api
    from aigc.errors import AigcError
    from aigc.reach import prefect_api_url

    if not prefect_api_url(os.environ):
        raise AigcError("Prefect", "no server to plan with", "a Prefect API",
                        "Start one with `aigc ui` in this folder, or name one in PREFECT_API_URL.")
    refuse_dead_api()


def _tell(plan: NightsPlan, done: SetUp) -> None:
    typer.echo(f"Deployment {done.deployment}: {plan.sheets} in {plan.folder}")
    for start in done.next_starts:
        typer.echo(f"  {start:%a %Y-%m-%d %H:%M %Z}")
    if not done.is_planned:
        typer.echo("Warning: the server has planned none of them yet. If it never does, its log and `aigc doctor` on "
                   "its machine say why.", err=True)
    typer.echo("The server does by itself:")
    for automation in done.automations:
        typer.echo(f"  {automation}")
    if not (plan.webhook or plan.block):
        typer.echo("  Nobody is told of nights that go wrong: --webhook-variable or --notify-block says whom.")
    prefect = Path(sys.executable).with_name("prefect")
    typer.echo("Runs need a worker. It uses all GPUs of its machine, or those in CUDA_VISIBLE_DEVICES:")
    typer.echo(f"  cd {plan.folder} && {prefect.with_name('aigc')} worker --pool {plan.pool}")
    typer.echo("A run now, as a trial that is not published:")
    typer.echo(f"  {prefect} deployment run {done.deployment} --param run={shlex.quote(_trial(plan))}")
    typer.echo(f"A whole night now{', published' if plan.publish else ''}:")
    typer.echo(f"  {prefect} deployment run {done.deployment}")


def _trial(plan: NightsPlan) -> str:
    """Options of a run of few rows. They take the place of the plan's, so its settings are among them."""
    return json.dumps({"limit": TRIAL_ROWS} | ({"config": plan.config} if plan.config else {}))

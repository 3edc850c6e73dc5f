"""`aigc storage`: runs in shared storage, brought here and taken there by hand."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from aigc.settings import RunSettings

storage_app = typer.Typer(
    no_args_is_help=True, help="Bring a run from shared storage, or take one there again.", rich_markup_mode=None
)
Out = Annotated[
    str | None, typer.Option("--out", help="The storage: s3://BUCKET/FOLDER, gs://BUCKET/FOLDER. Default: as set.")
]
Config = Annotated[
    Path | None, typer.Option("--config", help="Settings file. Default: ./aigc.toml where there is one.")
]


@storage_app.command("list")
def storage_list(out: Out = None, config: Config = None) -> None:
    """List the runs that are there, newest first."""
    from aigc.storage import Place, facts_of

    place = Place(_settings(out, config).publish_to)
    for run_id in place.runs():
        if facts := facts_of(place, run_id):
            typer.echo(f"{run_id}  {facts.status}")


@storage_app.command("pull")
def storage_pull(
    run_name: Annotated[str, typer.Argument(metavar="RUN", help="Name of the run's folder.")],
    out: Out = None,
    config: Config = None,
) -> None:
    """Bring a run: all its files, or its journal where it is not finished. `aigc verify` checks it then."""
    from aigc.storage import Place, bring_run

    settings = _settings(out, config)
    was_here = not bring_run(Place(settings.publish_to), Path(settings.out), run_name)
    typer.echo(f"{Path(settings.out) / run_name}{': nothing newer there' if was_here else ''}")


@storage_app.command("push")
def storage_push(
    run_name: Annotated[str | None, typer.Argument(metavar="[RUN]", help="Run id. Default: the newest.")] = None,
    out: Out = None,
    config: Config = None,
) -> None:
    """Take a finished run and its decisions there: after `aigc judge`, an import, or one made without a copy."""
    from aigc import console
    from aigc.errors import UsageError
    from aigc.review.ledger import LEDGER
    from aigc.runs import find_run
    from aigc.storage import Place, publish

    settings = _settings(out, config)
    folder, file = find_run(Path(settings.out), run_name, console.say)
    if file.status != "finished":
        raise UsageError("RUN", f"{folder.name}, which is {file.status}", "a finished run",
                         "Run its command again: that copies it too.")
    place = Place(settings.publish_to)
    if not publish(place, folder):
        console.say(f"{place.url}/{folder.name}/{LEDGER} has decisions that are not here, and was left as it is. Those "
                    "that were imported here are not there.")
    typer.echo(f"{place.url}/{folder.name}")


def _settings(out: str | None, config: Path | None) -> RunSettings:
    from aigc import console
    from aigc.errors import UsageError
    from aigc.settings_loading import load_settings
    from aigc.start import default_config

    settings = load_settings(config or default_config(), console.overrides(run={"out": out})).run
    if not settings.publish_to:
        raise UsageError("--out", "no shared storage", "its address, such as s3://bucket/folder",
                         "Name it, or set run.publish_to in aigc.toml.")
    return settings

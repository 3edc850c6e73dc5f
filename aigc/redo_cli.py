"""`aigc redo`: texts that editors refused, made again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from aigc.redo import Remade

EXIT_NOT_ALL_ACCEPTED = 3


def redo(
    run_name: Annotated[
        str | None, typer.Argument(metavar="[RUN]", help="Run id or folder. Default: the newest.")
    ] = None,
    override_policy: Annotated[
        str | None, typer.Option("--override-policy", metavar="REASON", help="Set the policy aside, and say why.")
    ] = None,
    out: Annotated[
        str | None, typer.Option("--out", metavar="DIR", help="Folder of the runs. Default: outputs.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option("--config", help="Settings file. Default: ./aigc.toml where there is one.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")] = False,
) -> None:
    """Make the texts again that editors refused, with what they said. All others stay as they are.

    Ends with 3 where a text that was made again is not accepted.
    """
    import signal

    from aigc.console import overrides, say
    from aigc.progress import open_progress
    from aigc.redo import redo as make_again
    from aigc.settings_loading import load_settings
    from aigc.start import default_config

    settings = load_settings(config or default_config(), overrides(run={"out": out}))
    previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with open_progress(quiet=quiet or as_json) as progress:
            made = make_again(run_name, settings, progress, say, override_policy)
    except KeyboardInterrupt:
        say("\naigc: interrupted. All texts made so far are kept: the same command goes on from there.")
        raise
    finally:
        signal.signal(signal.SIGTERM, previous)
    _show(made, as_json=as_json)
    if made.accepted < len(made.opened.redo.again):
        raise typer.Exit(EXIT_NOT_ALL_ACCEPTED)


def _show(made: Remade, *, as_json: bool) -> None:
    import msgspec

    from aigc.console import near, say
    from aigc.errors import writable
    from aigc.report import counted

    opened, refused = made.opened, len(made.opened.redo.again)
    if as_json:
        typer.echo(msgspec.json.encode({
            "redo_of": opened.before.run_id, "refused": refused, "accepted": made.accepted,
            "stale": msgspec.to_builtins(opened.stale), "folder": writable(made.folder) if made.folder else None,
            "run": msgspec.to_builtins(made.file) if made.file else None,
        }).decode())
        return
    for one in opened.stale:
        say(f"{one.brief_id}/{one.variant} ({one.record_id}) has another text than was refused: decide on it again.")
    if made.file is None or made.folder is None:
        typer.echo(f"No text of {opened.before.run_id} stands refused: nothing is made.")
        return
    typer.echo(f"{counted(refused, 'refused text')} of {opened.before.run_id} made again, {made.accepted:,} accepted: "
               f"{near(made.folder)}")
    typer.echo(f"To review: aigc review files {made.file.run_id} --open")

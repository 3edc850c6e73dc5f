"""`aigc keys`: who signs."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aigc.errors import UsageError

if TYPE_CHECKING:
    from aigc.signing import Identity

SOON_DAYS = 30
keys_app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Make a key that signs the files of runs, or show one."
)
Config = Annotated[
    Path | None, typer.Option("--config", help="Settings file. Default: ./aigc.toml where there is one.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]


@keys_app.command("new")
def keys_new(
    name: Annotated[str, typer.Option("--name", help="Who signs. It can be read in every signature.")] = "aigc",
    days: Annotated[int, typer.Option("--days", help="Days that the key may sign.")] = 365,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Folder of the key. Default: signing.identity of settings."),
    ] = None,
    passphrase_variable: Annotated[
        str,
        typer.Option("--passphrase-variable", metavar="NAME", help="Environment variable with a passphrase for it."),
    ] = "",
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Make a key with its certificate, and the anchor that others check signatures by. None is written over."""
    import msgspec

    from aigc.signing import new_identity

    set_folder = _of_settings(config)
    identity = new_identity(out or set_folder, name, days, _passphrase(passphrase_variable))
    if as_json:
        typer.echo(msgspec.json.encode(identity).decode())
        return
    typer.echo(f"{identity.folder}: signs as {identity.name}, until {identity.valid_until[:10]}.")
    typer.echo(f"  key.pem          the secret key{_lock(identity)}. Whoever has it signs as you: keep it to yourself.")
    typer.echo("  certificate.pem  goes into every signature.")
    typer.echo("  anchor.pem       give this to whoever checks them, by a way they trust. Its fingerprint, to compare:")
    typer.echo(f"                   {identity.anchor_fingerprint}")
    typer.echo("Sign runs with it: enabled = true under [signing] in aigc.toml"
               + ("." if out in (None, set_folder) else f", and identity = \"{identity.folder}\"."))


@keys_app.command("show")
def keys_show(
    folder: Annotated[
        Path | None, typer.Argument(metavar="DIR", help="Folder of the key. Default: signing.identity of settings.")
    ] = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Show who signs with a key, until when, and the fingerprint of its anchor."""
    import msgspec

    from aigc.signing import show_identity

    identity = show_identity(folder or _of_settings(config))
    if as_json:
        typer.echo(msgspec.json.encode(identity).decode())
        return
    typer.echo(f"{identity.folder}: signs as {identity.name}, {_span(identity)}.")
    typer.echo(f"  key          {identity.scheme}, secret{_lock(identity)}")
    typer.echo(f"  certificate  {identity.fingerprint}")
    typer.echo(f"  anchor       {identity.anchor_fingerprint}")


def _of_settings(config: Path | None) -> Path:
    """The folder of the key that runs under these settings sign with."""
    from aigc.settings_loading import load_settings
    from aigc.start import default_config

    return Path(load_settings(config or default_config(), {}).signing.identity)


def _passphrase(variable: str) -> str:
    if variable and not os.environ.get(variable):
        raise UsageError("--passphrase-variable", f"{variable}, which is not set", "a variable with a passphrase",
                         "Set it, or leave the option out for a key without one.")
    return os.environ[variable] if variable else ""


def _lock(identity: Identity) -> str:
    return ", behind its passphrase" if identity.has_passphrase else ", without a passphrase"


def _span(identity: Identity) -> str:
    """`until 2027-11-28`, with what there is to do about it."""
    left_days = (datetime.fromisoformat(identity.valid_until) - datetime.now(UTC)).days
    day = identity.valid_until[:10]
    if left_days < 0:
        return f"which it could until {day}: make another, aigc keys new --out DIR"
    more = f", which is in {left_days} days: make another, aigc keys new --out DIR" if left_days <= SOON_DAYS else ""
    return f"until {day}{more}"

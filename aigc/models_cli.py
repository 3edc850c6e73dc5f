"""`aigc models`: the catalogue, and what of it is on this machine."""

from __future__ import annotations

from typing import Annotated

import typer

models_app = typer.Typer(
    no_args_is_help=False, help="List the models of the catalogue, or fetch one.", rich_markup_mode=None
)


@models_app.callback(invoke_without_command=True)
def models_root(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        models_list()


@models_app.command("list")
def models_list() -> None:
    """List the catalogue and what is on this machine."""
    from aigc import console

    console.show_models()


@models_app.command("pull")
def models_pull(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A catalogue name or Hugging Face id.")] = "",
) -> None:
    """Fetch a model, check it, and convert it where needed. Default: the default model."""
    from aigc import models
    from aigc.settings import DEFAULT_MODEL

    models.pull(name or DEFAULT_MODEL, report=lambda line: typer.echo(line, err=True))

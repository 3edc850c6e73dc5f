"""`aigc ui`: a Prefect server for this folder, on which its runs can be watched."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Annotated

import typer


def ui(
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="Port of the pages and the API.")] = 4200,
    host: Annotated[
        str, typer.Option("--host", help="Address to listen at. Whoever reaches it can start and stop runs.")
    ] = "127.0.0.1",
) -> None:
    """Start a Prefect server, and have the runs of this folder show there until Ctrl-C."""
    from aigc.prefect_server import HOME, serve
    from aigc.reach import examine_plans

    def ready(url: str) -> None:
        plans = examine_plans({"PREFECT_API_URL": url})
        if plans.status == "problem":
            typer.echo(f"Warning: {plans.found}. {plans.remedy}", err=True)
        typer.echo(f"Prefect's pages: {url.removesuffix('/api')}")
        typer.echo(f"Runs of this folder show there while this runs. Its data and log are in {HOME}. Ctrl-C ends it.")

    previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
    typer.echo("Starting the server: about ten seconds, more the first time.", err=True)
    try:
        serve(Path.cwd(), host, port, ready)
    except KeyboardInterrupt:
        typer.echo("Stopped.", err=True)
    finally:
        signal.signal(signal.SIGTERM, previous)

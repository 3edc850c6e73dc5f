"""What `aigc judge` shows."""

from __future__ import annotations

from pathlib import Path

import typer

from aigc.console import overrides, say, show_result
from aigc.progress import open_progress
from aigc.provenance import RunFile
from aigc.records import NOT_MADE
from aigc.rejudge import changes, rejudge
from aigc.settings import load_settings
from aigc.start import default_config


def judge(
    run_name: str | None, out: str | None, config: Path | None, *, as_json: bool, quiet: bool
) -> RunFile:
    """Judge a run's texts again, and show what came of it. Returns the new run's run.json."""
    settings = load_settings(config or default_config(), overrides(run={"out": out}))
    with open_progress(quiet=quiet or as_json) as progress:
        folder, file, before = rejudge(run_name, settings, progress, say)
    show_result(folder, file, as_json=as_json)
    if not as_json:
        found = changes(before, file)
        typer.echo(f"Compared with {before.run_id}: " + (", ".join(found) if found else "the same outcomes") + ".")
        if short := sum(file.reasons.get(NOT_MADE, {}).values()):
            typer.echo(f"{short:,} fall short of what is asked now: `aigc run` with the same settings makes the rest.")
    return file

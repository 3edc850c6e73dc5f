"""What `aigc judge` shows."""

from __future__ import annotations

import signal
from pathlib import Path

import typer

from aigc.console import overrides, say, show_result
from aigc.progress import open_progress
from aigc.provenance import RunFile
from aigc.records import NOT_MADE
from aigc.rejudge import changes, rejudge
from aigc.settings_loading import load_settings
from aigc.start import default_config


def judge(
    run_name: str | None, out: str | None, config: Path | None, *, as_json: bool, quiet: bool
) -> RunFile:
    """Judge a run's texts again, and show what came of it. Returns the new run's run.json. SIGTERM is as Ctrl-C."""
    settings = load_settings(config or default_config(), overrides(run={"out": out}))
    previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with open_progress(quiet=quiet or as_json) as progress:
            folder, file, before = rejudge(run_name, settings, progress, say)
    except KeyboardInterrupt:
        say("\naigc: interrupted. The run whose texts were judged is as it was: the same command goes on from there.")
        raise
    finally:
        signal.signal(signal.SIGTERM, previous)
    show_result(folder, file, as_json=as_json)
    if not as_json:
        found = changes(before, file)
        typer.echo(f"Compared with {before.run_id}: " + (", ".join(found) if found else "the same outcomes") + ".")
        if short := sum(file.reasons.get(NOT_MADE, {}).values()):
            typer.echo(f"{short:,} fall short of what is asked now: `aigc run` with the same settings makes the rest.")
    return file

"""What the commands show, and how they start the work: the side of the command line that imports it."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import textwrap
from collections.abc import Mapping
from itertools import islice
from pathlib import Path

import msgspec
import typer

from aigc.batch import BatchOrder, BatchSummary, run_batch
from aigc.disk import holder_of
from aigc.doctor import examine
from aigc.errors import AigcError, StoreError, UsageError, ascii_controls, shown, writable
from aigc.models import catalogue, installed
from aigc.progress import open_progress
from aigc.provenance import RunFile
from aigc.reach import examine_prefect, prefect_api_url
from aigc.records import Value
from aigc.report import counted, duration, expected, headline, outcome_lines, spent, this_session
from aigc.runs import find_run
from aigc.sessions import together
from aigc.settings_loading import load_settings
from aigc.settings_reading import Table
from aigc.start import Request, default_config, start
from aigc.store import LOCK, Store

LANGUAGES_SHOWN = 2
EXCERPT_LINES = 8
LOOKED_AT = 20
"""Accepted texts among which one without flags is looked for, to be shown."""
FIRST_WIDE = "\u1100"


def overrides(**tables: Mapping[str, object]) -> dict[str, Table]:
    """The options that were given, as tables of settings; an option that was not given sets nothing."""
    given = {
        name: {key: value for key, value in table.items() if value not in (None, {})} for name, table in tables.items()
    }
    return {name: table for name, table in given.items() if table}


def mapping(pairs: list[str]) -> dict[str, str]:
    """`field=column` options as a table."""
    columns = {}
    for pair in pairs:
        field, equals, column = pair.partition("=")
        if not (field.strip() and equals and column.strip()):
            raise UsageError("--map", shown(pair), "FIELD=COLUMN", "For example --map product=Title.")
        columns[field.strip()] = column.strip()
    return columns


def run(request: Request, *, quiet: bool) -> tuple[Path, RunFile]:
    """Make a run; returns its folder and run.json. A Prefect flow where an API is configured, else straight."""
    with open_progress(quiet=quiet) as progress:
        if prefect_api_url(os.environ):
            refuse_strange_name(request)
            refuse_dead_api()
            from flows.generate import run_flow

            return run_flow(request, progress, say)
        with start(request, progress, say) as started:
            if started.file.forecast and started.run and not quiet:
                price = started.job.settings.monitoring.price_per_gpu_hour
                say(expected(started.file.forecast, price))
            if started.run is None:
                return started.folder, started.file
            started.run.generate(started.job.rows())
            return started.folder, started.run.finish()


def batch(order: BatchOrder, *, quiet: bool) -> BatchSummary:
    """Answer a batch file. SIGTERM stops it as Ctrl-C does."""
    previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with open_progress(quiet=quiet) as progress:
            return run_batch(order, progress, say)
    finally:
        signal.signal(signal.SIGTERM, previous)


def show_batch(done: BatchSummary, *, as_json: bool) -> None:
    if as_json:
        typer.echo(msgspec.json.encode(done).decode())
        return
    counts = done.request_counts
    speed = f", {counted(done.tokens_out, 'token')} in {duration(done.elapsed_s)}" if done.tokens_out else ""
    before = f"; {done.made_before:,} answered before" if done.made_before else ""
    typer.echo(f"{counts.completed:,} of {counted(counts.total, 'request')} answered{speed}{before}.")
    for code, count in counts.codes.items():
        typer.echo(f"  {counted(count, 'error')}: {code}")
    typer.echo(f"Results: {done.output}" + (f", errors: {done.errors}" if done.errors else ""))


def refuse_dead_api() -> None:
    """Raise AigcError where the Prefect API does not answer: at once, where Prefect would take its time."""
    finding = examine_prefect(os.environ)
    if finding.status == "problem":
        raise AigcError("Prefect", finding.found, "a Prefect API", finding.remedy)


def refuse_strange_name(request: Request) -> None:
    """Raise UsageError for a path that is not UTF-8: Prefect keeps a flow's parameters as JSON."""
    for place, path in (("BRIEFS", request.briefs), ("--config", request.config)):
        if writable(path) != path:
            raise UsageError(place, f"{path}, a name that is not UTF-8", "a name that Prefect can keep",
                             "Rename the file, or unset PREFECT_API_URL.")


def say(line: str) -> None:
    """Write a line to stderr, above the progress bar where there is one: typer.echo would write across it."""
    sys.stderr.write(f"{line}\n")


def show_result(folder: Path, file: RunFile, *, as_json: bool) -> None:
    if as_json:
        typer.echo(msgspec.json.encode({"folder": writable(folder), **msgspec.to_builtins(file)}).decode())
        return
    if file.status != "finished":
        _show_unfinished(folder, file)
        return
    typer.echo(headline(file))
    if session := this_session(file):
        typer.echo(session)
    for line in outcome_lines(file):
        typer.echo(f"  {line}")
    typer.echo(f"Results: {near(folder)}")
    for output in file.outputs:
        typer.echo(f"  {output.path:<16} {counted(output.rows or 0, 'text')}")
    typer.echo("  report.md        what happened, by type and reason")
    if (folder / "review.html").is_file():
        typer.echo("  review.html      open it in a browser: read, correct, approve, refuse")


def _show_unfinished(folder: Path, file: RunFile) -> None:
    """How far a run came, and how to go on. One that was killed says `running` still, but nobody holds its lock."""
    holder = holder_of(folder / LOCK) if file.status == "running" else ""
    is_over = file.status == "running" and not holder
    status = "stopped without closing" if is_over else f"running, by {holder}" if holder else file.status
    remedy = "" if holder else " The command that started it, without --new, goes on from there."
    typer.echo(f"{file.run_id}: {status}.{remedy}")
    typer.echo(f"  sheet {file.briefs}" + (f", --limit {file.limit}" if file.limit else ""))
    try:
        typer.echo(f"  so far {_so_far(folder, file)}")
    except StoreError as exc:
        typer.echo(f"  {exc}")
    ended = [session for session in file.sessions if session.ended]
    if (took := together(ended)).tokens_out:
        made = counted(sum(session.texts for session in ended), "text")
        typer.echo(f"  {'made' if ended == file.sessions else 'before the latest session'} {made}, {spent(took)}")


def _so_far(folder: Path, file: RunFile) -> str:
    """`34 of 44 texts, 10 of them taken over`, by the journal, which has every text that is done."""
    with Store.read(folder) as store:
        done = {(row.brief_id, row.variant): row.taken_from for row in store.bodies(_Settled) if row.outcome}
    over = sum(of not in ("", folder.name) for of in done.values())
    # an older version told how many are wanted at the end alone
    far = f"{len(done):,} of {counted(file.rows, 'text')}" if file.rows else counted(len(done), "text")
    return far + (f", {over:,} of them taken over" if over else "")


class _Settled(Value, frozen=True):
    """Of a line of a journal: a row, where it has an outcome, else an attempt at one."""

    brief_id: str
    variant: int
    outcome: str = ""
    taken_from: str = ""


def show_one(folder: Path, file: RunFile) -> None:
    """An accepted text, in short, to whoever looks on: counts alone do not say what was made."""
    accepted = folder / "accepted.jsonl"
    if not sys.stdout.isatty() or file.settings.engine.name == "scripted" or not accepted.is_file():
        return
    with accepted.open("rb") as lines:
        rows = [msgspec.json.decode(line, type=_Accepted) for line in islice(lines, LOOKED_AT)]
    if not rows:
        return
    one = next((row for row in rows if not row.flags), rows[0])
    typer.echo(f"One of them, {ascii_controls(one.id)}:")
    for line in _excerpt(one.text):
        typer.echo(f"  {line}")


class _Accepted(msgspec.Struct):
    """Of a line of accepted.jsonl."""

    id: str
    text: str
    flags: list[str] = []


def _excerpt(text: str) -> list[str]:
    """The first lines of a text, none wider than the terminal; Chinese characters take two columns."""
    width = shutil.get_terminal_size().columns - 2
    lines = [part for line in text.splitlines()[:EXCERPT_LINES] if line.strip()
             for part in textwrap.wrap(ascii_controls(line), width // 2 if max(line) >= FIRST_WIDE else width)]
    return [*lines[:EXCERPT_LINES], *(["…"] if len(lines) > EXCERPT_LINES else [])]


def near(path: Path) -> str:
    """A path as a person here would write it: from the working folder on where it lies in it."""
    here = Path.cwd()
    return writable(path.relative_to(here) if path.is_relative_to(here) else path)


def show_run(name: str | None, out: str | None, config: Path | None, *, as_json: bool) -> None:
    """Show run `name`, else the newest under `out`, which the settings name where it is not given."""
    settings = load_settings(config or default_config(), overrides(run={"out": out}))
    folder, file = find_run(Path(settings.run.out), name, say)
    show_result(folder, file, as_json=as_json)


def show_models() -> None:
    here = {model.name: model for model in installed()}
    for name, model in catalogue().items():
        state = (
            ("here" if not here[name].problem else f"damaged: {here[name].problem}") if name in here else "not fetched"
        )
        more = len(model.languages) - LANGUAGES_SHOWN
        languages = ", ".join(model.languages[:LANGUAGES_SHOWN]) + (f" and {more} more" if more > 0 else "")
        typer.echo(f"{name:<36} {state:<12} {model.licence:<11} {languages}")
    typer.echo("\nAny Hugging Face id or local folder of safetensors works too: --model.")


def show_findings(config: Path | None, *, as_json: bool) -> bool:
    """Show what doctor finds. True where something is a problem."""
    findings = examine(load_settings(config or default_config(), {}))
    if as_json:
        typer.echo(msgspec.json.encode(findings).decode())
    else:
        marks = {"ok": "ok     ", "warn": "warning", "problem": "PROBLEM"}
        for finding in findings:
            typer.echo(f"{marks[finding.status]} {finding.name}: {finding.found}")
            if finding.remedy:
                typer.echo(f"        → {finding.remedy}")
    return any(finding.status == "problem" for finding in findings)

"""What the commands show, and how they start the work: the side of the command line that imports it."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from pathlib import Path

import msgspec
import typer

from aigc.doctor import examine, prefect_api_url
from aigc.errors import UsageError
from aigc.job import Job, Survey, templates_folder
from aigc.models import catalogue, installed
from aigc.packs import load_packs
from aigc.progress import open_progress
from aigc.prompts import render
from aigc.provenance import RunFile
from aigc.records import Brief
from aigc.report import headline, outcome_lines
from aigc.settings import Table, load_settings
from aigc.start import Request, default_config, open_job, start

ERRORS_SHOWN = 40
CHARS_PER_TOKEN = 4.2
"""Of English prompts, measured on the shipped templates with the default model's tokenizer."""


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
            raise UsageError("--map", f"'{pair}'", "FIELD=COLUMN", "For example --map product=Title.")
        columns[field.strip()] = column.strip()
    return columns


def run(request: Request, *, quiet: bool) -> RunFile:
    """Make a run: as a Prefect flow where an API is configured, straight where none is. SIGTERM stops it as Ctrl-C does."""
    import os

    previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with open_progress(quiet=quiet) as progress:
            if prefect_api_url(os.environ):
                from flows.generate import run_flow

                return run_flow(request, progress, say)
            with start(request, progress, say) as started:
                warn_of_bad_rows(started.survey)
                if started.run is None:
                    say(f"Nothing to do: {started.file.run_id} already holds these results. --new makes them again.")
                    return started.file
                started.run.generate(started.job.rows())
                return started.run.finish()
    finally:
        signal.signal(signal.SIGTERM, previous)


def say(line: str) -> None:
    typer.echo(line, err=True)


def warn_of_bad_rows(survey: Survey) -> None:
    """Name the bad rows before the good ones run."""
    if not survey.invalid:
        return
    for error in survey.errors[:ERRORS_SHOWN]:
        say(error.message)
    if survey.error_count > ERRORS_SHOWN:
        say(f"… and {survey.error_count - ERRORS_SHOWN:,} more; `aigc check` counts them, rejected.csv will list them.")
    say(f"{survey.invalid:,} bad rows stand in the results as invalid; {survey.briefs:,} good rows run.")


def show_result(folder: Path, file: RunFile, *, as_json: bool) -> None:
    if as_json:
        typer.echo(msgspec.json.encode({"folder": str(folder), **msgspec.to_builtins(file)}).decode())
        return
    if file.status != "finished":
        typer.echo(f"{file.run_id}: {file.status}. The same command goes on from there: aigc run {file.briefs}")
        return
    typer.echo(headline(file))
    for line in outcome_lines(file):
        typer.echo(f"  {line}")
    typer.echo(f"Results: {folder}")
    for output in file.outputs:
        typer.echo(f"  {output.path:<16} {output.rows:,} rows")
    typer.echo("  report.md        what happened, by type and reason")


def survey(request: Request) -> Survey:
    return open_job(request).survey()


def show_survey(briefs: Path, found: Survey, *, as_json: bool) -> None:
    if as_json:
        typer.echo(msgspec.json.encode(found).decode())
        return
    for error in found.errors:
        typer.echo(error.message)
    if found.error_count > len(found.errors):
        typer.echo(f"… and {found.error_count - len(found.errors):,} more errors.")
    typer.echo(f"{briefs}: {found.briefs:,} good rows, {found.invalid:,} bad, {found.skipped:,} left out.")
    for name, count in found.types.items():
        typer.echo(f"  {name:<22} {count:,} texts")


def dry_run(request: Request, *, as_json: bool) -> None:
    """Render every prompt of the sheet and say what a run would take."""
    job = open_job(request)
    found = job.survey()
    tokens_in = tokens_out = 0
    for row in job.rows():
        if isinstance(row, Brief):
            characters = sum(len(message.content) for message in render(row, job.packs))
            tokens_in += round(characters / CHARS_PER_TOKEN) * row.variants
            tokens_out += job.sampling(row).max_new_tokens * row.variants
    if as_json:
        facts = {"survey": found, "prompt_tokens_about": tokens_in, "answer_tokens_at_most": tokens_out}
        typer.echo(msgspec.json.encode(facts).decode())
        return
    show_survey(Path(request.briefs), found, as_json=False)
    typer.echo(
        f"About {tokens_in:,} prompt tokens; at most {tokens_out:,} answer tokens before retries. Nothing was written."
    )


def preview(request: Request, row: int, *, as_json: bool) -> None:
    job: Job = open_job(request)
    for number, found in enumerate(job.rows(), 1):
        if number < row:
            continue
        if not isinstance(found, Brief):
            raise UsageError(
                f"{request.briefs} row {row}",
                "a bad row: " + " ".join(e.message for e in found.errors),
                "a good one",
                "Correct it, or preview another row.",
            )
        messages = render(found, job.packs)
        schema = job.packs[found.content_type].type.json_schema(found.language)
        if as_json:
            typer.echo(
                msgspec.json.encode(
                    {
                        "id": found.id,
                        "messages": messages,
                        "sampling": job.sampling(found),
                        "json_schema": msgspec.Raw(schema.encode()) if schema else None,
                    }
                ).decode()
            )
            return
        for message in messages:
            typer.echo(f"--- {message.role} ---\n{message.content}\n")
        typer.echo(
            f"--- answer: {job.packs[found.content_type].type.output.format}, "
            f"at most {job.sampling(found).max_new_tokens} tokens ---"
        )
        return
    raise UsageError("--row", str(row), "a row of the sheet", "Count from 1, without the heading and rows left out.")


def show_types(templates: str, name: str | None) -> None:
    packs = load_packs(templates_folder(templates))
    if name is None:
        for known, pack in packs.items():
            typer.echo(f"{known:<22} {', '.join(pack.type.languages):<8} {pack.type.summary}")
        typer.echo("\naigc types TYPE shows a type's fields.")
        return
    if name not in packs:
        raise UsageError("TYPE", f"'{name}'", "one of " + ", ".join(packs), "Correct the name.")
    kind = packs[name].type
    typer.echo(f"{kind.title}: {kind.summary}\n\nColumns of the sheet:")
    for field, spec in kind.fields.items():
        typer.echo(f"  {field:<18} {spec.type:<8} {'required' if spec.required else 'optional'}  {spec.help}")
    typer.echo(f"\nOutput: {kind.output.format}")
    for field, part in kind.output.fields.items():
        typer.echo(f"  {field:<18} {part.type}")


def show_models() -> None:
    here = {model.name: model for model in installed()}
    for name, model in catalogue().items():
        state = (
            ("here" if not here[name].problem else f"damaged: {here[name].problem}") if name in here else "not fetched"
        )
        typer.echo(f"{name:<34} {state:<12} {model.licence:<12} {', '.join(model.languages)}")
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

"""What the commands show, and how they start the work: the side of the command line that imports it."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
import typer

from aigc.batch import BatchOrder, BatchSummary, run_batch
from aigc.content import help_for
from aigc.doctor import examine, examine_prefect, prefect_api_url
from aigc.errors import AigcError, TemplateError, UsageError, nearest, shown, writable
from aigc.job import Job, Survey, templates_folder
from aigc.models import catalogue, installed
from aigc.packs import load_packs
from aigc.policy import refusal
from aigc.progress import open_progress
from aigc.provenance import RunFile
from aigc.records import Brief, RowError
from aigc.report import counted, duration, headline, outcome_lines
from aigc.runs import find_run
from aigc.settings import Table, load_settings
from aigc.start import Request, default_config, open_job, start

LANGUAGES_SHOWN = 2
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
            raise UsageError("--map", shown(pair), "FIELD=COLUMN", "For example --map product=Title.")
        columns[field.strip()] = column.strip()
    return columns


def run(request: Request, *, quiet: bool) -> tuple[Path, RunFile]:
    """Make a run; returns its folder and run.json. A Prefect flow where an API is configured, else straight.

    SIGTERM stops it as Ctrl-C does.
    """
    previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with open_progress(quiet=quiet) as progress:
            if prefect_api_url(os.environ):
                refuse_strange_name(request)
                refuse_dead_api()
                from flows.generate import run_flow

                return run_flow(request, progress, say)
            with start(request, progress, say) as started:
                if started.run is None:
                    return started.folder, started.file
                started.run.generate(started.job.rows())
                return started.folder, started.run.finish()
    finally:
        signal.signal(signal.SIGTERM, previous)


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
    speed = f", {done.tokens_out:,} tokens in {duration(done.elapsed_s)}" if done.tokens_out else ""
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
        typer.echo(f"{file.run_id}: {file.status}. The command that started it, without --new, goes on from there.")
        typer.echo(f"  sheet {file.briefs}" + (f", --limit {file.limit}" if file.limit else ""))
        return
    typer.echo(headline(file))
    for line in outcome_lines(file):
        typer.echo(f"  {line}")
    typer.echo(f"Results: {writable(folder)}")
    for output in file.outputs:
        typer.echo(f"  {output.path:<16} {counted(output.rows or 0, 'row')}")
    typer.echo("  report.md        what happened, by type and reason")


def check(request: Request, *, as_json: bool) -> Survey:
    """Survey the sheet, showing each error as it is met: a sheet may have millions."""
    job = open_job(request)
    if as_json:
        found = job.survey()
        typer.echo(msgspec.json.encode(found).decode())
    else:
        found = job.survey(_show_error)
        show_counts(request.briefs, found, job.sheet.unused_headings)
        show_objections(job, found)
    return found


def _show_error(error: RowError) -> None:
    typer.echo(error.message)


def show_counts(briefs: str, found: Survey, unused: Sequence[str]) -> None:
    left_out = f", {found.skipped:,} left out" if found.skipped else ""
    typer.echo(f"{writable(briefs)}: {counted(found.briefs, 'good row')}, {found.invalid:,} bad{left_out}.")
    if found.languages:
        typer.echo(f"Languages: {', '.join(found.languages)}. Columns not used: {', '.join(unused) or 'none'}.")
    width = max(map(len, found.types), default=0)
    for name, count in found.types.items():
        typer.echo(f"  {name:<{width}}  {counted(count, 'text'):>9}")


def show_objections(job: Job, found: Survey) -> None:
    """What the policy would say to a run of this sheet."""
    if against := job.objections(found):
        typer.echo(f"The policy does not allow this run. {refusal(job.settings.policy, against)}")


def dry_run(request: Request, *, as_json: bool) -> None:
    """Render every prompt of the sheet and say what a run would take."""
    job = open_job(request)
    found = job.survey() if as_json else job.survey(_show_error)
    tokens_in = tokens_out = 0
    failed = list[str]()
    for row in (row for row in job.rows() if isinstance(row, Brief)):
        try:
            characters = sum(len(message.content) for message in job.messages(row))
        except TemplateError as exc:
            failed.append(str(exc))
            continue
        tokens_in += round(characters / CHARS_PER_TOKEN) * row.variants
        tokens_out += job.sampling(row).max_new_tokens * row.variants
    if as_json:
        facts = {
            "survey": found,
            "unrenderable": failed,
            "prompt_tokens_about": tokens_in,
            "answer_tokens_at_most": tokens_out,
        }
        typer.echo(msgspec.json.encode(facts).decode())
        return
    for message in failed:
        typer.echo(message)
    show_counts(request.briefs, found, job.sheet.unused_headings)
    show_objections(job, found)
    typer.echo(
        f"About {tokens_in:,} prompt tokens; at most {tokens_out:,} answer tokens before retries. Nothing was written."
    )


def preview(request: Request, row: int, *, as_json: bool) -> None:
    job: Job = open_job(request)
    number = 0
    for number, found in enumerate(job.rows(), 1):
        if number < row:
            continue
        if not isinstance(found, Brief):
            for error in found.errors:
                say(error.message)
            raise UsageError("--row", f"{row}, a row with errors", "one without", "Correct it, or preview another row.")
        messages = job.messages(found)
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
    raise UsageError("--row", str(row), f"1 to {number:,}", "Count from 1, without the heading and rows left out.")


def show_run(name: str | None, out: str | None, config: Path | None, *, as_json: bool) -> None:
    """Show run `name`, else the newest under `out`, which the settings name where it is not given."""
    settings = load_settings(config or default_config(), overrides(run={"out": out}))
    folder, file = find_run(Path(settings.run.out), name, say)
    show_result(folder, file, as_json=as_json)


def show_types(name: str | None, templates: str | None, config: Path | None) -> None:
    settings = load_settings(config or default_config(), overrides(run={"templates": templates}))
    packs = load_packs(templates_folder(settings.run.templates))
    if name is None:
        for known, pack in packs.items():
            typer.echo(f"{known:<20} {', '.join(pack.type.languages):<7} {pack.type.summary}")
        typer.echo("\naigc types TYPE shows a type's fields.")
        return
    if name not in packs:
        raise UsageError("TYPE", shown(name), f"one of {', '.join(packs)}", f"Correct it.{nearest(name, [*packs])}")
    kind = packs[name].type
    typer.echo(f"{kind.title}: {kind.summary}\n\nColumns of the sheet:")
    for field, spec in kind.fields.items():
        typer.echo(f"  {field:<18} {spec.type:<8} {'required' if spec.required else 'optional'}  {spec.help}")
    typer.echo(f"\nOutput: {kind.output.format}")
    for field, part in kind.output.fields.items():
        typer.echo(f"  {field:<18} {part.type:<8} {help_for(part.help, kind.languages[0])}")


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

"""What the commands show that read and generate nothing: a sheet checked, a dry run, one row's prompt, the types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
import typer

from aigc.console import overrides, say
from aigc.content import FieldSpec, help_for
from aigc.dialogue import lines_of
from aigc.earlier import own_runs
from aigc.errors import TemplateError, UsageError, nearest, shown, writable
from aigc.job import Job, Survey, templates_folder
from aigc.outlook import left_to_make, outlook
from aigc.packs import load_packs
from aigc.panel import find_models, open_panel, open_published
from aigc.policy import Objection, refusal, settled
from aigc.probe import foretold, probe
from aigc.provenance import now
from aigc.records import Brief
from aigc.report import counted, expected
from aigc.runs import find_earlier
from aigc.settings_loading import load_settings
from aigc.sheets.columns import BUILT_IN
from aigc.start import Request, ToldErrors, default_config, find_model, model_here, open_job, refuse_bad_rows
from aigc.tally import Forecast

_NO_FORECAST = (
    "How long it takes cannot be told: no run with this model has finished here. --probe makes some texts first, about "
    "half a minute long, and tells from them."
)
CHARS_PER_TOKEN = 4.2
"""Of English prompts, measured on the shipped templates with the default model's tokenizer."""
_MEANING = {
    "id": "Stays with the row in the results; unique.",
    "content_type": "Name or title of a type; not needed where --content-type names one for all rows.",
    "language": "Of the text: en, zh, English, 中文. Blank: input.language, else the type's first.",
    "variants": "How many texts for this brief.",
    "tone": "How it should sound.",
    "audience": "Who reads it.",
    "keywords": "Each must occur in the text.",
    "must_not_mention": "None may occur in the text.",
    "min_words": "The least words; in Chinese and Japanese, characters.",
    "max_words": "The most words; in Chinese and Japanese, characters.",
}
"""Of the columns that every content type has."""


def check(request: Request, *, as_json: bool) -> bool:
    """Survey the sheet, showing each error as it is met: a sheet may have millions.

    True where nothing stands against a run: no bad row, and no objection of the policy.
    """
    job = open_job(request)
    found = job.survey() if as_json else job.survey(ToldErrors(typer.echo))
    against = job.objections(found)
    if as_json:
        typer.echo(msgspec.json.encode({**msgspec.to_builtins(found), "objections": against}).decode())
    else:
        _show_counts(request.briefs, found, job.sheet.unused_headings)
        _show_objections(job, against)
    return not found.invalid and not against


def dry_run(request: Request, *, probing: bool, as_json: bool) -> bool:
    """Render every prompt of the sheet and say what a run would take. True where the policy allows that run.

    `probing` makes some rows to tell from, unless the policy stands against it.
    """
    job = open_job(request)
    found = job.survey() if as_json else job.survey(ToldErrors(typer.echo))
    against = _against(job, found, request)
    tokens_in, tokens_out, failed = _rendered(job)
    forecast = _probed(job, found) if probing and not against else _forecast(job, found)
    if as_json:
        facts = {
            "survey": found,
            "unrenderable": failed,
            "objections": against,
            "prompt_tokens_about": tokens_in,
            "answer_tokens_at_most": tokens_out,
            "forecast": forecast,
        }
        typer.echo(msgspec.json.encode(facts).decode())
        return not against
    for message in failed:
        typer.echo(message)
    _show_counts(request.briefs, found, job.sheet.unused_headings)
    _show_objections(job, against)
    typer.echo(
        f"About {tokens_in:,} prompt tokens; at most {tokens_out:,} answer tokens before retries. Nothing was written."
    )
    typer.echo(expected(forecast, job.settings.monitoring.price_per_gpu_hour) if forecast else _NO_FORECAST)
    return not against


def _forecast(job: Job, found: Survey) -> Forecast | None:
    """What a run would take by earlier ones; the model is looked for here, and not fetched."""
    model = model_here(job.settings)
    if model is None:
        return None
    find_models(job, found.types)
    with open_published(job, own_runs(job)):
        return outlook(job, found.types, model, find_earlier(job, "auto"))


def _probed(job: Job, found: Survey) -> Forecast:
    """What a run would take by some of its rows, which are made for that. A model that is not here is fetched.

    Raises:
        AigcError: nothing can be made.
    """
    refuse_bad_rows(job.sheet, found, strict=False)
    model = find_model(job.settings, found.languages, say)
    readers = find_models(job, found.types, say)
    with open_published(job, own_runs(job), say) as published:
        left, taken_over = left_to_make(job, found.types, model, find_earlier(job, "auto"))
        if not any(left.values()):
            return Forecast(rows=0, taken_over=taken_over, texts=0, tokens_out=0, seconds=0.0, accepted=0,
                            basis="what is there already")
        say("Making some texts to tell from: about half a minute, after the model is loaded.")
        with open_panel(job, model, readers, published) as panel:
            return foretold(probe(job, found.briefs, model, panel.judges), job, left, taken_over)


def _against(job: Job, found: Survey, request: Request) -> list[Objection]:
    """What the policy would say to a run; nothing where it is to be set aside, and may be."""
    against = job.objections(found)
    if request.override_policy is not None:
        settled(job.settings.policy, against, request.override_policy, now())
        return []
    return against


def _rendered(job: Job) -> tuple[int, int, list[str]]:
    """About how many tokens all prompts have, how many all answers can have, and why some cannot be rendered."""
    tokens_in = tokens_out = 0
    failed = list[str]()
    for row in (row for row in job.rows() if isinstance(row, Brief)):
        try:
            characters = sum(len(message.content) for message in job.messages(row))
        except TemplateError as exc:
            failed.append(str(exc))
            continue
        tokens_in += round(characters / CHARS_PER_TOKEN) * row.variants
        answers = row.variants * lines_of(row, job.packs[row.content_type].type.output)
        tokens_out += job.sampling(row).max_new_tokens * answers
    return tokens_in, tokens_out, failed


def _show_counts(briefs: str, found: Survey, unused: Sequence[str]) -> None:
    left_out = f", {found.skipped:,} left out" if found.skipped else ""
    typer.echo(f"{writable(briefs)}: {counted(found.briefs, 'good brief')}, {found.invalid:,} bad{left_out}.")
    languages = f"Languages: {', '.join(found.languages)}. " if found.languages else ""
    if found.languages or unused:
        typer.echo(f"{languages}Columns not used: {', '.join(unused) or 'none'}.")
    width = max(map(len, found.types), default=0)
    for name, count in found.types.items():
        typer.echo(f"  {name:<{width}}  {counted(count, 'text'):>9}")


def _show_objections(job: Job, against: list[Objection]) -> None:
    if against:
        typer.echo(f"The policy does not allow this run. {refusal(job.settings.policy, against)}")


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
    _show_columns(kind.fields)
    typer.echo("\nColumns that every type has:")
    _show_columns({
        name: msgspec.structs.replace(spec, help=_MEANING[name], required=name == "content_type")
        for name, spec in BUILT_IN.items()
    })
    typer.echo(f"\nOutput: {kind.output.format}")
    for field, part in kind.output.fields.items():
        typer.echo(f"  {field:<18} {part.type:<8} {help_for(part.help, kind.languages[0])}")


def _show_columns(fields: Mapping[str, FieldSpec]) -> None:
    for field, spec in fields.items():
        typer.echo(f"  {field:<18} {spec.type:<8} {'required' if spec.required else 'optional'}  {spec.help}")

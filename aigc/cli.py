"""The command line. Each command parses, calls one thing, and shows what came of it; the work is elsewhere.

Exit codes: 0 all rows accepted or requests answered, 1 error, 2 usage, 3 finished with some that were not,
130 interrupted.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aigc import __version__, chat_cli, history_cli, publishing_cli, redo_cli, report_cli, trust_cli, tuning_cli
from aigc.commands import Sections, Whole
from aigc.corpus_cli import corpus_app
from aigc.errors import AigcError
from aigc.keys_cli import keys_app
from aigc.labels_cli import label_app
from aigc.models_cli import models_app
from aigc.review_cli import review_app
from aigc.schedule_cli import schedule, worker
from aigc.storage_cli import storage_app
from aigc.ui_cli import ui
from aigc.watermark_cli import watermark_app

if TYPE_CHECKING:
    from aigc.runs import Mode
    from aigc.start import Request

EXIT_NOT_ALL_ACCEPTED, EXIT_INTERRUPTED = 3, 130

app = typer.Typer(
    name="aigc",
    cls=Sections,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Sheets of content briefs in, reviewed and traceable content out.",
    epilog="Start with `aigc init my-project`; `aigc COMMAND --help` tells all of a command.",
)
for _group, _name in (
    (models_app, "models"), (corpus_app, "corpus"), (label_app, "label"), (watermark_app, "watermark"),
    (keys_app, "keys"), (review_app, "review"), (storage_app, "storage"),
):
    app.add_typer(_group, name=_name, cls=Whole)
for _command in (
    chat_cli.chat, history_cli.history, ui, schedule, worker, trust_cli.verify, trust_cli.trace, trust_cli.reproduce,
    trust_cli.forget, redo_cli.redo, report_cli.report, publishing_cli.export, tuning_cli.dataset, tuning_cli.finetune,
):
    app.command()(_command)

Briefs = Annotated[
    Path, typer.Argument(metavar="BRIEFS", help="The sheet: .csv .tsv .xlsx .jsonl .parquet, or a folder of Parquet.")
]
Config = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", help="Settings file. Default: ./aigc.toml, if there is one.")
]
Out = Annotated[str | None, typer.Option("--out", metavar="DIR", help="Folder of the runs. Default: outputs.")]
Templates = Annotated[
    str | None, typer.Option("--templates", metavar="DIR", help="Folder of template packs. Default: ./templates.")
]
ContentTypeName = Annotated[
    str | None, typer.Option("--content-type", metavar="TYPE", help="Type of rows that name none.")
]
Mapped = Annotated[
    list[str] | None, typer.Option("--map", metavar="FIELD=COLUMN", help="Column that holds a field; repeat for more.")
]
Reason = Annotated[
    str | None, typer.Option("--override-policy", metavar="REASON", help="Set the policy aside, and say why.")
]
Limit = Annotated[
    int | None, typer.Option("--limit", metavar="N", min=1, help="Only the first N rows of the sheet.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")]


def main() -> None:
    """The `aigc` program: errors as one message, exit codes as the module says."""
    try:
        app(prog_name="aigc")
    except AigcError as exc:
        raise SystemExit(_told(exc)) from None
    except OSError as exc:  # of a path that was given: stages name the file themselves where they write
        place, found = str(exc.filename or "a file"), exc.strerror or type(exc).__name__
        raise SystemExit(_told(AigcError(place, found, "a path that can be used", "Check it and its disk."))) from exc
    except KeyboardInterrupt:
        raise SystemExit(EXIT_INTERRUPTED) from None


def _told(exc: AigcError) -> int:
    sys.stderr.write(f"aigc: {exc}\n")
    return exc.exit_code


def _version(show: bool) -> None:
    if show:
        typer.echo(f"aigc {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


@app.command()
def run(
    briefs: Briefs,
    limit: Limit = None,
    model: Annotated[
        str | None,
        typer.Option("--model", metavar="NAME", help="Catalogue name, Hugging Face id, folder, GGUF, or a server's."),
    ] = None,
    variants: Annotated[
        int | None, typer.Option("--variants", metavar="N", min=1, help="Texts for each brief that names no number.")
    ] = None,
    content_type: ContentTypeName = None,
    columns: Mapped = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Render every prompt, generate and write nothing.")
    ] = False,
    probe: Annotated[
        bool, typer.Option("--probe", help="As --dry-run, but make some texts first, to tell how long all take.")
    ] = False,
    resume: Annotated[
        bool | None, typer.Option("--resume/--new", help="Insist on going on with an earlier run, or start afresh.")
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", metavar="N", min=0, help="Another one, other texts.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Run nothing if any row is bad.")] = False,
    out: Out = None,
    templates: Templates = None,
    config: Config = None,
    adapter: Annotated[
        str | None, typer.Option("--adapter", metavar="DIR", help="Folder of a LoRA to merge into the model.")
    ] = None,
    on: Annotated[str | None, typer.Option("--on", metavar="local|ray", help="Where the model runs.")] = None,
    address: Annotated[
        str | None, typer.Option("--address", metavar="ADDRESS", help="The Ray cluster: auto, local or HOST:PORT.")
    ] = None,
    override_policy: Reason = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Generate content for every row of BRIEFS. The same command goes on where a stopped run left off."""
    from aigc import console, console_sheet
    from aigc.start import Request

    overrides = console.overrides(
        run={"out": out, "model": model, "templates": templates, "variants": variants, "seed": seed,
             "strict": strict or None},
        input={"content_type": content_type, "columns": console.mapping(columns or [])},
        engine={"adapter": adapter, "on": on, "ray_address": address},
    )
    mode: Mode = "auto" if resume is None else ("resume" if resume else "new")
    request = Request(briefs=str(briefs), config=str(config or ""), overrides=overrides, limit=limit, mode=mode,
                      override_policy=override_policy)
    if dry_run or probe:
        raise typer.Exit(0 if console_sheet.dry_run(request, probing=probe, as_json=as_json) else 1)
    with _interruptible():
        folder, file = console.run(request, quiet=quiet or as_json)
        console.show_result(folder, file, as_json=as_json)
        if not as_json:
            console.show_one(folder, file)
    if file.outcomes.get("accepted", 0) < file.rows:
        raise typer.Exit(EXIT_NOT_ALL_ACCEPTED)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Tell what is kept where the block is stopped. SIGTERM stops it as Ctrl-C does, until its end is told too."""
    previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        kept = "All texts made so far are kept: the same command, without --new, goes on from there."
        sys.stderr.write(f"\naigc: interrupted. {kept}\n")
        raise typer.Exit(EXIT_INTERRUPTED) from None
    finally:
        signal.signal(signal.SIGTERM, previous)


@app.command()
def batch(
    requests: Annotated[Path, typer.Argument(metavar="REQUESTS", help="A file of OpenAI batch requests (.jsonl).")],
    output: Annotated[Path, typer.Option("--output", "-o", help="File of the results (.jsonl), made when all are in.")],
    errors: Annotated[
        Path | None, typer.Option("--errors", help="File for failed requests. Default: among the results.")
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", help="Catalogue name, Hugging Face id, local folder, or a server's name.")
    ] = None,
    names: Annotated[
        list[str] | None,
        typer.Option("--served-model-name", help="Name that requests give the model; repeat for more."),
    ] = None,
    config: Config = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Answer a file of OpenAI chat completion requests. The same command goes on where a stopped one left off."""
    from aigc import console
    from aigc.batch import BatchOrder

    order = BatchOrder(
        requests=requests,
        output=output,
        errors=errors,
        config=config,
        overrides=console.overrides(run={"model": model}),
        names=names or [],
    )
    try:
        done = console.batch(order, quiet=quiet or as_json)
    except KeyboardInterrupt:
        kept = "All answers made so far are kept: the same command goes on from there."
        sys.stderr.write(f"\naigc: interrupted. {kept}\n")
        raise typer.Exit(EXIT_INTERRUPTED) from None
    console.show_batch(done, as_json=as_json)
    if done.request_counts.failed:
        raise typer.Exit(EXIT_NOT_ALL_ACCEPTED)


@app.command()
def check(
    briefs: Briefs,
    templates: Templates = None,
    content_type: ContentTypeName = None,
    columns: Mapped = None,
    limit: Limit = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Read all of BRIEFS; report every bad row and what the policy has against a run. Generates nothing."""
    from aigc import console_sheet

    request = _reading(briefs, templates, content_type, columns, limit, config)
    raise typer.Exit(0 if console_sheet.check(request, as_json=as_json) else 1)


@app.command()
def preview(
    briefs: Briefs,
    row: Annotated[int, typer.Option("--row", min=1, help="Which row of the sheet, counted from 1.")] = 1,
    templates: Templates = None,
    content_type: ContentTypeName = None,
    columns: Mapped = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Print the exact messages that the model would get for one row."""
    from aigc import console_sheet

    console_sheet.preview(_reading(briefs, templates, content_type, columns, None, config), row, as_json=as_json)


def _reading(
    briefs: Path,
    templates: str | None,
    content_type: str | None,
    columns: list[str] | None,
    limit: int | None,
    config: Path | None,
) -> Request:
    """What the commands that only read a sheet are asked for."""
    from aigc import console
    from aigc.start import Request

    overrides = console.overrides(
        run={"templates": templates}, input={"content_type": content_type, "columns": console.mapping(columns or [])}
    )
    return Request(briefs=str(briefs), config=str(config or ""), overrides=overrides, limit=limit)


@app.command()
def types(
    name: Annotated[str | None, typer.Argument(metavar="[TYPE]", help="Show the fields of one type.")] = None,
    templates: Templates = None,
    config: Config = None,
) -> None:
    """List the content types, or the fields of one."""
    from aigc import console_sheet

    console_sheet.show_types(name, templates, config)


@app.command()
def show(
    run_name: Annotated[
        str | None, typer.Argument(metavar="[RUN]", help="Run id or folder. Default: the newest.")
    ] = None,
    out: Out = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Summarise a run."""
    from aigc import console

    console.show_run(run_name, out, config, as_json=as_json)


@app.command()
def judge(
    run_name: Annotated[
        str | None, typer.Argument(metavar="[RUN]", help="Run id or folder. Default: the newest.")
    ] = None,
    out: Out = None,
    config: Config = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Judge the texts of a run again under today's settings, into a run beside it. Makes no text."""
    from aigc import console_judge

    file = console_judge.judge(run_name, out, config, as_json=as_json, quiet=quiet)
    if file.outcomes.get("accepted", 0) < file.rows:
        raise typer.Exit(EXIT_NOT_ALL_ACCEPTED)


@app.command()
def init(folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new or empty folder.")]) -> None:
    """Lay out a new project: templates, example briefs and aigc.toml."""
    from aigc.project import lay_out

    for line in lay_out(folder):
        typer.echo(line)


@app.command()
def doctor(config: Config = None, as_json: AsJson = False) -> None:
    """Say what is wrong with this machine, and the remedy."""
    from aigc import console

    if console.show_findings(config, as_json=as_json):
        raise typer.Exit(1)

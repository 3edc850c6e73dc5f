"""`aigc review`: files for editors out, their decisions in, and how far they have come."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from aigc.review.reviewable import Reviewable
    from aigc.review.standing import Standing
    from aigc.review.words import Language

    Rows = Callable[[], Iterable[Reviewable]]
    Write = Callable[[Path, str, Rows, Mapping[str, Standing], Language], Path]

EXIT_SOME_REPORTED = 3

review_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Give a run's texts to editors, and take their decisions back.",
)
RunName = Annotated[str | None, typer.Argument(metavar="[RUN]", help="Run id or folder. Default: the newest.")]
Out = Annotated[str | None, typer.Option("--out", metavar="DIR", help="Folder of the runs. Default: outputs.")]
Config = Annotated[
    Path | None, typer.Option("--config", help="Settings file. Default: ./aigc.toml where there is one.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]


class Format(StrEnum):
    XLSX = "xlsx"
    CSV = "csv"
    HTML = "html"


class Words(StrEnum):
    EN = "en"
    ZH = "zh"


@review_app.command("files")
def review_files(
    run_name: RunName = None,
    formats: Annotated[
        list[Format] | None, typer.Option("--format", help="Only this one; repeat for more. Default: all.")
    ] = None,
    language: Annotated[
        Words | None, typer.Option("--language", help="Of headings and choices. Default: that of most texts.")
    ] = None,
    only_open: Annotated[bool, typer.Option("--open", help="Only texts without a decision, or in conflict.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Also a file with decisions not imported.")] = False,
    out: Out = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Write the files in which editors read a run's texts and decide, into the run's folder."""
    import msgspec

    from aigc.decided import read_decided
    from aigc.report import counted
    from aigc.review.reviewable import reviewables
    from aigc.review.words import language_of

    folder, run_id = _run(run_name, out, config)
    standing = read_decided(folder).standing()
    decided = {record_id for record_id, stands in standing.items() if stands.state != "in_conflict"}

    def rows() -> Iterable[Reviewable]:
        return (row for row in reviewables(folder) if not (only_open and row.record.record_id in decided))

    writers = _writers()
    wanted = formats or list(writers)
    if not overwrite:
        _refuse_unsaved(folder, run_id, [*wanted])
    words: Language = language.value if language else language_of(row.record.language for row in rows())
    written = [writers[kind](folder, run_id, rows, standing, words) for kind in wanted]
    count = sum(1 for _ in rows())
    if as_json:
        facts = {"run_id": run_id, "language": words, "texts": count, "files": [str(path) for path in written]}
        typer.echo(msgspec.json.encode(facts).decode())
        return
    for path in written:
        typer.echo(f"{path}")
    typer.echo(f"{counted(count, 'text')} to review. What comes back: aigc review import {run_id} FILE")


@review_app.command("import")
def review_import(
    run_name: Annotated[str, typer.Argument(metavar="RUN", help="Run id or folder.")],
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="What an editor sent: the page's .jsonl, .xlsx, or CSV.")
    ],
    editor: Annotated[
        str, typer.Option("--editor", metavar="NAME", help="Who decided, where the file does not say.")
    ] = "",
    final: Annotated[
        bool, typer.Option("--final", help="They are the final word, whatever others said before: a chief editor's.")
    ] = False,
    out: Out = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Take an editor's decisions into the run. Ends with 3 where some rows are reported; all good ones are taken."""
    import msgspec

    from aigc.console_review import import_lines, say_lines
    from aigc.decided import read_decided
    from aigc.review_sheet.returned import import_file

    folder, run_id = _run(run_name, out, config)
    earlier = [decision for decision in read_decided(folder).decisions if decision.run_id != run_id]
    taken = import_file(folder, run_id, file, editor.strip(), final=final, earlier=earlier)
    if as_json:
        typer.echo(msgspec.json.encode(taken).decode())
    else:
        say_lines(import_lines(taken))
    if taken.problems:
        raise typer.Exit(EXIT_SOME_REPORTED)


@review_app.command("status")
def review_status(
    run_name: RunName = None, out: Out = None, config: Config = None, as_json: AsJson = False
) -> None:
    """Say how far a run's review has come, who decided what, where editors differ, and how far they agree."""
    import msgspec

    from aigc.console_review import say_lines, status_lines
    from aigc.decided import read_decided
    from aigc.review.reviewable import reviewables
    from aigc.review.status import status_of

    folder, run_id = _run(run_name, out, config)
    status = status_of(run_id, (row.original for row in reviewables(folder)), read_decided(folder))
    if as_json:
        typer.echo(msgspec.json.encode({**msgspec.to_builtins(status), "done": status.done}).decode())
        return
    say_lines(status_lines(status))


def _writers() -> dict[Format, Write]:
    from aigc.review_sheet.delimited import write_csv
    from aigc.review_sheet.workbook import write_workbook

    return {Format.XLSX: write_workbook, Format.CSV: write_csv, Format.HTML: _write_html}


def _write_html(
    folder: Path, run_id: str, rows: Rows, standing: Mapping[str, Standing], language: Language
) -> Path:
    from aigc.review_page import write_review_html

    return write_review_html(folder, rows(), standing, language)[0]


def _refuse_unsaved(folder: Path, run_id: str, formats: list[Format]) -> None:
    """Raise UsageError where a file that would be written over has an editor's work in it."""
    from aigc.decided import read_decided
    from aigc.errors import ReviewError, UsageError
    from aigc.review.intake import open_reviewed
    from aigc.review_sheet.returned import has_unsaved_work

    there = [path for kind in formats if (path := folder / f"review.{kind.value}").exists() and kind in _SHEETS]
    reviewed = open_reviewed(folder, run_id) if there else None
    for path in there:
        try:
            unsaved = reviewed is not None and has_unsaved_work(path, reviewed, read_decided(folder))
        except ReviewError:
            unsaved = True
        if unsaved:
            raise UsageError(str(path), "decisions that were not imported", "a file without any",
                             f"Import it (aigc review import {run_id} {path}), move it away, or give --overwrite.")


_SHEETS = (Format.XLSX, Format.CSV)
"""Files that decisions are written into, and that are read back themselves."""


def _run(name: str | None, out: str | None, config: Path | None) -> tuple[Path, str]:
    """The folder and id of a finished run."""
    from aigc.console import overrides
    from aigc.errors import UsageError
    from aigc.runs import find_run
    from aigc.settings_loading import load_settings
    from aigc.start import default_config

    runs = Path(load_settings(config or default_config(), overrides(run={"out": out})).run.out)
    folder, file = find_run(runs, name, lambda line: typer.echo(line, err=True))
    if file.status != "finished":
        raise UsageError("RUN", f"{file.run_id}, which is {file.status}", "a finished run",
                         "Finish it first: the command that started it goes on.")
    return folder, file.run_id

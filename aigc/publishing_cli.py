"""`aigc export`: approved texts, or accepted ones, in files for readers."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aigc.publishing.exporting import Format, Issued
    from aigc.publishing.values import Statement

EXIT_APPROVED_LEFT_OUT = 3
SHOWN = 50
SHOWN_BRIEFS = 5
_OTHERS = {"open": "undecided", "rejected": "rejected by editors", "not_accepted": "not accepted by filters",
           "no_text": "without a text", "forgotten": "forgotten"}


class FormatName(StrEnum):
    CSV = "csv"
    JSONL = "jsonl"
    PARQUET = "parquet"
    MARKDOWN = "markdown"
    DOCX = "docx"
    XLSX = "xlsx"


def export(
    run_name: Annotated[
        str | None, typer.Argument(metavar="[RUN]", help="Run id or folder. Default: the newest.")
    ] = None,
    approved: Annotated[
        bool, typer.Option("--approved", help="What editors approved, with their edits, and nothing else.")
    ] = False,
    formats: Annotated[
        list[FormatName] | None, typer.Option("--format", help="A form of the texts; repeat for more. Default: jsonl.")
    ] = None,
    to: Annotated[
        Path | None, typer.Option("--to", metavar="DIR", help="Folder of the export. Default: one in the run's own.")
    ] = None,
    out: Annotated[
        str | None, typer.Option("--out", metavar="DIR", help="Folder of the runs. Default: outputs.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option("--config", help="Settings file. Default: ./aigc.toml where there is one.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False,
) -> None:
    """Write texts for readers, with their labels. Ends with 3 where one that an editor approved was left out."""
    import msgspec

    from aigc.console import overrides, say
    from aigc.publishing.exporting import Order, export_texts
    from aigc.runs import find_finished
    from aigc.settings_loading import load_settings
    from aigc.start import default_config

    settings = load_settings(config or default_config(), overrides(run={"out": out}))
    folder, _ = find_finished(Path(settings.run.out), run_name, say)
    wanted: list[Format] = [name.value for name in formats or [FormatName.JSONL]]
    issued = export_texts(
        Order(folder=folder, kind="approved" if approved else "accepted", formats=wanted, to=to), settings)
    for line in _warnings(issued):
        say(line)
    if as_json:
        typer.echo(msgspec.json.encode({"approved_left_out": issued.lacks_approved,
                                        **msgspec.to_builtins(issued)}).decode())
    else:
        for line in _lines(issued):
            typer.echo(line)
    if issued.lacks_approved:
        raise typer.Exit(EXIT_APPROVED_LEFT_OUT)


def _lines(issued: Issued) -> Iterator[str]:
    from aigc.errors import ascii_controls
    from aigc.report import counted

    told, left_out = issued.statement, issued.left_out
    yield from (ascii_controls(one.message) for one in left_out[:SHOWN])
    if len(left_out) > SHOWN:
        yield f"… and {len(left_out) - SHOWN:,} more: --json has all."
    if issued.too_long:
        noun = "text is" if issued.too_long == 1 else "texts are"
        yield f"{issued.too_long:,} {noun} too long for a cell, and cut there: export them as jsonl too."
    if all(file.path.endswith((".csv", ".csv.c2pa")) for file in told.files):
        yield "CSV has no place for the hidden label: hand on another format with it, where one is needed."
    edited = f", {told.edited:,} of them edited" if told.edited else ""
    yield f"{counted(told.texts, f'{told.selection} text')}{edited}{_rest(told)}: {issued.folder}"


def _rest(told: Statement) -> str:
    """What became of every other row, in words that follow the number of texts; nothing where there is none."""
    codes = ", ".join(f"{code} {count:,}" for code, count in told.left_out.items())
    left = [f"{sum(told.left_out.values()):,} left out ({codes})"] if codes else []
    left += [f"{count:,} {_OTHERS[name]}" for name, count in told.others.items()]
    return f", of {told.rows:,} rows; {', '.join(left)}" if left else ""


def _warnings(issued: Issued) -> Iterator[str]:
    """What whoever publishes the texts should know first."""
    from aigc.errors import ascii_controls

    if issued.several:
        shown = ", ".join(f"{one.brief_id} ({one.texts})" for one in issued.several[:SHOWN_BRIEFS])
        more = len(issued.several) - SHOWN_BRIEFS
        yield (f"{_briefs(len(issued.several))} more than one approved text, and all of them are in it: "
               f"{ascii_controls(shown)}{f' and {more:,} more' if more > 0 else ''}. To publish one of each, reject "
               "the others: decide again, import, export.")
    if issued.unseen:
        noun = "text that nobody decided on has" if issued.unseen == 1 else "texts that nobody decided on have"
        yield (f"{issued.unseen:,} {noun} no visible label. Where they inform the public on matters of public "
               "interest, the EU's AI Act asks for one unless people review them and somebody answers for them: set "
               'labels.visible = "on", or have them approved.')


def _briefs(count: int) -> str:
    return "1 brief has" if count == 1 else f"{count:,} briefs have"

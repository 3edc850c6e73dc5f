"""`aigc label`: the labels that files carry."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from aigc.labels.found import Found
    from aigc.labels.regimes import Demand, Regime

REGIMES: tuple[Regime, ...] = ("cn", "eu", "c2pa")
_STATUS = {"met": "there", "missing": "MISSING", "not_needed": "not needed", "ask": "ask"}
_TITLES = {
    "cn": "cn: China, GB 45438-2025", "eu": "eu: AI Act, Article 50, and its Code of Practice",
    "c2pa": "c2pa: Content Credentials",
}

label_app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Look at the labels that say that a file's texts are made by AI."
)


@label_app.callback()
def label_root() -> None:
    """Look at the labels that say that a file's texts are made by AI."""


@label_app.command("check")
def label_check(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A .parquet, .jsonl, .md, .xlsx, .docx or .csv file.")
    ],
    regimes: Annotated[
        list[str] | None, typer.Option("--regime", help="Whose demands: cn, eu or c2pa; repeat for more. Default: all.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False,
) -> None:
    """Read a file's labels back, and say what is missing. Exit code 0: nothing; 1: something, or it is damaged."""
    import msgspec

    from aigc.labels.carriers import read_label
    from aigc.labels.hidden import label_fields
    from aigc.labels.regimes import demands

    wanted = _wanted(regimes or [])
    found = read_label(file)
    asked = demands(found, file, wanted)
    if as_json:
        label = label_fields(found.label) if found.label else None
        typer.echo(msgspec.json.encode({"file": str(file), "label": label, "found": found, "demands": asked}).decode())
    else:
        _show(file, found, asked)
    if any(demand.status == "missing" for demand in asked):
        raise typer.Exit(1)


def _wanted(given: list[str]) -> list[Regime]:
    from aigc.errors import UsageError, nearest, shown

    if strange := next((name for name in given if name not in REGIMES), None):
        raise UsageError("--regime", shown(strange), "one of " + ", ".join(REGIMES),
                         f"Correct it.{nearest(strange, [*REGIMES])}")
    return [name for name in REGIMES if name in given or not given]


def _show(file: Path, found: Found, asked: list[Demand]) -> None:
    from aigc.errors import ascii_controls
    from aigc.labels.hidden import label_fields

    if found.label:
        first = "  (the first)" if found.labelled > 1 else ""
        typer.echo(f"{file}: {found.carrier}{first}")
        for name, value in label_fields(found.label).items():
            typer.echo(f"  {name:<18}{ascii_controls(value) or '-'}")
    else:
        typer.echo(f"{file}: no hidden label that can be read")
    regime = ""
    for demand in asked:
        if demand.regime != regime:
            regime = demand.regime
            typer.echo(f"\n{_TITLES[regime]}")
        typer.echo(f"  {_STATUS[demand.status]:<11}{demand.name} ({demand.clause}): {demand.found}")
        if demand.remedy:
            typer.echo(f"  {'':<11}{demand.remedy}")

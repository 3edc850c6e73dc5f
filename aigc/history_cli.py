"""`aigc history`: the nights so far, a line each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from aigc.history import Night
    from aigc.sessions import Spent

MOST_NIGHTS = 30
Out = Annotated[str | None, typer.Option("--out", metavar="DIR", help="Folder of the runs. Default: outputs.")]
Config = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="Settings file. Default: ./aigc.toml where there is one."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]


def history(
    last: Annotated[int, typer.Option("--last", metavar="N", min=1, help="So many nights.")] = MOST_NIGHTS,
    price: Annotated[
        float | None,
        typer.Option("--price", metavar="X", min=0.0, help="Of a GPU hour. Default: monitoring.price_per_gpu_hour."),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option("--plot", metavar="FILE", help="Draw the trends: .png, .svg, .pdf, or .html.")
    ] = None,
    out: Out = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """List finished runs: texts, acceptance, speed, time against what was expected, and cost."""
    import msgspec

    from aigc.console import overrides, say
    from aigc.history import nights
    from aigc.settings_loading import load_settings
    from aigc.start import default_config

    settings = load_settings(config or default_config(), overrides(run={"out": out}))
    price = settings.monitoring.price_per_gpu_hour if price is None else price
    folder = Path(settings.run.out)
    found = nights(folder, say)[:last]
    if as_json:
        told = [
            {**msgspec.to_builtins(night), "whole": night.took, "tokens_per_s": round(night.took.tokens_per_s, 3),
             "gpu_hours": round(night.gpu_hours, 4), "cost": round(night.cost(price), 4)}
            for night in found
        ]
        typer.echo(msgspec.json.encode({"nights": told}).decode())
    elif not found:
        typer.echo(f"No finished run under {folder}. Start one with `aigc run`, or name another folder with --out.")
    else:
        for line in _aligned(_table(found, price)):
            typer.echo(line)
        for line in [_together(found, price), *_notes(found)]:
            typer.echo(line)
    if plot and found:
        from aigc.trends import draw

        draw(found[::-1], plot, price, _table(found, price), [*_notes(found)])
        typer.echo(f"Trends: {plot}", err=True)


def _table(found: Sequence[Night], price: float) -> list[list[str]]:
    """Heads, and a row of cells for each night."""
    from aigc.report import share

    several = any(len(night.all_sessions) > 1 for night in found)
    heads = ["Run", "Texts", "Accepted", "Tokens/s", "Took", *(["Sessions"] if several else []), "Expected", "Off",
             *(["Cost"] if price else []), "Model"]
    rows = []
    for night in found:
        took = night.took
        rows.append([
            night.run_id, f"{night.rows:,}", share(night.accepted, night.rows), _speed(took), _took(took),
            *([f"{took.sessions:,}"] if several else []), *_expected(night),
            *([f"{_least(took)}{night.cost(price):,.2f}"] if price else []), night.model.name,
        ])
    return [heads, *rows]


def _speed(took: Spent) -> str:
    from aigc.report import per_second

    return per_second(took.tokens_per_s) if took.tokens_out else "–"


def _took(took: Spent) -> str:
    from aigc.report import duration

    return f"{_least(took)}{duration(took.generate_s)}"


def _least(took: Spent) -> str:
    """The sign before figures that are all that is known."""
    return "≥ " if took.not_known else ""


def _expected(night: Night) -> list[str]:
    """What the latest session was expected to take, and by how much it took longer."""
    from aigc.report import duration

    off = night.off
    return [duration(night.forecast.seconds) if night.forecast else "–", "–" if off is None else f"{off:+.0%}"]


def _notes(found: Sequence[Night]) -> Iterator[str]:
    """What columns count, where nights were stopped and gone on with."""
    if any(len(night.all_sessions) > 1 for night in found):
        yield "Of a run of several sessions, Expected and Off are of the last one, all else is of the whole run."
    if any(night.took.not_known for night in found):
        yield "≥: of some sessions nobody can tell any more what they took."


def _aligned(table: Sequence[Sequence[str]]) -> Iterator[str]:
    """Lines of a table: names to the left, figures to the right."""
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        first, *figures, last = row
        cells = [f"{cell:>{width}}" for cell, width in zip(figures, widths[1:-1], strict=True)]
        yield "  ".join([f"{first:<{widths[0]}}", *cells, last]).rstrip()


def _together(found: Sequence[Night], price: float) -> str:
    from aigc.report import counted, share

    made, accepted = sum(night.made for night in found), sum(night.made_accepted for night in found)
    over = sum(night.taken_over for night in found)
    again = f" (and {over:,} taken over, not counted again)" if over else ""
    cost = f", cost {sum(night.cost(price) for night in found):,.2f}" if price else ""
    hours = sum(night.gpu_hours for night in found)
    return (f"{counted(len(found), 'run')}: {counted(made, 'text')} made{again}, {share(accepted, made)} accepted, "
            f"{hours:,.2f} hours of devices{cost}.")

"""`aigc history`: the nights so far, a line each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from aigc.history import Night

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
        Path | None, typer.Option("--plot", metavar="FILE", help="Draw the trends: .png, .svg or .pdf.")
    ] = None,
    out: Out = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """List finished runs: rows, acceptance, speed, time against what was expected, and cost."""
    import msgspec

    from aigc.console import overrides, say
    from aigc.history import nights
    from aigc.settings import load_settings
    from aigc.start import default_config

    settings = load_settings(config or default_config(), overrides(run={"out": out}))
    price = settings.monitoring.price_per_gpu_hour if price is None else price
    folder = Path(settings.run.out)
    found = nights(folder, say)[:last]
    if as_json:
        told = [{**msgspec.to_builtins(night), "cost": round(night.cost(price), 4)} for night in found]
        typer.echo(msgspec.json.encode({"nights": told}).decode())
    elif not found:
        typer.echo(f"No finished run under {folder}. Start one with `aigc run`, or name another folder with --out.")
    else:
        for line in _lines(found, price):
            typer.echo(line)
    if plot and found:
        from aigc.trends import draw

        draw(found[::-1], plot, price)
        typer.echo(f"Trends: {plot}", err=True)


def _lines(found: Sequence[Night], price: float) -> Iterator[str]:
    from aigc.report import duration, share

    width = max(len(night.run_id) for night in found)
    yield (f"{'Run':<{width}}  {'Finished':<16}  {'Rows':>9}  {'Accepted':>8}  {'Tokens/s':>8}  {'Took':>10}  "
           f"{'Expected':>10}" + ("  " + f"{'Cost':>8}" if price else ""))
    for night in found:
        accepted = share(night.accepted, night.rows)
        expected = duration(night.forecast.seconds) if night.forecast else "–"
        cost = f"  {night.cost(price):>8,.2f}" if price else ""
        finished = night.finished_at[:16].replace("T", " ")
        yield (f"{night.run_id:<{width}}  {finished:<16}  {night.rows:>9,}  {accepted:>8}  "
               f"{night.tokens_per_s:>8,.0f}  {duration(night.timings.generate_s):>10}  {expected:>10}{cost}")

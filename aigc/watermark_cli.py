"""`aigc watermark`: a key for the mark that the sampler leaves in texts, and the mark looked for.

Exit codes of `detect`: 0 found, 1 not found, 2 usage.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from aigc.marked import Found, Looked

EXIT_NOT_FOUND = 1
MOST_LINES = 40

watermark_app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Make a key for the watermark of texts, or look for the mark."
)
Config = Annotated[
    Path | None, typer.Option("--config", help="Settings file. Default: ./aigc.toml where there is one.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]


@watermark_app.command("new-key")
def new_key(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A new file. Whoever reads it has the key.")],
) -> None:
    """Make a secret key. Keep a copy where it is safe: without it no mark is found."""
    from aigc.watermark import write_new_key

    mark = write_new_key(file)
    typer.echo(f"{file}: key {mark.key_id}, for you alone to read.")
    typer.echo(f'Under [watermark] in aigc.toml: on = true, key_file = "{file}".')


@watermark_app.command("detect")
def detect(
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="A .txt or .md, a sheet of texts, the folder of a run, or a text.")
    ],
    key: Annotated[
        str, typer.Option("--key", metavar="FILE", help="File of the key. Default: watermark.key_file of the settings.")
    ] = "",
    model: Annotated[
        str, typer.Option("--model", help="Model whose tokenizer cuts the texts. Default: the run's, or the settings'.")
    ] = "",
    column: Annotated[str, typer.Option("--column", help="Heading of the column that holds the texts.")] = "",
    records: Annotated[
        bool, typer.Option("--records", help="Of a run: what the model said, as its records have it, and all together.")
    ] = False,
    context_tokens: Annotated[
        int | None, typer.Option("--context-tokens", min=1, max=16, help="As the texts were made. Default: settings.")
    ] = None,
    false_alarm_rate: Annotated[
        float, typer.Option("--false-alarm-rate", metavar="P", help="How often a text without the mark may pass.")
    ] = 1e-6,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Say whether texts have the mark of a key, and how likely they would look so without it."""
    import msgspec

    from aigc.marked import Search, look
    from aigc.settings_loading import load_settings
    from aigc.start import default_config

    search = Search(source=source, key_file=key, model=model, column=column, records=records,
                    context_tokens=context_tokens, false_alarm_rate=false_alarm_rate)
    found = look(search, load_settings(config or default_config(), {}))
    if as_json:
        typer.echo(msgspec.json.encode(found).decode())
    else:
        _show(found)
    if not found.found:
        raise typer.Exit(EXIT_NOT_FOUND)


def _show(found: Found) -> None:
    from aigc.report import counted

    typer.echo(f"Key {found.key_id}, {counted(found.context_tokens, 'token')} of context, tokens of {found.model}.")
    if len(found.texts) == 1 and not found.together:
        _show_one(found.texts[0], found.false_alarm_rate)
        return
    for text in found.texts[:MOST_LINES]:
        p_value = _told(text.p_value, found.false_alarm_rate)
        typer.echo(f"{'marked' if text.marked else '-':<8}{p_value:>9}  {text.examined:>5} tokens  {text.name}")
    if (more := len(found.texts) - MOST_LINES) > 0:
        typer.echo(f"… and {more:,} more; --json has them all.")
    marked = f"{found.marked:,} of {counted(len(found.texts), 'text')}"
    typer.echo(f"The mark is in {marked}, at {found.false_alarm_rate:g} false alarms a text.")
    if found.unread:
        typer.echo(f"{counted(found.unread, 'row')} could not be read.")
    if found.together:
        typer.echo("All together:")
        _show_one(found.together, found.false_alarm_rate)


def _show_one(text: Looked, rate: float) -> None:
    typer.echo(f"  tokens examined  {text.examined:,} of {text.tokens:,}")
    best = f", the best of {text.tries:,} tries" if text.tries > 1 else ""
    typer.echo(f"  score            {text.score:,.1f}{best}; a try without the mark scores about {text.examined:,}")
    typer.echo(f"  p-value          {_told(text.p_value, rate)}")
    verdict = "the mark of this key" if text.marked else "no mark of this key that can be told from chance"
    typer.echo(f"  verdict          {verdict}, at {rate:g} false alarms a text")


def _told(p_value: float, rate: float) -> str:
    """Two digits, and more where rounding would put it on the other side of the limit: 1.04e-06 is no 1e-06."""
    for digits in range(2, 17):
        told = f"{p_value:.{digits}g}"
        if (float(told) <= rate) == (p_value <= rate):
            return told
    return repr(p_value)

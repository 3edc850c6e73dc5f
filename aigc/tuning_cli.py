"""`aigc dataset` and `aigc finetune`: what editors decided as data, and a model that learned from it.

Exit codes: 0 made, or better than before; 1 error, 2 usage; 3 some lines of dialogues were bad, or the tuned model was
not shown to be better; 130 interrupted.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from aigc.training_data.writing import Made

EXIT_NOT_ALL = 3
SHOWN = 40
"""Bad lines that a terminal shows; `--json` has all."""
Config = Annotated[
    Path | None, typer.Option("--config", help="Settings file. Default: ./aigc.toml where there is one.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]


def dataset(
    runs: Annotated[
        list[str] | None, typer.Argument(metavar="[RUN...]", help="Finished runs, by id or folder.")
    ] = None,
    dialogues: Annotated[
        list[Path] | None, typer.Option("--dialogues", metavar="FILE", help="Dialogues, JSON Lines; repeat for more.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Folder of the data. Default: under datasets/.")
    ] = None,
    held_out: Annotated[
        float, typer.Option("--held-out", metavar="SHARE", help="Of briefs, for each of validation and test.")
    ] = 0.1,
    reviewed_only: Annotated[
        bool, typer.Option("--reviewed-only", help="Only what editors decided, not what filters alone let pass.")
    ] = False,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Make data that a model learns from: approved and edited texts, pairs of a better and a worse one, dialogues."""
    import msgspec

    from aigc.training_data.making import Order, make

    order = Order(runs=[_run_folder(name, config) for name in runs or []], dialogues=dialogues or [], out=out,
                  held_out=held_out, reviewed_only=reviewed_only)
    made = make(order, (lambda _: None) if as_json else _say)
    if as_json:
        facts = {"folder": str(made.folder), "new": made.new, "bad_lines": made.bad}
        parts = {name: getattr(made.statement, name) for name in ("digest", "groups", "left_out", "files", "runs")}
        typer.echo(msgspec.json.encode({**facts, **parts}).decode())
    else:
        _show_data(made)
    if made.bad:
        raise typer.Exit(EXIT_NOT_ALL)


def _show_data(made: Made) -> None:
    from aigc.report import counted
    from aigc.training_data.card import LEFT_OUT

    for line in made.bad[:SHOWN]:
        _say(line.message)
    if (more := len(made.bad) - SHOWN) > 0:
        _say(f"… and {more:,} more; --json has them all.")
    statement = made.statement
    for file in statement.files:
        typer.echo(f"  {file.path:<28}{counted(file.rows or 0, 'row'):>12}")
    for code, count in sorted(statement.left_out.items()):
        typer.echo(f"  left out: {count:,} {code} ({LEFT_OUT[code]})")
    groups = ", ".join(f"{count:,} {name}" for name, count in statement.groups.items())
    typer.echo(f"Briefs and dialogues: {groups}.")
    if not statement.groups.get("test"):
        typer.echo("Too few to hold any out: a model tuned on this cannot be shown to be better.")
    typer.echo(f"{made.folder}{'' if made.new else ' holds this already'}: digest {statement.digest[:19]}…")
    typer.echo(f"Next: aigc finetune {made.folder} --base MODEL")


def _run_folder(name: str, config: Path | None) -> Path:
    from aigc.runs import find_run
    from aigc.settings import load_settings
    from aigc.start import default_config

    return find_run(Path(load_settings(config or default_config(), {}).run.out), name, _say)[0]


def _say(line: str) -> None:
    typer.echo(line, err=True)

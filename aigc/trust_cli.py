"""`aigc verify`, `trace`, `reproduce` and `forget`: what made each text, whether it is still so, and its end."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from aigc.past import Past
    from aigc.reproduction import Reproduction
    from aigc.settings import Settings
    from aigc.verification import Verification

EXIT_WRONG = 1
Out = Annotated[str | None, typer.Option("--out", metavar="DIR", help="Folder of the runs. Default: outputs.")]
Config = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="Settings file. Default: ./aigc.toml where there is one."),
]
Anchors = Annotated[
    list[Path] | None,
    typer.Option("--anchor", metavar="FILE", help="Root certificates that may sign. Default: the project's own."),
]
OfRun = Annotated[str | None, typer.Option("--run", metavar="RUN", help="Default: the newest run that has it.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
RunName = Annotated[str | None, typer.Argument(metavar="[RUN]", help="A run id or folder. Default: the newest run.")]


def verify(
    run_name: RunName = None, anchor: Anchors = None, out: Out = None, config: Config = None, as_json: AsJson = False
) -> None:
    """Check a finished run against its manifest: every file, row and field. Ends with 1 where something was changed."""
    import msgspec

    from aigc.signing import trusted_anchors
    from aigc.verification import verify as look

    signing = _settings(out, config).signing
    anchors = anchor or trusted_anchors(signing)
    found = look(_folder(run_name, out, config), anchors, is_signature_due=bool(anchor) or signing.enabled)
    if as_json:
        typer.echo(msgspec.json.encode({"holds": found.holds, **msgspec.to_builtins(found)}).decode())
    else:
        _show_verification(found)
    if not found.holds:
        raise typer.Exit(EXIT_WRONG)


def trace(
    record: Annotated[str, typer.Argument(metavar="RECORD", help="A record id, a brief id, or `brief id/variant`.")],
    run_name: OfRun = None,
    out: Out = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Tell the story of one row: brief, templates, prompt, model, attempts, verdicts, and what proves them."""
    import msgspec

    from aigc.errors import ascii_controls
    from aigc.trace import page
    from aigc.trace import trace as tell

    found = tell(_runs_folder(out, config), record, run_name, _say)
    if as_json:
        typer.echo(msgspec.json.encode(found).decode())
        return
    for line in page(found):
        typer.echo(ascii_controls(line))


def reproduce(
    name: Annotated[str, typer.Argument(metavar="RECORD|RUN", help="A record as `trace` takes it, or a run.")],
    sample: Annotated[int | None, typer.Option("--sample", metavar="N", min=1, help="So many texts of a run.")] = None,
    run_name: OfRun = None,
    out: Out = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Make texts again on this machine and compare the bytes. Ends with 1 where one differs."""
    import msgspec

    from aigc.reproduction import model_here, settings_here
    from aigc.reproduction import reproduce as make_again
    from aigc.start import find_model

    past, places = _to_make_again(name, sample, run_name, out, config)
    own = _settings(out, config)
    settings = settings_here(past.run.settings, own)
    is_local = settings.engine.name == "local"
    model = model_here(settings, own, _say) if is_local else find_model(settings, [], _say)
    found = make_again(past, places, model, settings, lambda lines: _show_differences(lines, quiet=as_json))
    if as_json:
        typer.echo(msgspec.json.encode({"same": found.is_same, **msgspec.to_builtins(found)}).decode())
    else:
        _show_reproduction(found)
    if not found.is_same:
        raise typer.Exit(EXIT_WRONG)


def forget(
    brief: Annotated[str, typer.Option("--brief", metavar="ID", help="The id of the brief.")],
    out: Out = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Remove all texts of a brief from all runs. Its rows stay, empty, and what proves the other rows still does."""
    import msgspec

    from aigc.forgetting import forget as remove
    from aigc.report import counted
    from aigc.storage import Place

    settings = _settings(out, config)
    place = Place(settings.run.publish_to) if settings.run.publish_to else None
    found = remove(Path(settings.run.out), brief, _say, settings.signing, place)
    if as_json:
        typer.echo(msgspec.json.encode({"runs": [msgspec.to_builtins(gone) for gone in found]}).decode())
        return
    for gone in found:
        beside = f"; removed {', '.join(gone.removed)}, which held texts" if gone.removed else ""
        decided = f", {counted(gone.decisions, 'decision')} on them" if gone.decisions else ""
        shared = f"; in shared storage too{_removed_there(gone.removed_there)}" if gone.shared else ""
        what = f"{counted(gone.rows, 'row')} and {counted(gone.attempts, 'text')}"
        typer.echo(f"{gone.run_id}: {what} forgotten{decided}{beside}{shared}")
        if gone.unknown_there:
            typer.echo(f"  Look there yourself at what this program does not know: {', '.join(gone.unknown_there)}")
    typer.echo("Take the brief out of its sheet too: the next run would make it again. "
               "What was copied or published before is not reached.")


def _removed_there(names: list[str]) -> str:
    return f", where {', '.join(names)} went" if names else ""


def _show_verification(found: Verification) -> None:
    width = max(len(check.name) for check in found.checks)
    for check in found.checks:
        typer.echo(f"  {check.name:<{width}}  {check.status:<11}  {check.detail}".rstrip())
        for finding in check.findings:
            typer.echo(f"  {'':<{width}}  {finding.message}")
    left = sum(check.status == "not checked" for check in found.checks)
    held = sum(check.status == "holds" for check in found.checks)
    if not found.holds:
        wrong = len(found.checks) - held - left
        typer.echo(f"{found.run_id}: NOT as its manifest states, in {wrong} of {len(found.checks)} checks.")
        return
    not_made = f", {left} not made" if left else ""
    typer.echo(f"{found.run_id}: as its manifest states; {held} checks hold{not_made}.")


def _show_differences(lines: list[str], *, quiet: bool) -> None:
    if quiet:
        return
    if not lines:
        typer.echo("Code, libraries and engine are those that made the texts.", err=True)
        return
    typer.echo("Not as it was when the texts were made; where arithmetic changed, so may the bytes:", err=True)
    for line in lines:
        typer.echo(f"  {line}", err=True)


def _show_reproduction(found: Reproduction) -> None:
    for row in found.rows:
        if row.is_same:
            continue
        if row.problem:
            typer.echo(f"  row {row.row} ({row.record_id}): {row.problem}")
        else:
            typer.echo(f"  row {row.row} ({row.record_id}): other from character {(row.first_difference or 0) + 1} on")
    same, count = sum(row.is_same for row in found.rows), len(found.rows)
    noun = "text is" if count == 1 else "texts are"
    typer.echo(f"{same} of {count} {noun} the same, byte for byte.")


def _to_make_again(
    name: str, sample: int | None, run_name: str | None, out: str | None, config: Path | None
) -> tuple[Past, list[int]]:
    """The run and the places of its rows: so many of a run, or one record."""
    from aigc.errors import UsageError
    from aigc.past import find_record, open_past
    from aigc.reproduction import sample as drawn

    if sample is not None:
        past = open_past(_folder(name, out, config))
        return past, drawn(past, sample)
    runs = _runs_folder(out, config)
    if any((folder / "manifest.json").is_file() for folder in (Path(name), runs / name)):
        raise UsageError("--sample", f"nothing, and {name} is a run", "how many of its texts to make again",
                         f"Say so: aigc reproduce {name} --sample 20")
    past, place, _ = find_record(runs, name, run_name, _say)
    return past, [place]


def _folder(name: str | None, out: str | None, config: Path | None) -> Path:
    """The folder of a run, whether or not its run.json can be read: that is for the check to tell."""
    from aigc.runs import find_run

    if name is not None and (Path(name) / "manifest.json").is_file():
        return Path(name)
    runs = _runs_folder(out, config)
    if name is not None and (runs / name / "manifest.json").is_file():
        return runs / name
    return find_run(runs, name, _say)[0]


def _runs_folder(out: str | None, config: Path | None) -> Path:
    return Path(_settings(out, config).run.out)


def _settings(out: str | None, config: Path | None) -> Settings:
    from aigc.console import overrides
    from aigc.settings_loading import load_settings
    from aigc.start import default_config

    return load_settings(config or default_config(), overrides(run={"out": out}))


def _say(line: str) -> None:
    typer.echo(line, err=True)

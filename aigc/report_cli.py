"""`aigc report`: what happened in a run, and how its filters agree with editors."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aigc.calibration import Agreement, Calibration, Interval
    from aigc.limits import Limit
    from aigc.provenance import RunFile


def report(
    run_names: Annotated[
        list[str] | None, typer.Argument(metavar="[RUN]…", help="Run ids or folders. Default: the newest.")
    ] = None,
    calibration: Annotated[
        bool, typer.Option("--calibration", help="Hold filters against editors; of all runs that they decided on.")
    ] = False,
    out: Annotated[
        str | None, typer.Option("--out", metavar="DIR", help="Folder of the runs. Default: outputs.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option("--config", help="Settings file. Default: ./aigc.toml where there is one.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False,
) -> None:
    """Print a run's report, or how often its filters and its editors said the same. Changes nothing."""
    import msgspec

    from aigc.console import overrides
    from aigc.report import report as written
    from aigc.settings_loading import load_settings
    from aigc.start import default_config

    runs = Path(load_settings(config or default_config(), overrides(run={"out": out})).run.out)
    if not calibration:
        texts = {file.run_id: written(file) for _, file in _found(runs, run_names or [])}
        shown = msgspec.json.encode({"reports": texts}).decode() if as_json else "\n".join(texts.values())
        typer.echo(shown, nl=as_json)
        return
    from aigc.calibration import calibrate

    folders = [folder for folder, _ in _found(runs, run_names)] if run_names else _decided_on(runs)
    found = calibrate(folders)
    if as_json:
        typer.echo(msgspec.json.encode(found).decode())
        return
    for line in _lines(found):
        typer.echo(line)


def _found(out: Path, names: list[str]) -> list[tuple[Path, RunFile]]:
    from aigc.console import say
    from aigc.runs import find_finished

    wanted: list[str | None] = [*names] or [None]
    return [find_finished(out, name, say) for name in wanted]


def _decided_on(out: Path) -> list[Path]:
    """All finished runs with decisions, the newest first."""
    from aigc.errors import UsageError
    from aigc.provenance import runs
    from aigc.review.ledger import LEDGER

    finished = [out / run.run_id for run in runs(out) if run.status == "finished"]
    found = [folder for folder in finished if (folder / LEDGER).is_file()]
    if not found:
        raise UsageError(str(out), "no run that editors decided on", "a run with decisions",
                         "Import some (aigc review import), or name the folder of your runs with --out.")
    return found


def _lines(found: Calibration) -> Iterator[str]:
    from aigc.calibration import MIN_DECISIONS, MIN_EACH
    from aigc.report import counted

    yield f"{counted(found.records, 'text')} that editors decided on, of {counted(len(found.runs), 'run')}."
    if found.in_conflict or found.text_changed:
        yield (f"Left out: {found.in_conflict:,} whose editors differ, {found.text_changed:,} decided on when they had "
               "another text.")
    yield ""
    yield f"{'':<18} {'flagged, and':>20} {'passed, and':>20}"
    yield (f"{'filter':<18} {'objected':>10}{'approved':>10} {'objected':>10}{'approved':>10}  "
           f"{'precision':<17}recall")
    spoke = [one for one in found.filters if one.flagged]
    for one in sorted(spoke, key=lambda one: (one.too_few, -one.flagged)):
        yield _row(one)
    yield "Objected: refused or edited, for a reason that the filter could have found. Shares with 95% intervals."
    if few := [one.filter for one in spoke if one.too_few]:
        yield (f"* too few to say: fewer than {MIN_DECISIONS} decisions, or than {MIN_EACH} of either kind "
               f"({counted(len(few), 'filter')}).")
    yield from _silent([one for one in found.filters if not one.flagged])
    yield ""
    if not found.proposals:
        yield "No other limit would have agreed with editors so much more often that it could not be chance."
    for limit in found.proposals:
        yield from _proposal(limit)
    if found.proposals:
        yield "Nothing was changed. aigc trace RECORD shows one; aigc judge RUN tries other limits and makes no text."


def _silent(filters: Sequence[Agreement]) -> Iterator[str]:
    """Filters that flagged nothing: what they can have missed, the most first."""
    missed = sorted((one for one in filters if one.passed_objected), key=lambda one: -one.passed_objected)
    if missed:
        told = ", ".join(f"{one.filter} {one.passed_objected:,}" for one in missed)
        yield f"Flagged none of these texts, with the objections that they could have found: {told}."
    if others := [one.filter for one in filters if not one.passed_objected]:
        yield f"Flagged none of these texts, and no editor objected to what they look for: {', '.join(others)}."


def _row(one: Agreement) -> str:
    name = f"{one.filter}{' *' if one.too_few else ''}"
    return (f"{name:<18} {one.flagged_objected:>10,}{one.flagged_approved:>10,} {one.passed_objected:>10,}"
            f"{one.passed_approved:>10,}  {_share(one.precision):<17}{_share(one.recall):<17}").rstrip()


def _share(interval: Interval | None) -> str:
    return "–" if interval is None else f"{interval.share:.0%} ({interval.low:.0%}–{interval.high:.0%})"


def _proposal(limit: Limit) -> Iterator[str]:
    chance = "below 0.0001" if limit.p_value < 0.0001 else f"{limit.p_value:.4f}"
    side = "at most" if limit.passes == "at_most" else "at least"
    yield (f"{limit.key} = {limit.proposed:g} in place of {limit.now:g} ({side} that passes), by texts of "
           f"{', '.join(limit.content_types)}:")
    yield (f"  it would agree with editors on {limit.agreed_then:,} of {limit.decided:,} texts, now on "
           f"{limit.agreed_now:,}; by chance alone with probability {chance}")
    yield f"  editors and that limit against today's, records: {', '.join(limit.improved)}"
    if limit.worsened:
        yield f"  editors and today's limit against that, records: {', '.join(limit.worsened)}"

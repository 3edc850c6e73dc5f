"""What happened, for people: counts, acceptance by type, reasons, speed. As Markdown and as lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from aigc.provenance import RunFile
from aigc.tally import DeviceUse, Forecast

_OUTCOMES = ("accepted", "held", "rejected", "exhausted", "short", "invalid", "failed")
_MEANING = {
    "accepted": "no filter objected",
    "held": "waits for a person's decision",
    "rejected": "refused by a filter",
    "exhausted": "no attempt passed",
    "short": "no text passed yet, and this run was to make no more; made at the next run",
    "invalid": "the brief itself is wrong",
    "failed": "no text could be made; made again at the next run",
}
_UNCHECKED = {
    "safety": "nobody looked for harm, since safety.model is not set",
    "judge": "no judge has read them, since their type has no questions",
    "near_duplicate": "they were compared with no others, which is off for their type",
}


def report(run: RunFile) -> str:
    """report.md of a run."""
    parts = [
        f"# Run {run.run_id}",
        headline(run),
        _facts(run),
        "## Outcomes",
        _outcomes(run),
        "## By content type",
        _by_type(run),
    ]
    if run.reasons:
        parts += ["## Reasons", "A row counts once under each of its reasons.", _reasons(run)]
    if run.not_run:
        parts += ["## Not checked", "What did not run says nothing for or against a text.", _not_run(run)]
    if run.devices:
        parts += ["## Processes", "What each made in this session, and how fast while it had rows.", _devices(run)]
    parts += ["## Files", _files(run)]
    return "\n\n".join(parts) + "\n"


def headline(run: RunFile) -> str:
    """One sentence: how many of how many rows were accepted, how fast."""
    accepted = run.outcomes.get("accepted", 0)
    sentence = f"{accepted:,} of {counted(run.rows, 'row')} accepted ({share(accepted, run.rows)})"
    if run.tokens_out:
        took_s = run.timings.generate_s
        sentence += f", {counted(run.tokens_out, 'token')} in {duration(took_s)} ({speed(run.tokens_out, took_s)})"
    if run.taken_over:
        sentence += f"; {counted(run.taken_over, 'row')} taken over from earlier runs"
    rehearsal = " A rehearsal: the scripted engine writes no content." if run.settings.engine.name == "scripted" else ""
    return sentence + "." + rehearsal


def expected(forecast: Forecast, price_per_hour: float = 0.0) -> str:
    """What a run is expected to take, and by what that is known; its cost where an hour of a device has a price."""
    if not forecast.rows:
        return f"Expected: nothing to make; {counted(forecast.taken_over, 'row')} taken over."
    over = f", {forecast.taken_over:,} more taken over" if forecast.taken_over else ""
    return (
        f"Expected: {counted(forecast.rows, 'row')} to make{over}, in about {about(forecast.seconds)}"
        f"{_hours(forecast, price_per_hour)}; {share(forecast.accepted, forecast.rows)} accepted, of "
        f"{counted(forecast.texts, 'text')} with retries, {forecast.tokens_out:,} tokens. By {forecast.basis}."
    )


def _hours(forecast: Forecast, price_per_hour: float) -> str:
    """` (1.5 hours of 4 devices together, which cost 3.75)`; nothing of less than a hundredth of an hour."""
    if forecast.gpu_hours < 0.005:
        return ""
    of = f"of {forecast.devices:,} devices together" if forecast.devices > 1 else "of a device"
    cost = f", which cost {forecast.gpu_hours * price_per_hour:,.2f}" if price_per_hour else ""
    return f" ({forecast.gpu_hours:,.2f} hours {of}{cost})"


def outcome_lines(run: RunFile) -> list[str]:
    """`held 3: waits for a person's decision`, for each outcome that occurred; then what nobody checked."""
    outcomes = [f"{name} {run.outcomes[name]:,}: {_meaning(run, name)}" for name in _OUTCOMES if run.outcomes.get(name)]
    unchecked = [f"{name} not run on {sum(by.values()):,}: {_unchecked(name)}" for name, by in run.not_run.items()]
    return outcomes + unchecked


def _meaning(run: RunFile, outcome: str) -> str:
    flagged = f"; {run.flagged:,} flagged for a look" if outcome == "accepted" and run.flagged else ""
    return _MEANING[outcome] + flagged


def duration(seconds: float) -> str:
    """`1 h 02 min`, `3 min 20 s` or `4.1 s`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 60 else f"{minutes} min {rest:02d} s"


def about(seconds: float) -> str:
    """`40 s`, `3 min 20 s`, `14 min`: no more digits than a guess has."""
    step = 5 if seconds < 60 else 10 if seconds < 600 else 60
    rounded = max(step, step * round(seconds / step))
    return duration(rounded).replace(".0 s", " s").replace(" 00 s", "")


def counted(number: int, noun: str) -> str:
    """`1 bad row`, `1,200 bad rows`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def speed(tokens: int, seconds: float) -> str:
    """`0.4 tokens/s`, `1,200 tokens/s`."""
    per_s = tokens / max(seconds, 1e-9)
    return f"{per_s:,.0f} tokens/s" if per_s >= 9.95 else f"{per_s:.1f} tokens/s"


def share(part: int, whole: int) -> str:
    """`86%`, rounded down: 100% means all."""
    return f"{100 * part // whole}%" if whole else "–"


def _facts(run: RunFile) -> str:
    rows = [
        ("Briefs", f"`{run.briefs}`"),
        ("Model", f"{run.model.ref} (`{run.model.digest[:19]}…`)"),
        ("Started", run.started_at),
        ("Finished", run.finished_at),
        ("Seed", str(run.settings.run.seed)),
        ("Attempts allowed", str(run.settings.run.max_attempts)),
    ]
    if aside := run.policy_override:
        what = f", although it objects to {', '.join(aside.set_aside)}" if aside.set_aside else ""
        rows.append(("Policy set aside", f"by {aside.who} at {aside.at}{what}: {aside.why}"))
    if run.skipped_rows:
        rows.append(("Rows of the sheet left out by rule", f"{run.skipped_rows:,}"))
    if run.taken_over:
        rows.append(("Rows taken over unchanged", f"{run.taken_over:,} from {_listed_runs(run.earlier)}"))
    if run.made_before:
        rows.append(("Rows made before this run was interrupted", f"{run.made_before:,}"))
    if run.forecast:
        rows += _expected_and_found(run, run.forecast)
    return _table(("", ""), rows)


def _expected_and_found(run: RunFile, forecast: Forecast) -> list[tuple[str, str]]:
    """The forecast beside what came."""
    took, made = run.timings.generate_s, sum(used.rows for used in run.usage.values())
    off = f", {forecast.error(took):+.0%}" if forecast.seconds else ""
    found = share(sum(used.accepted for used in run.usage.values()), made)
    return [
        ("Time expected, taken", f"{duration(forecast.seconds)}, {duration(took)}{off} (by {forecast.basis})"),
        ("Tokens expected, made", f"{forecast.tokens_out:,}, {run.tokens_out:,}"),
        ("Accepted expected, found", f"{share(forecast.accepted, forecast.rows)}, {found} of rows made"),
    ]


def _outcomes(run: RunFile) -> str:
    rows = [(name, f"{run.outcomes[name]:,}", _meaning(run, name)) for name in _OUTCOMES if run.outcomes.get(name)]
    return _table(("Outcome", "Rows", ""), rows)


def _by_type(run: RunFile) -> str:
    rows, occurred = [], [name for name in _OUTCOMES if run.outcomes.get(name)]
    for name, outcomes in sorted(run.acceptance.items()):
        total = sum(outcomes.values())
        rows.append(
            (
                name or "(none)",
                f"{total:,}",
                *(f"{outcomes.get(one, 0):,}" for one in occurred),
                share(outcomes.get("accepted", 0), total),
            )
        )
    return _table(("Content type", "Rows", *occurred, "Share accepted"), rows)


def _reasons(run: RunFile) -> str:
    ordered = sorted(run.reasons.items(), key=lambda item: -sum(item[1].values()))
    rows = [(f"`{reason}`", f"{sum(by.values()):,}", _listed(by)) for reason, by in ordered]
    return _table(("Reason", "Rows", "Of which"), rows)


def _not_run(run: RunFile) -> str:
    rows = [(f"`{name}`", f"{sum(by.values()):,}", _listed(by), _unchecked(name)) for name, by in run.not_run.items()]
    return _table(("Filter", "Texts", "Of which", ""), rows)


def _unchecked(name: str) -> str:
    return _UNCHECKED.get(name, "nobody has checked them")


def _devices(run: RunFile) -> str:
    rows: list[tuple[str, ...]] = [
        (name, f"{use.texts:,}", f"{use.tokens_out:,}", duration(use.busy_s),
         speed(use.tokens_out, use.busy_s) if use.texts else "–", _troubles(use))
        for name, use in run.devices.items()
    ]
    heads: tuple[str, ...] = ("Process", "Texts", "Tokens", "Busy", "Speed", "Troubles")
    if not any(row[-1] for row in rows):
        heads, rows = heads[:-1], [row[:-1] for row in rows]
    return _table(heads, rows)


def _troubles(use: DeviceUse) -> str:
    """`died 3 times, left out`."""
    died = {0: "", 1: "died once"}.get(use.deaths, f"died {use.deaths:,} times")
    return ", ".join(filter(None, [died, "left out" if use.is_left_out else ""]))


def _files(run: RunFile) -> str:
    rows = [(f"[{file.path}]({file.path})", "" if file.rows is None else f"{file.rows:,}") for file in run.outputs]
    return _table(("File", "Rows"), rows)


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())


def _listed_runs(rows: Mapping[str, int]) -> str:
    """`a`, or `a (8), b (4)`."""
    return ", ".join(f"{name} ({count:,})" if len(rows) > 1 else name for name, count in rows.items())


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = ["| " + " | ".join(heads) + " |", "|" + " --- |" * len(heads)]
    lines += ["| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in row) + " |" for row in rows]
    return "\n".join(lines)

"""What happened, for people: counts, acceptance by type, reasons, speed. As Markdown and as lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from aigc.provenance import RunFile
from aigc.report_words import OUTCOMES, UNCHECKED, reason_words
from aigc.sessions import Session, Spent
from aigc.tally import DeviceUse, Forecast

_LEAST_START = 0.01
"""Part of the time that is told where it went before the first text: with less nobody sees that it was left out."""
_SESSIONS = (
    "Time is that of making texts, loading the model included; tokens/s are without what came before the first text."
)
_KILLED = " What a session did that was killed is told up to its last text."


def report(run: RunFile) -> str:
    """report.md of a run."""
    parts = [
        f"# Run {run.run_id}",
        headline(run),
        *filter(None, [this_session(run)]),
        _facts(run),
        "## Outcomes",
        _outcomes(run),
        "## By content type",
        _by_type(run),
    ]
    if run.reasons:
        parts += ["## Reasons", "A text counts once under each of its reasons, a bad brief as one text.", _reasons(run)]
    if run.not_run:
        parts += ["## Not checked", "What did not run says nothing for or against a text.", _not_run(run)]
    if run.devices:
        parts += ["## Processes", "What each made in the last session, and how fast while it had texts to make.",
                  _devices(run)]
    if len(run.all_sessions) > 1:
        killed = _KILLED if any(each.ended == "killed" for each in run.sessions) else ""
        parts += ["## Sessions", f"The run was stopped on the way and gone on with. {_SESSIONS}{killed}",
                  _sessions(run)]
    parts += ["## Files", _files(run)]
    return "\n\n".join(parts) + "\n"


def headline(run: RunFile) -> str:
    """One sentence: how many of how many texts were accepted, what the whole run took, how fast it was."""
    accepted = run.outcomes.get("accepted", 0)
    sentence = f"{accepted:,} of {counted(run.rows, 'text')} accepted ({share(accepted, run.rows)})"
    took = run.took
    if took.tokens_out:
        sentence += f", {spent(took)}"
    if run.taken_over:
        sentence += f"; {counted(run.taken_over, 'text')} taken over from earlier runs"
    rehearsal = " A rehearsal: the scripted engine writes no content." if run.settings.engine.name == "scripted" else ""
    return sentence + "." + rehearsal


def this_session(run: RunFile) -> str:
    """Of a run that was stopped and gone on with, what its last session did; empty for any other."""
    if len(run.all_sessions) == 1:
        return ""
    last, before = run.session, _made_before(run)
    made = f"{counted(last.texts, 'text')}, " if run.sessions else ""
    did = f"{made}{spent(last.spent)}" if last.tokens_out else f"{made}no token"
    return f"The last session alone: {did}{f'; before it {before}' if before else ''}."


def spent(took: Spent) -> str:
    """`250,000 tokens in 2 min 05 s (40.0 s to begin, then 2,941 tokens/s)`; of several sessions, of how many."""
    known = took.sessions - took.not_known
    several = f" of {counted(known, 'session')}" if took.sessions > 1 else ""
    begin = f"{duration(took.start_s)} to begin, then " if took.start_s >= _LEAST_START * took.generate_s else ""
    others = ", and what other sessions took is not known" if took.not_known else ""
    return (f"{counted(took.tokens_out, 'token')} in {duration(took.generate_s)}{several} "
            f"({begin}{rate(took.tokens_per_s)}){others}")


def expected(forecast: Forecast, price_per_hour: float = 0.0) -> str:
    """What a run is expected to take, and by what that is known; its cost where an hour of a device has a price."""
    if not forecast.rows:
        return f"Expected: nothing to make; {counted(forecast.taken_over, 'text')} there already."
    over = f", {forecast.taken_over:,} more there already" if forecast.taken_over else ""
    return (
        f"Expected: {counted(forecast.rows, 'text')} to make{over}, in about {about(forecast.seconds)}"
        f"{_hours(forecast, price_per_hour)}; {share(forecast.accepted, forecast.rows)} accepted, in "
        f"{counted(forecast.texts, 'attempt')}, {forecast.tokens_out:,} tokens. By {forecast.basis}."
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
    outcomes = [f"{name} {run.outcomes[name]:,}: {_meaning(run, name)}" for name in OUTCOMES if run.outcomes.get(name)]
    unchecked = [f"{name} not run on {sum(by.values()):,}: {_unchecked(name)}" for name, by in run.not_run.items()]
    return outcomes + unchecked


def _meaning(run: RunFile, outcome: str) -> str:
    flagged = f"; {run.flagged:,} flagged for a look" if outcome == "accepted" and run.flagged else ""
    return OUTCOMES[outcome] + flagged


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
    return rate(tokens / max(seconds, 1e-9))


def rate(tokens_per_s: float) -> str:
    """As `speed` tells it."""
    return f"{per_second(tokens_per_s)} tokens/s"


def per_second(tokens: float) -> str:
    """`0.4`, `1,200`."""
    return f"{tokens:,.0f}" if tokens >= 9.95 else f"{tokens:.1f}"


def share(part: int, whole: int) -> str:
    """`86%`, rounded down: 100% means all."""
    return f"{100 * part // whole}%" if whole else "–"


def _facts(run: RunFile) -> str:
    rows = [
        ("Sheet", f"`{run.briefs}`"),
        *([("Briefs", f"{run.brief_count:,}")] if run.brief_count else []),
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
        rows.append(("Briefs of the sheet left out by rule", f"{run.skipped_rows:,}"))
    if run.taken_over:
        rows.append(("Texts taken over unchanged", f"{run.taken_over:,} from {_listed_runs(run.earlier)}"))
    if before := _made_before(run):
        rows.append(("Made before the last session", before))
    if run.timings.export_s:
        rows.append(_time(run))
    if run.forecast:
        rows += _expected_and_found(run, run.forecast)
    return _table(("", ""), rows)


def _time(run: RunFile) -> tuple[str, str]:
    """What the speed counts, and what it does not, in the last session."""
    spans, of = run.timings, " of the last session" if len(run.all_sessions) > 1 else ""
    besides = f"{duration(spans.survey_s)} of reading the sheet, {duration(spans.export_s)} of writing the results"
    return f"Time{of}", f"{duration(spans.generate_s)} of making texts; besides, {besides}"


def _made_before(run: RunFile) -> str:
    """`28 texts, and 3 attempts at others`; empty where nothing was."""
    texts = counted(run.made_before, "text") if run.made_before else ""
    attempts = counted(run.attempts_before, "attempt") if run.attempts_before else ""
    return f"{texts}, and {attempts} at others" if texts and attempts else texts or attempts


def _expected_and_found(run: RunFile, forecast: Forecast) -> list[tuple[str, str]]:
    """The forecast beside what came: both of the last session, before which it was told."""
    last, of = run.session, " in the last session" if len(run.all_sessions) > 1 else ""
    off = f", {forecast.error(last.generate_s):+.0%}" if forecast.rows and forecast.seconds else ""
    made, accepted = last.texts, last.accepted
    if not run.sessions:  # of an older version, which told of the whole run's texts alone
        made = sum(used.rows for used in run.usage.values()) - run.made_before
        accepted = sum(used.accepted for used in run.usage.values())
    found = [(f"Accepted expected, found{of}",
              f"{share(forecast.accepted, forecast.rows)}, {share(accepted, made)} of texts made")]
    return [
        (f"Time of making texts expected, taken{of}", f"{duration(forecast.seconds)}, {duration(last.generate_s)}{off} "
                                      f"(by {forecast.basis})"),
        (f"Texts expected, made{of}", f"{forecast.rows:,}, {made:,}"),
        (f"Tokens expected, made{of}", f"{forecast.tokens_out:,}, {last.tokens_out:,}"),
        *(found if run.sessions or not run.made_before else []),
    ]


def _sessions(run: RunFile) -> str:
    rows = [(each.began_at[:19].replace("T", " "), each.ended, *_session_cells(each)) for each in run.all_sessions]
    took, texts = run.took, sum(each.texts for each in run.sessions)
    rows.append(("All" if not took.not_known else "All that is known", "", *_cells(texts, took)))
    return _table(("Begun (UTC)", "Ended", "Texts", "Attempts", "Tokens", "Time", "To begin", "Tokens/s"), rows)


def _session_cells(session: Session) -> tuple[str, ...]:
    return _cells(session.texts, session.spent) if session.is_known else ("not known", *[""] * 5)


def _cells(texts: int, took: Spent) -> tuple[str, ...]:
    counts = (f"{texts:,}", f"{took.attempts:,}") if took.attempts or texts else ("–", "–")
    return (*counts, f"{took.tokens_out:,}", duration(took.generate_s),
            duration(took.start_s), per_second(took.tokens_per_s) if took.tokens_out else "–")


def _outcomes(run: RunFile) -> str:
    rows = [(name, f"{run.outcomes[name]:,}", _meaning(run, name)) for name in OUTCOMES if run.outcomes.get(name)]
    return _table(("Outcome", "Texts", ""), rows)


def _by_type(run: RunFile) -> str:
    rows, occurred = [], [name for name in OUTCOMES if run.outcomes.get(name)]
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
    return _table(("Content type", "Texts", *occurred, "Share accepted"), rows)


def _reasons(run: RunFile) -> str:
    ordered = sorted(run.reasons.items(), key=lambda item: -sum(item[1].values()))
    rows = [(reason_words(reason) or reason.replace("_", " "), f"`{reason}`", f"{sum(by.values()):,}", _listed(by))
            for reason, by in ordered]
    return _table(("Reason", "Code", "Texts", "Of which"), rows)


def _not_run(run: RunFile) -> str:
    rows = [(f"`{name}`", f"{sum(by.values()):,}", _listed(by), _unchecked(name)) for name, by in run.not_run.items()]
    return _table(("Filter", "Texts", "Of which", ""), rows)


def _unchecked(name: str) -> str:
    return UNCHECKED.get(name, "nobody has checked them")


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
    return _table(("File", "Texts"), rows)


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())


def _listed_runs(rows: Mapping[str, int]) -> str:
    """`a`, or `a (8), b (4)`."""
    return ", ".join(f"{name} ({count:,})" if len(rows) > 1 else name for name, count in rows.items())


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = ["| " + " | ".join(heads) + " |", "|" + " --- |" * len(heads)]
    lines += ["| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in row) + " |" for row in rows]
    return "\n".join(lines)

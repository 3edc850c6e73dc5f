"""What a flow run's page shows of a finished run: its report, some of its rows, and where its files are."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from prefect.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact

from aigc.errors import writable
from aigc.gpu_memory import GpuMemory
from aigc.provenance import RunFile
from aigc.report import counted, duration, expected, headline, report, share
from aigc.samples import samples
from aigc.settings import MonitoringSettings
from aigc.tally import Forecast

_LINK = re.compile(r"\[([^]]+)\]\(\1\)")


@dataclass(frozen=True)
class Made:
    """What came of a sheet."""

    sheet: str
    folder: Path
    file: RunFile
    is_new: bool
    """False where a finished run held all of it already."""
    took_s: float
    published: Path | None = None

    @property
    def accepted(self) -> int:
        return self.file.outcomes.get("accepted", 0)


@dataclass(frozen=True)
class Missed:
    """A sheet of which nothing came, and the message that says why."""

    sheet: str
    message: str


def show_forecast(key: str, sheet: str, texts: int, forecast: Forecast | None, price_per_hour: float) -> None:
    """What a sheet is expected to take, before its first text is made. `texts` are all of it, those taken over too."""
    rows = _expected(forecast, price_per_hour) if forecast else [
        ("Texts", f"{texts:,}"),
        ("Time, tokens, acceptance", "not known yet: no run of this model has finished in this folder"),
    ]
    told = expected(forecast, price_per_hour) if forecast else f"{counted(texts, 'text')}, in a time not known yet."
    table = "\n".join(f"| {what} | {value} |" for what, value in rows)
    create_markdown_artifact(f"# Expected of `{writable(sheet)}`\n\n| | |\n|---|---|\n{table}\n",
                             key=f"aigc-forecast{key}", description=told)


def _expected(forecast: Forecast, price_per_hour: float) -> list[tuple[str, str]]:
    cost = [("Cost", f"{forecast.gpu_hours * price_per_hour:,.2f}")] if price_per_hour else []
    return [
        ("Texts to make", f"{forecast.rows:,}"),
        ("Texts taken over from earlier runs", f"{forecast.taken_over:,}"),
        ("Attempts, those made again included", f"{forecast.texts:,}"),
        ("Tokens", f"{forecast.tokens_out:,}"),
        ("Time", duration(forecast.seconds)),
        ("Device hours", f"{forecast.gpu_hours:,.2f}"),
        *cost,
        ("Accepted", f"{forecast.accepted:,} ({share(forecast.accepted, forecast.rows)})"),
        ("Known by", forecast.basis),
    ]


def show_run(key: str, made: Made, gpus: Sequence[GpuMemory], monitoring: MonitoringSettings) -> None:
    """Report, sample rows and links of a run. `key` ends the artifacts' keys, where a flow makes several runs."""
    place = f"The run's files: {made.folder.resolve()}"
    text = _LINK.sub(lambda found: _linked(made, found[1], monitoring), report(made.file))
    create_markdown_artifact(f"{text}\n{_took(made, gpus)}", key=f"aigc-report{key}",
                             description=headline(made.file))
    if monitoring.samples != "none":
        rows = samples(made.folder, with_texts=monitoring.samples == "texts")
        table = [{"id": row.id, "variant": row.variant, "type": row.content_type, "outcome": row.outcome,
                  "reasons": ", ".join(row.reasons)} | ({"text": row.text} if monitoring.samples == "texts" else {})
                 for row in rows]
        whole = f"{counted(len(rows), 'text')} of {made.file.rows:,}, from the first to the last"
        create_table_artifact(table, key=f"aigc-samples{key}", description=whole)
    create_link_artifact(_address(made, "", monitoring), f"Results of {made.file.run_id}", key=f"aigc-files{key}",
                         description=writable(place))


def show_night(came: Sequence[Made | Missed]) -> None:
    """All sheets of a night, a line each; then where their runs are, or why there is none."""
    table = ["| Sheet | | Texts | Accepted | Took |", "|---|---|---|---|---|"]
    notes = list[str]()
    for each in came:
        if isinstance(each, Missed):
            cells, note = ["**failed**", "", "", ""], each.message
        else:
            cells = ["made" if each.is_new else "unchanged", f"{each.file.rows:,}",
                     f"{each.accepted:,} ({share(each.accepted, each.file.rows)})", duration(each.took_s)]
            note = f"run `{each.file.run_id}`" + (f", published to `{each.published}`" if each.published else "")
        sheet = writable(f"`{each.sheet}`").replace("|", "\\|")
        table.append(f"| {' | '.join([sheet, *cells])} |")
        notes.append(writable(f"- `{each.sheet}`: {note.removeprefix(f'{each.sheet}: ')}").replace("\n", " "))
    create_markdown_artifact("\n".join(["# Night", "", *table, "", *notes, ""]), key="aigc-night",
                             description="The sheets of this night")


def told(made: Made) -> str:
    """A sentence on a sheet for the state of its flow run."""
    unchanged = "" if made.is_new else f"Nothing to do: {made.file.run_id} already holds these results. "
    return unchanged + headline(made.file)


def _took(made: Made, gpus: Sequence[GpuMemory]) -> str:
    """The part of the report that only this flow run knows."""
    timings = made.file.timings
    rest_s = max(0.0, made.took_s - timings.survey_s - timings.generate_s - timings.export_s)
    rows = [("In all", duration(made.took_s)), ("Reading the sheet", duration(timings.survey_s)),
            ("Making texts, with loading the model", duration(timings.generate_s)),
            ("Writing the results", duration(timings.export_s)), ("All else", duration(rest_s))]
    rows = rows if made.is_new else rows[:1]
    rows += [(f"GPU {gpu.index}, {gpu.name}", f"{gpu.used_mib / 1024:.1f} of {gpu.total_mib / 1024:.1f} GiB at most")
             for gpu in gpus]
    table = "\n".join(f"| {what} | {value} |" for what, value in rows)
    return f"## Time and memory\n\n| | |\n|---|---|\n{table}\n"


def _linked(made: Made, name: str, monitoring: MonitoringSettings) -> str:
    """A file's name; a link where the folder of the runs is served somewhere, since a browser opens no local file."""
    return f"[{name}]({_address(made, name, monitoring)})" if monitoring.files_url else f"`{name}`"


def _address(made: Made, name: str, monitoring: MonitoringSettings) -> str:
    if monitoring.files_url:
        return f"{monitoring.files_url.rstrip('/')}/{quote(made.folder.name)}/{quote(name)}"
    return (made.folder / name).resolve().as_uri()

"""Trends over nights as a picture or a page: rows, acceptance, speed, and cost where an hour has a price."""

from __future__ import annotations

import html
import io
import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from aigc.disk import write_atomically
from aigc.errors import UsageError
from aigc.history import Night

if TYPE_CHECKING:
    from matplotlib.figure import Figure

KINDS = (".png", ".svg", ".pdf", ".html")
MOST_MARKS = 8
"""Changes of the model that are marked: where sheets with different models take turns it would be every one."""
AXIS_POINTS = 580
"""About how wide the axis is."""
BLUE, PALE, GREY = "#2f5d8a", "#c9d6e4", "#5f6670"
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title><style>
body {{ font: 15px/1.5 system-ui, sans-serif; color: #1d2126; max-width: 62rem; margin: 2rem auto; padding: 0 1rem }}
h1 {{ font-size: 1.3rem; margin: 0 0 1rem }} figure {{ margin: 0 0 1.5rem }} svg {{ width: 100%; height: auto }}
.rows {{ overflow-x: auto }} table {{ border-collapse: collapse; width: 100%; white-space: nowrap }}
th, td {{ padding: .3rem .7rem; border-bottom: 1px solid #e3e6ea; text-align: right }}
th {{ color: #5f6670; font-weight: 600; font-size: .85rem }} td {{ font-variant-numeric: tabular-nums }}
p {{ color: #5f6670; font-size: .85rem }}
th:first-child, td:first-child, th:last-child, td:last-child {{ text-align: left }}
</style></head><body><h1>{title}</h1><figure>{picture}</figure><div class="rows"><table>
<thead>{heads}</thead><tbody>
{rows}
</tbody></table></div>{notes}</body></html>
"""


def draw(
    past: Sequence[Night], path: Path, price_per_hour: float = 0.0, table: Sequence[Sequence[str]] = (),
    notes: Sequence[str] = (),
) -> None:
    """Draw nights, oldest first, into `path`, whose ending says how. A page also has `table`, its heads first, and
    `notes` on it.

    Raises:
        UsageError: another ending, or matplotlib is not installed.
        StoreError: the disk refused.
    """
    kind = path.suffix.lower()
    if kind not in KINDS:
        raise UsageError("--plot", str(path), f"a file ending in {', '.join(KINDS)}", "Name another file.")
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError as exc:
        raise UsageError("--plot", "no matplotlib", "the extra that draws",
                         "Install it: pip install 'aigc[plots]'.") from exc
    title = _title(past)
    with mpl.rc_context({"font.size": 9.5, "axes.edgecolor": "#9aa1a9", "svg.fonttype": "none"}):
        figure = _figure(Figure, past, price_per_hour, "" if kind == ".html" else title)
        if kind == ".html":
            page = _page(figure, title, table, notes)
            write_atomically(path, lambda file: file.write(page.encode("utf-8", "backslashreplace")))
            return
        write_atomically(path, lambda file: _save(figure, file, kind[1:]))


def _save(figure: Figure, file: BinaryIO | io.StringIO, kind: str) -> None:
    """Without the time, so that the same nights give the same bytes."""
    stamp = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind)
    figure.savefig(file, format=kind, dpi=130, metadata=stamp)


def _title(past: Sequence[Night]) -> str:
    runs = "1 run" if len(past) == 1 else f"{len(past):,} runs"
    days = [night.finished_at[:10] for night in past]
    return f"{runs}, {days[0]} to {days[-1]}" if days[0] != days[-1] else f"{runs} of {days[0]}"


def _figure(kind: type[Figure], past: Sequence[Night], price_per_hour: float, title: str) -> Figure:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    accepted = [100 * night.accepted / night.rows if night.rows else 0.0 for night in past]
    panels = [("Texts, and accepted of them", [float(night.rows) for night in past], True),
              ("Accepted, %", accepted, False),
              ("Tokens/s", [night.took.tokens_per_s or math.nan for night in past], False)]
    if price_per_hour:
        panels.append(("Cost", [night.cost(price_per_hour) for night in past], True))
    figure = kind(figsize=(9, 1.75 * len(panels) + 0.5), layout="constrained")
    if title:
        figure.suptitle(title, x=0.01, ha="left", fontsize=12, weight="bold")
    grid = list(figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0])
    times = [_time(night.finished_at) for night in past]
    for axes, (name, values, is_amount) in zip(grid, panels, strict=True):
        _panel(axes, times, values, name, is_amount=is_amount)
    grid[0].vlines(times, 0, [night.accepted for night in past], color=BLUE, linewidth=_bar_width(times))
    _mark_models(grid, past, times)
    grid[0].set_xlim(*_shown(times))
    locator = AutoDateLocator(maxticks=9)
    grid[-1].xaxis.set_major_locator(locator)
    grid[-1].xaxis.set_major_formatter(ConciseDateFormatter(locator))
    return figure


def _panel(axes: Any, times: Sequence[datetime], values: Sequence[float], name: str, *, is_amount: bool) -> None:
    """Amounts as bars from the ground, measures as a line."""
    if is_amount:
        axes.vlines(times, 0, values, color=PALE if name.startswith("Texts") else BLUE,
                    linewidth=_bar_width(times))
    else:
        axes.plot(times, values, marker="o", markersize=3.5, linewidth=1.3, color=BLUE)
    axes.set_title(name, loc="left", fontsize=10, weight="bold")
    most = max([value for value in values if not math.isnan(value)] or [0.0])
    axes.set_ylim(0, 100 if name.endswith("%") else 1.15 * (most or 1.0))
    axes.yaxis.set_major_formatter("{x:,.0f}" if most >= 5 else "{x:,.2f}")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", alpha=0.25)


def _shown(times: Sequence[datetime]) -> tuple[datetime, datetime]:
    """From when to when, with a little room on either side: the runs of an evening fill the width as a year's do."""
    aside = (times[-1] - times[0]) / 25 or timedelta(hours=1)
    return times[0] - aside, times[-1] + aside


def _bar_width(times: Sequence[datetime]) -> float:
    """In points, narrower where runs follow close upon each other, so that their bars stand apart."""
    start, end = _shown(times)
    closest = min((after - before for before, after in pairwise(times) if after > before), default=end - start)
    return max(1.0, min(4.0, 0.7 * AXIS_POINTS * (closest / (end - start))))


def _mark_models(grid: Sequence[Any], past: Sequence[Night], times: Sequence[datetime]) -> None:
    """Where a run was made with another model than the one before, so that a step in the lines is understood."""
    changes = [at for at in range(1, len(past)) if past[at].model.digest != past[at - 1].model.digest]
    for at in changes if len(changes) <= MOST_MARKS else []:
        between = times[at - 1] + (times[at] - times[at - 1]) / 2
        for axes in grid:
            axes.axvline(between, color=GREY, linewidth=0.9, linestyle=":")
        name = past[at].model.name.replace("$", r"\$")
        grid[1].annotate(name, (between, 2), xytext=(4, 0), textcoords="offset points", fontsize=8.5, color=GREY)


def _page(figure: Figure, title: str, table: Sequence[Sequence[str]], notes: Sequence[str]) -> str:
    picture = io.StringIO()
    _save(figure, picture, "svg")
    svg = picture.getvalue()
    heads, *rows = [[html.escape(cell) for cell in row] for row in table] or [[]]
    return _PAGE.format(
        title=html.escape(title),
        picture=svg[svg.index("<svg"):],
        heads="<tr>" + "".join(f"<th>{cell}</th>" for cell in heads) + "</tr>",
        rows="\n".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows),
        notes="".join(f"<p>{html.escape(note)}</p>" for note in notes),
    )


def _time(told: str) -> datetime:
    try:
        return datetime.fromisoformat(told)
    except ValueError:  # of a version that told none
        return datetime.fromtimestamp(0, UTC)

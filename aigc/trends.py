"""Trends over nights as a picture: rows, acceptance, speed, and cost where an hour has a price."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from aigc.disk import write_atomically
from aigc.errors import UsageError
from aigc.history import Night

KINDS = (".png", ".svg", ".pdf")


def draw(past: Sequence[Night], path: Path, price_per_hour: float = 0.0) -> None:
    """Draw nights, oldest first, into `path`, whose ending says how.

    Raises:
        UsageError: another ending, or matplotlib is not installed.
        StoreError: the disk refused.
    """
    if path.suffix.lower() not in KINDS:
        raise UsageError("--plot", str(path), f"a file ending in {', '.join(KINDS)}", "Name another file.")
    try:
        from matplotlib.figure import Figure
    except ImportError as exc:
        raise UsageError("--plot", "no matplotlib", "the extra that draws",
                         "Install it: pip install 'aigc[plots]'.") from exc
    panels: list[tuple[str, list[float]]] = [
        ("Rows", [night.rows for night in past]),
        ("Accepted, %", [100 * night.accepted / night.rows if night.rows else 0.0 for night in past]),
        ("Tokens/s", [night.tokens_per_s for night in past]),
    ]
    if price_per_hour:
        panels.append(("Cost", [night.cost(price_per_hour) for night in past]))
    figure = Figure(figsize=(8, 2 * len(panels)), layout="constrained")
    days = [night.finished_at[:10] for night in past]
    grid = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
    for axes, (title, values) in zip(grid, panels, strict=True):
        axes.plot(range(len(values)), values, marker="o", markersize=3, linewidth=1.2, color="#2f5d8a")
        axes.set_ylabel(title)
        axes.set_ylim(0, 1.1 * max(*values, 1e-9))
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", alpha=0.25)
    step = max(1, len(days) // 8)
    grid[-1].set_xticks(range(0, len(days), step), days[::step], rotation=30, ha="right")
    write_atomically(path, lambda file: figure.savefig(file, format=path.suffix[1:].lower(), dpi=120))

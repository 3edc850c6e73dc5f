"""loss.png: the loss of each step, and that on validation."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

from aigc.disk import write_atomically
from aigc.engine.tuning.values import Trained
from aigc.tuning.statement import Plan

PICTURE = "loss.png"
SMOOTHED = 0.8
"""How much of the mean so far a smoothed point keeps: single steps of few lessons jump."""


def draw_loss(plan: Plan, trained: Trained, path: Path) -> None:
    """Draw how the loss fell, without a window.

    Raises:
        StoreError: the disk refused.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    steps = [(point.step, point.train) for point in trained.points if point.train is not None]
    looks = [(point.step, point.validation) for point in trained.points if point.validation is not None]
    if steps:
        numbers, losses = zip(*steps, strict=True)
        axes.plot(numbers, losses, color="#9ab7d3", linewidth=0.8, label="training, each step")
        axes.plot(numbers, _smoothed(losses), color="#1f5c99", label="training, smoothed")
    if looks:
        numbers, losses = zip(*looks, strict=True)
        axes.plot(numbers, losses, color="#c4451c", marker="o", markersize=4, label="validation")
        axes.axvline(trained.best_step, color="#777777", linestyle=":", label=f"kept: step {trained.best_step}")
    recipe, what = plan.recipe, "answers" if plan.recipe.method == "sft" else "pairs"
    title = f"{plan.base.ref}, {recipe.method}, {recipe.weights}, {recipe.batch} {what} a step"
    loss = "loss of an answer's token" if recipe.method == "sft" else "loss of a pair, and of its better answer's token"
    axes.set(xlabel="step", ylabel=loss, title=title)
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend()
    data = BytesIO()
    figure.savefig(data, format="png", metadata={"Software": None})
    write_atomically(path, lambda file: file.write(data.getvalue()))


def _smoothed(losses: tuple[float, ...]) -> list[float]:
    mean, found = losses[0], []
    for loss in losses:
        mean = SMOOTHED * mean + (1 - SMOOTHED) * loss
        found.append(mean)
    return found

"""What a run shows while it works: a live line on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import os
import sys
import time
from threading import Event, Thread
from types import TracebackType
from typing import Protocol

from aigc.report import about, speed
from aigc.tally import Tally

LINE_EVERY_S = 10.0
REFRESH_EVERY_S = 0.1
BEFORE = "loading the model, making the first texts"
LEAST_MADE = 8
"""Rows made before a time left is told, and at least as many as the engine makes at a time: before that, the one that
happened to end first would speak for all."""


class Progress(Protocol):
    """Shows a tally; called after every row."""

    def __call__(self, tally: Tally) -> None: ...
    def __enter__(self) -> Progress: ...
    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, at: TracebackType | None
    ) -> None: ...


def open_progress(*, quiet: bool) -> Progress:
    """A live view where stderr is a terminal, lines where it is not, nothing where `quiet`."""
    if quiet:
        return Silent()
    is_live = sys.stderr.isatty() and os.environ.get("TERM", "dumb") not in ("dumb", "unknown")
    return LiveView() if is_live else Lines()


class Silent:
    def __call__(self, tally: Tally) -> None:
        """Show nothing."""

    def __enter__(self) -> Silent:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to close."""


class Lines(Silent):
    """One line at most every `LINE_EVERY_S` seconds: what a log file wants. Before the first row they tell the time."""

    def __init__(self) -> None:
        self._next_s = time.monotonic() + LINE_EVERY_S
        self._has_begun = Event()
        self._waiting = Thread(target=self._tell_of_waiting, daemon=True)

    def __call__(self, tally: Tally) -> None:
        self._has_begun.set()
        if time.monotonic() >= self._next_s or tally.done == tally.total:
            self._next_s = time.monotonic() + LINE_EVERY_S
            sys.stderr.write(f"{tally.done:,}/{tally.total:,} {tally.unit} · {figures(tally)}\n")

    def __enter__(self) -> Lines:
        self._waiting.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._has_begun.set()
        self._waiting.join()

    def _tell_of_waiting(self) -> None:
        began_s = time.monotonic()
        while not self._has_begun.wait(LINE_EVERY_S):
            sys.stderr.write(f"{BEFORE} · {time.monotonic() - began_s:.0f} s\n")


class LiveView:
    """A bar with counts, speed and time left, on one line of 80 columns; before the first row, the time it takes."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn
        from rich.progress import Progress as RichProgress

        self._text = TextColumn("{task.description} · {task.elapsed:.0f} s", markup=False)
        self._bar = RichProgress(
            BarColumn(bar_width=16),  # not all of the line: the ^C that a terminal echoes would break it in two
            self._text,
            console=Console(stderr=True),
            refresh_per_second=8,
        )
        self._task = self._bar.add_task(BEFORE, total=None)
        self._shown_s = 0.0

    def __call__(self, tally: Tally) -> None:
        if time.monotonic() - self._shown_s < REFRESH_EVERY_S and tally.done != tally.total:
            return
        self._shown_s = time.monotonic()
        self._text.text_format = "{task.description}"
        now = "writing the results" if tally.done == tally.total else figures(tally)
        shown = f"{tally.done:,}/{tally.total:,} · {now}"
        self._bar.update(self._task, description=shown, total=tally.total, completed=tally.done)

    def __enter__(self) -> LiveView:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()


def figures(tally: Tally) -> str:
    """`31 accepted · 4 retries · 210 tokens/s · 40 s left`."""
    parts = [f"{tally.accepted:,} {tally.good}"]
    if tally.retries:
        parts.append(f"{tally.retries:,} {'retry' if tally.retries == 1 else 'retries'}")
    if tally.tokens_out and tally.began_s is not None:
        parts.append(speed(tally.tokens_out, time.monotonic() - tally.began_s))
    if tally.taken_over:
        parts.append(f"{tally.taken_over:,} taken over")
    if tally.made_before:
        parts.append(f"{tally.made_before:,} made before")
    if (left := left_s(tally)) is not None:
        parts.append(f"{about(left)} left")
    return " · ".join(parts)


def left_s(tally: Tally) -> float | None:
    """How long the rest will take at the rate so far, without the loading of the model; None while that is a guess."""
    rows = tally.done - tally.taken_over - tally.made_before - tally.outcomes["invalid"]
    made = min(rows, tally.attempts)  # not what was replayed, or refused without a text
    if tally.began_s is None or made < max(LEAST_MADE, tally.in_flight) or tally.done >= tally.total:
        return None
    return (tally.total - tally.done) * (time.monotonic() - tally.began_s) / made

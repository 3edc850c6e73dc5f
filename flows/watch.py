"""What the Prefect server is shown of a run, what it asks of it, and what the terminal is spared."""

from __future__ import annotations

import logging
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

import httpx
from prefect import get_client, runtime
from prefect.artifacts import create_markdown_artifact, create_progress_artifact, update_progress_artifact
from prefect.context import FlowRunContext, TaskRunContext
from prefect.logging.handlers import APILogHandler, PrefectConsoleHandler

from aigc.provenance import RunFile
from aigc.report import report
from aigc.tally import Tally

LOOK_EVERY_S = 2.0
LAST_LOOK_S = 5.0
_log = logging.getLogger("aigc.flow")


class Watch:
    """Rows done as a progress artifact that moves, and an eye on whether someone cancelled the run at the server.

    Prefect stops only what a worker started; a run from the command line has to look for itself. A thread does both:
    Prefect's client tries a silent server again for a minute, and rows must not wait for that.
    """

    def __init__(self) -> None:
        self.cancelled = False
        self._tally = Tally()
        self._artifact: UUID | None = None
        self._answers = True
        self._over = threading.Event()

    @contextmanager
    def looking(self) -> Iterator[None]:
        """Look every `LOOK_EVERY_S` seconds within the block. For the flow: a task's artifact is not on its page."""
        made = create_progress_artifact(0.0, key="aigc-progress", description="Rows done")
        self._artifact = made if isinstance(made, UUID) else None  # typed as a coroutine too, for async flows
        thread = threading.Thread(target=self._look, args=(UUID(str(runtime.flow_run.id)),), daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join(LAST_LOOK_S)

    def see(self, tally: Tally) -> None:
        """Take note of how far the run is.

        Raises:
            KeyboardInterrupt: the run was cancelled at the server; `cancelled` is set.
        """
        self._tally = tally
        if self.cancelled:
            raise KeyboardInterrupt

    def end(self, file: RunFile, folder: Path) -> None:
        """Show the finished run: all rows done, and its report."""
        if not self._answers:
            return
        with self._bearing_silence():
            self._show(100.0)
            show_report(file, folder)

    def _look(self, flow_run_id: UUID) -> None:
        while not self._over.wait(LOOK_EVERY_S):
            with self._bearing_silence(), get_client(sync_client=True) as client:
                state = client.read_flow_run(flow_run_id).state
                self.cancelled = bool(state and (state.is_cancelling() or state.is_cancelled()))
                self._show(100.0 * self._tally.done / max(self._tally.total, 1))

    def _show(self, percent: float) -> None:
        if self._artifact:
            update_progress_artifact(self._artifact, percent)

    @contextmanager
    def _bearing_silence(self) -> Iterator[None]:
        """Go on where the API does not answer: the rows matter more than their picture."""
        try:
            yield
        except httpx.HTTPError as exc:
            self._answers = False
            _log.warning("the Prefect API does not answer (%s); the run goes on without it", type(exc).__name__)
        else:
            self._answers = True


def show_report(file: RunFile, folder: Path) -> None:
    """report.md as an artifact. Its links lead to files beside it, which the server does not have."""
    text = re.sub(r"\[([^]]+)\]\(\1\)", r"`\1`", report(file))
    create_markdown_artifact(text, key="aigc-report", description=f"The run's files: {folder.resolve()}")


@contextmanager
def logs_to_api() -> Iterator[None]:
    """Send what `aigc` logs from INFO on to the flow run's page.

    PREFECT_LOGGING_EXTRA_LOGGERS=aigc would add the handler but not the level, and loses lines of threads.
    """
    logger, context = logging.getLogger("aigc"), FlowRunContext.get()
    level, present = logger.level, any(isinstance(handler, APILogHandler) for handler in logger.handlers)
    handler = APILogHandler()
    flow_run_id = context.flow_run.id if context and context.flow_run else None

    def address(record: logging.LogRecord) -> bool:
        task = TaskRunContext.get()
        vars(record).update(flow_run_id=flow_run_id, task_run_id=task.task_run.id if task else None)
        return True

    handler.addFilter(address)
    if not present:
        logger.addHandler(handler)
    if logger.getEffectiveLevel() > logging.INFO:
        logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.setLevel(level)
        logger.removeHandler(handler)


_ON_THE_PAGE = ("prefect.flow_runs", "prefect.task_runs")


class _Terminal(logging.Handler):
    """Warnings as single lines, each once, through `sys.stderr` as it is now: a live progress bar puts its own there.

    Prefect's handler writes past the bar and tears it; its lines on states and its tracebacks are on the run's page,
    and what a person at the terminal must know of them `aigc` says itself.
    """

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._said = set[str]()

    def emit(self, record: logging.LogRecord) -> None:
        line = f"{record.levelname.lower()}: {record.getMessage()}\n"
        if line not in self._said and not record.name.startswith(_ON_THE_PAGE):
            self._said.add(line)
            sys.stderr.write(line)


@contextmanager
def own_terminal() -> Iterator[None]:
    """Keep Prefect's log off the terminal, where `aigc` shows progress; its API still gets it."""
    root, inner, ours = logging.getLogger(), logging.getLogger("prefect._internal"), _Terminal()
    mute = logging.NullHandler()  # without any handler, the standard library prints warnings itself
    theirs = [(inner, handler) for handler in inner.handlers]  # prints the tracebacks of its threads
    theirs += [(root, handler) for handler in root.handlers if isinstance(handler, PrefectConsoleHandler)]
    for logger, handler in theirs:
        logger.removeHandler(handler)
    root.addHandler(ours)
    inner.addHandler(mute)
    try:
        yield
    finally:
        root.removeHandler(ours)
        inner.removeHandler(mute)
        for logger, handler in theirs:
            logger.addHandler(handler)

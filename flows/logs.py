"""Where log lines of a flow run go: those of `aigc` to its page, those of Prefect not to the terminal."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from prefect.context import FlowRunContext, TaskRunContext
from prefect.exceptions import CancelledRun, FailedRun
from prefect.logging.handlers import APILogHandler, PrefectConsoleHandler


@contextmanager
def logs_to_api() -> Iterator[None]:
    """Send what `aigc` logs from INFO on to the flow run's page.

    PREFECT_LOGGING_EXTRA_LOGGERS=aigc would add the handler but not the level, and loses lines of threads.
    """
    logging.getLogger("prefect.flow_runs").addFilter(_is_news)
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


def _is_news(record: logging.LogRecord) -> bool:
    """Whether a line is more than a traceback through Prefect: a run that was ended on purpose has said why."""
    return not (record.exc_info and isinstance(record.exc_info[1], FailedRun | CancelledRun))


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

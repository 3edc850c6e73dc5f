"""A Prefect worker whose runs are closed before it ends.

Prefect's own worker, when it is stopped or dies, ends the processes of its runs at once: no run has the time to say how
it ended, and its page shows it as running for ever. Here they are asked first, and given time; then they are killed.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Literal, TypeAlias

from aigc.errors import AigcError

CLOSES_S = 60.0
"""How long runs have: a batch is closed in seconds, a model's process may take some more."""
KILLED_S = 5.0
REPORTS_S = 3.0
"""How long Prefect's worker has to tell the server of runs that were killed."""
WORKER_ENDS_S = 15.0
STOPS_S = CLOSES_S + KILLED_S + REPORTS_S + WORKER_ENDS_S
"""The longest that stopping takes."""
LOOK_EVERY_S = 0.1
Left: TypeAlias = Literal["idle", "closed", "killed"]
"""What became of the run in progress; `idle` where there was none."""
_SET_CHILD_SUBREAPER = 36
"""Of prctl(2): processes below this one whose parents die become its own, so that they can be found."""


def work(pool: str, name: str = "") -> Left:
    """Run a worker of `pool` in the working folder, one run at a time, until it is stopped (KeyboardInterrupt).

    Returns what then became of its run: one that does not close by itself is killed.

    Raises:
        AigcError: the worker ended by itself.
    """
    ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    command = [sys.executable, "-m", "prefect", "worker", "start", "--type", "process", "--pool", pool, "--limit", "1",
               *(["--name", name] if name else [])]
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)  # what `nohup … &` ignores, a child would too
    # In a session of its own: Ctrl-C at the terminal must not reach it before its runs are closed.
    worker = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    signal.signal(signal.SIGINT, previous)
    code = None
    with suppress(KeyboardInterrupt):
        code = worker.wait()
    left = _stop(worker)
    if code is None:
        return left
    runs = "No run was in progress" if left == "idle" else f"Its runs were {left}"
    raise AigcError("Prefect worker", f"an end with exit code {code}", "a worker that runs until it is stopped",
                    f"What it said stands above. {runs}: the next ones go on from there.")


def _stop(worker: subprocess.Popen[bytes]) -> Left:
    """Close the worker's runs, then end it."""
    # It stands still while its run is closed: it would take the next one, only to lose it when it ends.
    worker.send_signal(signal.SIGSTOP)
    is_busy = bool(_runs_of(worker))
    try:
        try:
            is_closed = _close_runs(worker, CLOSES_S)
        except KeyboardInterrupt:  # who asks again does not want to wait
            is_closed = False
        if not is_closed:
            _kill_runs(worker)
            worker.send_signal(signal.SIGCONT)
            time.sleep(REPORTS_S)
        _end(worker)
    finally:
        worker.kill()
        worker.wait()
    if is_closed:
        return "closed" if is_busy else "idle"
    return "killed"


def _close_runs(worker: subprocess.Popen[bytes], within_s: float) -> bool:
    """Ask the processes of runs to end, and wait until they have. Returns whether they did."""
    until = time.monotonic() + within_s
    asked = set[int]()
    while runs := _runs_of(worker):
        if time.monotonic() > until:
            return False
        _send(signal.SIGTERM, runs - asked)
        asked |= runs
        time.sleep(LOOK_EVERY_S)
        _reap(asked)
    return True


def _kill_runs(worker: subprocess.Popen[bytes]) -> None:
    """End the processes of runs, and those that they leave behind."""
    until = time.monotonic() + KILLED_S
    while (runs := _runs_of(worker)) and time.monotonic() < until:
        _send(signal.SIGKILL, runs)
        time.sleep(LOOK_EVERY_S)
        _reap(runs)


def _end(worker: subprocess.Popen[bytes]) -> None:
    """End Prefect's worker, and what it may just have been taking."""
    worker.send_signal(signal.SIGINT)  # before it goes on, so that it hears nothing sooner
    worker.send_signal(signal.SIGCONT)
    until = time.monotonic() + WORKER_ENDS_S
    while worker.poll() is None and time.monotonic() < until:
        _close_runs(worker, until - time.monotonic())
        time.sleep(LOOK_EVERY_S)
    _send(signal.SIGKILL, _runs_of(worker))


def _runs_of(worker: subprocess.Popen[bytes]) -> set[int]:
    return _children_of({worker.pid, os.getpid()}) - {worker.pid}


def _send(number: signal.Signals, pids: Iterable[int]) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def _children_of(parents: set[int]) -> set[int]:
    """Processes that live and whose parent is one of `parents`."""
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and (state := _state_and_parent(entry)) and state[0] != "Z" and state[1] in parents:
            found.add(int(entry.name))
    return found


def _state_and_parent(entry: Path) -> tuple[str, int] | None:
    try:
        # The name of a program stands in brackets and may hold anything.
        state, parent, *_ = (entry / "stat").read_text("ascii", "replace").rpartition(")")[2].split()
    except OSError:
        return None
    return state, int(parent)


def _reap(pids: Iterable[int]) -> None:
    """Let the system forget ended processes that have become ours."""
    for pid in pids:
        with suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)

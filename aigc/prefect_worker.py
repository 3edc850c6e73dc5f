"""A Prefect worker whose runs are closed before it ends.

Prefect's own worker, when it is stopped or dies, ends the processes of its runs at once: no run has the time to say how
it ended, and its page shows it as running for ever. Here they are asked first, and given time.
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

from aigc.errors import AigcError

CLOSES_S = 60.0
"""How long runs have: a batch is closed in seconds, a model's process may take some more."""
WORKER_ENDS_S = 15.0
LOOK_EVERY_S = 0.1
_SET_CHILD_SUBREAPER = 36
"""Of prctl(2): processes below this one whose parents die become its own, so that they can be found."""


def work(pool: str, name: str = "") -> None:
    """Run a worker of `pool` in the working folder, one run at a time, until it is stopped.

    Raises:
        AigcError: the worker ended by itself.
        KeyboardInterrupt: it was stopped; its runs were closed.
    """
    ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    command = [sys.executable, "-m", "prefect", "worker", "start", "--type", "process", "--pool", pool, "--limit", "1",
               *(["--name", name] if name else [])]
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)  # what `nohup … &` ignores, a child would too
    # In a session of its own: Ctrl-C at the terminal must not reach it before its runs are closed.
    worker = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    signal.signal(signal.SIGINT, previous)
    try:
        code = worker.wait()
    finally:
        # It stands still while its run is closed: it would take the next one, only to lose it when it ends.
        worker.send_signal(signal.SIGSTOP)
        try:
            _close_runs(worker)
        finally:
            _end(worker)
    raise AigcError("Prefect worker", f"an end with exit code {code}", "a worker that runs until it is stopped",
                    "What it said stands above. Its runs were closed: the next ones go on from there.")


def _close_runs(worker: subprocess.Popen[bytes]) -> None:
    """Ask the processes of runs to end, and wait until they have."""
    until = time.monotonic() + CLOSES_S
    asked = set[int]()
    while (runs := _children_of({worker.pid, os.getpid()}) - {worker.pid}) and time.monotonic() < until:
        for pid in runs - asked:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        asked |= runs
        time.sleep(LOOK_EVERY_S)
        _reap(asked)


def _end(worker: subprocess.Popen[bytes]) -> None:
    """End Prefect's worker, and what it may just have been taking."""
    worker.send_signal(signal.SIGINT)  # before it goes on, so that it hears nothing sooner
    worker.send_signal(signal.SIGCONT)
    until = time.monotonic() + WORKER_ENDS_S
    while worker.poll() is None and time.monotonic() < until:
        _close_runs(worker)
        time.sleep(LOOK_EVERY_S)
    worker.kill()
    worker.wait()


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

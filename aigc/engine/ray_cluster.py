"""A Ray cluster as the engine needs it: joined, workers placed on its machines, their answers waited for.

Ray's usage statistics are off, and a cluster of this machine alone has no dashboard: nothing goes beyond the cluster.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from aigc.engine.deaths import EngineDied, first_line
from aigc.engine.ray_worker import ModelWorker
from aigc.engine.worker import Opener
from aigc.errors import EngineError, shown
from aigc.settings import EngineSettings

Actor: TypeAlias = Any
"""A handle on a worker; Ray has no type for it."""
Call: TypeAlias = Any
"""What a worker was asked, and will answer."""
ANSWER_S = 10.0
"""How long a cluster's address may take to be reached."""
LONGEST_REASON = 300
ALONE = "local"
"""The address of a cluster that is begun for the run, on this machine, and ends with it."""


class Share(NamedTuple):
    """How many workers a cluster gets, and what each takes of a machine."""

    workers: int
    cpus: int
    gpus: int


class Cluster:
    """The cluster of `settings`, until `leave`.

    Raises:
        EngineError: Ray is not installed, or there is no cluster at the address, or nothing in it that could work.
    """

    def __init__(self, settings: EngineSettings, opener: Opener) -> None:
        self._ray, self._opener, self._held = _import_ray(), opener, contextlib.ExitStack()
        if not self._ray.is_initialized():
            self._held.enter_context(_joined(self._ray, settings.ray_address))
        try:
            machines = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
            self.share = share_of(machines, settings)
        except BaseException:
            self.leave()
            raise

    def place(self) -> Actor:
        """A new worker, wherever there is room for it: perhaps later. Who has it restarts it, not Ray."""
        kind = self._ray.remote(ModelWorker).options(
            num_cpus=self.share.cpus, num_gpus=self.share.gpus, max_restarts=0, max_task_retries=0,
            scheduling_strategy="SPREAD",
        )
        return kind.remote(self._opener)

    def answered(self, calls: Sequence[Call], within_s: float) -> list[Call]:
        """Those of `calls` that have an answer, once one has or `within_s` are over."""
        some, _ = self._ray.wait(list(calls), num_returns=1, timeout=within_s)
        return list(self._ray.wait(list(calls), num_returns=len(calls), timeout=0)[0]) if some else []

    def answer(self, call: Call) -> Any:
        """What a worker answered.

        Raises:
            EngineDied: it, or its machine, is gone, or cannot be reached.
        """
        try:
            return self._ray.get(call)
        except self._ray.exceptions.RayError as exc:
            raise EngineDied(f"a worker of the cluster that ended: {first_line(exc)}") from None

    def end(self, actor: Actor) -> None:
        """End a worker, if it lives; one that cannot be reached is not heard any more."""
        with contextlib.suppress(self._ray.exceptions.RayError):
            self._ray.kill(actor, no_restart=True)

    def leave(self) -> None:
        """Let go of the cluster; one that was begun for this run ends."""
        self._held.close()


def share_of(machines: Sequence[Mapping[str, float]], settings: EngineSettings) -> Share:
    """A worker for each GPU; in a cluster without GPUs one for each machine, with all its processors.

    `engine.ray_workers` sets their number. `machines` are the resources of each, as Ray names them.

    Raises:
        EngineError: no machine has what a worker needs.
    """
    gpus = [int(machine.get("GPU", 0)) for machine in machines] if settings.device != "cpu" else []
    if any(gpus):
        cpus = [int(machine.get("CPU", 0)) // count for machine, count in zip(machines, gpus, strict=True) if count]
        return Share(workers=min(settings.ray_workers or sum(gpus), sum(gpus)), cpus=max(1, min(cpus)), gpus=1)
    cpus = [int(machine.get("CPU", 0)) for machine in machines if machine.get("CPU", 0) >= 1]
    if settings.device == "cuda" or not cpus:
        found = f"no {'GPU' if settings.device == 'cuda' else 'processor'} that a machine has to give"
        raise EngineError("Ray", found, "a machine that can run the model", "Look with `ray status` what each has.")
    workers = min(settings.ray_workers or len(cpus), sum(cpus))
    return Share(workers=workers, cpus=max(1, min(cpus) // -(-workers // len(cpus))), gpus=0)


def _import_ray() -> Any:
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    try:
        import ray
    except ImportError as exc:
        remedy = "Install it on every machine: pip install 'aigc[ray]'. Or run without --on ray."
        raise EngineError("Ray", f"no such package ({exc})", "the package ray", remedy) from exc
    return ray


@contextlib.contextmanager
def _joined(ray: Any, address: str) -> Iterator[None]:
    """Inside a running cluster, or one of this machine that is begun now.

    Ray prints what it has to say of dead workers to standard output, which is for results: it goes to standard error.
    """
    own = {"include_dashboard": False} if address == ALONE else {}
    os.environ.setdefault("RAY_worker_niceness", "0")  # else they give way to all other work of the machine
    refuse_silence(address)
    logging.getLogger("ray").setLevel(logging.ERROR)
    with contextlib.redirect_stdout(sys.stderr):
        try:
            with _sigterm_kept():
                ray.init(address=address, log_to_driver=False, configure_logging=False, **own)
        except (ConnectionError, RuntimeError, ValueError, OSError, ray.exceptions.RayError) as exc:
            raise _no_cluster(address, exc) from exc
        try:
            yield
        finally:
            ray.shutdown()


def refuse_silence(address: str) -> None:
    """Raise EngineError where nobody listens at HOST:PORT: Ray would go on asking for minutes."""
    named = os.environ.get("RAY_ADDRESS", "") if address == "auto" else address
    host, _, port = named.rpartition(":")
    if not host or not port.isdigit():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=ANSWER_S).close()
    except (OSError, OverflowError) as exc:
        raise _no_cluster(named, exc) from exc


def _no_cluster(address: str, exc: Exception) -> EngineError:
    why = " ".join(str(exc).split())[:LONGEST_REASON]  # of other versions it tells in the lines after the first
    return EngineError(
        f"Ray at {shown(address)}", f"no cluster to join ({why})", "one that runs",
        "Start one with `ray start --head`, correct engine.ray_address or --address, or set it to 'local' for this "
        "machine alone. The token of a cluster that has one lies in ~/.ray/auth_token on each of its machines.",
    )


@contextlib.contextmanager
def _sigterm_kept() -> Iterator[None]:
    """Ray takes SIGTERM for itself; here it stops a run as Ctrl-C does."""
    handler = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, handler)

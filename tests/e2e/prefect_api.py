"""A Prefect server of the tests' own, workers of its pools, and what it tells when it is asked."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

SERVER_STARTS_S = 90
WORKER_ENDS_S = 90
BUSY_TRIES = 10
QUICK = {
    "PREFECT_SERVER_SERVICES_SCHEDULER_RECENT_DEPLOYMENTS_LOOP_SECONDS": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
}


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def own_environment(**more: str) -> dict[str, str]:
    """The environment without what the machine's user has set for Prefect and `aigc`."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("AIGC_", "PREFECT_"))} | more


def environ(api: str, **more: str) -> dict[str, str]:
    return {"PREFECT_API_URL": api, "DO_NOT_TRACK": "1", **more}


@contextmanager
def prefect_server(home: Path, **settings: str) -> Iterator[str]:
    """A server with its data and log in `home`; gives the address of its API."""
    port = free_port()
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    own = {"PREFECT_HOME": str(home), "PREFECT_SERVER_API_PORT": str(port), "PREFECT_UI_URL": f"http://127.0.0.1:{port}"}
    environment = own_environment(**own, **QUICK, **settings)
    with (home / "server.log").open("wb") as log, subprocess.Popen(
        command, env=environment, stdout=log, stderr=log, start_new_session=True
    ) as server:
        try:
            url = f"http://127.0.0.1:{port}/api"
            _wait_for(url, server, home / "server.log")
            yield url
        finally:
            os.killpg(server.pid, signal.SIGTERM)


def _wait_for(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + SERVER_STARTS_S
    while time.monotonic() < until and server.poll() is None:
        try:
            httpx.get(f"{url}/health", timeout=2).raise_for_status()
        except httpx.HTTPError:
            time.sleep(0.2)
        else:
            return
    pytest.fail(f"the Prefect server did not start:\n{log.read_text()[-2000:]}")


@contextmanager
def aigc_worker(folder: Path, log: Path, environment: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """`aigc worker` in `folder`, stopped as systemd stops it."""
    command = [sys.executable, "-m", "aigc", "worker"]
    quick = {"PREFECT_WORKER_QUERY_SECONDS": "1"}
    with log.open("ab") as file, subprocess.Popen(
        command, env={**environment, **quick}, cwd=folder, stdout=file, stderr=file
    ) as worker:
        try:
            yield worker
        finally:
            worker.send_signal(signal.SIGTERM)
            worker.wait(WORKER_ENDS_S)


def call(method: str, url: str, body: Mapping[str, object] | None = None) -> Any:
    """What a server answers; again where SQLite was locked, as Prefect's own client does."""
    for _ in range(BUSY_TRIES):
        answer = httpx.request(method, url, json=body, timeout=30)
        if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
            break
        time.sleep(0.5)
    return answer.raise_for_status().json() if answer.status_code != httpx.codes.NO_CONTENT else None


def ask(url: str, body: Mapping[str, object]) -> list[dict[str, Any]]:
    found = call("POST", url, body)
    assert isinstance(found, list)
    return found


def of_run(api: str, kind: str, run_id: str) -> list[dict[str, Any]]:
    return ask(f"{api}/{kind}/filter", {"flow_runs": {"id": {"any_": [run_id]}}})


def artifacts(api: str, run_id: str) -> dict[str, Any]:
    """The data of each artifact on a run's page, by its key."""
    return {str(found["key"]): found["data"] for found in of_run(api, "artifacts", run_id)}


def set_state(api: str, run_id: str, kind: str) -> None:
    call("POST", f"{api}/flow_runs/{run_id}/set_state", {"state": {"type": kind}})


def eventually(find: Callable[[], Any], what: str, wait_s: float = 10.0) -> Any:
    """What `find` finds, as soon as that is something: the server learns of most things a little later."""
    until = time.monotonic() + wait_s
    while not (found := find()):
        assert time.monotonic() < until, f"no {what} within {wait_s:.0f} s"
        time.sleep(0.2)
    return found

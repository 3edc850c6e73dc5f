"""A Prefect server, a worker and a project of their own on loopback: what `chaos.py` disturbs and tests look at."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx

from aigc.prefect_server import answers, api_url, server_environment

BENCHMARKS = Path(__file__).parent
STARTS_S = 120.0


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def wait_for(look: Callable[[], Any], what: str, wait_s: float, every_s: float = 0.2) -> Any:
    """What `look` finds, once it finds something."""
    until = time.monotonic() + wait_s
    while not (found := look()):
        if time.monotonic() > until:
            raise TimeoutError(f"no {what} within {wait_s:.0f} s")
        time.sleep(every_s)
    return found


def plain_environment(**more: str) -> dict[str, str]:
    """The environment without what a user has set for aigc or Prefect."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIGC_", "PREFECT_"))}
    return {**kept, "DO_NOT_TRACK": "1", **more}


class Server:
    """A Prefect server on a port of its own. `start` again after `kill`: the database stays."""

    def __init__(self, home: Path, port: int = 0, settings: Mapping[str, str] | None = None) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self.home, self.port = home, port or free_port()
        self.url = api_url("127.0.0.1", self.port)
        self._settings = dict(settings or {})
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(self.port)]
        environ = server_environment(self.home, "127.0.0.1", self.port, plain_environment(**self._settings))
        with (self.home / "server.log").open("ab") as log:
            self._process = subprocess.Popen(command, env=environ, stdout=log, stderr=log, start_new_session=True)
        process = self._process
        wait_for(lambda: answers(self.url) or process.poll() is not None, "answer of the server", STARTS_S)
        if process.poll() is not None:
            raise RuntimeError(f"the server did not start:\n{(self.home / 'server.log').read_text()[-2000:]}")

    def stop(self, sent: signal.Signals = signal.SIGTERM) -> None:
        if self._process and self._process.poll() is None:
            os.killpg(self._process.pid, sent)
            self._process.wait(30)

    def pids(self) -> list[int]:
        """The server's processes: it has a session of its own."""
        session, found = self._process.pid if self._process else 0, []
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal():
                with suppress(OSError):  # it has just ended
                    if int((entry / "stat").read_text().rpartition(")")[2].split()[3]) == session:
                        found.append(int(entry.name))
        return found

    def ask(self, path: str, body: Mapping[str, object] | None = None) -> Any:
        """The answer to a POST with `body`, or to a GET without. A busy server is asked again, as Prefect does."""
        method = "GET" if body is None else "POST"
        until = time.monotonic() + 30
        while True:
            answer = httpx.request(method, f"{self.url}/{path}", json=body, timeout=20)
            if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE or time.monotonic() > until:
                return answer.raise_for_status().json() if answer.content else None
            time.sleep(0.5)

    def of_run(self, kind: str, run_id: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.ask(f"{kind}/filter", {"flow_runs": {"id": {"any_": [run_id]}}})
        return found

    def state(self, run_id: str) -> str:
        return str(self.ask(f"flow_runs/{run_id}")["state"]["name"])

    def set_state(self, run_id: str, kind: str, name: str | None = None, *, force: bool = False) -> None:
        state = {"type": kind, **({"name": name} if name else {})}
        self.ask(f"flow_runs/{run_id}/set_state", {"state": state, "force": force})

    def run(self, deployment_id: str, parameters: Mapping[str, object] | None = None) -> str:
        """Ask for a run of a deployment now; its id."""
        asked = {"state": {"type": "SCHEDULED"}, "parameters": dict(parameters or {})}
        return str(self.ask(f"deployments/{deployment_id}/create_flow_run", asked)["id"])


class Worker:
    """`aigc worker` for a pool, Prefect's worker under it, and the processes of its flows."""

    def __init__(
        self, server: Server, folder: Path, pool: str = "aigc", environ: Mapping[str, str] | None = None
    ) -> None:
        self._server, self._folder, self._pool = server, folder, pool
        self._environ = dict(environ or {})
        self.process: subprocess.Popen[bytes] | None = None
        self._stopping = threading.Event()

    @property
    def log(self) -> Path:
        return self._folder / "worker.log"

    def start(self) -> None:
        """Start it, and again whenever it ends, as systemd does with `Restart=always`."""
        self._start()
        threading.Thread(target=self._keep, daemon=True).start()

    def _keep(self) -> None:
        while not self._stopping.wait(0.5):
            if self.process and self.process.poll() is not None:
                self._start()

    def _start(self) -> None:
        command = [sys.executable, "-m", "aigc", "worker", "--pool", self._pool]
        paths = [str(BENCHMARKS.parent), str(BENCHMARKS), os.environ.get("PYTHONPATH", "")]
        environ = plain_environment(
            PREFECT_API_URL=self._server.url, PREFECT_HOME=str(self._folder / "prefect"),
            PREFECT_WORKER_QUERY_SECONDS="1", PYTHONPATH=os.pathsep.join(filter(None, paths)),
            AIGC_ENGINE_NAME="scripted", **self._environ,
        )
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, env=environ, stdout=log, stderr=log, cwd=self._folder,
                                            start_new_session=True)

    def stop(self) -> None:
        self._stopping.set()
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        for pid in [*self.prefect(), *self.flows()]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def flows(self) -> list[int]:
        """Processes that execute flow runs in the worker's folder: they may outlive it."""
        return self._processes(b"prefect.engine")

    def models(self) -> list[int]:
        """The processes of their models, where these are apart."""
        return self._processes(b"chaos_model")

    def prefect(self) -> list[int]:
        """The processes of Prefect's worker."""
        return self._processes(b"worker\0start\0")

    def _processes(self, words: bytes) -> list[int]:
        """Processes of this worker's folder whose command has `words`."""
        home, found = f"PREFECT_HOME={self._folder / 'prefect'}\0".encode(), []
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal():
                with suppress(OSError):  # it has just ended
                    if words in (entry / "cmdline").read_bytes() and home in (entry / "environ").read_bytes():
                        found.append(int(entry.name))
        return found


def deploy(server: Server, call: str, folder: Path, arguments: Sequence[object] = ()) -> str:
    """Run Python code against the server, in a process of its own as a user would; its last line is told."""
    ended = subprocess.run(
        [sys.executable, "-c", call, *map(str, arguments)], cwd=folder, check=False, text=True,
        capture_output=True, timeout=120,
        env=plain_environment(PREFECT_API_URL=server.url, PREFECT_HOME=str(folder / "prefect"),
                              PYTHONPATH=os.pathsep.join([str(BENCHMARKS.parent), str(BENCHMARKS)])),
    )
    if ended.returncode:
        raise RuntimeError(ended.stderr[-2000:])
    return ended.stdout.strip().splitlines()[-1]

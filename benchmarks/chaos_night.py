"""A project with its worker, and the night that `chaos.py` disturbs."""

from __future__ import annotations

import os
import resource
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
from chaos_arena import Server, Worker, deploy, wait_for
from chaos_model import STEP
from chaos_webhook import Webhook
from pipeline import write_sheet

SETTINGS = "[run]\nvariants = 2\nmax_attempts = 3\nshard_rows = 50\n"
SILENT_AFTER_S = 90.0
LATE_AFTER_S = 10.0
LONGEST_S = 300.0
LOOK_EVERY_S = 0.2
FINAL = ("Completed", "Failed", "Crashed", "Cancelled", "TimedOut")
PLAN = """
import sys
from pathlib import Path
from aigc.nights_plan import NightsPlan
from flows.schedule import set_up
from prefect import get_client
folder, step, silent, late, webhook = sys.argv[1:]
name = Path(folder).name
done = set_up(NightsPlan(cron="0 2 * * *", timezone="Europe/Berlin", folder=Path(folder), name=name, pool=name,
                         silent_after_s=float(silent), late_after_s=float(late), webhook=webhook,
                         environment={"CHAOS_STEP_S": step}))
with get_client(sync_client=True) as client:
    found = client.read_deployment_by_name(done.deployment)
    client._client.patch(f"/deployments/{found.id}", json={"entrypoint": "chaos_flows.nightly"}).raise_for_status()
print(found.id)
"""


class Night:
    """A sheet of `rows` briefs in two variants each, in a folder of its own; `step_s` is the time of an answer."""

    def __init__(self, server: Server, webhook: Webhook, folder: Path, rows: int, step_s: float) -> None:
        folder.mkdir(parents=True)
        (folder / "inputs").mkdir()
        write_sheet(folder / "inputs" / "products.csv", rows)
        (folder / "aigc.toml").write_text(SETTINGS, "utf-8")
        self.server, self.folder, self.rows = server, folder, 2 * rows
        self.worker = Worker(server, folder, folder.name, {STEP: str(step_s)})
        self.run_id = ""
        self._webhook = webhook
        self._deployment = deploy(server, PLAN, folder, [folder, step_s, SILENT_AFTER_S, LATE_AFTER_S, webhook.url])

    def begin(self, parameters: Mapping[str, object], *, has_worker: bool) -> None:
        if has_worker:
            self.worker.start()
        self.run_id = self.ask(parameters)

    def ask(self, parameters: Mapping[str, object] | None = None) -> str:
        """Ask for a night now; its id."""
        return self.server.run(self._deployment, parameters)

    def end(self) -> None:
        self.worker.stop()
        for pid in self.worker.flows():
            os.kill(pid, signal.SIGKILL)

    def made(self) -> int:
        """Lines of the journal: a line for each row or attempt that stands."""
        return sum(path.read_bytes().count(b"\n") for path in self.folder.glob("outputs/*/journal.jsonl"))

    @property
    def people(self) -> list[tuple[float, str]]:
        """What people were told of this night, and when."""
        return self._webhook.of(self.folder.name)

    def state(self) -> str:
        return self.server.state(self.run_id)

    def ended(self) -> bool:
        return self.state() in FINAL

    def final_state(self, run_id: str) -> str:
        """The state in which a run ends, once it has."""
        wait_for(lambda: self.server.state(run_id) in FINAL, "end of the next night", LONGEST_S)
        return self.server.state(run_id)

    def flow(self) -> int:
        """The run's process: the newest of those that execute it."""
        return max(self.worker.flows())

    def kill_flow(self) -> None:
        for pid in self.worker.flows():
            os.kill(pid, signal.SIGKILL)

    def kill_model(self) -> None:
        for pid in self.worker.models():
            os.kill(pid, signal.SIGKILL)

    def kill_worker(self) -> None:
        """Prefect's worker: `aigc worker` over it closes the run, ends, and is started again."""
        for pid in self.worker.prefect():
            os.kill(pid, signal.SIGKILL)

    def kill_all(self) -> None:
        """Both workers and the run's process, as when a machine loses its power."""
        assert self.worker.process
        for pid in [self.worker.process.pid, *self.worker.prefect(), *self.worker.flows()]:
            os.kill(pid, signal.SIGKILL)

    @contextmanager
    def full_disk(self, pid: int) -> Iterator[None]:
        """Let no file that a process writes be longer than the journal is now."""
        [journal] = self.folder.glob("outputs/*/journal.jsonl")
        before = resource.prlimit(pid, resource.RLIMIT_FSIZE, (journal.stat().st_size, resource.RLIM_INFINITY))
        try:
            yield
        finally:
            with suppress(ProcessLookupError):  # the run ended by it
                resource.prlimit(pid, resource.RLIMIT_FSIZE, before)

    @contextmanager
    def looking(self, look: Callable[[], None]) -> Iterator[None]:
        """Look now and then within the block, in a thread of its own; the server may be away."""
        over = threading.Event()

        def work() -> None:
            while not over.wait(LOOK_EVERY_S):
                with suppress(httpx.HTTPError):
                    look()

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

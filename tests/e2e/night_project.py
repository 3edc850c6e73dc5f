"""A project whose nights are planned at a server, and what a person asks of it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bad_inputs.cases import HEADER, MANIFEST, Case, lay_out
from prefect_api import aigc_worker, ask, call, environ, eventually, of_run, own_environment

EVERY_TEN_SECONDS = "* * * * * */10"
"""A sixth field are seconds, for those who have no minute to wait."""
FINAL = ("Completed", "Failed", "Crashed", "Cancelled", "TimedOut")


def sheet(rows: int) -> str:
    return HEADER + "".join(f"b{n},note,Bread {n},5\n" for n in range(rows))


@dataclass(frozen=True)
class Project:
    """A folder whose nights are planned at a server, and the log of its worker."""

    api: str
    folder: Path
    log: Path
    environment: dict[str, str]
    plan: str = "nightly"

    def aigc(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, "-m", "aigc", *arguments], cwd=self.folder, env=self.environment,
                              capture_output=True, text=True, timeout=120)

    @property
    def deployment(self) -> str:
        return str(call("GET", f"{self.api}/deployments/name/aigc-nightly/{self.plan}")["id"])

    def plan_no_more(self) -> None:
        """Pause the schedule, and take back what it has planned and nobody has begun."""
        call("PATCH", f"{self.api}/deployments/{self.deployment}", {"paused": True})
        waiting = {"flow_runs": {"deployment_id": {"any_": [self.deployment]}, "start_time": {"is_null_": True}}}
        for run in ask(f"{self.api}/flow_runs/filter", waiting):
            call("DELETE", f"{self.api}/flow_runs/{run['id']}")

    def ask_for_a_night(self) -> str:
        return str(call("POST", f"{self.api}/deployments/{self.deployment}/create_flow_run", {})["id"])

    def state(self, run_id: str) -> str:
        [run] = of_run(self.api, "flow_runs", run_id)
        return str(run["state_name"])

    def end_of(self, run_id: str, wait_s: float = 120) -> str:
        """The state in which a run ends."""
        try:
            eventually(lambda: self.state(run_id) in FINAL, "end of the night", wait_s)
        except AssertionError as exc:
            raise AssertionError(f"{exc}\n{self.log.read_text()[-3000:]}") from exc
        return self.state(run_id)

    def first_planned_run(self) -> dict[str, Any]:
        """Have the sheets made every ten seconds until a run that the server planned by itself has ended; that run."""
        shown = self.aigc("schedule", "--name", self.plan, "--cron", EVERY_TEN_SECONDS, "--timezone", "Asia/Shanghai",
                          "--publish", "published", "--collision", "cancel_new")
        assert shown.returncode == 0, shown.stderr
        assert shown.stdout.startswith(f"Deployment aigc-nightly/{self.plan}: inputs in {self.folder}\n")
        begun = {"flow_runs": {"deployment_id": {"any_": [self.deployment]}, "start_time": {"is_null_": False}}}
        [run, *_] = eventually(lambda: ask(f"{self.api}/flow_runs/filter", begun), "planned run that begins", 90)
        self.plan_no_more()
        self.end_of(run["id"])
        [ended] = of_run(self.api, "flow_runs", run["id"])
        return ended


@contextmanager
def open_project(api: str, root: Path, plan: str = "nightly") -> Iterator[Project]:
    """A project in `root` that a worker works for, with a sheet of six rows."""
    files = {"inputs/bread.csv": sheet(6), "templates/note/template.toml": MANIFEST,
             "aigc.toml": '[engine]\nname = "scripted"\n'}
    folder = root / "work"
    lay_out(Case("", "", 0, (), files), folder)
    environment = own_environment(AIGC_CACHE=str(root / "cache"), PREFECT_HOME=str(root / "prefect"), **environ(api))
    with aigc_worker(folder, root / "worker.log", environment):
        yield Project(api, folder, root / "worker.log", environment, plan)

"""Nights as a server plans them: `aigc schedule`, `aigc worker`, what the pages show, cancelling and going on."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from bad_inputs.cases import HEADER, MANIFEST, Case, lay_out
from chat_server import Call, ChatServer, Reply, prompt, said
from prefect_api import aigc_worker, artifacts, ask, call, environ, eventually, of_run, own_environment, set_state
from run_page import RunPage, browser_page

from aigc.engine.scripted import answer

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

    def aigc(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, "-m", "aigc", *arguments], cwd=self.folder, env=self.environment,
                              capture_output=True, text=True, timeout=120)

    @property
    def deployment(self) -> str:
        return str(call("GET", f"{self.api}/deployments/name/aigc-nightly/nightly")["id"])

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


@pytest.fixture(scope="module")
def project(api: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A project that a worker works for, with a sheet of six rows."""
    root = tmp_path_factory.mktemp("project")
    folder = root / "work"
    files = {"inputs/bread.csv": sheet(6), "templates/note/template.toml": MANIFEST,
             "aigc.toml": '[engine]\nname = "scripted"\n'}
    lay_out(Case("", "", 0, (), files), folder)
    environment = own_environment(AIGC_CACHE=str(root / "cache"), PREFECT_HOME=str(root / "prefect"), **environ(api))
    made = Project(api, folder, root / "worker.log", environment)
    with aigc_worker(folder, made.log, environment):
        yield made


@pytest.fixture(scope="module")
def planned(project: Project) -> dict[str, Any]:
    """The first run that the server planned by itself, when it has ended."""
    shown = project.aigc("schedule", "--cron", EVERY_TEN_SECONDS, "--timezone", "Asia/Shanghai",
                         "--publish", "published", "--collision", "cancel_new")
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.startswith(f"Deployment aigc-nightly/nightly: inputs in {project.folder}\n")
    running = {"flow_runs": {"deployment_id": {"any_": [project.deployment]}, "start_time": {"is_null_": False}}}
    [run, *_] = eventually(lambda: ask(f"{project.api}/flow_runs/filter", running), "planned run that begins", 90)
    project.plan_no_more()
    project.end_of(run["id"])
    [ended] = of_run(project.api, "flow_runs", run["id"])
    return ended


def test_a_planned_night_runs_by_itself_and_shows_what_it_made(project: Project, planned: dict[str, Any]) -> None:
    assert (planned["auto_scheduled"], planned["state_name"]) == (True, "Completed"), project.log.read_text()[-3000:]
    assert planned["state"]["message"] == "1 sheet made; 6 of 6 rows accepted (100%)."
    assert re.fullmatch(r"night of 20\d\d-\d\d-\d\d: inputs", planned["name"])
    [folder] = project.folder.glob("outputs/*/")
    shown = artifacts(project.api, planned["id"])
    assert shown["aigc-progress-bread-csv"] == 100
    assert "no run of this model has finished in this folder yet" in shown["aigc-forecast-bread-csv"]
    assert "6 of 6 rows accepted" in shown["aigc-report-bread-csv"]
    assert [row["id"] for row in json.loads(shown["aigc-samples-bread-csv"])] == [f"b{n}" for n in range(6)]
    assert folder.name in shown["aigc-files-bread-csv"]
    assert "| `inputs/bread.csv` | made | 6 | 6 (100%) | " in shown["aigc-night"]
    assert f"- `inputs/bread.csv`: run `{folder.name}`, published to `published/{folder.name}`" in shown["aigc-night"]
    there = project.folder / "published" / folder.name
    assert sorted(path.name for path in there.iterdir()) == ["accepted.csv", "accepted.jsonl", "manifest.json"]
    assert (there / "accepted.jsonl").read_bytes() == (folder / "accepted.jsonl").read_bytes()


def test_a_browser_shows_the_run_its_state_progress_and_report(
    project: Project, planned: dict[str, Any], tmp_path: Path
) -> None:
    with browser_page() as page:
        shown = RunPage(page, project.api, planned["id"])
        shown.open()
        shown.sees(planned["name"])
        shown.sees("Completed")
        shown.photograph(tmp_path / "run.png")
        shown.open_artifact("aigc-progress-bread-csv")
        shown.sees("6 of 6 rows · 6 accepted")
        shown.open_artifact("aigc-report-bread-csv")
        shown.sees("Share accepted")
        shown.photograph(tmp_path / "report.png")


class SlowServer:
    """A model's server that answers so many requests, and the others when it is told to."""

    def __init__(self, at_once: int) -> None:
        self.at_once, self.free = at_once, threading.Event()
        self.chat = ChatServer(self._answer, ["m"])

    def _answer(self, call: Call) -> Reply:
        if len(self.chat.calls) > self.at_once:
            self.free.wait(120)
        return Reply(body=said(answer(prompt("", seed=call.body["seed"]))))


def test_a_night_cancelled_on_its_page_is_closed_and_the_next_goes_on(
    project: Project, planned: dict[str, Any]
) -> None:
    server = SlowServer(at_once=40)
    (project.folder / "inputs" / "bread.csv").unlink()
    (project.folder / "inputs" / "cake.csv").write_text(sheet(100), "utf-8")
    with server.chat.running():
        settings = f'[engine]\nname = "openai"\nurl = "{server.chat.url}"\nconcurrency = 8\n[run]\nmodel = "m"\n'
        (project.folder / "aigc.toml").write_text(settings, "utf-8")
        night = project.ask_for_a_night()
        eventually(lambda: artifacts(project.api, night).get("aigc-progress-cake-csv"), "progress", 90)
        set_state(project.api, night, "CANCELLING")
        assert project.end_of(night) == "Cancelled"
        server.free.set()
        [folder] = project.folder.glob("outputs/*-cake-*")
        assert json.loads((folder / "run.json").read_text())["status"] == "interrupted"
        kept = (folder / "journal.jsonl").read_bytes()
        assert kept.endswith(b"\n"), "a line that was not written to its end"
        asked = len(server.chat.calls)
        assert project.end_of(project.ask_for_a_night()) == "Completed"
    file = json.loads((folder / "run.json").read_text())
    assert (file["status"], file["rows"]) == ("finished", 100)
    assert 0 < file["made_before"] <= kept.count(b"\n")
    rows = pq.read_table(folder / "records.parquet", columns=["brief_id", "outcome"]).to_pylist()
    assert Counter(row["brief_id"] for row in rows) == Counter(f"b{n}" for n in range(100))
    calls = [(call.text, call.body["seed"]) for call in server.chat.calls]
    assert {*calls[:server.at_once]} & {*calls[asked:]} == set(), "what had come was asked for again"

"""Nights as a server plans them: `aigc schedule`, `aigc worker`, what the pages show, cancelling and going on."""

from __future__ import annotations

import json
import re
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from chat_server import Call, ChatServer, Reply, prompt, said
from night_project import Project, open_project, sheet
from prefect_api import artifacts, ask, call, eventually, set_state
from run_page import RunPage, browser_page

from aigc.engine.scripted import answer


@pytest.fixture(scope="module")
def project(api: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    with open_project(api, tmp_path_factory.mktemp("project")) as project:
        yield project


@pytest.fixture(scope="module")
def planned(project: Project) -> dict[str, Any]:
    """The first run that the server planned by itself, when it has ended."""
    return project.first_planned_run()


def test_a_planned_night_runs_by_itself_and_shows_what_it_made(project: Project, planned: dict[str, Any]) -> None:
    assert (planned["auto_scheduled"], planned["state_name"]) == (True, "Completed"), project.log.read_text()[-3000:]
    assert planned["state"]["message"] == "1 sheet made; 6 of 6 texts accepted (100%)."
    assert re.fullmatch(r"night of 20\d\d-\d\d-\d\d: inputs", planned["name"])
    [folder] = project.folder.glob("outputs/*/")
    shown = artifacts(project.api, planned["id"])
    assert shown["aigc-progress-bread-csv"] == 100
    assert "no run of this model has finished in this folder" in shown["aigc-forecast-bread-csv"]
    assert "6 of 6 texts accepted" in shown["aigc-report-bread-csv"]
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
        shown.sees("6 of 6 texts · 6 accepted")
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


def log_lines(api: str, run_id: str) -> list[str]:
    """What the log of a run's page says."""
    by_run = {"logs": {"flow_run_id": {"any_": [run_id]}}, "sort": "TIMESTAMP_ASC"}
    return [str(line["message"]) for line in ask(f"{api}/logs/filter", by_run)]


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
        states = call("GET", f"{project.api}/flow_run_states/?flow_run_id={night}")
        told = [state["message"] for state in states if state["name"] == "Cancelled"]  # Prefect's worker adds its own
        words = re.compile(r"Stopped at \d+ of 100 texts of inputs/cake.csv. All texts made so far are kept; .+")
        assert any(words.fullmatch(each) for each in told), told
        # The worker's words take the place of the state's.
        eventually(lambda: [line for line in log_lines(project.api, night) if line in told], "word of it in the log")
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

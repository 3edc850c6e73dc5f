"""Who is told of nights that went wrong, by a real webhook, and plans that are made again."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from night_project import Project, open_project
from prefect_api import ask, eventually

ALWAYS = ["aigc: runs that fell silent"]
TOLD = ["aigc told: failed or crashed", "aigc told: late", "aigc told: few accepted"]


@contextmanager
def webhook(came: list[str]) -> Iterator[str]:
    """A server as chat programs have it; `came` gets the texts."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            came.append(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["text"])
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/secret"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def plan(project: Project, *arguments: str) -> list[str]:
    """Plan a night; the names of the automations that then stand at the server."""
    shown = project.aigc("schedule", "--name", project.plan, "--cron", "0 2 * * *", "--timezone", "Europe/Berlin",
                         *arguments)
    assert shown.returncode == 0, shown.stderr
    return [found["name"] for found in ask(f"{project.api}/automations/filter", {})
            if found["name"] in ALWAYS + TOLD]


@pytest.mark.slow
def test_a_webhook_is_told_of_a_night_that_failed_until_the_plan_is_made_without_it(api: str, tmp_path: Path) -> None:
    came: list[str] = []
    with open_project(api, tmp_path, "told") as project, webhook(came) as url:
        (project.folder / "inputs" / "wrong.csv").write_text("id,content_type,product\nw1,nothing,Bread\n", "utf-8")
        assert sorted(plan(project)) == ALWAYS
        project.environment["OUR_HOOK"] = url
        for _ in range(2):
            assert sorted(plan(project, "--webhook-variable", "OUR_HOOK")) == sorted(ALWAYS + TOLD)
        assert project.end_of(project.ask_for_a_night()) == "Failed"
        eventually(lambda: came, "word of the night", 60)
        assert came[0].startswith("aigc told: failed or crashed: night of 20")
        assert "1 of 2 sheets went well.\ninputs/wrong.csv: found 1 bad brief and no good one" in came[0]
        assert f"{api.removesuffix('/api')}/runs/flow-run/" in came[0]
        assert sorted(plan(project)) == ALWAYS

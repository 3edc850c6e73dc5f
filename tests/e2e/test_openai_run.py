"""`aigc run` and `aigc doctor` with a model that a server has."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from bad_inputs.cases import HEADER, MANIFEST, Case, lay_out
from chat_server import KEY, Call, ChatServer, Reply, prompt, said
from commands import Aigc

from aigc.engine.scripted import answer

SHEET = HEADER + "".join(f"b{index},note,Bread {index},5\n" for index in range(8))


def write(call: Call) -> Reply:
    """A text that passes, by the request's seed."""
    return Reply(body=said(answer(prompt("", seed=call.body["seed"]))))


@pytest.fixture
def server(_own_folder: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[ChatServer]:
    lay_out(Case("", "", 0, (), {"templates/note/template.toml": MANIFEST, "briefs.csv": SHEET}), Path())
    with ChatServer(write, ["m", "other"]).running() as server:
        monkeypatch.setenv("AIGC_ENGINE_NAME", "openai")
        monkeypatch.setenv("AIGC_ENGINE_URL", server.url)
        monkeypatch.setenv("AIGC_ENGINE_MAX_RETRIES", "1")
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        yield server


def place(server: ChatServer) -> str:
    return f"server {server.url[7:-3]}"


def test_a_run_asks_the_server_for_each_row_once_and_fetches_nothing(aigc: Aigc, server: ChatServer) -> None:
    shown = aigc("run", "briefs.csv", "--model", "m", "--json")
    assert shown.code == 0, shown.err
    run = json.loads(shown.out)
    assert (run["outcomes"], len(server.calls), run["tokens_out"]) == ({"accepted": 8}, 8, 40)
    (engine,) = run["engines"].values()
    assert (engine["engine"], engine["model"], engine["device"], engine["batch_invariant"]) == (
        "openai", "m", server.url[7:-3], False)
    assert engine["model_digest"] == run["model"]["digest"]
    assert not Path("../cache").exists()


def test_the_key_is_in_no_file_of_a_run_and_on_no_screen(aigc: Aigc, server: ChatServer) -> None:
    refused = Reply(400, f'{{"error": {{"message": "{KEY}"}}}}'.encode())
    server.plan = lambda call: refused if "Bread 3" in call.text else write(call)
    shown = aigc("run", "briefs.csv", "--model", "m")
    assert shown.code == 3, shown.err
    files = {file.name: file.read_bytes() for file in Path("outputs").rglob("*") if file.is_file()}
    assert {"run.json", "journal.jsonl", "records.parquet", "report.md"} <= files.keys()
    assert [name for name, data in files.items() if KEY.encode() in data] == []
    assert KEY not in shown.out + shown.err
    assert all(call.headers["Authorization"] == f"Bearer {KEY}" for call in server.calls)


def test_a_run_whose_server_goes_away_stops_and_goes_on_when_it_is_back(aigc: Aigc, server: ChatServer) -> None:
    server.plan = lambda call: write(call) if len(server.calls) <= 3 else Reply(cut=True)
    server.models = Reply(503)
    environ = {"AIGC_ENGINE_CONCURRENCY": "1"}
    assert aigc("run", "briefs.csv", "--model", "m", environ=environ).err.endswith(
        f"aigc: {place(server)}: found HTTP status 503; expected a server that answers. "
        "Start it, or correct engine.url; then run again: the texts made so far are kept.\n")
    server.models = ["m"]
    asked, server.models_once = len(server.calls), True
    stopped = aigc("run", "briefs.csv", "--model", "m", environ=environ)
    assert stopped.code == 1
    assert stopped.err.endswith(
        f"aigc: {place(server)}: found a connection that was cut (RemoteProtocolError), at try 2, and no answer to "
        "another request meanwhile; expected a server that answers. Start it, or correct engine.url; then run again: "
        "the texts made so far are kept.\n")
    assert (asked, len(server.calls)) == (0, 5)
    server.plan, server.models_once = write, False
    shown = aigc("run", "briefs.csv", "--model", "m", "--json", environ=environ)
    assert shown.code == 0, shown.err
    run = json.loads(shown.out)
    assert (run["outcomes"], run["made_before"], len(server.calls)) == ({"accepted": 8}, 3, 10)


def test_a_model_that_the_server_does_not_have_is_told_before_any_row_fails(aigc: Aigc, server: ChatServer) -> None:
    server.plan = lambda _: Reply(404, b"{}")
    shown = aigc("run", "briefs.csv", "--model", "gone")
    assert shown.code == 1
    assert shown.err.endswith(
        f"aigc: {place(server)}: found HTTP status 404 for model 'gone'; expected a model it has. "
        "Take a model that `aigc doctor` names, or correct engine.url, which usually ends in /v1.\n")


@pytest.mark.parametrize(("models", "model", "status", "found"), [
    (["m", "other"], "m", "ok", "{} answers and has m"),
    (["m", "other"], "gone", "warn", "{} does not list 'gone'; it has 'm', 'other'"),
    (Reply(500, b"oh"), "m", "warn", "{} answers, but lists no models"),
    (Reply(401), "m", "problem", "server {}: HTTP status 401 for the key in OPENAI_API_KEY"),
    (Reply(503), "m", "problem", "server {}: HTTP status 503"),
], ids=["listed", "unlisted", "no list", "key", "down"])
def test_the_doctor_asks_the_server_for_its_models(
    aigc: Aigc, server: ChatServer, models: list[str] | Reply, model: str, status: str, found: str
) -> None:
    server.models = models
    shown = aigc("doctor", "--json", environ={"AIGC_MODEL": model})
    finding = next(each for each in json.loads(shown.out) if each["name"] == "server")
    assert (finding["status"], finding["found"]) == (status, found.format(server.url[7:-3]))
    assert bool(finding["remedy"]) == (status != "ok")
    assert KEY not in shown.out + shown.err

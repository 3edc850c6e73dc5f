"""Where events go: a server and a file, and what a run does where they do not take them."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from small_project import MODEL

from aigc.errors import SettingsError
from aigc.lineage import Emitter, Event, abort_event, start_event
from aigc.provenance import ModelFacts, RunFile
from aigc.settings import LineageSettings, Settings
from aigc.settings_loading import load_settings

RUN = RunFile(
    run_id="2026-11-24-0143-briefs-k3f9", status="running", briefs="/work/briefs.csv", job="sha256:j",
    settings=Settings(), model=ModelFacts(ref=MODEL.ref, digest=MODEL.digest),
    started_at="2026-11-24T01:43:00.000+00:00",
)
WAIT_S = 0.4
SLACK_S = 1.0
"""What a loaded machine may add to a wait."""


@dataclass
class Server:
    """A server of lineage: answers with `status`, or says nothing for `silent_s`."""

    status: int = 201
    silent_s: float = 0.0
    got: list[tuple[str, str, dict[str, object]]] = field(default_factory=list)
    url: str = ""


@contextmanager
def serving(server: Server) -> Iterator[Server]:
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            server.got.append((self.path, self.headers.get("Authorization", ""), json.loads(body)))
            over.wait(server.silent_s)
            self.send_response(server.status)
            self.send_header("Location", "/elsewhere")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """Whoever asked may have gone: that is what is tried here."""

    http = Quiet(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever, args=(0.01,))
    thread.start()
    server.url = f"http://127.0.0.1:{http.server_port}"
    try:
        yield server
    finally:
        over.set()
        http.shutdown()
        thread.join()
        http.server_close()


@contextmanager
def dripping() -> Iterator[str]:
    """A server that sends a byte again and again, so that no wait for the next one is ever long."""
    listener = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def drip() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.sendall(b"HTTP/1.1 200 OK\r\n")
            while not over.wait(0.05):
                try:
                    connection.sendall(b"X: y\r\n")
                except OSError:
                    return

    thread = threading.Thread(target=drip)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        over.set()
        thread.join()
        listener.close()


def emitter(environ: dict[str, str] | None = None, **settings: object) -> Emitter:
    return Emitter(LineageSettings(**settings), environ or {})  # type: ignore[arg-type]


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


@pytest.fixture
def event() -> Event:
    return start_event(RUN)


def test_events_are_posted_to_the_servers_own_place(event: Event) -> None:
    with serving(Server()) as server:
        lineage = emitter(url=server.url, environ={"OPENLINEAGE_API_KEY": "key-1"})
        lineage.emit(event)
        lineage.emit(abort_event(RUN))
    assert [(path, key) for path, key, _ in server.got] == [("/api/v1/lineage", "Bearer key-1")] * 2
    assert [body["eventType"] for *_, body in server.got] == ["START", "ABORT"]


@pytest.mark.parametrize("path", ["/", "/api/v1/lineage", "/api/v1/lineage/"])
def test_the_place_may_stand_in_the_setting_already(event: Event, path: str) -> None:
    with serving(Server()) as server:
        emitter(url=server.url + path).emit(event)
    assert [(path, key) for path, key, _ in server.got] == [("/api/v1/lineage", "")]


@pytest.mark.parametrize("status", [302, 401, 500])
def test_a_refusal_is_told_once_and_each_event_still_sent(
    event: Event, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(Server(status=status)) as server:
        lineage = emitter(url=server.url, environ={"OPENLINEAGE_API_KEY": "key-1"})
        lineage.emit(event)
        lineage.emit(abort_event(RUN))
    assert len(server.got) == 2
    assert [record.getMessage() for record in caplog.records if record.name == "aigc.lineage.transport"] == [
        f"lineage.url {server.url}/api/v1/lineage: found HTTP status {status}; expected HTTP status 200 or 201. See "
        "whether the server takes OpenLineage events, or leave the setting out. The run goes on without this event."
    ]
    assert "key-1" not in caplog.text


def test_a_server_that_is_not_there_costs_a_run_nothing(event: Event, caplog: pytest.LogCaptureFixture) -> None:
    emitter(url=f"http://127.0.0.1:{closed_port()}").emit(event)
    assert "found no answer (ConnectError); expected" in caplog.text


def test_a_silent_server_holds_a_run_up_once_and_not_for_longer_than_allowed(
    event: Event, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(Server(silent_s=60.0)) as server:
        lineage = emitter(url=server.url, timeout_s=WAIT_S)
        started = time.monotonic()
        lineage.emit(event)
        lineage.emit(abort_event(RUN))
        took_s = time.monotonic() - started
    assert WAIT_S * 0.9 <= took_s < WAIT_S + SLACK_S
    assert len(server.got) == 1
    assert caplog.text.count("found no answer") == 1


def test_a_server_that_drips_is_not_waited_for_either(event: Event, caplog: pytest.LogCaptureFixture) -> None:
    with dripping() as url:
        started = time.monotonic()
        emitter(url=url, timeout_s=WAIT_S).emit(event)
        took_s = time.monotonic() - started
    assert took_s < WAIT_S + SLACK_S
    assert "found no answer in 0.4 s; expected" in caplog.text


def test_events_are_appended_to_a_file(event: Event, tmp_path: Path) -> None:
    path = tmp_path / "new" / "lineage.jsonl"
    for _ in range(2):
        emitter(file=str(path)).emit(event)
    assert [json.loads(line)["eventType"] for line in path.read_text("utf-8").splitlines()] == ["START", "START"]


def test_a_line_that_was_cut_off_spoils_no_other(event: Event, tmp_path: Path) -> None:
    path = tmp_path / "lineage.jsonl"
    path.write_text('{"eventType": "STA')
    emitter(file=str(path)).emit(event)
    torn, whole = path.read_text("utf-8").splitlines()
    assert torn == '{"eventType": "STA'
    assert json.loads(whole)["eventType"] == "START"


@pytest.mark.parametrize(("kind", "found"), [
    ("folder", "an error of the disk (Is a directory)"),
    ("pipe", "an error of the disk (no plain file)"),
    ("under a file", "an error of the disk (File exists)"),
])
def test_a_file_that_is_none_is_told_and_the_run_goes_on(
    event: Event, tmp_path: Path, kind: str, found: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "lineage"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.touch()
        path = path / "x"
    emitter(file=str(path)).emit(event)
    assert f"lineage.file {path}: found {found}; expected a file to append to." in caplog.text


def test_without_settings_nothing_is_sent(event: Event, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    lineage = emitter()
    lineage.emit(event)
    assert not lineage.is_on
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("table", "message"), [
    ({"url": "ftp://host"}, "settings, key lineage.url: found no http or https address; expected http://HOST or "
                            "https://HOST. A key goes into the environment."),
    ({"url": "https://user:key@host"}, "settings, key lineage.url: found an address with a user or a password in it; "
                                       "expected http://HOST or https://HOST. A key goes into the environment."),
    ({"timeout_s": 0.0}, "settings, key lineage.timeout_s: found '0.0'; expected seconds above 0, at most a minute. "
                         "Correct it."),
    ({"timeout_s": 61.0}, "settings, key lineage.timeout_s: found '61.0'; expected seconds above 0, at most a minute. "
                          "Correct it."),
    ({"namespace": " "}, "settings, key lineage.namespace: found an empty text; expected a name that all jobs of this "
                         "house share. Give one, or remove the key."),
    ({"key_variable": "sk-1"}, "settings, key lineage.key_variable: found no such name; expected an environment "
                               "variable's. Put the key into a variable, and that variable's name here."),
])
def test_settings_that_cannot_be_are_refused(table: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError) as error:
        load_settings(None, {"lineage": table}, {})
    assert str(error.value) == message

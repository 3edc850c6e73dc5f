"""A real HTTP server on loopback that speaks chat completions, and fails as a test tells it to."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aigc.records import Message, Prompt, Sampling
from aigc.settings import EngineSettings

KEY = "sk-very-secret-4711"


@dataclass(frozen=True)
class Reply:
    """What the server sends. `cut` closes the connection in the middle of the body."""

    status: int = 200
    body: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)
    wait_s: float = 0.0
    cut: bool = False


@dataclass(frozen=True)
class Call:
    """A request as it came: `text` is the last message, `number` counts the requests with that text from 1."""

    body: dict[str, Any]
    headers: dict[str, str]
    text: str
    number: int


Plan = Callable[[Call], Reply]


def said(text: str, **changes: Any) -> bytes:
    """A chat completion whose text is `text`."""
    message = {"role": "assistant", "content": text, **changes.pop("message", {})}
    choice = {"index": 0, "message": message, "finish_reason": "stop", **changes}
    usage = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}
    return json.dumps({"object": "chat.completion", "model": "m", "choices": [choice], "usage": usage}).encode()


class ChatServer:
    """`plan` answers each request; without one every prompt is answered with its own text, backwards."""

    def __init__(self, plan: Plan = lambda _: Reply(), models: list[str] | Reply | None = None) -> None:
        self.plan = plan
        self.models = ["m"] if models is None else models
        self.calls: list[Call] = []
        self.connections: list[socket.socket] = []
        self.asked_for_models = 0
        self.models_once = False
        """Whether models are listed only before the first prompt came: a server that dies on the way."""
        self.most_at_once = 0
        self._at_once, self._seen, self._lock = 0, Counter[str](), threading.Lock()
        self._http = _Http(("127.0.0.1", 0), _handler(self))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}/v1"

    def count(self, text: str) -> int:
        return self._seen[text]

    def chat(self, body: dict[str, Any], headers: dict[str, str]) -> Reply:
        text = body["messages"][-1]["content"]
        with self._lock:
            self._seen[text] += 1
            call = Call(body, headers, text, self._seen[text])
            self.calls.append(call)
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            reply = self.plan(call)
            time.sleep(reply.wait_s)
            return reply if reply.body is not None else replace(reply, body=said(text[::-1]))
        finally:
            with self._lock:
                self._at_once -= 1

    def list_models(self) -> Reply:
        self.asked_for_models += 1
        if self.calls and self.models_once:
            return Reply(503)
        if isinstance(self.models, Reply):
            return self.models
        return Reply(body=json.dumps({"object": "list", "data": [{"id": name} for name in self.models]}).encode())

    @contextmanager
    def running(self) -> Iterator[ChatServer]:
        thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield self
        finally:
            self._http.shutdown()
            thread.join()
            self._http.server_close()
            for connection in self.connections:  # kept alive, they would go on answering
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    """Connections that wait to be accepted; the default of 5 cuts some of those that a test opens at a time."""


def _handler(server: ChatServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def setup(self) -> None:
            super().setup()
            server.connections.append(self.connection)

        def do_GET(self) -> None:
            self._send(server.list_models() if self.path == "/v1/models" else Reply(404, b"{}"))

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            right = self.path == "/v1/chat/completions"
            self._send(server.chat(body, dict(self.headers)) if right else Reply(404, b"{}"))

        def _send(self, reply: Reply) -> None:
            body = reply.body or b""
            try:
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body[: len(body) // 2] if reply.cut else body)
                self.wfile.flush()
            except OSError:  # the client did not wait
                reply = Reply(cut=True)
            self.close_connection = self.close_connection or reply.cut

        def log_message(self, *_: object) -> None:
            pass

    return Handler


@contextmanager
def serving(plan: Plan = lambda _: Reply(), models: list[str] | Reply | None = None) -> Iterator[ChatServer]:
    with ChatServer(plan, models).running() as server:
        yield server


def settings(server: ChatServer, **changes: object) -> EngineSettings:
    return EngineSettings(name="openai", url=server.url, **changes)  # type: ignore[arg-type]


def prompt(name: str, *, seed: int = 7, schema: str | None = None, **sampling: object) -> Prompt:
    """A prompt that says its own name."""
    return Prompt(
        request_id=name,
        messages=[Message(role="user", content=name)],
        sampling=Sampling(**{"max_new_tokens": 24, **sampling}),  # type: ignore[arg-type]
        seed=seed,
        json_schema=schema,
    )

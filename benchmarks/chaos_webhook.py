"""A webhook on loopback: what people would have been told."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Webhook:
    """Takes what Prefect's automations send, and when. As a context manager it ends with the block."""

    def __init__(self) -> None:
        self.messages: list[tuple[float, str]] = []
        """Monotonic seconds and text of each message."""
        messages = self.messages

        class Taking(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                messages.append((time.monotonic(), str(json.loads(body)["text"])))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Taking)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/told"

    def of(self, name: str) -> list[tuple[float, str]]:
        """What was told of the deployment `name`."""
        return [(at, text) for at, text in self.messages if text.startswith(f"aigc {name}: ")]

    def __enter__(self) -> Webhook:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

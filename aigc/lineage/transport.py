"""Where events go: a server, a file, or both. Neither can fail a run, nor hold it up for longer than was allowed."""

from __future__ import annotations

import logging
import os
import queue
import stat
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from aigc.disk import json_bytes
from aigc.errors import problem_text
from aigc.lineage.facets import Event
from aigc.settings import LineageSettings

_log = logging.getLogger(__name__)
ENDPOINT = "/api/v1/lineage"
LEAST_WAIT_S = 0.05


class Emitter:
    """Sends the events of one run. What goes wrong with a target is told once, as a warning."""

    def __init__(self, settings: LineageSettings, environ: Mapping[str, str] = os.environ) -> None:
        self._settings = settings
        self._key = environ.get(settings.key_variable, "").strip()
        self._wait_s = settings.timeout_s
        """Seconds that failures may still cost: a server that is silent at the start is not waited for at the end."""
        self._told: set[str] = set()

    @property
    def is_on(self) -> bool:
        return bool(self._settings.url or self._settings.file)

    def emit(self, event: Event) -> None:
        """Write `event` to the file, then post it to the server."""
        data = json_bytes(event) if self.is_on else b""
        if self._settings.file:
            self._append(Path(self._settings.file), data)
        if self._settings.url and self._wait_s >= LEAST_WAIT_S:
            self._send(data)

    def _append(self, path: Path, data: bytes) -> None:
        try:
            append_line(path, data)
        except OSError as exc:
            self._warn(f"lineage.file {path}", f"an error of the disk ({exc.strerror or exc})", "a file to append to",
                       "Correct the setting, or leave it out.")

    def _send(self, data: bytes) -> None:
        started, url = time.monotonic(), _endpoint(self._settings.url)
        if not (found := _posted(url, data, self._key, self._wait_s)):
            return
        self._wait_s -= time.monotonic() - started
        self._warn(f"lineage.url {url}", found, "HTTP status 200 or 201",
                   "See whether the server takes OpenLineage events, or leave the setting out.")

    def _warn(self, place: str, found: str, expected: str, remedy: str) -> None:
        if place not in self._told:
            self._told.add(place)
            _log.warning("%s The run goes on without this event.", problem_text(place, found, expected, remedy))


def append_line(path: Path, data: bytes) -> None:
    """Append `data` as a line that the disk keeps; a line that was cut off before is ended first.

    Raises:
        OSError: the disk refused, or `path` is no file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not blocking: a pipe that nobody reads would hold the run up for ever.
    fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)
    try:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(0, "no plain file")
        is_torn = found.st_size > 0 and os.pread(fd, 1, found.st_size - 1) != b"\n"
        line = (b"\n" if is_torn else b"") + data + b"\n"
        # One write: of two processes that append at a time, neither parts the other's line.
        if os.write(fd, line) < len(line):
            raise OSError(0, "room for a part of the line only")
        os.fsync(fd)
    finally:
        os.close(fd)


def _endpoint(url: str) -> str:
    bare = url.rstrip("/")
    return bare if bare.endswith(ENDPOINT) else bare + ENDPOINT


def _posted(url: str, data: bytes, key: str, wait_s: float) -> str:
    """What went wrong, empty if nothing. It is waited for in another thread: no library's timeout bounds the whole."""
    import httpx

    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
    problems: queue.SimpleQueue[str] = queue.SimpleQueue()

    def post() -> None:
        try:
            answer = httpx.post(url, content=data, headers=headers, timeout=wait_s)
        except Exception as exc:  # noqa: BLE001 - whatever went wrong is told, and no run ends for it
            problems.put(f"no answer ({type(exc).__name__})")
        else:
            problems.put("" if answer.is_success else f"HTTP status {answer.status_code}")

    threading.Thread(target=post, name="lineage", daemon=True).start()
    try:
        return problems.get(timeout=wait_s)
    except queue.Empty:
        return f"no answer in {wait_s:.3g} s"

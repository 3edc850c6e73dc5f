"""A run as a flow that is killed, or whose server goes away. Every event: benchmarks/chaos.py."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pyarrow.parquet as pq
import pytest
from prefect_api import environ, eventually

CHAOS = Path(__file__).parents[2] / "benchmarks" / "chaos.py"
BRIEFS, VARIANTS = 60, 20
ROWS = BRIEFS * VARIANTS
SHEET = "id,content_type,product,facts\n" + "".join(
    f"p{n},product_description,Lamp {n},bright;weighs {n + 1} kg\n" for n in range(BRIEFS)
)
SETTINGS = f'[run]\nvariants = {VARIANTS}\n[filters.near_duplicate]\naction = "off"\nelsewhere = "off"\n'


class Relay:
    """The way to a server, which can be cut: the server answers nobody then, and all connections end."""

    def __init__(self, api: str) -> None:
        self._server = urlsplit(api)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open = set[socket.socket]()
        self._threads: list[threading.Thread] = []
        self.is_cut = False
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/api"

    @contextmanager
    def relaying(self) -> Iterator[None]:
        self._begin(self._accept)
        try:
            yield
        finally:
            self.cut()
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that waits for it
            self._listener.close()
            for thread in self._threads:
                thread.join(10)

    def cut(self) -> None:
        self.is_cut = True
        for end in [*self._open]:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        self.is_cut = False

    def _begin(self, work: Callable[..., None], *ends: socket.socket) -> None:
        self._threads.append(threading.Thread(target=work, args=ends, daemon=True))
        self._threads[-1].start()

    def _accept(self) -> None:
        with suppress(OSError):  # closed at the end
            while True:
                near, _ = self._listener.accept()
                if self.is_cut:
                    near.close()
                    continue
                far = socket.create_connection((str(self._server.hostname), self._server.port or 80))
                self._open |= {near, far}
                self._begin(self._pass_on, near, far)
                self._begin(self._pass_on, far, near)

    def _pass_on(self, one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while data := one.recv(1 << 16):
                other.sendall(data)
        for end in (one, other):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        self._open.discard(one)
        one.close()  # the other is closed by the thread that reads it


@contextmanager
def running(api: str) -> Iterator[subprocess.Popen[bytes]]:
    """`aigc run` of a sheet of 1,200 rows, as a flow."""
    Path("briefs.csv").write_text(SHEET, "utf-8")
    Path("aigc.toml").write_text(SETTINGS, "utf-8")
    command = [sys.executable, "-m", "aigc", "run", "briefs.csv"]
    with Path("log").open("ab") as log, subprocess.Popen(
        command, env={**os.environ, **environ(api)}, stdout=log, stderr=log
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def made() -> int:
    return sum(path.read_bytes().count(b"\n") for path in Path("outputs").glob("*/journal.jsonl"))


def assert_whole() -> None:
    """One finished run with each row once."""
    [folder] = Path("outputs").iterdir()
    file = json.loads((folder / "run.json").read_text())
    assert (file["status"], file["rows"]) == ("finished", ROWS)
    rows = pq.read_table(folder / "records.parquet", columns=["brief_id", "variant"]).to_pylist()
    wanted = Counter((f"p{brief}", variant) for brief in range(BRIEFS) for variant in range(VARIANTS))
    assert Counter((row["brief_id"], row["variant"]) for row in rows) == wanted
    lines = (folder / "journal.jsonl").read_bytes().splitlines()[1:]
    settled = Counter(line[9:58] for line in lines if line[42:58] != b"0" * 16)
    assert max(settled.values()) == 1, "a row was settled twice"


def test_a_flow_killed_without_warning_is_gone_on_with_and_no_row_is_lost_or_doubled(api: str) -> None:
    with running(api) as killed:
        eventually(lambda: made() > 100, "rows", 60)
        killed.send_signal(signal.SIGKILL)
    before = made()
    assert before < ROWS
    with running(api) as process:
        assert process.wait(120) in (0, 3), Path("log").read_text()
    assert_whole()
    [folder] = Path("outputs").iterdir()
    assert json.loads((folder / "run.json").read_text())["made_before"] > 50, "rows were made again"


def test_a_run_goes_on_while_its_server_is_away_and_ends_as_if_it_had_not_been(api: str) -> None:
    relay = Relay(api)
    with relay.relaying(), running(relay.url) as process:
        eventually(lambda: made() > 100, "rows", 60)
        relay.cut()
        at = made()
        assert at < ROWS
        eventually(lambda: made() > at, "further row", 60)
        relay.mend()
        assert process.wait(120) in (0, 3), Path("log").read_text()
    assert_whole()


@pytest.mark.slow
def test_a_night_whose_worker_is_killed_or_stopped_loses_and_doubles_nothing() -> None:
    ended = subprocess.run(
        [sys.executable, str(CHAOS), "--only", "worker and flow,to the worker", "--rows", "100", "--json"],
        capture_output=True, text=True, timeout=600,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    stopped, killed = json.loads(ended.stdout.splitlines()[-1])
    assert (stopped["state"], killed["state"]) == ("Crashed", "Crashed")
    assert (stopped["nights"], killed["nights"]) == (1, 1)
    assert killed["people"], "nobody was told"

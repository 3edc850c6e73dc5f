"""A run's process and its server looked at while it works: memory by tenths of its rows, and how soon it answers."""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType

import httpx
from chaos_arena import Server

LOOK_EVERY_S = 0.25
ASK_EVERY_S = 1.0
_TICKS_S = os.sysconf("SC_CLK_TCK")


def memory_mb(pid: int, what: str = "VmRSS") -> float:
    """Resident memory of a process; 0 once it has ended."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(f"{what}:"):
                return int(line.split()[1]) / 1024
    return 0.0


def cpu_s_of(pids: list[int]) -> float:
    """Seconds of the processor that processes have used so far."""
    used = 0.0
    for pid in pids:
        with suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            used += (int(fields[11]) + int(fields[12])) / _TICKS_S
    return used


class Lines:
    """The lines of a run's journal, counted as they come."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._path = folder, Path()
        self._read = self._lines = 0

    def count(self) -> int:
        """Whole lines so far: rows that are settled, attempts that were not enough, and a heading."""
        if not self._path.name:
            self._path = next(iter(self._folder.glob("outputs/*/journal.jsonl")), Path())
        if self._path.name:
            with self._path.open("rb") as file:
                file.seek(self._read)
                while data := file.read(1 << 24):
                    whole = data.rfind(b"\n") + 1
                    self._lines += data.count(b"\n", 0, whole)
                    self._read += whole
                    if whole < len(data):
                        break  # what is torn now may be cut off later
        return self._lines


class Watched:
    """A thread that looks at the run in `folder` from its start to the end of the block."""

    def __init__(self, folder: Path, pid: int, server: Server) -> None:
        self.lines = Lines(folder)
        self.rows = 0
        """Lines of the journal: some more than rows."""
        self.peak_mb = self.server_mb = 0.0
        self.goes_on_s: float | None = None
        self.answered_s: list[float] = []
        self._folder, self._pid, self._server = folder, pid, server
        self._began = time.monotonic()
        self._from: int | None = None
        self._marks: list[tuple[float, int, float]] = []
        """Seconds, lines and megabytes, a mark for each look."""
        self._over = threading.Event()
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._look, self._ask)]

    def go_on_from(self, lines: int) -> None:
        """Note when the journal has more than so many lines."""
        self._from = lines

    def told(self) -> dict[str, object]:
        last = self._marks[-1]
        most, tenths = max(1, last[1]), list[tuple[int, float, float]]()
        for seconds, lines, mb in self._marks:
            if lines * 10 // most > (tenths[-1][0] if tenths else -1):
                tenths.append((lines * 10 // most, round(seconds, 1), round(mb)))
        began = next((seconds for seconds, lines, _ in self._marks if lines > (self._from or 1)), 0.0)
        ended = next(seconds for seconds, lines, _ in self._marks if lines == last[1])
        made = last[1] - (self._from or 0)
        return {"seconds": round(last[0], 1), "first_row_s": round(began, 1), "rows_end_s": round(ended, 1),
                "rows_per_s": round(made / (ended - began)) if ended > began else 0, "peak_mb": round(self.peak_mb),
                "tenths": tenths}

    def __enter__(self) -> Watched:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, at: TracebackType | None) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _look(self) -> None:
        while not self._over.wait(LOOK_EVERY_S):
            mb = memory_mb(self._pid)
            if not mb:
                continue
            self.rows = self.lines.count()
            since_s = time.monotonic() - self._began
            if self._from is not None and self.goes_on_s is None and self.rows > self._from:
                self.goes_on_s = since_s
            self._marks.append((since_s, self.rows, mb))
            self.peak_mb = max(self.peak_mb, memory_mb(self._pid, "VmHWM"))
            self.server_mb = max(self.server_mb, sum(map(memory_mb, self._server.pids())))

    def _ask(self) -> None:
        with httpx.Client(base_url=f"{self._server.url}/", timeout=60) as client:
            while not self._over.wait(ASK_EVERY_S):
                began = time.monotonic()
                client.post("flow_runs/filter", json={"limit": 1}).raise_for_status()
                self.answered_s.append(time.monotonic() - began)

"""A run of a million briefs as a flow, killed in its middle: what grows with the rows, and what a server has to bear.

    python benchmarks/growth.py [--rows 1000000] [--overhead-rows 20000] [--rounds 3] [--json] [--keep FOLDER]

A Prefect server on loopback, `aigc run` with its address, ScriptedEngine in place of a model. When half of the rows are
made the process is killed without warning, and the same command goes on. Told at the end:

    peak       memory of the run's process and of the server's processes (resident), and at each tenth of the rows
    goes on    seconds from the start of the second process until it has made a row, with where they went
    server     tasks, events, log lines and requests of both processes; how long it takes to answer meanwhile
    lost       rows that are missing, doubled: rows that stand twice in the results or were settled twice
    overhead   processor time that the flow adds to that of the run, in the same process, from the first shard to the
               last file: a busy machine does not stretch it

`--overhead-rows 0` leaves the last out, `--rows 0` all the others.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from chaos_arena import BENCHMARKS, Server, plain_environment
from growth_watch import Watched, cpu_s_of
from pipeline import write_sheet

SETTINGS = '[run]\nmax_attempts = 2\n[filters.near_duplicate]\nelsewhere = "off"\n'
"""ScriptedEngine makes all its texts of a thousand sentences: each would be like thousands of others, as no model's."""
INSIDE = (str(BENCHMARKS / "growth_inside.py"),)
OVERHEAD_SHARD = 2_000
"""Rows of a task in the comparison: as many as a run of a million has."""
LONGEST_S = 7_200.0
TABLES = ("task_run", "events", "log", "artifact")


@dataclass
class Project:
    """A folder with a sheet, and `aigc run` of it."""

    folder: Path
    rows: int
    server: Server | None = None
    more: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True)
        write_sheet(self.folder / "products.csv", self.rows)
        (self.folder / "aigc.toml").write_text(SETTINGS, "utf-8")

    @contextmanager
    def running(self, program: Sequence[str] = ("-m", "aigc")) -> Iterator[subprocess.Popen[bytes]]:
        there = {"PREFECT_API_URL": self.server.url} if self.server else {}
        environ = plain_environment(
            PREFECT_HOME=str(self.folder / "prefect"), AIGC_ENGINE_NAME="scripted", PYTHONPATH=str(BENCHMARKS.parent),
            **there, **self.more,
        )
        command = [sys.executable, *program, "run", "products.csv"]
        with (self.folder / "run.log").open("ab") as log, subprocess.Popen(
            command, env=environ, stdout=log, stderr=log, cwd=self.folder
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    def overhead(self) -> dict[str, float]:
        """What the flow of a whole run took of the processor beside the run itself, in its own process."""
        shutil.rmtree(self.folder / "outputs", ignore_errors=True)
        with self.running(INSIDE) as process:
            code = process.wait()
        if code not in (0, 3):  # 3: some rows were refused
            raise RuntimeError((self.folder / "run.log").read_text()[-2000:])
        found: dict[str, float] = json.loads((self.folder / "overhead.json").read_bytes())
        return found


def overhead(server: Server, folder: Path, rows: int, rounds: int) -> dict[str, object]:
    """Seconds of the processor that the flow adds, as a share of what the run takes in the same process."""
    project = Project(folder / "compared", rows, server, {"AIGC_SHARD_ROWS": str(OVERHEAD_SHARD)})
    before = cpu_s_of(server.pids())
    took = [project.overhead() for _ in range(rounds)]
    return {
        "rows": rows,
        "overhead": [round(each["all_s"] / each["own_s"] - 1, 4) for each in took],
        "run_cpu_s": [round(each["own_s"], 2) for each in took],
        "server_cpu_s_a_run": (cpu_s_of(server.pids()) - before) / rounds,
    }


def growth(server: Server, folder: Path, rows: int) -> dict[str, object]:
    """The large run, killed when half is made, and gone on with."""
    project = Project(folder / "large", rows, server)
    before = counted_at(server)
    with project.running() as process, Watched(project.folder, process.pid, server) as first:
        _wait(process, first, rows // 2)
        process.send_signal(signal.SIGKILL)
        process.wait()
    at = first.lines.count()
    with project.running() as process, Watched(project.folder, process.pid, server) as second:
        second.go_on_from(at)
        _wait(process, second, None)
    if process.returncode not in (0, 3):
        raise RuntimeError((project.folder / "run.log").read_text()[-2000:])
    after = counted_at(server)
    return {
        "rows": rows,
        "first": first.told(),
        "second": second.told(),
        "peak_mb": max(first.peak_mb, second.peak_mb),
        "server_peak_mb": max(first.server_mb, second.server_mb),
        "goes_on_s": second.goes_on_s,
        "server": {name: after[name] - before[name] for name in after},
        "answer_ms": _answers_ms(first.answered_s + second.answered_s),
        **_results(project.folder, rows),
    }


def _wait(process: subprocess.Popen[bytes], watched: Watched, rows: int | None) -> None:
    until = time.monotonic() + LONGEST_S
    while process.poll() is None and (rows is None or watched.rows < rows):
        if time.monotonic() > until:
            raise TimeoutError(f"no end within {LONGEST_S:.0f} s")
        time.sleep(0.05)


def _answers_ms(taken_s: list[float]) -> dict[str, float]:
    ordered = sorted(taken_s)
    return {"median": 1000 * statistics.median(ordered), "p95": 1000 * ordered[int(0.95 * (len(ordered) - 1))],
            "worst": 1000 * ordered[-1], "asked": len(ordered)}


def counted_at(server: Server) -> dict[str, float]:
    """What the server has kept, once its queues are empty, and what it was asked and has used."""
    kept = _kept(server)
    while (later := _after(2.0, server)) != kept:
        kept = later
    requests = sum(b'"' in line and b" HTTP/1.1" in line for line in (server.home / "server.log").open("rb"))
    return {**kept, "requests": requests, "cpu_s": cpu_s_of(server.pids())}


def _after(seconds: float, server: Server) -> dict[str, int]:
    time.sleep(seconds)
    return _kept(server)


def _kept(server: Server) -> dict[str, int]:
    with sqlite3.connect(f"file:{server.home / 'prefect.db'}?mode=ro", uri=True, timeout=30) as base:
        return {name: base.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in TABLES}  # noqa: S608


def _results(folder: Path, rows: int) -> dict[str, object]:
    """What the finished run holds."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    [run_folder] = [path.parent for path in folder.glob("outputs/*/run.json")]
    file = json.loads((run_folder / "run.json").read_bytes())
    whole = pq.ParquetFile(run_folder / "records.parquet")
    ids = whole.read(["brief_id"])["brief_id"]
    return {
        "status": file["status"],
        "lost": rows - pc.count_distinct(ids).as_py(),
        "doubled": len(ids) - pc.count_distinct(ids).as_py() + _settled_twice(run_folder / "journal.jsonl"),
        "outcomes": file["outcomes"],
        "row_groups": whole.num_row_groups,
        "largest_group_rows": max(whole.metadata.row_group(at).num_rows for at in range(whole.num_row_groups)),
        "folder_gb": sum(path.stat().st_size for path in run_folder.rglob("*") if path.is_file()) / 1e9,
        "files": sum(path.is_file() for path in run_folder.rglob("*")),
    }


def _settled_twice(journal: Path) -> int:
    """Rows that the journal holds more than once under the same fingerprint."""
    found, seen = 0, set[bytes]()
    with journal.open("rb") as lines:
        next(lines)
        for line in lines:
            if line[42:58] != b"0" * 16:
                found += line[9:58] in seen
                seen.add(line[9:58])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="end with one JSON object")
    parser.add_argument("--rows", type=int, default=1_000_000, help="briefs of the large run")
    parser.add_argument("--overhead-rows", type=int, default=20_000, help="briefs of the runs that tell the overhead")
    parser.add_argument("--rounds", type=int, default=3, help="runs that tell the overhead")
    parser.add_argument("--keep", type=Path, help="folder for sheets and results, which are otherwise removed")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that no server is left behind
    found: dict[str, object] = {"load_before": os.getloadavg()}
    with tempfile.TemporaryDirectory(prefix="aigc-growth-", ignore_cleanup_errors=True) as temporary:
        folder = options.keep or Path(temporary)
        server = Server(folder / "server", settings={"PREFECT_SERVER_LOGGING_LEVEL": "INFO"})
        server.start()
        try:
            if options.overhead_rows:
                found["overhead"] = overhead(server, folder, options.overhead_rows, options.rounds)
                show(found["overhead"])
            if options.rows:
                found["growth"] = growth(server, folder, options.rows)
                show(found["growth"])
        finally:
            server.stop()
    found["load_after"] = os.getloadavg()
    print(f"load {found['load_before']} to {found['load_after']}")
    if options.json:
        print(json.dumps(found))


def show(figures: object) -> None:
    """Each figure on a line of its own."""
    assert isinstance(figures, dict)
    for name, value in figures.items():
        print(f"{name:<20} {value:,.3f}" if isinstance(value, float) else f"{name:<20} {value}", flush=True)


if __name__ == "__main__":
    main()

"""`aigc run --on ray`: a worker is killed, the command is killed, and the results are those of one machine."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from bad_inputs.cases import HEADER, Case, lay_out
from engine import tiny

pytest.importorskip("ray", reason="Ray is not installed: pip install 'aigc[ray]'")
pytestmark = [pytest.mark.e2e, pytest.mark.timeout(290)]

ROWS, VARIANTS = 70, 2
SETTINGS = """\
[run]
model = "model"
max_attempts = 2
variants = 2
[engine]
name = "local"
device = "cpu"
dtype = "float32"
slots = 4
ray_address = "local"
ray_workers = 2
[sampling]
max_new_tokens = 160
"""
SAME = ["brief_id", "variant", "outcome", "reasons", "text", "tokens_out", "attempts_made", "fingerprint"]


@pytest.fixture
def mark(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A variable that all processes of a run inherit, those of its cluster too."""
    mark = f"AIGC_TEST_{uuid.uuid4().hex}"
    tiny.saved_plain(Path("model"))
    sheet = HEADER + "".join(f"b{i},note,Bread {i},5\n" for i in range(ROWS))
    lay_out(Case("", "", 0, (), {"briefs.csv": sheet}), Path())
    Path("aigc.toml").write_text(SETTINGS, "utf-8")
    monkeypatch.delenv("AIGC_ENGINE_NAME")
    monkeypatch.setenv("TEST_MARK", mark)
    yield mark
    for pid in having(mark, lambda _: True):
        os.kill(pid, signal.SIGKILL)


def having(mark: str, wanted: Callable[[str], bool]) -> list[int]:
    """Processes other than this one that have the mark and whose command line is wanted."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            environ, line = (folder / "environ").read_bytes(), (folder / "cmdline").read_bytes()
        except OSError:
            continue
        is_other = mark.encode() in environ and int(folder.name) != os.getpid()
        if is_other and wanted(line.decode("utf-8", "replace")):
            found.append(int(folder.name))
    return found


def at_work(line: str) -> bool:
    """A process of the cluster. Ray's agents hold no rows, and outlive a node that was killed by a minute or two."""
    return "ray" in line and not re.match("ray::(Dashboard|RuntimeEnv)Agent", line)


def start(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "aigc", "run", "briefs.csv", "--json", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def settled(out: str) -> int:
    """Lines in the journal of the only run there is."""
    return sum(path.read_bytes().count(b"\n") for path in Path(out).glob("*/journal.jsonl"))


def wait_for(there: Callable[[], object], what: str, within_s: float = 120.0) -> None:
    until_s = time.monotonic() + within_s
    while not there():
        assert time.monotonic() < until_s, f"no {what} in time"
        time.sleep(0.05)


def finished(process: subprocess.Popen[str]) -> tuple[dict[str, object], str]:
    out, err = process.communicate(timeout=240)
    assert process.returncode in (0, 3), err
    run = json.loads(out)
    assert run["status"] == "finished"
    return run, err


def results(run: dict[str, object]) -> list[dict[str, object]]:
    table = pq.read_table(Path(str(run["folder"])) / "records.parquet")
    return list(table.select(SAME).to_pylist())


def test_a_worker_and_then_the_command_are_killed_and_the_results_are_those_of_one_machine(mark: str) -> None:
    alone, _ = finished(start("--out", "alone"))
    first = start("--on", "ray", "--out", "many")
    wait_for(lambda: settled("many") > 8, "rows from the cluster")
    workers = having(mark, lambda line: line.startswith("ray::ModelWorker"))
    assert [os.getpriority(os.PRIO_PROCESS, pid) for pid in workers] == [0, 0], "they give way to nobody"
    os.kill(workers[0], signal.SIGKILL)
    wait_for(lambda: settled("many") > 30, "rows after a worker's death")
    first.kill()
    first.communicate(timeout=60)
    wait_for(lambda: not having(mark, at_work), "end of the cluster", 60)
    lines = settled("many")
    many, _ = finished(start("--on", "ray", "--out", "many"))
    assert len(list(Path("many").iterdir())) == 1, "the same run went on"
    assert settled("many") > lines
    assert results(many) == results(alone)
    assert len(results(many)) == ROWS * VARIANTS
    assert [*many["engines"]] == [*alone["engines"]]  # type: ignore[misc]
    assert re.search(r'"made_before": ?0\b', json.dumps(many)) is None
    assert not having(mark, at_work), "nothing is left of the cluster"

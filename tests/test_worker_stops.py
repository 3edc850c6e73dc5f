"""`aigc worker` ends within its time, also where a run does not: with a stand-in for Prefect's worker."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from aigc import schedule_cli
from aigc.nights_plan import NightsPlan
from flows.schedule import SetUp

STAND_IN = """#!{python}
import signal, subprocess, sys, time
from pathlib import Path
signal.signal(signal.SIGINT, signal.SIG_DFL)
run = "import os, signal, sys, time; from pathlib import Path; {on_sigterm}; Path('run').write_text(str(os.getpid()));"
code = subprocess.run([sys.executable, "-c", run + "time.sleep(60)"]).returncode
Path("told").write_text(str(code))
time.sleep(60)
"""
IDLE = """#!{python}
import signal, time
from pathlib import Path
signal.signal(signal.SIGINT, signal.SIG_DFL)
Path("idle").touch()
time.sleep(60)
"""
CALL = """
import sys
from aigc import prefect_worker, schedule_cli
prefect_worker.CLOSES_S, prefect_worker.REPORTS_S, prefect_worker.WORKER_ENDS_S = 1.0, 1.0, 1.0
schedule_cli._refuse_no_api = lambda: None
sys.executable = "./stand-in"
schedule_cli.worker(pool="aigc", name="")
"""


def living() -> set[str]:
    """Processes; those that ended and were not yet looked after are none."""
    with_state = subprocess.run(["ps", "-eo", "pid=,state="], capture_output=True, text=True, check=True).stdout
    return {pid for pid, state in map(str.split, with_state.splitlines()) if state != "Z"}


@pytest.mark.parametrize(("on_sigterm", "ending", "code"), [
    ("pass", "is closed", 0),
    ("signal.signal(signal.SIGTERM, signal.SIG_IGN)", "did not close in time and was killed: its texts are kept", -9),
], ids=["a run that closes", "a run that does not"])
def test_a_worker_that_is_stopped_leaves_no_run_behind_and_says_how_it_ended(
    on_sigterm: str, ending: str, code: int, tmp_path: Path
) -> None:
    stand_in = tmp_path / "stand-in"
    stand_in.write_text(STAND_IN.format(python=sys.executable, on_sigterm=on_sigterm), "utf-8")
    stand_in.chmod(0o755)
    with subprocess.Popen([sys.executable, "-c", CALL], cwd=tmp_path, stderr=subprocess.PIPE, text=True,
                          env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}) as worker:
        until = time.monotonic() + 60
        while not (tmp_path / "run").exists() or not (tmp_path / "run").read_text():
            assert time.monotonic() < until
            time.sleep(0.05)
        worker.send_signal(signal.SIGTERM)
        _, said = worker.communicate(timeout=60)
    assert said.splitlines() == [f"Stopped. The run that was in progress {ending}."]
    assert (tmp_path / "run").read_text() not in living()
    if code:
        assert (tmp_path / "told").read_text() == str(code), "Prefect's worker had no time to tell the server"


def test_a_worker_that_is_stopped_when_idle_says_so(tmp_path: Path) -> None:
    stand_in = tmp_path / "stand-in"
    stand_in.write_text(IDLE.format(python=sys.executable), "utf-8")
    stand_in.chmod(0o755)
    with subprocess.Popen([sys.executable, "-c", CALL], cwd=tmp_path, stderr=subprocess.PIPE, text=True,
                          env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}) as worker:
        until = time.monotonic() + 60
        while not (tmp_path / "idle").exists():
            assert time.monotonic() < until
            time.sleep(0.05)
        worker.send_signal(signal.SIGTERM)
        _, said = worker.communicate(timeout=60)
    assert said.splitlines() == ["Stopped. No run was in progress."]


def test_the_trial_that_is_offered_is_limited_and_has_the_settings_of_the_plan(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = NightsPlan(cron="0 2 * * *", timezone="Europe/Berlin", folder=tmp_path, publish="out", config="it's.toml")
    schedule_cli._tell(plan, SetUp("aigc-nightly/nightly", [], [], is_planned=True))
    said = [shlex.split(line) for line in capsys.readouterr().out.splitlines() if " deployment run " in line]
    (*_, option, trial), whole = said
    assert option == "--param"
    assert json.loads(trial.removeprefix("run=")) == {"limit": 8, "config": "it's.toml"}
    assert whole[1:] == ["deployment", "run", "aigc-nightly/nightly"]

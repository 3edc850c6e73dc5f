"""`aigc judge` as its user meets it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from bad_inputs.cases import HEADER, Case, lay_out
from commands import Aigc

ROWS = 1500


@pytest.fixture
def made(aigc: Aigc, _own_folder: None) -> str:
    """Id of a run of many rows in a project of its own, and settings to judge it by."""
    rows = "".join(f"b{number},note,Bread {number},5\n" for number in range(ROWS))
    lay_out(Case("", "", 0, (), {"briefs.csv": HEADER + rows}), Path())
    Path("strict.toml").write_text('[filters.forbidden_terms]\naction = "hold"\nterms = ["the"]\n', "utf-8")
    shown = aigc("run", "briefs.csv", "--json")
    assert shown.code == 0, shown.err
    return str(json.loads(shown.out)["run_id"])


def wait_for_judging(process: subprocess.Popen[str], made: str) -> Path:
    """The folder of the judging, once it has judged some rows."""
    for _ in range(3000):
        for path in Path("outputs").glob("*/journal.jsonl"):
            if path.parent.name != made and path.read_bytes().count(b"\n") > 20:
                return path.parent
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    raise AssertionError("nothing was judged within 30 s")


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM], ids=lambda stop: stop.name)
def test_a_stopped_judging_says_so_and_the_same_command_finishes_it(
    aigc: Aigc, made: str, stop: signal.Signals
) -> None:
    program = [sys.executable, "-c", "from aigc.cli import main; main()", "judge", "--config", "strict.toml"]
    with subprocess.Popen(program, env=os.environ, stderr=subprocess.PIPE, text=True) as process:
        folder = wait_for_judging(process, made)
        process.send_signal(stop)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "aigc: interrupted. The run whose texts were judged is as it was: the same command goes on" in said
    assert "Traceback" not in said
    assert json.loads((folder / "run.json").read_text("utf-8"))["status"] == "interrupted"

    shown = aigc("judge", "--config", "strict.toml", "--json")
    assert f"Judging the texts of {made}, the newest run that has finished.\n" in shown.err
    file = json.loads(shown.out)
    assert (file["run_id"], file["judged_run"], file["status"]) == (folder.name, made, "finished")
    assert file["outcomes"] == {"held": ROWS}
    assert file["made_before"] >= 10

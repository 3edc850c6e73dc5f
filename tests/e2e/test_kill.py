"""kill -9 and the same command again: nothing lost, doubled or different. Long form: benchmarks/kill.py."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

KILL = Path(__file__).parents[2] / "benchmarks" / "kill.py"


def test_a_run_killed_at_random_moments_ends_as_if_nobody_had_disturbed_it() -> None:
    ended = subprocess.run(
        [sys.executable, str(KILL), "--kills", "4", "--rows", "60", "--json"],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    figures = json.loads(ended.stdout.splitlines()[-1])
    assert (figures["lost"], figures["doubled"], figures["differing"]) == (0, 0, 0)
    assert (figures["kills"], figures["kills_in_export"]) == (4, 1)
    assert figures["remade"] <= 4 * 8, "only answers in flight are made again"

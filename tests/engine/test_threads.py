from __future__ import annotations

import os
import subprocess
import sys

import pytest

from aigc.engine.threads import busy_share, choose_waiting


def test_a_users_choice_of_waiting_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    choose_waiting()
    assert os.environ["OMP_WAIT_POLICY"] == "ACTIVE"


def test_cores_that_others_use_are_seen() -> None:
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2)]
    try:
        assert max(busy_share() for _ in range(5)) > 0.2
    finally:
        for process in busy:
            process.kill()
            process.wait()

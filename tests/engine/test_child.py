"""The model's process and the one that drives it: neither outlives the other."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from . import dying

DRIVER = """
import sys
from aigc.engine.restart import RestartingEngine
from aigc.models import ModelRef
from aigc.settings import EngineSettings
from engine.dying import Prompt
from aigc.records import Message, Sampling
prompt = Prompt(request_id="a", messages=[Message(role="user", content="a")], sampling=Sampling(), seed=1)
engine = RestartingEngine(EngineSettings(), ModelRef(ref="played"), apart=True, worker="engine.dying")
engine.info()
def prompts():
    yield prompt
    sys.stdout.write("torch" if "torch" in sys.modules else "ready")
    sys.stdout.flush()
list(engine.generate(prompts()))
"""


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda s: s.name)
def test_the_models_process_ends_with_the_one_that_drives_it(
    notes: Path, monkeypatch: pytest.MonkeyPatch, ending: signal.Signals
) -> None:
    """Ctrl-C reaches both, in a group of their own as at a terminal. A model apart costs the driver no torch."""
    monkeypatch.setenv("DYING_HOW", "take_long")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent.parent))
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-c", DRIVER], stdout=subprocess.PIPE, stderr=subprocess.PIPE, process_group=0
    ) as driver:
        assert driver.stdout
        assert driver.stdout.read(5) == b"ready"
        if ending == signal.SIGINT:
            os.killpg(driver.pid, ending)
        else:
            driver.send_signal(ending)
        _, said = driver.communicate(timeout=20)
    assert driver.returncode == -ending
    assert said.decode().count("Traceback") == (ending == signal.SIGINT)
    assert "Warning" not in said.decode()
    (left,) = dying.started(notes)
    assert dying.is_gone(left)

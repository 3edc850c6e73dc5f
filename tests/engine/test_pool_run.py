"""A run on many engines: its report tells what each did, and a run on a GPU that another uses is refused."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from small_project import small_project

from aigc import cli
from aigc.engine import cards, slots_of
from aigc.engine.cards import Card
from aigc.engine.child import Place
from aigc.engine.pool import EnginePool
from aigc.engine.restart import RestartingEngine
from aigc.models import ModelRef
from aigc.settings import EngineSettings

from . import dying, tiny

HOLDER = """
import sys
from aigc.engine.cards import Card, Hold
hold = Hold([Card(number=0, uuid="GPU-0", name="Played")])
print("held", flush=True)
sys.stdin.read()
"""


def test_the_report_tells_what_each_process_made(
    tmp_path: Path, notes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DYING_HOW", "take_2_ms")
    project = small_project(tmp_path)
    project.products(*(f"kettle {number}" for number in range(30)))
    pool = EnginePool([
        RestartingEngine(EngineSettings(), ModelRef(ref="played"), apart=True, worker=dying.__name__, place=Place(name))
        for name in ("GPU 0 (Played)", "GPU 1 (Played)")
    ])
    try:
        assert slots_of(pool) == 2 * dying.SLOTS
        with project.opened(pool) as (job, run):
            run.generate(job.rows())
            file = run.finish()
    finally:
        pool.close()
    assert file.devices.keys() == {"GPU 0 (Played)", "GPU 1 (Played)"}
    assert sum(use.tokens_out for use in file.devices.values()) == file.tokens_out
    assert len(file.engines) == 1, "what makes a text is the same on each"
    report = (project.out / file.run_id / "report.md").read_text("utf-8")
    head, *rows = report.partition("## Processes\n\n")[2].partition("\n\n## ")[0].splitlines()[2:]
    assert head == "| Process | Texts | Tokens | Busy | Speed |"
    for row, (name, use) in zip(rows[1:], file.devices.items(), strict=True):
        assert row.startswith(f"| {name} | {use.texts} | {use.tokens_out:,} | ")
        assert row.endswith(" tokens/s |")
    assert len(dying.started(notes)) == 2


def test_a_command_is_refused_a_gpu_that_another_process_uses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The driver's list alone is played: the machine of the tests has no GPU."""
    monkeypatch.setenv("AIGC_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("AIGC_ENGINE_DEVICE", "cuda")
    monkeypatch.setattr("aigc.engine.places.visible_cards", lambda: [Card(number=0, uuid="GPU-0", name="Played")])
    monkeypatch.chdir(tmp_path)
    small_project(tmp_path)
    model = tiny.saved(tmp_path / "model").folder()
    monkeypatch.setattr(sys, "argv", ["aigc", "run", "briefs.csv", "--model", str(model)])
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(SystemExit) as ended:
            cli.main()
        holder.kill()
    said = " ".join(capsys.readouterr().err.split())
    assert ended.value.code == 1
    assert f"GPU 0 (Played): found process {holder.pid} on " in said
    assert not (tmp_path / "outputs").exists()
    cards.Hold([Card(number=0, uuid="GPU-0", name="Played")]).release()

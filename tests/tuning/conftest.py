"""The program as it tunes models: on the CPU, in this process."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from tuning_commands import Call, Shown

from aigc import cli


@pytest.fixture
def aigc(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Call:
    """`aigc("dataset", run)` in the test's folder, with nothing of the machine's user."""
    for name in [name for name in os.environ if name.startswith("AIGC_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AIGC_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("AIGC_ENGINE_DEVICE", "cpu")
    monkeypatch.setenv("AIGC_ENGINE_DTYPE", "float32")
    monkeypatch.chdir(tmp_path)

    def call(*arguments: object) -> Shown:
        capsys.readouterr()
        with monkeypatch.context() as patch:
            patch.setattr(sys, "argv", ["aigc", *map(str, arguments)])
            with pytest.raises(SystemExit) as ended:
                cli.main()
        written = capsys.readouterr()
        return Shown(int(ended.value.code or 0), written.out, written.err)

    return call

from __future__ import annotations

from pathlib import Path

import pytest

from aigc.models import ModelRef

from . import tiny


@pytest.fixture(scope="session")
def llama(tmp_path_factory: pytest.TempPathFactory) -> ModelRef:
    return tiny.saved(tmp_path_factory.mktemp("llama"))


@pytest.fixture
def notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file in which every start of a model's process leaves a line."""
    monkeypatch.setenv("DYING_NOTES", str(tmp_path / "notes"))
    return tmp_path / "notes"

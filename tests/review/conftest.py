"""A run's folder for tests of review, whose helpers are imported from here."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of a finished run."""
    from runs_to_review import write_run

    return write_run(tmp_path / "outputs" / "2026-11-24-0143-briefs-k3f9")

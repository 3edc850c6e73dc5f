"""Helpers of this folder are imported by their names."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from small_project import Project, small_project

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Notes in two languages, and a card, whose filters let all pass."""
    from exports import CARD

    project = small_project(tmp_path)
    project.pack("card", **CARD)
    project.set("filters", language={"action": "off"}, length={"action": "off"}, near_duplicate={"action": "off"})
    project.sheet([
        {"id": "kettle", "content_type": "note", "product": "kettle", "language": "en"},
        {"id": "灯/../../x", "content_type": "note", "product": "灯", "language": "zh"},
        {"id": "=cmd", "content_type": "note", "product": "stool", "language": "en"},
        {"id": "card", "content_type": "card", "product": "kettle", "language": "en"},
    ])
    return project

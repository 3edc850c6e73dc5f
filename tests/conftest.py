"""Makes the modules of this folder (factories, bad_inputs and the like) importable from every test below it, and says
which files come first."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as `open_engine` does: before torch is imported

sys.path.insert(0, str(Path(__file__).parent))

LONGEST = (
    "test_models_fetched.py", "test_real_model.py", "test_flow.py", "test_nights.py", "test_engine_memory.py",
    "test_restart.py",
)


SLOW = "SLOW_TESTS"
"""Set, tests are run too that are marked `slow`: what they see, others see in less time, if not as thoroughly."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that take about a minute come first: where two processes share the files, none is left alone with one."""
    items.sort(key=lambda item: item.path.name not in LONGEST)
    if not os.environ.get(SLOW):
        for item in items:
            if item.get_closest_marker("slow"):
                item.add_marker(pytest.mark.skip(reason=f"slow: set {SLOW}=1, or make test-all"))

"""Makes the modules of this folder (factories, bad_inputs and the like) importable from every test below it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as `open_engine` does: before torch is imported

sys.path.insert(0, str(Path(__file__).parent))

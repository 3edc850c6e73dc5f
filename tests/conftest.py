"""Makes the modules of this folder (factories, bad_inputs and the like) importable from every test below it."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

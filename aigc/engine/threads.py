"""How the model's threads wait for each other, decided before torch is imported. Imports nothing of the engine."""

from __future__ import annotations

import os
import time
from pathlib import Path

SAMPLE_S = 0.2
BUSY_SHARE = 0.25
_STAT = Path("/proc/stat")


def choose_waiting() -> None:
    """Let threads sleep between the parallel parts of a step where other processes use this machine's cores.

    A step has hundreds of parallel parts. Threads that spin between them are fastest alone (1.4 to 1.7 times, measured)
    and stall each other up to tenfold as soon as another process wants a core. OpenMP reads the choice once, when torch
    is first imported; a choice of the user's stands.
    """
    if "OMP_WAIT_POLICY" not in os.environ and busy_share() > BUSY_SHARE:
        os.environ["OMP_WAIT_POLICY"] = "PASSIVE"


def busy_share() -> float:
    """Share of all cores' time that others used in the last `SAMPLE_S` seconds; 0 where the system does not say."""
    before = _times()
    time.sleep(SAMPLE_S)
    after = _times()
    if before is None or after is None or after[0] <= before[0]:
        return 0.0
    return 1.0 - (after[1] - before[1]) / (after[0] - before[0])


def _times() -> tuple[int, int] | None:
    """Ticks of all cores, in all and idle, since the machine started (proc_stat(5))."""
    try:
        fields = [int(field) for field in _STAT.read_text().split("\n", 1)[0].split()[1:9]]
    except (OSError, ValueError):
        return None
    return sum(fields), fields[3] + fields[4]

"""How much memory this machine, or the container that limits it, has, and has left."""

from __future__ import annotations

import os
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")


def total_memory_bytes(cgroup: Path = _CGROUP) -> int:
    """All memory of the machine, as far as the container's limit lets it be used."""
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limit = _limit_bytes(cgroup)
    return machine if limit is None else min(machine, limit)


def free_memory_bytes(meminfo: Path = Path("/proc/meminfo"), cgroup: Path = _CGROUP) -> int | None:
    """Memory that can still be taken, the container's limit included; None where the system does not tell."""
    try:
        facts = dict(line.split(":", 1) for line in meminfo.read_text("ascii").splitlines() if ":" in line)
        free = int(facts["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError):
        return None
    limit = _limit_bytes(cgroup)
    if limit is None:
        return free
    try:
        used = int((cgroup / "memory.current").read_text("ascii"))
    except OSError:
        return free
    return max(0, min(free, limit - used + min(used, _unused_cache_bytes(cgroup))))


def _unused_cache_bytes(cgroup: Path) -> int:
    """What the container's memory has of files that nobody reads now, which the system gives back when it is wanted."""
    try:
        facts = dict(line.split(" ", 1) for line in (cgroup / "memory.stat").read_text("ascii").splitlines())
        return int(facts["inactive_file"])
    except (OSError, KeyError, ValueError):
        return 0


def _limit_bytes(cgroup: Path) -> int | None:
    """The container's limit (cgroup v2, memory.max); None where there is none."""
    try:
        limit = (cgroup / "memory.max").read_text("ascii").strip()
    except OSError:
        return None
    return None if limit == "max" else int(limit)

"""How much memory this machine, or the container that limits it, has left."""

from __future__ import annotations

from pathlib import Path


def free_memory_bytes(meminfo: Path = Path("/proc/meminfo"), cgroup: Path = Path("/sys/fs/cgroup")) -> int | None:
    """Memory that can still be taken, the container's limit included; None where the system does not tell."""
    try:
        facts = dict(line.split(":", 1) for line in meminfo.read_text("ascii").splitlines() if ":" in line)
        free = int(facts["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError):
        return None
    try:
        limit, used = ((cgroup / name).read_text("ascii").strip() for name in ("memory.max", "memory.current"))
    except OSError:
        return free
    return free if limit == "max" else max(0, min(free, int(limit) - int(used)))

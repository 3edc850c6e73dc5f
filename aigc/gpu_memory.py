"""How much memory of the GPUs is taken, as the NVIDIA driver tells it: no library that opens a device is asked."""

from __future__ import annotations

import shutil
import subprocess

from aigc.records import Value

ASK_WAIT_S = 10.0
_FIELDS = "index,name,memory.used,memory.total"


class GpuMemory(Value, frozen=True):
    """Memory of one GPU in MiB. `used` counts all processes."""

    index: str
    name: str
    used_mib: int
    total_mib: int


def gpu_memory() -> list[GpuMemory]:
    """Memory of every GPU now; nothing where there is no driver, or it does not answer."""
    if not (program := shutil.which("nvidia-smi")):
        return []
    command = [program, f"--query-gpu={_FIELDS}", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=ASK_WAIT_S, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    return parse(done.stdout)


def parse(told: str) -> list[GpuMemory]:
    """The driver's lines; one that tells no memory, as of a GPU that is parted or broken, is left out."""
    found = []
    for line in told.splitlines():
        index, _, rest = line.partition(", ")
        name, *figures = rest.rsplit(", ", 2)
        if len(figures) == 2 and all(figure.strip().isdecimal() for figure in figures):
            used, total = map(int, figures)
            found.append(GpuMemory(index=index.strip(), name=name.strip(), used_mib=used, total_mib=total))
    return found


def highest(before: list[GpuMemory], now: list[GpuMemory]) -> list[GpuMemory]:
    """Of each GPU the reading with more memory taken."""
    most = {gpu.index: gpu for gpu in before}
    for gpu in now:
        if gpu.index not in most or gpu.used_mib > most[gpu.index].used_mib:
            most[gpu.index] = gpu
    return list(most.values())

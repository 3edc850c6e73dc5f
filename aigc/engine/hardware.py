"""What torch sees of the machine."""

from __future__ import annotations

import warnings

from aigc.records import Value


class Gpu(Value, frozen=True):
    """One CUDA device. `memory_free_bytes` is None where another process holds the device for itself."""

    name: str
    compute_capability: str
    memory_bytes: int
    memory_free_bytes: int | None
    bf16: bool


class Hardware(Value, frozen=True):
    """`cuda` is the version torch was built for, empty for a CPU build; `problem` is why a CUDA build sees no GPU."""

    torch: str
    cuda: str
    gpus: list[Gpu]
    cpu_bf16: bool
    """The CPU multiplies bfloat16 in hardware. Without it kernels of the engine do."""
    problem: str = ""


def hardware() -> Hardware:
    """The machine as torch sees it. Takes seconds: it imports torch and wakes the GPUs.

    Raises:
        ImportError: torch is missing.
        OSError: torch is there, and one of its libraries cannot be loaded.
    """
    import torch

    from aigc.engine.cpu.linear import multiplies_itself

    with warnings.catch_warnings(record=True) as caught:  # how torch tells that the driver is too old
        warnings.simplefilter("always")
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return Hardware(
        torch=str(torch.__version__),
        cuda=torch.version.cuda or "",
        gpus=[_gpu(index) for index in range(count)],
        cpu_bf16=multiplies_itself(torch.bfloat16),
        problem="; ".join(str(warning.message).splitlines()[0] for warning in caught) if not count else "",
    )


def _gpu(index: int) -> Gpu:
    import torch

    facts = torch.cuda.get_device_properties(index)
    try:
        free, _ = torch.cuda.mem_get_info(index)
    except RuntimeError:  # exclusive compute mode, taken
        free = None
    return Gpu(
        name=facts.name,
        compute_capability=f"{facts.major}.{facts.minor}",
        memory_bytes=facts.total_memory,
        memory_free_bytes=free,
        bf16=(facts.major, facts.minor) >= (8, 0),
    )

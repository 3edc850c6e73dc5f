"""How many slots and how much context fit this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from aigc.engine.slots import BLOCK, SlotShape
from aigc.memory import total_memory_bytes
from aigc.settings import EngineSettings

if TYPE_CHECKING:
    from transformers import PretrainedConfig

CPU_SLOTS = 64
"""Rows at a time on a CPU: beyond it a wider step gains little there."""
CUDA_SLOTS = 256
ROW_TOKENS = 2048
"""Tokens that a row may want, prompt and answer; with less room for each, there are fewer slots."""
MEMORY_SHARE = 0.6
"""Share of the memory beside the weights that keys and values may take."""
UNBOUNDED_CONTEXT = 32_768
"""Context where the model states none."""


class Sizes:
    """Slots, and tokens a row may have in all, for one model on one machine.

    They follow from the machine's memory as a whole, not from what happens to be free: the slot count is part of what
    makes a text, and a run that is gone on with should have the same.
    """

    def __init__(
        self, settings: EngineSettings, config: PretrainedConfig, weights_bytes: int, device: torch.device
    ) -> None:
        self._config, self._device, self._dtype = config, device, getattr(torch, settings.dtype)
        self._budget_bytes = max(0, int((memory_bytes(device) - weights_bytes) * MEMORY_SHARE))
        self._limit = settings.max_context or UNBOUNDED_CONTEXT
        self._stated = int(getattr(config, "max_position_embeddings", 0) or UNBOUNDED_CONTEXT)
        self.slots = settings.slots or self._fitting(CUDA_SLOTS if device.type == "cuda" else CPU_SLOTS)

    def context(self, slots: int) -> int:
        """Tokens of a row with `slots` of them: what the model allows, the settings allow and the memory holds."""
        shape = SlotShape(self._config, slots, self._dtype, self._device)
        held = max(1, self._budget_bytes // shape.bytes_per_block) * BLOCK
        return min(self._stated, self._limit, held)

    def _fitting(self, most: int) -> int:
        """The largest halving of `most` at which every row has the room it may want."""
        wanted = min(ROW_TOKENS, self._stated, self._limit)
        slots = most
        while slots > 1 and self.context(slots) < wanted:
            slots //= 2
        return slots


def memory_bytes(device: torch.device) -> int:
    """All memory of the device, or of this machine as far as a container's limit lets it be used."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[1])
    return total_memory_bytes()


def is_out_of_memory(exc: BaseException) -> bool:
    """CUDA has an exception of its own; the CPU allocator raises a RuntimeError that says so."""
    if isinstance(exc, torch.OutOfMemoryError | MemoryError):
        return True
    return "not enough memory" in str(exc) or "can't allocate memory" in str(exc)

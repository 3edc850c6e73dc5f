"""How many slots and how much context fit this machine."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import torch

from aigc.engine.slots import BLOCK, SlotShape
from aigc.settings import EngineSettings

if TYPE_CHECKING:
    from transformers import PreTrainedModel

CPU_SLOTS = 64
"""Rows at a time on a CPU: beyond it a wider step gains little there."""
CUDA_SLOTS = 256
MEMORY_SHARE = 0.6
"""Share of the free memory that keys and values may take."""
UNBOUNDED_CONTEXT = 32_768
"""Context where the model states none."""


def slots_for(settings: EngineSettings, device: torch.device) -> int:
    """Slots: the setting, else a figure for the kind of device, the same on every machine of the kind.

    It must not depend on the sheet or the free memory: the slot count is part of what makes a text.
    """
    return settings.slots or (CUDA_SLOTS if device.type == "cuda" else CPU_SLOTS)


def context_for(settings: EngineSettings, model: PreTrainedModel, slots: int) -> int:
    """Tokens a row may have in all, prompt and answer: what the model allows and the memory holds."""
    stated = int(getattr(model.config, "max_position_embeddings", 0) or UNBOUNDED_CONTEXT)
    shape = SlotShape(model.config, slots, model.dtype, model.device)
    held = max(1, int(free_memory_bytes(model.device) * MEMORY_SHARE) // shape.bytes_per_block) * BLOCK
    limits = [stated, held, *([settings.max_context] if settings.max_context else [])]
    return min(limits)


def free_memory_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")

"""How many slots and how much context fit this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from aigc.engine.cache import CacheShape
from aigc.engine.pages import PAGE
from aigc.memory import total_memory_bytes
from aigc.settings import EngineSettings

if TYPE_CHECKING:
    from transformers import PretrainedConfig

GIB = 1 << 30
CPU_SLOTS = 256
"""Tokens in a step on a CPU: its matrix products are as fast as they get there."""
CUDA_SLOTS = 1024
ROW_TOKENS = 512
"""Tokens that a row may want, prompt and answer; where the memory has less room for each, there are fewer slots."""
MEMORY_SHARE = 0.6
"""Share of the memory beside the weights that keys and values may take."""
UNBOUNDED_CONTEXT = 32_768
"""Context where the model states none."""


class Sizes:
    """What fits one model on one machine: `slots`; `pages`, a count that includes the scratch page; and `context`, the
    tokens that a row may have in all.

    They follow from the machine's memory as a whole, not from what happens to be free: the slot count is part of what
    makes a text, and a run that is gone on with should have the same.
    """

    def __init__(
        self, settings: EngineSettings, config: PretrainedConfig, weights_bytes: int, device: torch.device
    ) -> None:
        shape = CacheShape(config, getattr(torch, settings.dtype))
        self.weights_bytes, self.bytes_per_token = weights_bytes, shape.bytes_per_page // PAGE
        # GPUs have a process each; a CPU's memory is shared by as many as there are.
        self.memory_bytes = memory_bytes(device) // (max(1, settings.processes) if device.type == "cpu" else 1)
        held = max(0, int((self.memory_bytes - weights_bytes) * MEMORY_SHARE)) // shape.bytes_per_page
        stated = int(getattr(config.get_text_config(), "max_position_embeddings", 0) or UNBOUNDED_CONTEXT)
        unset = min(UNBOUNDED_CONTEXT, longrope_tokens(config) or UNBOUNDED_CONTEXT)
        wanted = min(stated, settings.max_context or unset)
        self._is_cut = not settings.max_context and wanted < min(stated, UNBOUNDED_CONTEXT)
        most = settings.slots or (CUDA_SLOTS if device.type == "cuda" else CPU_SLOTS)
        # Never more pages than all slots could fill; never fewer than the trial of the widths takes.
        self.pages = max(min(held, most * -(-wanted // PAGE)), 4) + 1
        self.context = min(wanted, (self.pages - 1) * PAGE)
        self.slots = settings.slots or self._fitting(most)

    def told(self, device: str) -> str:
        """The sizes and what they come from, in a line for people."""
        room = (self.pages - 1) * PAGE
        cache_gib, row_kib = room * self.bytes_per_token / GIB, self.bytes_per_token / 1024
        cut = " (beyond, LongRoPE lets rows change each other; engine.max_context sets more)" if self._is_cut else ""
        return (
            f"{self.slots} slots on {device}, of up to {self.context:,} tokens{cut}: of "
            f"{self.memory_bytes / GIB:.1f} GiB the weights take {self.weights_bytes / GIB:.1f}, "
            f"keys and values at most {cache_gib:.1f} "
            f"({room:,} tokens of {row_kib:.1f} KiB, shared by the rows as each needs)"
        )

    def pages_for(self, slots: int) -> int:
        """Pages, the scratch page included, with `slots` slots: after memory ran out, fewer slots also take fewer.

        Never fewer than a row of the whole context, so that one that fitted still does, or the trial of the widths.
        """
        return max(self.pages * slots // self.slots, self._pages_of_a_row + 1, slots + 3)

    def gives_up_context(self, slots: int) -> bool:
        """Halve the context where half of `slots` would take as many pages: memory does not hold a row of the whole.

        Returns whether it did so; a row keeps the tokens that it may want.
        """
        if self.context <= ROW_TOKENS or self.pages_for(slots // 2) < self.pages_for(slots):
            return False
        self.context = max(self.context // 2, ROW_TOKENS)
        return True

    @property
    def _pages_of_a_row(self) -> int:
        return -(-self.context // PAGE)

    def _fitting(self, most: int) -> int:
        """The largest halving of `most` at which every row has the room it may want."""
        wanted, slots = min(ROW_TOKENS, self.context), most
        while slots > 1 and self.pages * PAGE // slots < wanted:
            slots //= 2
        return slots


def longrope_tokens(config: PretrainedConfig) -> int:
    """Up to how many tokens LongRoPE (Phi-3 and later) encodes positions as in a short text; 0 for other models.

    It has other frequencies for long texts, and takes those of the longest row for all rows of a step. So a context
    that nobody asked for ends here.
    """
    stated = getattr(config.get_text_config(), "rope_parameters", None) or {}
    each = [stated, *(kind for kind in stated.values() if isinstance(kind, dict))]  # some have them by kind of layer
    lengths = [kind.get("original_max_position_embeddings") for kind in each if kind.get("rope_type") == "longrope"]
    return min((int(length) for length in lengths if length), default=0)


def memory_bytes(device: torch.device) -> int:
    """All memory of the device, or of this machine as far as a container's limit lets it be used."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[1])
    return total_memory_bytes()


def is_out_of_memory(exc: BaseException) -> bool:
    """CUDA has an exception of its own; the CPU allocator, CUDA's libraries and CUDA itself say it in words."""
    if isinstance(exc, torch.OutOfMemoryError | MemoryError):
        return True
    return any(words in str(exc) for words in _NO_MEMORY)


_NO_MEMORY = (
    "not enough memory",
    "can't allocate memory",
    "CUDA error: out of memory",
    "CUDA driver error: out of memory",
    "Triton Error [CUDA]: out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
)

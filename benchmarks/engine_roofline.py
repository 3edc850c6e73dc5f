"""What the hardware allows: the least time that the arithmetic, or the reading of weights and cache, can take."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

GPUS = {
    "NVIDIA H100 80GB HBM3": (989_000.0, 3_350.0),
    "NVIDIA H200": (989_000.0, 4_800.0),
    "NVIDIA A100-SXM4-80GB": (312_000.0, 2_039.0),
}
"""Dense bfloat16 GFLOP/s and GB/s, as their maker states them. By the whole name: cards of one generation differ."""


@dataclass(frozen=True)
class Load:
    """What a model had to do. Each figure is the least that any way of doing it takes: a share never flatters."""

    tokens_read: int
    """Prompt tokens that had to be computed: those of a beginning that rows share once."""
    tokens_out: int
    context: int
    """Positions whose keys and values were read by tokens after the first, over all rows."""
    rows_in_flight: float
    """The mean, over the time taken. Steps are reckoned from it: one for so many tokens."""
    seconds: float

    @classmethod
    def of(cls, result: Mapping[str, Any]) -> Load:
        """From what `engine_work.py` measured of this engine."""
        return cls(result["tokens_read"], result["tokens"], result["context"], result["rows_in_flight"],
                   result["steady_s"])


@dataclass(frozen=True)
class Roofline:
    """One model on one device. `gb_per_s` 0 leaves memory out."""

    folder: Path
    peak_gflops: float
    gb_per_s: float

    @classmethod
    def of_gpu(cls, folder: Path, device: str, stated: tuple[float, float] | None = None) -> Roofline | None:
        """`stated`: peaks as in `GPUS`, for a card that is not there. None where nothing is known of the card."""
        peaks = stated or GPUS.get(device)
        return cls(folder, *peaks) if peaks else None

    def share(self, load: Load) -> float:
        """max(arithmetic, memory) over the time taken."""
        floor_s = self._compute_s(load)
        if self.gb_per_s:
            floor_s = max(floor_s, self._memory_s(load))
        return floor_s / load.seconds

    def _compute_s(self, load: Load) -> float:
        """Products alone; prompt tokens need no output layer."""
        layers, output = self._parameters()
        flops = 2.0 * (layers * (load.tokens_read + load.tokens_out) + output * load.tokens_out)
        return flops / (self.peak_gflops * 1e9)

    def _memory_s(self, load: Load) -> float:
        """Each step reads the weights once, and each row's keys and values."""
        layers, output = self._parameters()
        steps = load.tokens_out / load.rows_in_flight
        return (2.0 * (layers + output) * steps + self._cache_bytes() * load.context) / (self.gb_per_s * 1e9)

    def _parameters(self) -> tuple[float, float]:
        """Weights of the layers, and of the output."""
        config = json.loads((self.folder / "config.json").read_text("utf-8"))
        hidden, layers = config["hidden_size"], config["num_hidden_layers"]
        head = config.get("head_dim") or hidden // config["num_attention_heads"]
        attention = hidden * head * (2 * config["num_attention_heads"] + 2 * config["num_key_value_heads"])
        return layers * (attention + 3.0 * hidden * config["intermediate_size"]), float(hidden * config["vocab_size"])

    def _cache_bytes(self) -> float:
        config = json.loads((self.folder / "config.json").read_text("utf-8"))
        head = config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]
        return 4.0 * config["num_hidden_layers"] * config["num_key_value_heads"] * head


def tokens_to_read(prompts: Iterable[Sequence[int]], page: int, before: Iterable[Sequence[int]] = ()) -> int:
    """Prompt tokens that a cache of shared pages has to compute, where it keeps all of them.

    A beginning that was there, in `before` or in an earlier prompt, is taken over in whole pages of `page` tokens; the
    last token of a prompt never is, since what follows it is asked.
    """
    seen: set[tuple[int, ...]] = set()
    count = 0
    for prompt in before:
        seen.update(_beginnings(prompt, page))
    for prompt in prompts:
        beginnings = _beginnings(prompt, page)
        shared = sum(each in seen for each in beginnings if len(each) < len(prompt))
        count += len(prompt) - shared * page
        seen.update(beginnings)
    return count


def _beginnings(prompt: Sequence[int], page: int) -> list[tuple[int, ...]]:
    return [tuple(prompt[:end]) for end in range(page, len(prompt) + 1, page)]


def cpu_peak_gflops() -> float:
    """The best float32 GFLOP/s that a matrix product reaches here: PyTorch's own and this engine's kernel."""
    import torch

    from aigc.engine.cpu.linear import PackedLinear

    weight, rows = torch.randn(1536, 1536), torch.randn(1536, 1536)
    packed = PackedLinear(weight)
    best = 0.0
    with torch.inference_mode():
        for multiply in (packed, lambda rows: rows @ weight):
            for _ in range(8):
                began = time.perf_counter()
                multiply(rows)
                best = max(best, 2 * 1536**3 / (time.perf_counter() - began) / 1e9)
    return best

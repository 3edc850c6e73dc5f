"""What the hardware allows: the least time that the arithmetic, or the reading of weights and cache, can take."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path

GPUS = {"H100": (989_000.0, 3_350.0), "H200": (989_000.0, 4_800.0), "A100": (312_000.0, 2_039.0)}
"""Dense bfloat16 GFLOP/s and GB/s, as their maker states them (SXM)."""


@dataclass(frozen=True)
class Roofline:
    """One model on one device. `gb_per_s` 0 leaves memory out."""

    folder: Path
    peak_gflops: float
    gb_per_s: float

    @classmethod
    def of_gpu(cls, folder: Path, device: str) -> Roofline:
        peak, bandwidth = next((facts for name, facts in GPUS.items() if name in device), GPUS["H100"])
        return cls(folder, peak, bandwidth)

    def compute_share(self, tokens_in: int, tokens_out: int, seconds: float) -> float:
        """Share of the arithmetic's floor; prompt tokens need no output layer."""
        layers, output = self._parameters()
        flops = 2.0 * (layers * (tokens_in + tokens_out) + output * tokens_out)
        return flops / (self.peak_gflops * 1e9) / seconds

    def share(self, tokens_in: int, tokens_out: int, seconds: float, rows: int) -> float:
        """max(arithmetic, memory) over the time taken; a decode step reads the weights and each row's cache once."""
        layers, output = self._parameters()
        compute = self.compute_share(tokens_in, tokens_out, 1.0)
        mean = 150 + tokens_out / max(1, rows) / 2
        read = 2.0 * (layers + output) * tokens_out / rows + self._cache_bytes() * min(mean, 700) * tokens_out
        return max(compute, read / (self.gb_per_s * 1e9)) / seconds

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

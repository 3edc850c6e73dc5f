"""A gated feed-forward block, down(curve(gate(x)) · up(x)), as two products with nothing in between.

Gates and what they let through are computed side by side, so that the first product ends with what the second reads:
float32 in memory, never rounded to 16 bits on the way.
"""

from __future__ import annotations

import torch

from aigc.engine.cpu.activation import Curve, curve_of
from aigc.engine.cpu.compiler import lanes
from aigc.engine.cpu.ir import storage_of
from aigc.engine.cpu.linear import is_plain, pack, product
from aigc.engine.cpu.replacing import replace_modules

_PARTS = {"gate_proj", "up_proj", "down_proj", "act_fn"}
"""What Llama called them, and with it most that came later."""
_MOST_APART = 0.02
"""Relative distance (L2) between what the block and what stands for it give: that of rounding to 8 bits."""


class PackedGated(torch.nn.Module):
    """Stands for a gated block in a model that is only run. `gate` and `up` are [hidden, width], `down` the reverse."""

    def __init__(self, gate: torch.nn.Linear, up: torch.nn.Linear, down: torch.nn.Linear, curve: Curve) -> None:
        super().__init__()
        self.in_features, self.hidden, self.out_features = gate.in_features, gate.out_features, down.out_features
        storage = storage_of(gate.weight.dtype)
        self._first = product(self.in_features, storage, lanes(), curve)
        self._second = product(self.hidden, storage, lanes())
        self._inward = _beside(gate.weight.detach(), up.weight.detach())
        self._outward = pack(down.weight.detach(), self._second.panel)
        biases = [_bias(each).unsqueeze(1) for each in (gate, up)]
        self._inward_bias = _beside(*biases).flatten()
        self._outward_bias = pack(_bias(down).unsqueeze(1), self._second.panel).flatten()

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """[..., in_features] to [..., out_features], in the weights' type."""
        rows = inputs.reshape(-1, self.in_features)
        hidden = self._first(self._first.widen(rows), self._inward, self._inward_bias)
        out = self._second(hidden, self._outward, self._outward_bias)
        return out[: len(rows), : self.out_features].reshape(*inputs.shape[:-1], self.out_features)


def pack_gated(model: torch.nn.Module) -> None:
    """Replace the model's gated blocks, where what stands for one gives what it gives: it is tried on a few rows."""

    def made(module: torch.nn.Module) -> PackedGated | None:
        packed = _packed(module)
        return packed if packed and _agree(module, packed) else None

    replace_modules(model, made)


def _packed(module: torch.nn.Module) -> PackedGated | None:
    parts = dict(module.named_children())
    if set(parts) != _PARTS or (curve := curve_of(parts["act_fn"])) is None:
        return None
    gate, up, down = (parts[name] for name in ("gate_proj", "up_proj", "down_proj"))
    if not (is_plain(gate) and is_plain(up) and is_plain(down)):
        return None
    if len({each.weight.dtype for each in (gate, up, down)}) > 1:
        return None
    if gate.weight.shape != up.weight.shape or down.in_features != gate.out_features:
        return None
    return PackedGated(gate, up, down, curve) if gate.out_features % lanes() == 0 else None


@torch.inference_mode()
def _agree(module: torch.nn.Module, packed: PackedGated) -> bool:
    rows = torch.linspace(-2, 2, 3 * packed.in_features).sin().view(3, -1)
    # Large ones too: some blocks clamp, which small numbers do not show.
    rows = torch.cat([rows * scale for scale in (1.0, 32.0, 1024.0)]).to(packed._outward.dtype)
    expected, found = module(rows).float(), packed(rows).float()
    alike = (found - expected).norm(dim=1) <= _MOST_APART * expected.norm(dim=1)  # False of a NaN
    return bool((alike | ~expected.isfinite().all(dim=1)).all())  # float16 ends at 65,504


def _beside(gate: torch.Tensor, up: torch.Tensor) -> torch.Tensor:
    """Two matrices [hidden, inputs] as panels [hidden / lanes, inputs, 2 * lanes], half and half."""
    halves = [each.view(-1, lanes(), each.shape[1]) for each in (gate, up)]
    return torch.cat(halves, dim=1).transpose(1, 2).contiguous()


def _bias(layer: torch.nn.Linear) -> torch.Tensor:
    none = torch.zeros(layer.out_features, dtype=torch.float32, device="cpu")
    return none if layer.bias is None else layer.bias.detach().float()

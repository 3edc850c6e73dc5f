from __future__ import annotations

from typing import Any

import pytest
import torch

from aigc.engine.cpu.gated import PackedGated, _agree, pack_gated

from . import tiny

DTYPES = [torch.float32, torch.bfloat16, torch.float16]


class Block(torch.nn.Module):
    def __init__(self, function: torch.nn.Module, *, bias: bool = False, width: int = 96) -> None:
        super().__init__()
        torch.manual_seed(width)
        self.gate_proj, self.up_proj = (torch.nn.Linear(40, width, bias=bias) for _ in range(2))
        self.down_proj = torch.nn.Linear(width, 40, bias=bias)
        self.act_fn = function

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.down_proj(self.act_fn(self.gate_proj(rows)) * self.up_proj(rows))
        return found


class Sparse(Block):
    """As Gemma 3n: only large gates are let through."""

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        gates = self.gate_proj(rows)
        found: torch.Tensor = self.down_proj(self.act_fn(gates.clamp(min=0.3)) * self.up_proj(rows))
        return found


class Clamped(Block):
    """As some large models: what is let through is held within bounds."""

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.down_proj(self.act_fn(self.gate_proj(rows)) * self.up_proj(rows).clamp(-10, 10))
        return found


def packed(block: Block) -> Any:
    holder = torch.nn.Sequential(block)
    pack_gated(holder)
    return holder[0]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("function", [torch.nn.SiLU(), torch.nn.GELU(approximate="tanh")])
@pytest.mark.parametrize("bias", [False, True])
def test_a_block_gives_what_its_parts_give(dtype: torch.dtype, function: torch.nn.Module, bias: bool) -> None:
    stock = Block(function, bias=bias)
    own = packed(Block(function, bias=bias).to(dtype))
    assert isinstance(own, PackedGated)
    rows = torch.randn(3, 5, 40).to(dtype)
    with torch.inference_mode():
        expected = stock.to(dtype).double()(rows.double())
    assert own(rows).dtype == dtype
    torch.testing.assert_close(own(rows).double(), expected, rtol=4 * torch.finfo(dtype).eps, atol=1e-3)


def test_a_rows_bits_are_the_same_among_any_number_of_rows() -> None:
    own = packed(Block(torch.nn.SiLU()).bfloat16())
    rows = torch.randn(64, 40).bfloat16()
    whole = own(rows)
    for count in (1, 2, 5, 6, 7, 13, 63):
        assert torch.equal(own(rows[-count:]), whole[-count:]), count


@pytest.mark.parametrize(
    "block",
    [
        Sparse(torch.nn.SiLU()), Clamped(torch.nn.SiLU()),
        Block(torch.nn.GELU()), Block(torch.nn.ReLU()), Block(torch.nn.SiLU(), width=50),
    ],
    ids=["computes something else", "clamps", "exact GELU", "ReLU", "not whole vectors"],
)
def test_what_cannot_be_replaced_stays(block: Block) -> None:
    assert packed(block) is block


@pytest.mark.parametrize("kind", ["Llama", "Qwen3", "Gemma2"])
def test_a_model_with_packed_blocks_gives_nearly_the_same_logits(kind: str) -> None:
    stock, own = tiny.model(kind), tiny.model(kind)
    pack_gated(own)
    assert sum(isinstance(each, PackedGated) for each in own.modules()) == own.config.num_hidden_layers
    tokens = torch.tensor([[5, 9, 200, 31, 7]])
    with torch.inference_mode():
        torch.testing.assert_close(own(tokens).logits, stock(tokens).logits, rtol=1e-4, atol=1e-3)


def test_what_gives_no_number_where_the_block_gives_one_does_not_take_its_place() -> None:
    block = Block(torch.nn.SiLU())
    own = packed(Block(torch.nn.SiLU()))
    own._outward[:] = torch.nan
    assert not _agree(block, own)

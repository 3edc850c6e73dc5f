from __future__ import annotations

import math

import pytest
import torch

from aigc.engine.cpu.activation import pack_activations
from aigc.engine.cpu.compiler import lanes
from aigc.engine.cpu.ir import storage_of
from aigc.engine.cpu.linear import PackedLinear, Product, computes_rows_apart, pack, pack_linears
from aigc.engine.plan import Plan
from aigc.engine.runners import PagedRunner, open_runner

from . import tiny

DTYPES = [torch.float32, torch.bfloat16, torch.float16]


def linear(inputs: int, outputs: int, dtype: torch.dtype, *, bias: bool = False) -> torch.nn.Linear:
    torch.manual_seed(inputs + outputs)
    return torch.nn.Linear(inputs, outputs, bias=bias).to(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("inputs", "outputs"), [(64, 96), (72, 259), (7, 5), (576, 1536), (1, 16), (8, 4200)])
@pytest.mark.parametrize("bias", [False, True])
def test_products_are_those_of_float64_rounded(
    inputs: int, outputs: int, dtype: torch.dtype, bias: bool
) -> None:
    stock = linear(inputs, outputs, dtype, bias=bias)
    rows = torch.randn(3, 9, inputs).to(dtype)
    found = PackedLinear(stock.weight.detach(), None if stock.bias is None else stock.bias.detach())(rows)
    expected = rows.double() @ stock.weight.double().T + (stock.bias.double() if bias else 0.0)
    assert found.shape == (3, 9, outputs)
    assert found.dtype == dtype
    torch.testing.assert_close(found.double(), expected, rtol=2 * torch.finfo(dtype).eps, atol=1e-5 * math.sqrt(inputs))


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_rows_product_has_the_same_bits_among_any_number_of_rows(dtype: torch.dtype) -> None:
    packed = PackedLinear(linear(88, 200, dtype).weight.detach())
    rows = torch.randn(130, 88).to(dtype)
    whole = packed(rows)
    for count in (1, 2, 5, 6, 7, 12, 13, 18, 19, 64, 129):
        assert torch.equal(packed(rows[-count:]), whole[-count:]), count


def test_the_number_of_threads_changes_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    packed = PackedLinear(linear(96, 3000, torch.bfloat16).weight.detach())
    rows = torch.randn(100, 96).bfloat16()
    many = packed(rows)
    for threads in (1, 3):
        monkeypatch.setattr(torch, "get_num_threads", lambda threads=threads: threads)
        assert torch.equal(packed(rows), many)


@pytest.mark.parametrize("width", [8, 16])
def test_kernels_of_every_vector_width_agree(width: int) -> None:
    """Also those of registers that this CPU lacks: LLVM takes them apart."""
    stock = linear(50, 70, torch.bfloat16)
    product = Product(50, storage_of(torch.bfloat16), width)
    packed = pack(stock.weight.detach(), product.panel)
    found = product(product.widen(torch.ones(20, 50)), packed, torch.zeros(len(packed) * product.panel))
    expected = PackedLinear(stock.weight.detach())(torch.ones(20, 50).bfloat16())
    assert torch.equal(found[:20, :70], expected)
    assert lanes() in (8, 16)


def test_a_nan_stays_in_its_row() -> None:
    rows = torch.randn(8, 32)
    rows[3, 5] = math.nan
    found = PackedLinear(linear(32, 40, torch.float32).weight.detach())(rows)
    assert found[3].isnan().all()
    assert not found[[0, 1, 2, 4, 5, 6, 7]].isnan().any()


def test_no_rows_give_no_products() -> None:
    assert PackedLinear(linear(32, 40, torch.float32).weight.detach())(torch.empty(1, 0, 32)).shape == (1, 0, 40)


def test_packing_keeps_the_matrix() -> None:
    stock = linear(30, 41, torch.bfloat16)
    assert torch.equal(PackedLinear(stock.weight.detach()).weight, stock.weight)


@pytest.mark.parametrize("kind", ["Llama", "Qwen2", "Phi3", "GPT2", "GPTNeo"])
def test_a_packed_model_gives_nearly_the_same_logits(kind: str) -> None:
    stock, packed = tiny.model(kind), tiny.model(kind)
    pack_linears(packed)
    tokens = torch.tensor([[5, 9, 200, 31, 7]])
    with torch.inference_mode():
        torch.testing.assert_close(packed(tokens).logits, stock(tokens).logits, rtol=1e-4, atol=1e-3)


def test_an_embedding_that_is_also_the_output_stays_an_embedding() -> None:
    model = tiny.model("Llama", tie_word_embeddings=True)
    pack_linears(model)
    assert isinstance(model.get_input_embeddings(), torch.nn.Embedding)
    assert isinstance(model.get_output_embeddings(), PackedLinear)
    assert torch.equal(model.get_output_embeddings().weight, model.get_input_embeddings().weight)


def test_rows_are_multiplied_apart_where_no_matrix_is_left_to_the_library() -> None:
    model = tiny.model("Qwen2")
    assert not computes_rows_apart(model)
    pack_linears(model)
    assert not computes_rows_apart(model), "activation functions are PyTorch's still"
    pack_activations(model)
    assert computes_rows_apart(model)
    model.register_parameter("router", torch.nn.Parameter(torch.ones(2, 2)))
    assert not computes_rows_apart(model)


def test_a_packed_models_steps_are_hardly_padded_and_compute_the_same_bits() -> None:
    model = tiny.model("Llama", dtype=torch.bfloat16)
    pack_linears(model)
    pack_activations(model)
    runner = open_runner(model, 40, 64, 128)
    assert isinstance(runner, PagedRunner)
    assert runner.invariant
    assert {18, 30, 36} < set(runner.widths), "multiples of the tile"
    for row in range(40):
        runner.open(row, [row + 5], 2)
    plans = [Plan() for _ in range(2)]
    for row in range(40):
        plans[0].feed(row, [row + 5], 0, sample=True)
    for row in range(29, -1, -1):
        plans[1].feed(row, [row + 5], 0, sample=True)
    whole = runner.step(plans[0]).clone()
    assert torch.equal(runner.step(plans[1]), whole[:30].flip(0))


def test_quantised_layers_are_left_as_they_are() -> None:
    class Rounded(torch.nn.Linear):
        """As libraries put their own classes in a linear layer's place."""

    model = torch.nn.Sequential(Rounded(8, 8), torch.nn.Linear(8, 8))
    pack_linears(model)
    assert [type(module).__name__ for module in model] == ["Rounded", "PackedLinear"]

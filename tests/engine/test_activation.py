from __future__ import annotations

import math

import pytest
import torch
from transformers.activations import ACT2FN

from aigc.engine.cpu.activation import (
    BLOCK,
    CURVES,
    Activation,
    Curve,
    activates_by_place,
    curve_of,
    pack_activations,
    plain,
)
from aigc.engine.cpu.compiler import lanes

from . import tiny

DTYPES = [torch.float32, torch.bfloat16, torch.float16]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("curve", CURVES)
@pytest.mark.parametrize("shape", [(1,), (7, 33), (2, 3, 64), (3 * BLOCK + 5,), (0, 16)])
def test_curves_are_those_of_float64_rounded(curve: Curve, dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    torch.manual_seed(len(shape))
    given = (torch.randn(shape) * 5).to(dtype)
    found = Activation(curve)(given)
    assert found.dtype == dtype
    assert found.shape == shape
    expected = plain(curve, given.double())
    torch.testing.assert_close(found.double(), expected, rtol=2 * torch.finfo(dtype).eps, atol=1e-6)


@pytest.mark.parametrize("curve", CURVES)
def test_far_numbers_neither_overflow_nor_lose_a_nan(curve: Curve) -> None:
    found = Activation(curve)(torch.tensor([-3e38, -200.0, 0.0, 200.0, 3e38, math.nan]))
    assert found[:3].abs().max() < 1e-30
    assert found[3] == 200.0
    assert found[4] == torch.tensor(3e38)
    assert found[5].isnan()


@pytest.mark.parametrize("threads", [1, 3, 5, 7])
@pytest.mark.parametrize("curve", CURVES)
def test_a_rows_bits_do_not_depend_on_how_many_rows_and_threads_there_are(
    curve: Curve, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = torch.randn(60, 1000)
    whole = Activation(curve)(rows)
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    for count in (1, 2, 13, 41, 59):
        assert torch.equal(Activation(curve)(rows[-count:]), whole[-count:]), count


@pytest.mark.parametrize(
    ("name", "curve"),
    [
        ("silu", "silu"), ("swish", "silu"), ("gelu_new", "gelu_tanh"), ("gelu_pytorch_tanh", "gelu_tanh"),
        ("gelu_fast", "gelu_tanh"), ("quick_gelu", "gelu_quick"), ("gelu", None), ("relu", None), ("tanh", None),
    ],
)
def test_functions_are_known_by_what_they_compute(name: str, curve: Curve | None) -> None:
    assert curve_of(ACT2FN[name]) == curve


def test_modules_of_other_kinds_are_left_alone() -> None:
    others = [torch.nn.Linear(4, 4), torch.nn.LayerNorm(4), torch.nn.Dropout(), tiny.model("Llama")]
    assert [curve_of(each) for each in others] == [None] * len(others)


@pytest.mark.parametrize("kind", ["Llama", "Gemma2", "GPT2", "Phi3"])
def test_a_model_with_other_functions_gives_nearly_the_same_logits(kind: str) -> None:
    stock, packed = tiny.model(kind), tiny.model(kind)
    pack_activations(packed)
    assert any(isinstance(each, Activation) for each in packed.modules())
    assert not activates_by_place(packed)
    tokens = torch.tensor([[5, 9, 200, 31, 7]])
    with torch.inference_mode():
        torch.testing.assert_close(packed(tokens).logits, stock(tokens).logits, rtol=1e-4, atol=1e-4)


def test_a_function_that_is_not_known_is_said_to_depend_on_its_place() -> None:
    assert activates_by_place(torch.nn.Sequential(torch.nn.GELU()))
    assert not activates_by_place(torch.nn.Sequential(torch.nn.ReLU()))
    assert lanes() in (8, 16)

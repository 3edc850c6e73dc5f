"""Activation functions whose bits depend on the number alone, as machine code that products can end with.

PyTorch cuts a tensor into shares, one a thread, and computes what is left over of a share's last vector by another
routine. So on some numbers of threads a row's last bits depend on how many rows it is among (SiLU in float32, GELU in
any type); here all numbers go the same way.
"""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Literal, TypeAlias

import torch
from llvmlite import ir

from aigc.engine.cpu.compiler import Kernel, lanes
from aigc.engine.cpu.ir import I64, POINTER, Code, Storage, Value, storage_of
from aigc.engine.cpu.replacing import replace_modules

Curve: TypeAlias = Literal["silu", "gelu_tanh", "gelu_quick"]
"""x / (1 + exp(-s)), where s is x (SiLU), 2·sqrt(2/pi)·(x + 0.044715·x³) (GELU by tanh), or 1.702·x (quick GELU)."""
CURVES: tuple[Curve, ...] = ("silu", "gelu_tanh", "gelu_quick")
BLOCK = 4096
"""Numbers that a thread takes at a time."""
_SLOPE, _CUBIC, _QUICK = 1.5957691216057308, 0.044715, 1.702
_LIBRARIES = ("torch.nn.modules.activation", "transformers.activations")
_TRIAL = 12.0
"""Functions are told apart on numbers up to this."""


def curve_of(module: torch.nn.Module) -> Curve | None:
    """Which curve a module computes, found by trying it: what it is called differs between models.

    None of one that has parameters or parts, and of one that computes something else.
    """
    if next(module.parameters(), None) is not None or next(module.children(), None) is not None:
        return None
    if type(module).__module__.partition(".")[0] not in ("torch", "transformers"):
        return None
    given = torch.linspace(-_TRIAL, _TRIAL, 241)
    try:
        found = module(given)
    except (TypeError, ValueError, RuntimeError, LookupError, AttributeError, AssertionError):
        return None  # a module of another kind: it does not take one tensor of one dimension
    if not isinstance(found, torch.Tensor) or found.shape != given.shape:
        return None
    return next((each for each in CURVES if torch.allclose(found, plain(each, given), atol=1e-4, rtol=1e-4)), None)


def plain(curve: Curve, x: torch.Tensor) -> torch.Tensor:
    """The curve by PyTorch's operations, of the same shape and type as `x`."""
    steep = {"silu": x, "gelu_tanh": _SLOPE * (x + _CUBIC * x**3), "gelu_quick": _QUICK * x}[curve]
    return x * torch.sigmoid(steep)


def write_curve(code: Code, curve: Curve, x: Value) -> Value:
    """Code for the curve at a vector of float32: 0 where s is below -87. NaN stays NaN."""
    if curve == "silu":
        steep = x
    elif curve == "gelu_quick":
        steep = code.mul(x, code.constant(_QUICK))
    else:
        cube = code.fma(code.mul(x, x), code.constant(_CUBIC), code.constant(1.0))
        steep = code.mul(code.mul(x, code.constant(_SLOPE)), cube)
    power = code.exp(code.smaller(code.sub(code.constant(0.0), steep), code.constant(88.0)))
    found = code.build.fdiv(x, code.add(power, code.constant(1.0)))
    gone = code.build.fcmp_ordered("<", steep, code.constant(-87.0))
    return code.build.select(gone, code.constant(0.0), found)


def activates_by_place(model: torch.nn.Module) -> bool:
    """Whether an activation function is left to PyTorch whose bits may depend on where in a step a number stands."""
    kinds = {type(each) for each in model.modules()} - {torch.nn.ReLU}  # which rounds nothing
    return any(kind.__module__ in _LIBRARIES for kind in kinds)


class Activation(torch.nn.Module):
    """Stands for a module that computes `curve`, on a CPU."""

    def __init__(self, curve: Curve) -> None:
        super().__init__()
        self._curve: Curve = curve

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """The curve at every number: any shape, float32, bfloat16 or float16, and the same given back."""
        flat = inputs.contiguous().flatten()
        blocks = -(-flat.numel() // lanes())
        if flat.numel() % lanes():
            flat = torch.nn.functional.pad(flat, (0, blocks * lanes() - flat.numel()))
        out = torch.empty_like(flat)
        counter = ctypes.c_int64(0)
        place = ctypes.addressof(counter)
        arguments = _Arguments(flat.data_ptr(), out.data_ptr(), place, blocks)
        _kernel(self._curve, storage_of(inputs.dtype), lanes()).run(arguments)
        return out[: inputs.numel()].view(inputs.shape)


def pack_activations(model: torch.nn.Module) -> None:
    """Replace the model's activation functions by ones whose bits depend on the number alone, where there is one."""

    def made(module: torch.nn.Module) -> Activation | None:
        curve = curve_of(module)
        return Activation(curve) if curve else None

    replace_modules(model, made)


class _Arguments(ctypes.Structure):
    """8 bytes each. `vectors`: how many there are."""

    _fields_ = (
        ("inputs", ctypes.c_void_p), ("out", ctypes.c_void_p), ("counter", ctypes.c_void_p), ("vectors", ctypes.c_int64)
    )


@cache
def _kernel(curve: Curve, storage: Storage, width: int) -> Kernel:
    module = ir.Module(name="activation")
    code = Code(module, "activate", 1, width)
    struct, build = code.function.args[0], code.build
    inputs, out, counter = (code.field(struct, at, POINTER) for at in range(3))
    vectors, block = code.field(struct, 3, I64), code.whole(BLOCK // width)
    blocks = build.sdiv(build.add(vectors, code.whole(BLOCK // width - 1)), block)
    with code.shared_loop(counter, blocks) as item:
        first = build.mul(item, block)
        with code.loop(first, code.least(build.add(first, block), vectors)) as vector:
            at = build.mul(vector, code.whole(width))
            code.store(write_curve(code, curve, code.load(inputs, at, storage)), out, at, storage)
    code.finish()
    return Kernel(module, "activate")

"""What chunks of a vocabulary weigh, in one pass: PyTorch would write and read the whole vocabulary five times."""

from __future__ import annotations

import ctypes
from functools import cache

import torch
from llvmlite import ir

from aigc.engine.cpu.compiler import Kernel, lanes
from aigc.engine.cpu.ir import F32, I64, POINTER, Code, Value

Pointer = ctypes.c_void_p


class _Arguments(ctypes.Structure):
    """8 bytes each, in the order of `_FIELDS`."""

    _fields_ = tuple((name, Pointer) for name in ("logits", "best", "steep", "least", "out", "counter")) + tuple(
        (name, ctypes.c_int64) for name in ("rows", "vocabulary", "chunks")
    )


_FIELDS = [field[0] for field in _Arguments._fields_]


def weigh_chunks(
    logits: torch.Tensor, best: torch.Tensor, steep: torch.Tensor, least: torch.Tensor, chunk: int
) -> torch.Tensor:
    """Sums of exp((logit - best) * steep), float32 [rows, vocabulary // chunk]; a weight below `least` is nothing.

    Args:
        logits: float32 [rows, vocabulary].
        best: the largest of each row; `steep`: one over its temperature; `least`: each float32 [rows].
        chunk: tokens that are summed; a multiple of a vector's lanes.
    """
    logits, best, steep, least = (each.float().contiguous() for each in (logits, best, steep, least))
    rows, vocabulary = logits.shape
    out = torch.empty(rows, vocabulary // chunk, dtype=torch.float32, device="cpu")
    counter = ctypes.c_int64(0)
    pointers = [each.data_ptr() for each in (logits, best, steep, least, out)]
    arguments = _Arguments(*pointers, ctypes.addressof(counter), rows, vocabulary, vocabulary // chunk)
    _kernel(chunk, lanes()).run(arguments)
    return out


@cache
def _kernel(chunk: int, width: int) -> Kernel:
    module = ir.Module(name="weights")
    code = Code(module, "weigh", 1, width)
    struct, build = code.function.args[0], code.build
    given = {name: code.field(struct, at, I64 if at > 5 else POINTER) for at, name in enumerate(_FIELDS)}
    with code.shared_loop(given["counter"], given["rows"]) as row:
        best, steep, least = (code.spread(code.load_real(given[name], row)) for name in ("best", "steep", "least"))
        first, own = build.mul(row, given["vocabulary"]), build.mul(row, given["chunks"])
        with code.loop(code.whole(0), given["chunks"]) as at:
            start = build.add(first, build.mul(at, code.whole(chunk)))
            total = _weigh(code, given["logits"], start, chunk, (best, steep, least))
            place = build.gep(build.bitcast(given["out"], F32.as_pointer()), [build.add(own, at)])
            build.store(total, place)
    code.finish()
    return Kernel(module, "weigh")


def _weigh(code: Code, logits: Value, start: Value, chunk: int, row: tuple[Value, Value, Value]) -> Value:
    """Code for the weight of one chunk."""
    build, (best, steep, least) = code.build, row
    total = code.constant(0.0)
    for offset in range(0, chunk, code.lanes):
        logit = code.load(logits, build.add(start, code.whole(offset)), "float32")
        weight = code.exp(code.mul(code.sub(logit, best), steep))
        light = build.fcmp_ordered("<", weight, least)
        total = code.add(total, build.select(light, code.constant(0.0), weight))
    return code.total(total)

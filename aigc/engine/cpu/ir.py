"""A little language over llvmlite's IR builder: vectors of floats, loops, and numbers as 16 bits in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal, TypeAlias

import torch
from llvmlite import ir

Value: TypeAlias = ir.Value
Storage: TypeAlias = Literal["bfloat16", "float16", "float32"]
"""How numbers lie in memory; all arithmetic is in float32."""

BYTE, I16, I32, I64 = ir.IntType(8), ir.IntType(16), ir.IntType(32), ir.IntType(64)
F32, HALF = ir.FloatType(), ir.HalfType()
POINTER = BYTE.as_pointer()
FAST = ("nsz", "arcp", "contract", "reassoc")
"""Sums may be reordered when the kernel is compiled, never while it runs; NaN and infinity keep their meaning."""
_STORAGES: dict[torch.dtype, Storage] = {
    torch.bfloat16: "bfloat16", torch.float16: "float16", torch.float32: "float32",
}
_BYTES = {"bfloat16": 2, "float16": 2, "float32": 4}


def storage_of(dtype: torch.dtype) -> Storage:
    """How numbers of `dtype` lie in memory. Raises KeyError where no kernel reads them."""
    return _STORAGES[dtype]


def dtype_of(storage: Storage) -> torch.dtype:
    """The type of numbers that lie in memory so."""
    return next(dtype for dtype, stored in _STORAGES.items() if stored == storage)


def bytes_of(storage: Storage) -> int:
    return _BYTES[storage]


class Code:
    """One function being written. `lanes` is the width of its vectors."""

    def __init__(self, module: ir.Module, name: str, arguments: int, lanes: int) -> None:
        self.module, self.lanes = module, lanes
        self.function = ir.Function(module, ir.FunctionType(ir.VoidType(), [POINTER] * arguments), name)
        self.build = ir.IRBuilder(self.function.append_basic_block("entry"))
        self.vector = ir.VectorType(F32, lanes)

    # Numbers

    def whole(self, value: int) -> Value:
        return ir.Constant(I64, value)

    def real(self, value: float) -> Value:
        return ir.Constant(F32, value)

    def spread(self, scalar: Value) -> Value:
        """`scalar` in every lane."""
        one = self.build.insert_element(ir.Constant(self.vector, ir.Undefined), scalar, ir.Constant(I32, 0))
        zeros = ir.Constant(ir.VectorType(I32, self.lanes), [0] * self.lanes)
        return self.build.shuffle_vector(one, ir.Constant(self.vector, ir.Undefined), zeros)

    def constant(self, value: float) -> Value:
        return ir.Constant(self.vector, [value] * self.lanes)

    def mul(self, a: Value, b: Value) -> Value:
        return self.build.fmul(a, b, flags=FAST)

    def add(self, a: Value, b: Value) -> Value:
        return self.build.fadd(a, b, flags=FAST)

    def sub(self, a: Value, b: Value) -> Value:
        return self.build.fsub(a, b, flags=FAST)

    def fma(self, a: Value, b: Value, c: Value) -> Value:
        return self._intrinsic("llvm.fma", a.type, [a, b, c])

    def larger(self, a: Value, b: Value) -> Value:
        return self._intrinsic("llvm.maxnum", a.type, [a, b])

    def smaller(self, a: Value, b: Value) -> Value:
        return self._intrinsic("llvm.minnum", a.type, [a, b])

    def total(self, vector: Value) -> Value:
        """Sum of the lanes, in a fixed tree."""
        return self._tree(vector, self.add)

    def largest(self, vector: Value) -> Value:
        return self._tree(vector, self.larger)

    def fold(self, a: Value, b: Value, count: int) -> Value:
        """Two vectors that hold partial sums of `count` totals each, in turn, to one that holds those of both.

        Folded log2 lanes times, from 1 total to as many as there are lanes, lane i is the total of the i-th vector.
        """
        blocks = [block for start in range(0, self.lanes, 2 * count) for block in (start, start + self.lanes)]
        low = [block + at for block in blocks for at in range(count)]
        ints = ir.VectorType(I32, self.lanes)
        first = self.build.shuffle_vector(a, b, ir.Constant(ints, low))
        second = self.build.shuffle_vector(a, b, ir.Constant(ints, [at + count for at in low]))
        return self.add(first, second)

    def within(self, start: int, low: Value, high: Value) -> Value:
        """For each lane whether `start` plus its number lies in range(low, high)."""
        ints = ir.VectorType(I32, self.lanes)
        at = ir.Constant(ints, [start + lane for lane in range(self.lanes)])
        bounds = [self._spread_int(self.build.trunc(bound, I32)) for bound in (low, high)]
        return self.build.and_(
            self.build.icmp_signed(">=", at, bounds[0]), self.build.icmp_signed("<", at, bounds[1])
        )

    def _spread_int(self, scalar: Value) -> Value:
        ints = ir.VectorType(I32, self.lanes)
        one = self.build.insert_element(ir.Constant(ints, ir.Undefined), scalar, ir.Constant(I32, 0))
        return self.build.shuffle_vector(one, ir.Constant(ints, ir.Undefined), ir.Constant(ints, [0] * self.lanes))

    def exp(self, x: Value) -> Value:
        """e^x of a vector of values up to 88, to 2 units in the last place; below -87 it is 0.

        Range reduction by ln 2 in two parts and the polynomial of Cephes' expf (Moshier).
        """
        build, constant, given = self.build, self.constant, x
        tiny = build.fcmp_ordered("<", x, constant(-87.0))
        x = self.larger(x, constant(-87.0))
        n = self._intrinsic("llvm.floor", self.vector, [self.fma(x, constant(1.4426950408889634), constant(0.5))])
        r = self.fma(n, constant(-0.693359375), x)
        r = self.fma(n, constant(2.12194440e-4), r)
        p = constant(1.9875691500e-4)
        for term in (1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1):
            p = self.fma(p, r, constant(term))
        p = self.fma(self.mul(p, r), r, self.add(r, constant(1.0)))
        ints = ir.VectorType(I32, self.lanes)
        exponent = build.add(build.fptosi(n, ints), ir.Constant(ints, [127] * self.lanes))
        scale = build.bitcast(build.shl(exponent, ir.Constant(ints, [23] * self.lanes)), self.vector)
        power = build.select(tiny, constant(0.0), self.mul(p, scale))
        return build.select(build.fcmp_unordered("uno", given, given), given, power)  # larger() has dropped a NaN

    def least(self, a: Value, b: Value) -> Value:
        """The smaller of two whole numbers."""
        return self.build.select(self.build.icmp_signed("<", a, b), a, b)

    def _tree(self, vector: Value, combine: Callable[[Value, Value], Value]) -> Value:
        width = self.lanes
        while width > 1:
            width //= 2
            low = ir.Constant(ir.VectorType(I32, width), list(range(width)))
            high = ir.Constant(ir.VectorType(I32, width), list(range(width, 2 * width)))
            undefined = ir.Constant(vector.type, ir.Undefined)
            vector = combine(
                self.build.shuffle_vector(vector, undefined, low), self.build.shuffle_vector(vector, undefined, high)
            )
        return self.build.extract_element(vector, ir.Constant(I32, 0))

    def _intrinsic(self, name: str, kind: ir.Type, arguments: list[Value]) -> Value:
        whole = f"{name}.v{kind.count}f32" if isinstance(kind, ir.VectorType) else f"{name}.f32"
        declared = self.module.globals.get(whole)
        if declared is None:
            declared = ir.Function(self.module, ir.FunctionType(kind, [kind] * len(arguments)), whole)
        return self.build.call(declared, arguments)

    # Memory

    def field(self, struct: Value, index: int, kind: ir.Type) -> Value:
        """The 8-byte field `index` of a struct, read as `kind`."""
        place = self.build.gep(struct, [self.whole(8 * index)])
        return self.build.load(self.build.bitcast(place, kind.as_pointer()))

    def load_int(self, base: Value, index: Value, kind: ir.Type = I32) -> Value:
        """Element `index` of an array of `kind`, as 64 bits."""
        place = self.build.gep(self.build.bitcast(base, kind.as_pointer()), [index])
        return self.build.sext(self.build.load(place), I64) if kind is not I64 else self.build.load(place)

    def load_real(self, base: Value, index: Value) -> Value:
        """Element `index` of an array of float32."""
        return self.build.load(self.build.gep(self.build.bitcast(base, F32.as_pointer()), [index]))

    def load(self, base: Value, index: Value, storage: Storage) -> Value:
        """`lanes` stored numbers from element `index` on."""
        raw_kind = {"bfloat16": I16, "float16": HALF, "float32": F32}[storage]
        raw = self.build.load(self._at(base, index, ir.VectorType(raw_kind, self.lanes), storage), align=2)
        if storage == "float32":
            return raw
        if storage == "float16":
            return self.build.fpext(raw, self.vector)
        ints = ir.VectorType(I32, self.lanes)
        wide = self.build.shl(self.build.zext(raw, ints), ir.Constant(ints, [16] * self.lanes))
        return self.build.bitcast(wide, self.vector)

    def prefetch(self, base: Value, index: Value, size: int) -> None:
        """Ask for the cache line of element `index`, of `size` bytes, and go on."""
        name = "llvm.prefetch.p0"
        declared = self.module.globals.get(name)
        if declared is None:
            declared = ir.Function(self.module, ir.FunctionType(ir.VoidType(), [POINTER, I32, I32, I32]), name)
        place = self.build.gep(base, [self.build.mul(index, self.whole(size))])
        self.build.call(declared, [place, *(ir.Constant(I32, flag) for flag in (0, 3, 1))])  # to read, to keep, data

    def store(self, vector: Value, base: Value, index: Value, storage: Storage) -> None:
        """Write a vector, rounded to nearest even. A NaN stays one."""
        if storage == "float16":
            vector = self.build.fptrunc(vector, ir.VectorType(HALF, self.lanes))
        elif storage == "bfloat16":
            vector = self._to_bfloat16(vector)
        self.build.store(vector, self._at(base, index, vector.type, storage), align=2)

    def _to_bfloat16(self, vector: Value) -> Value:
        build, ints = self.build, ir.VectorType(I32, self.lanes)

        def every(value: int) -> Value:
            return ir.Constant(ints, [value] * self.lanes)

        bits = build.bitcast(vector, ints)
        odd = build.and_(build.lshr(bits, every(16)), every(1))
        rounded = build.add(bits, build.add(odd, every(0x7FFF)))
        rounded = build.select(build.fcmp_unordered("uno", vector, vector), every(0x7FC00000), rounded)
        return build.trunc(build.lshr(rounded, every(16)), ir.VectorType(I16, self.lanes))

    def _at(self, base: Value, index: Value, kind: ir.Type, storage: Storage) -> Value:
        place = self.build.gep(base, [self.build.mul(index, self.whole(_BYTES[storage]))])
        return self.build.bitcast(place, kind.as_pointer())

    # Variables and loops

    def variable(self, kind: ir.Type, count: int = 1) -> Value:
        """A place on the stack, which the compiler turns into registers where it can."""
        with self.build.goto_entry_block():
            return self.build.alloca(kind, size=count)

    @contextmanager
    def loop(self, start: Value, stop: Value) -> Iterator[Value]:
        """`for index in range(start, stop)`."""
        build, function = self.build, self.function
        before = build.block
        head, body, after = (function.append_basic_block(name) for name in ("head", "body", "after"))
        build.branch(head)
        build.position_at_end(head)
        index = build.phi(I64)
        index.add_incoming(start, before)
        build.cbranch(build.icmp_signed("<", index, stop), body, after)
        build.position_at_end(body)
        yield index
        index.add_incoming(build.add(index, self.whole(1)), build.block)
        build.branch(head)
        build.position_at_end(after)

    @contextmanager
    def shared_loop(self, counter: Value, stop: Value) -> Iterator[Value]:
        """Indexes below `stop`, each taken by one of the threads that run this function; `counter` starts at 0."""
        build, function = self.build, self.function
        head, body, after = (function.append_basic_block(name) for name in ("take", "work", "done"))
        build.branch(head)
        build.position_at_end(head)
        index = self.take(counter)
        build.cbranch(build.icmp_signed("<", index, stop), body, after)
        build.position_at_end(body)
        yield index
        build.branch(head)
        build.position_at_end(after)

    def take(self, counter: Value) -> Value:
        """The next number of a counter that all threads share."""
        return self.build.atomic_rmw(
            "add", self.build.bitcast(counter, I64.as_pointer()), self.whole(1), "monotonic"
        )

    def finish(self) -> None:
        self.build.ret_void()

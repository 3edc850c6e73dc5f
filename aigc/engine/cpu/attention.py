"""Attention of single tokens over pages of keys and values: the CPU kernel.

Every token is computed by itself, over the pages of its row in their order, so its bits depend on nothing else in the
step. The heads of one key/value head are taken together: keys and values are read and widened once for them all.
The softmax is the online one (Milakov and Gimelshein 2018), a page at a time.
"""

from __future__ import annotations

import ctypes
from typing import NamedTuple

import torch
from llvmlite import ir

from aigc.engine.cpu.compiler import Kernel, lanes
from aigc.engine.cpu.ir import F32, I64, POINTER, Code, Storage, Value
from aigc.engine.pages import PAGE


class Shape(NamedTuple):
    """What a kernel is compiled for."""

    heads: int
    kv_heads: int
    head_dim: int
    storage: Storage
    soft_capped: bool

    @property
    def lanes(self) -> int:
        """Floats in the kernel's vectors: as many as the CPU has, if they divide a head."""
        return lanes() if self.head_dim % lanes() == 0 else 8


class _Arguments(ctypes.Structure):
    """8 bytes each, in the order of `_FIELDS`."""

    _fields_ = (
        ("query", ctypes.c_void_p),
        ("keys", ctypes.c_void_p),
        ("values", ctypes.c_void_p),
        ("out", ctypes.c_void_p),
        ("table", ctypes.c_void_p),
        ("rows", ctypes.c_void_p),
        ("positions", ctypes.c_void_p),
        ("counter", ctypes.c_void_p),
        ("tokens", ctypes.c_int64),
        ("table_width", ctypes.c_int64),
        ("token_stride", ctypes.c_int64),
        ("head_stride", ctypes.c_int64),
        ("window", ctypes.c_int64),
        ("scale", ctypes.c_float),
        ("_pad0", ctypes.c_float),
        ("soft_cap", ctypes.c_float),
        ("_pad1", ctypes.c_float),
    )


_FIELDS = [name for name, _ in _Arguments._fields_ if not name.startswith("_")]
_KINDS = {**dict.fromkeys(_FIELDS[:8], POINTER), **dict.fromkeys(_FIELDS[8:13], I64), "scale": F32, "soft_cap": F32}


class PageAttention:
    """The compiled kernel for one shape. Raises ValueError for a shape it does not have."""

    def __init__(self, shape: Shape) -> None:
        if shape.head_dim % 8:
            raise ValueError(f"no kernel for heads of {shape.head_dim} numbers")
        module = ir.Module(name="attention")
        _Writer(Code(module, "attend", 1, shape.lanes), shape).write()
        self._kernel = Kernel(module, "attend")

    def __call__(
        self,
        query: torch.Tensor,
        keys: torch.Tensor,
        values: torch.Tensor,
        table: torch.Tensor,
        rows: torch.Tensor,
        positions: torch.Tensor,
        *,
        scale: float,
        window: int = 0,
        soft_cap: float = 0.0,
    ) -> torch.Tensor:
        """Attended values, [tokens, heads, head_dim].

        Args:
            query: [heads, tokens, head_dim], of any strides but the last.
            keys, values: [pages, PAGE, kv_heads, head_dim], contiguous.
            table: int32 [rows, pages of a row], the pages of each row in order.
            rows, positions: int32 [tokens], whose token it is and where in its row; it sees all up to itself.
            window: how many positions it sees at most, itself included; 0 for all.
        """
        heads, tokens, head_dim = query.shape
        out = torch.empty(tokens, heads, head_dim, dtype=query.dtype)
        counter = ctypes.c_int64(0)
        arguments = _Arguments(
            query.data_ptr(),
            keys.data_ptr(),
            values.data_ptr(),
            out.data_ptr(),
            table.data_ptr(),
            rows.data_ptr(),
            positions.data_ptr(),
            ctypes.addressof(counter),
            tokens,
            table.stride(0),
            query.stride(1),
            query.stride(0),
            window or 1 << 40,
            scale,
            0.0,
            soft_cap,
            0.0,
        )
        self._kernel.run(arguments)
        return out


class _Writer:
    """Writes the kernel: for each token and key/value head, a share of the heads that fits the registers."""

    def __init__(self, code: Code, shape: Shape) -> None:
        self.code, self.shape = code, shape
        self.chunks = shape.head_dim // code.lanes
        group = shape.heads // shape.kv_heads
        room = 12 if lanes() == 16 else 8  # vectors for the sums, of 32 or 16 registers
        self.together = max(n for n in range(1, group + 1) if group % n == 0 and (n * self.chunks <= room or n == 1))
        self.shares = shape.heads // self.together
        struct = code.function.args[0]
        self.given = {name: code.field(struct, i, _KINDS[name]) for i, name in enumerate(_FIELDS)}
        heads = range(self.together)
        self.sums = [[code.variable(code.vector) for _ in range(self.chunks)] for _ in heads]
        self.totals = [code.variable(code.vector) for _ in heads]
        self.best = [code.variable(F32) for _ in heads]
        self.scores = [code.variable(F32, PAGE) for _ in heads]

    def write(self) -> None:
        code, given = self.code, self.given
        items = code.build.mul(given["tokens"], code.whole(self.shares))
        with code.shared_loop(given["counter"], items) as item:
            self._item(code.build.sdiv(item, code.whole(self.shares)), code.build.srem(item, code.whole(self.shares)))
        code.finish()

    def _item(self, token: Value, share: Value) -> None:
        code, build, given = self.code, self.code.build, self.given
        head = build.mul(share, code.whole(self.together))
        kv_head = build.sdiv(head, code.whole(self.shape.heads // self.shape.kv_heads))
        position = code.load_int(given["positions"], token)
        pages = build.mul(code.load_int(given["rows"], token), given["table_width"])
        first = build.add(build.sub(position, given["window"]), code.whole(1))
        first = build.select(build.icmp_signed("<", first, code.whole(0)), code.whole(0), first)
        query = self._query(token, head)
        self._clear()
        page = code.whole(PAGE)
        last = build.add(build.sdiv(position, page), code.whole(1))
        with code.loop(build.sdiv(first, page), last) as block:
            base = build.mul(code.load_int(given["table"], build.add(pages, block)), page)
            start = build.mul(block, page)
            low, high = build.sub(first, start), build.add(build.sub(position, start), code.whole(1))
            low = build.select(build.icmp_signed("<", low, code.whole(0)), code.whole(0), low)
            high = build.select(build.icmp_signed(">", high, page), page, high)
            self._page(query, base, kv_head, low, high)
        self._write_out(token, head)

    def _query(self, token: Value, head: Value) -> list[list[Value]]:
        """The query vectors of the heads, scaled."""
        code, build, given = self.code, self.code.build, self.given
        scale = code.spread(given["scale"])
        at = build.mul(token, given["token_stride"])
        vectors = []
        for one in range(self.together):
            row = build.add(at, build.mul(build.add(head, code.whole(one)), given["head_stride"]))
            places = [build.add(row, code.whole(chunk * code.lanes)) for chunk in range(self.chunks)]
            vectors.append([code.mul(code.load(given["query"], at_, self.shape.storage), scale) for at_ in places])
        return vectors

    def _clear(self) -> None:
        build, code = self.code.build, self.code
        for one in range(self.together):
            build.store(code.real(float("-inf")), self.best[one])
            build.store(code.constant(0.0), self.totals[one])
            for place in self.sums[one]:
                build.store(code.constant(0.0), place)

    def _page(self, query: list[list[Value]], base: Value, kv_head: Value, low: Value, high: Value) -> None:
        """Take the positions `low` to `high` of one page in."""
        code = self.code
        for one in range(self.together):
            for at in range(0, PAGE, code.lanes):
                self._store_scores(one, at, code.constant(float("-inf")))
        with code.loop(low, high) as at:
            key = self._vectors("keys", base, at, kv_head)
            for one in range(self.together):
                product = code.mul(query[one][0], key[0])
                for chunk in range(1, self.chunks):
                    product = code.fma(query[one][chunk], key[chunk], product)
                code.build.store(self._capped(code.total(product)), self._score_at(one, at))
        for one in range(self.together):
            self._weigh(one)
        with code.loop(low, high) as at:
            value = self._vectors("values", base, at, kv_head)
            for one in range(self.together):
                weight = code.spread(code.build.load(self._score_at(one, at)))
                for chunk, place in enumerate(self.sums[one]):
                    code.build.store(code.fma(weight, value[chunk], code.build.load(place)), place)

    def _capped(self, score: Value) -> Value:
        """Gemma 2's soft cap: cap · tanh(score / cap), tanh x being 1 - 2 / (e^2x + 1)."""
        if not self.shape.soft_capped:
            return score
        code, cap = self.code, self.given["soft_cap"]
        doubled = code.mul(code.real(2.0), code.build.fdiv(score, cap))
        held = code.larger(code.smaller(doubled, code.real(40.0)), code.real(-40.0))
        power = code.build.extract_element(code.exp(code.spread(held)), ir.Constant(ir.IntType(32), 0))
        share = code.build.fdiv(code.real(2.0), code.add(power, code.real(1.0)))
        return code.mul(cap, code.sub(code.real(1.0), share))

    def _weigh(self, one: int) -> None:
        """Scores to weights relative to the best so far; what was summed before is scaled to it."""
        code, build = self.code, self.code.build
        vectors = [self._load_scores(one, at) for at in range(0, PAGE, code.lanes)]
        before, best = build.load(self.best[one]), build.load(self.best[one])
        for vector in vectors:
            best = code.larger(best, code.largest(vector))
        build.store(best, self.best[one])
        shrunk = code.exp(code.spread(code.sub(before, best)))
        total = code.mul(build.load(self.totals[one]), shrunk)
        for at, vector in zip(range(0, PAGE, code.lanes), vectors, strict=True):
            weights = code.exp(code.sub(vector, code.spread(best)))
            self._store_scores(one, at, weights)
            total = code.add(total, weights)
        build.store(total, self.totals[one])
        for place in self.sums[one]:
            build.store(code.mul(build.load(place), shrunk), place)

    def _write_out(self, token: Value, head: Value) -> None:
        code, build = self.code, self.code.build
        row = build.add(build.mul(token, code.whole(self.shape.heads)), head)
        for one in range(self.together):
            total = code.spread(code.total(build.load(self.totals[one])))
            start = build.mul(build.add(row, code.whole(one)), code.whole(self.shape.head_dim))
            for chunk, place in enumerate(self.sums[one]):
                at = build.add(start, code.whole(chunk * code.lanes))
                code.store(build.fdiv(build.load(place), total), self.given["out"], at, self.shape.storage)

    def _vectors(self, name: str, base: Value, at: Value, kv_head: Value) -> list[Value]:
        code, build = self.code, self.code.build
        row = build.add(build.mul(build.add(base, at), code.whole(self.shape.kv_heads)), kv_head)
        start = build.mul(row, code.whole(self.shape.head_dim))
        places = [build.add(start, code.whole(chunk * code.lanes)) for chunk in range(self.chunks)]
        return [code.load(self.given[name], place, self.shape.storage) for place in places]

    def _score_at(self, one: int, at: Value) -> Value:
        return self.code.build.gep(self.scores[one], [at])

    def _load_scores(self, one: int, at: int) -> Value:
        place = self._score_at(one, self.code.whole(at))
        return self.code.build.load(self.code.build.bitcast(place, self.code.vector.as_pointer()), align=4)

    def _store_scores(self, one: int, at: int, vector: Value) -> None:
        place = self._score_at(one, self.code.whole(at))
        self.code.build.store(vector, self.code.build.bitcast(place, self.code.vector.as_pointer()), align=4)

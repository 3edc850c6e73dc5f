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
from aigc.engine.cpu.ir import F32, I64, POINTER, Code, Storage, Value, bytes_of
from aigc.engine.pages import PAGE

LINE_BYTES = 64
"""Of a cache."""
MOST_TOGETHER = 4
"""Heads that are multiplied with a key while it is in registers, beside their sums."""


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
        self.together = max(n for n in range(1, MOST_TOGETHER + 1) if group % n == 0)
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
            following = code.least(build.add(block, code.whole(1)), build.sub(last, code.whole(1)))
            self._fetch(build.mul(code.load_int(given["table"], build.add(pages, following)), page), kv_head)
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
        code, heads = self.code, range(self.together)
        scores: list[list[Value]] = [[] for _ in heads]
        for start in range(0, PAGE, code.lanes):
            seen = code.within(start, low, high)
            for one, vector in enumerate(self._products(query, base, kv_head, start, code.lanes)):
                capped = self._capped(vector)
                scores[one].append(code.build.select(seen, capped, code.constant(float("-inf"))))
        for one in heads:
            self._weigh(one, scores[one])
        for one in heads:  # each with its sums in registers
            with code.loop(low, high) as at:
                weight = code.spread(code.build.load(self._score_at(one, at)))
                for value, place in zip(self._vectors("values", base, at, kv_head), self.sums[one], strict=True):
                    code.build.store(code.fma(weight, value, code.build.load(place)), place)

    def _fetch(self, base: Value, kv_head: Value) -> None:
        """Have a page on its way from memory while the one before it is computed: pages lie anywhere."""
        size = bytes_of(self.shape.storage)
        for at in range(PAGE):
            start = self._start(base, self.code.whole(at), kv_head)
            for line in range(0, self.shape.head_dim, LINE_BYTES // size):
                for name in ("keys", "values"):
                    self.code.prefetch(self.given[name], self.code.build.add(start, self.code.whole(line)), size)

    def _products(
        self, query: list[list[Value]], base: Value, kv_head: Value, start: int, count: int
    ) -> list[Value]:
        """For each head the products with `count` keys from `start` on: their sums in the first `count` lanes' order.

        Sums of two halves are folded into one vector as soon as both are there. Keys that are not seen are read too:
        their page is there, whatever it holds.
        """
        code = self.code
        if count > 1:
            half = count // 2
            left = self._products(query, base, kv_head, start, half)
            right = self._products(query, base, kv_head, start + half, half)
            return [code.fold(a, b, half) for a, b in zip(left, right, strict=True)]
        key = self._vectors("keys", base, code.whole(start), kv_head)
        found = [code.mul(vectors[0], key[0]) for vectors in query]
        for chunk in range(1, self.chunks):
            found = [code.fma(vectors[chunk], key[chunk], sums) for vectors, sums in zip(query, found, strict=True)]
        return found

    def _capped(self, score: Value) -> Value:
        """Gemma 2's soft cap: cap · tanh(score / cap), tanh x being 1 - 2 / (e^2x + 1)."""
        if not self.shape.soft_capped:
            return score
        code, cap = self.code, self.code.spread(self.given["soft_cap"])
        doubled = code.mul(code.constant(2.0), code.build.fdiv(score, cap))
        held = code.larger(code.smaller(doubled, code.constant(40.0)), code.constant(-40.0))
        share = code.build.fdiv(code.constant(2.0), code.add(code.exp(held), code.constant(1.0)))
        capped = code.mul(cap, code.sub(code.constant(1.0), share))
        # larger() and smaller() have dropped a NaN.
        return code.build.select(code.build.fcmp_unordered("uno", score, score), score, capped)

    def _weigh(self, one: int, scores: list[Value]) -> None:
        """Scores to weights relative to the best so far; what was summed before is scaled to it."""
        code, build = self.code, self.code.build
        before, best = build.load(self.best[one]), build.load(self.best[one])
        for vector in scores:
            best = code.larger(best, code.largest(vector))
        build.store(best, self.best[one])
        shrunk = code.exp(code.spread(code.sub(before, best)))
        total = code.mul(build.load(self.totals[one]), shrunk)
        for at, vector in zip(range(0, PAGE, code.lanes), scores, strict=True):
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

    def _start(self, base: Value, at: Value, kv_head: Value) -> Value:
        """Where the numbers of position `at` of the page at `base` begin."""
        code, build = self.code, self.code.build
        row = build.add(build.mul(build.add(base, at), code.whole(self.shape.kv_heads)), kv_head)
        return build.mul(row, code.whole(self.shape.head_dim))

    def _vectors(self, name: str, base: Value, at: Value, kv_head: Value) -> list[Value]:
        code, start = self.code, self._start(base, at, kv_head)
        places = [code.build.add(start, code.whole(chunk * code.lanes)) for chunk in range(self.chunks)]
        return [code.load(self.given[name], place, self.shape.storage) for place in places]

    def _score_at(self, one: int, at: Value) -> Value:
        return self.code.build.gep(self.scores[one], [at])

    def _store_scores(self, one: int, at: int, vector: Value) -> None:
        place = self._score_at(one, self.code.whole(at))
        self.code.build.store(vector, self.code.build.bitcast(place, self.code.vector.as_pointer()), align=4)
